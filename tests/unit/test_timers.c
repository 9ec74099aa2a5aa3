/* base/timers: who comes first, whoever comes, moves and goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/timers.h"

enum { MANY = 300, STEPS = 20000 };

static void as_a_walk_over_all_would_say(void **state)
{
    static struct timers_entry e[MANY];
    struct timers t = {0};
    unsigned in = 0;
    assert_null(timers_first(&t));
    timers_take(&t, &e[0]); /* harmless */
    srand(1);
    for (unsigned step = 0; step < STEPS; step++) {
        struct timers_entry *one = &e[rand() % MANY];
        if (rand() % 3) {
            in += !one->place;
            timers_set(&t, one, (uint64_t)rand() % 1000);
        } else {
            in -= one->place != 0;
            timers_take(&t, one);
        }
        const struct timers_entry *first = NULL;
        for (unsigned i = 0; i < MANY; i++)
            if (e[i].place && (!first || e[i].at < first->at))
                first = &e[i];
        assert_int_equal(t.n, in);
        assert_int_equal(first != NULL, timers_first(&t) != NULL);
        if (first)
            assert_int_equal(first->at, timers_first(&t)->at);
    }
    uint64_t before = 0;
    for (struct timers_entry *f; (f = timers_first(&t)); timers_take(&t, f)) {
        assert_true(f->at >= before);
        before = f->at;
        in--;
    }
    assert_int_equal(in, 0);
    timers_fini(&t);
    assert_null(timers_first(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_a_walk_over_all_would_say)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
