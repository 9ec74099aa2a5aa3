/* contract: what every mailbox that keeps a record of ages promises (store/store.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "base/clock.h"

enum { DAY = 86400 };

static int64_t now(void)
{
    return clock_wall().tv_sec + 1;
}

static void put(const struct test *t, unsigned n, const char *text)
{
    t->backend->put(&t->place, n, span_of(text));
}

static struct store *open_store(const struct test *t)
{
    if (!t->backend->ops->ages)
        skip();
    return place_open(&t->place, t->backend->ops);
}

static int64_t *ages(struct store *s, int64_t when, bool keep, struct drop *drop)
{
    struct err err = {0};
    int64_t *first = NULL;
    drop_init(drop);
    if (s->ops->ages(s, when, keep, drop, &first, &err))
        fail_msg("ages: %s", err.text);
    return first;
}

/* The first of a message; the store is opened and closed for it. */
static int64_t age_of(const struct test *t, unsigned msg, int64_t when, bool keep)
{
    struct drop drop;
    struct store *s = open_store(t);
    int64_t *first = ages(s, when, keep, &drop), at = msg < drop.count ? first[msg] : -1;
    mem_free(first);
    drop_fini(&drop);
    s->ops->close(s);
    return at;
}

/* ---- */

static void test_the_same_messages_as_listed(void **state)
{
    struct test *t = *state;
    struct drop listed, known;
    for (unsigned i = 0; i < 5; i++)
        put(t, i, "x\n");
    struct store *s = open_store(t);
    place_list(s, &listed);
    s->ops->close(s);
    s = open_store(t);
    int64_t when = now(), *first = ages(s, when, true, &known);
    assert_int_equal(known.count, 5);
    assert_int_equal(known.octets, 0);
    for (unsigned i = 0; i < known.count; i++) {
        assert_string_equal(known.messages[i].uid, listed.messages[i].uid);
        assert_int_equal(first[i], when);
    }
    mem_free(first);
    drop_fini(&known);
    drop_fini(&listed);
    s->ops->close(s);
}

static void test_empty(void **state)
{
    struct test *t = *state;
    assert_int_equal(age_of(t, 0, now(), true), -1);
}

static void test_the_first_time_stays(void **state)
{
    struct test *t = *state;
    int64_t when = now();
    put(t, 0, "x\n");
    assert_int_equal(age_of(t, 0, when, true), when);
    put(t, 1, "y\n");
    assert_int_equal(age_of(t, 0, when + DAY, true), when);
    assert_int_equal(age_of(t, 0, when + 5 * DAY, true), when);
    assert_int_equal(age_of(t, 1, when + 5 * DAY, true), when + DAY);
}

static void test_who_only_asks_keeps_nothing(void **state)
{
    struct test *t = *state;
    int64_t when = now();
    put(t, 0, "x\n");
    assert_int_equal(age_of(t, 0, when, false), when);
    assert_int_equal(age_of(t, 0, when + DAY, true), when + DAY);
    assert_int_equal(age_of(t, 0, when + 2 * DAY, false), when + DAY);
}

/* The clock has gone back: nobody was met in the future. */
static void test_no_time_is_later_than_now(void **state)
{
    struct test *t = *state;
    int64_t when = now();
    put(t, 0, "x\n");
    assert_int_equal(age_of(t, 0, when + 9 * DAY, true), when + 9 * DAY);
    assert_int_equal(age_of(t, 0, when + DAY, true), when + DAY);
    assert_int_equal(age_of(t, 0, when + 3 * DAY, true), when + DAY);
}

static void test_what_is_marked_goes(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    int64_t when = now();
    put(t, 0, "x\n");
    put(t, 1, "y\n");
    put(t, 2, "z\n");
    assert_int_equal(age_of(t, 2, when, true), when);
    struct store *s = open_store(t);
    int64_t *first = ages(s, when + DAY, true, &drop);
    assert_true(drop_mark(&drop, 1));
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    mem_free(first);
    drop_fini(&drop);
    s->ops->close(s);
    s = open_store(t);
    place_list(s, &drop);
    assert_int_equal(drop.count, 2);
    place_expect(s, 0, "x\n");
    place_expect(s, 1, "z\n");
    drop_fini(&drop);
    s->ops->close(s);
    assert_int_equal(age_of(t, 1, when + 2 * DAY, true), when);
}

static void test_the_lock_is_a_sessions(void **state)
{
    struct test *t = *state;
    put(t, 0, "x\n");
    struct store *session = open_store(t), *other = NULL;
    struct err err = {0};
    assert_int_equal(t->backend->ops->open(&other, &t->place.root, t->place.drop, STORE_PRESENT, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    session->ops->close(session);
    assert_int_equal(t->backend->ops->open(&other, &t->place.root, t->place.drop, STORE_PRESENT, &err), 0);
    other->ops->close(other);
}

int main(void)
{
    const struct CMUnitTest promises[] = {
        PROMISE(the_same_messages_as_listed), PROMISE(empty),
        PROMISE(the_first_time_stays),        PROMISE(who_only_asks_keeps_nothing),
        PROMISE(no_time_is_later_than_now),   PROMISE(what_is_marked_goes),
        PROMISE(the_lock_is_a_sessions),
    };
    BACKEND_RUN_ALL(promises)
}
