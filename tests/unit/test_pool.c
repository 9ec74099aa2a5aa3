/* base/loop's pool: as many at once as allowed, as many waiting as allowed, and results in the loop's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/loop.h"

enum { THREADS = 2, WAITING = 3, ALL = THREADS + WAITING };

static struct loop *loop;
static struct pool *pool;
static sem_t gate;
static _Atomic int inside, most, worked;
static unsigned done_count, expected;
static pthread_t loop_thread;
static struct loop_call calls[ALL + 1];

static void work(struct loop_call *c)
{
    int n = ++inside, before = most;
    while (n > before && !atomic_compare_exchange_weak(&most, &before, n))
        ;
    while (sem_wait(&gate) < 0 && errno == EINTR)
        ;
    inside--;
    worked++;
}

static void done(struct loop_call *c)
{
    assert_true(pthread_equal(loop_thread, pthread_self())); /* no takeover here: loop_run's own */
    if (++done_count == expected)
        loop_stop(loop);
}

static int setup(void **state)
{
    sem_init(&gate, 0, 0);
    inside = most = worked = 0;
    done_count = expected = 0;
    loop_thread = pthread_self();
    loop = loop_new();
    pool = pool_new(loop, THREADS, WAITING);
    for (unsigned i = 0; i <= ALL; i++)
        calls[i] = (struct loop_call){.work = work, .done = done};
    return 0;
}

static int teardown(void **state)
{
    loop_free(loop);
    return 0;
}

static void open_gate(void *arg)
{
    for (unsigned i = 0; i < ALL; i++)
        sem_post(&gate);
}

static void is_bounded(void **state)
{
    for (unsigned round = 0; round < 20; round++) {
        done_count = 0;
        expected = ALL;
        assert_int_equal(pool_waiting(pool), 0);
        for (unsigned i = 0; i < ALL; i++)
            assert_true(pool_call(pool, &calls[i]));
        assert_int_equal(pool_waiting(pool), WAITING);
        assert_false(pool_call(pool, &calls[ALL]));
        struct loop_timer *t = loop_timer_new(loop, open_gate, NULL); /* the loop goes on meanwhile */
        loop_timer_set(t, 20);
        loop_run(loop);
        loop_timer_free(t);
        assert_int_equal(done_count, ALL);
    }
    assert_int_equal(most, THREADS);
    assert_int_equal(worked, 20 * ALL);
    assert_int_equal(sem_trywait(&gate), -1);
    pool_free(pool);
}

/* What waits when the pool ends is not run; what runs is waited for. */
static void ends_after_what_runs(void **state)
{
    for (unsigned i = 0; i < ALL; i++)
        assert_true(pool_call(pool, &calls[i]));
    while (inside < THREADS)
        usleep(1000);
    for (unsigned i = 0; i < THREADS; i++)
        sem_post(&gate);
    /* A thread may take one more before the pool ends: let that one through, too. */
    while (worked < THREADS)
        usleep(1000);
    open_gate(NULL);
    pool_free(pool);
    assert_in_range(worked, THREADS, ALL);
    assert_int_equal(inside, 0);
    assert_int_equal(done_count, 0);
}

static void an_unused_pool_ends(void **state)
{
    pool_free(pool);
    assert_int_equal(worked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(ends_after_what_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unused_pool_ends, setup, teardown),
    };
    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
