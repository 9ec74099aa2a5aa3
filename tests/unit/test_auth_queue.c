/* auth_queue: whose password a thread checks next, and whose it need not check any more. The pool is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "daemon/auth_state.h"

enum { WAITERS = 6 };

struct waiter {
    struct auth_queued queued;
    struct loop_call call;
    struct auth_session session;
    uint64_t address;
    enum auth_line line;
    bool remembered; /* what he shows, by now */
    bool full;       /* his address has failed as often as it may */
    enum { WAITS, CHECKED, ANSWERED, DROPPED, PUT_OFF, PUT_OFF_SLOWLY } came_to;
};

static struct waiter waiters[WAITERS];
static struct waiter *in_pool; /* whom the one thread works for */

/* ---- what auth_queue.c asks of others */

bool pool_call(struct pool *p, struct loop_call *c)
{
    assert_null(in_pool);
    in_pool = c->arg;
    in_pool->came_to = CHECKED;
    return true;
}

static const struct waiter *waiter_of(const struct auth_session *s)
{
    return (const struct waiter *)((const char *)s - offsetof(struct waiter, session));
}

uint64_t auth_line_of(const struct auth_session *s)
{
    return waiter_of(s)->address;
}

enum auth_line auth_limit_line(const struct auth *a, const struct auth_session *s)
{
    return waiter_of(s)->line;
}

bool auth_limit_may_fail(struct auth *a, const struct auth_session *s)
{
    return !waiter_of(s)->full;
}

void limit_reached(struct limit *l, const char *what)
{
    l->count++;
}

/* ---- who waits */

static struct waiter *of(struct auth_queued *q)
{
    return (struct waiter *)((char *)q - offsetof(struct waiter, queued));
}

static bool answer(struct auth_queued *q)
{
    if (of(q)->remembered)
        of(q)->came_to = ANSWERED;
    return of(q)->remembered;
}

static void drop(struct auth_queued *q)
{
    of(q)->came_to = DROPPED;
}

static void put_off(struct auth_queued *q, bool slowly)
{
    of(q)->came_to = slowly ? PUT_OFF_SLOWLY : PUT_OFF;
}

static bool ask(struct auth *a, unsigned i, uint64_t address, enum auth_line line)
{
    struct waiter *w = &waiters[i];
    *w = (struct waiter){.address = address, .line = line};
    w->call.arg = w;
    w->queued = (struct auth_queued){.call = &w->call, .answer = answer, .drop = drop, .put_off = put_off};
    return auth_queue_add(a, &w->queued, &w->session);
}

/* The thread has done its work; who comes next, or -1. */
static int next(struct auth *a)
{
    in_pool = NULL;
    auth_queue_done(a);
    return in_pool ? (int)(in_pool - waiters) : -1;
}

static int begin(void **state)
{
    struct auth *a = mem_alloc(sizeof *a);
    a->start.conf.password_threads = 1;
    a->start.conf.password_waiting = WAITERS;
    in_pool = NULL;
    *state = a;
    return 0;
}

static int finish(void **state)
{
    struct auth *a = *state;
    for (int i = 0; i < AUTH_LINES; i++)
        crowd_fini(&a->checks[i]);
    mem_free(a);
    return 0;
}

/* ---- */

static void addresses_take_turns(void **state)
{
    struct auth *a = *state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(ask(a, i, 1, AUTH_SUSPECT));
    assert_true(ask(a, 4, 2, AUTH_SUSPECT));
    assert_ptr_equal(in_pool, &waiters[0]);
    assert_int_equal(next(a), 1);
    assert_int_equal(next(a), 4);
    assert_int_equal(next(a), 2);
    assert_int_equal(next(a), 3);
    assert_int_equal(next(a), -1);
    assert_int_equal(a->checking, 0);
}

static void who_has_left_is_not_checked(void **state)
{
    struct auth *a = *state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(ask(a, i, 1, AUTH_STRANGE));
    waiters[1].queued.abandoned = waiters[2].queued.abandoned = true;
    waiters[1].remembered = true; /* nobody is there to be let in */
    assert_int_equal(next(a), 3);
    assert_int_equal(waiters[1].came_to, DROPPED);
    assert_int_equal(waiters[2].came_to, DROPPED);
    assert_int_equal(next(a), -1);
}

static void what_is_remembered_meanwhile_is_not_checked(void **state)
{
    struct auth *a = *state;
    for (unsigned i = 0; i < 5; i++)
        assert_true(ask(a, i, 1, AUTH_KNOWN));
    waiters[1].remembered = waiters[2].remembered = waiters[4].remembered = true;
    assert_int_equal(waiters[1].came_to, WAITS);
    assert_int_equal(next(a), 3);
    assert_int_equal(waiters[1].came_to, ANSWERED);
    assert_int_equal(waiters[2].came_to, ANSWERED);
    assert_int_equal(next(a), -1);
    assert_int_equal(waiters[4].came_to, ANSWERED);
    assert_int_equal(a->checking, 0);
    assert_true(ask(a, 5, 1, AUTH_KNOWN)); /* the next finds a free thread */
    assert_int_equal(waiters[5].came_to, CHECKED);
}

static void the_longest_line_makes_room(void **state)
{
    struct auth *a = *state;
    a->start.conf.password_waiting = 3;
    for (unsigned i = 0; i < 4; i++)
        assert_true(ask(a, i, 1, AUTH_STRANGE));
    assert_false(ask(a, 5, 1, AUTH_STRANGE));
    assert_true(ask(a, 4, 2, AUTH_STRANGE));
    assert_int_equal(waiters[3].came_to, PUT_OFF);
    assert_int_equal(a->crowded.count, 2);
    while (next(a) >= 0)
        continue;
    assert_int_equal(waiters[4].came_to, CHECKED);
}

static void who_is_suspected_meanwhile_falls_behind(void **state)
{
    struct auth *a = *state;
    assert_true(ask(a, 0, 1, AUTH_STRANGE));
    assert_true(ask(a, 1, 1, AUTH_STRANGE));
    assert_true(ask(a, 2, 2, AUTH_STRANGE));
    waiters[1].line = AUTH_SUSPECT;
    assert_int_equal(next(a), 2);
    assert_int_equal(next(a), 1);
    assert_int_equal(next(a), -1);
}

/* Not even by what is remembered: many guesses at once would be compared with it. */
static void whose_address_has_failed_meanwhile_is_not_checked(void **state)
{
    struct auth *a = *state;
    for (unsigned i = 0; i < 4; i++)
        assert_true(ask(a, i, i < 3, AUTH_STRANGE));
    waiters[1].full = waiters[2].full = waiters[2].remembered = true;
    assert_int_equal(next(a), 3);
    assert_int_equal(next(a), -1);
    assert_int_equal(waiters[1].came_to, PUT_OFF_SLOWLY);
    assert_int_equal(waiters[2].came_to, PUT_OFF_SLOWLY);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(addresses_take_turns),
        TEST(who_has_left_is_not_checked),
        TEST(what_is_remembered_meanwhile_is_not_checked),
        TEST(the_longest_line_makes_room),
        TEST(who_is_suspected_meanwhile_falls_behind),
        TEST(whose_address_has_failed_meanwhile_is_not_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
