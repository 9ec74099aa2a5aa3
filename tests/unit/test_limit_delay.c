/* daemon/limit_delay: LOGIN-DELAY's buckets. The time is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/limit_delay.h"

enum { ANNA = 7, BERTA = 8, DELAY = 1000 };

static void one_after_the_other(void **state)
{
    struct limit_delay l = {0};
    uint64_t now = 5000;
    (void)state;
    assert_true(limit_delay_enter(&l, ANNA, DELAY, now));
    assert_false(limit_delay_enter(&l, ANNA, DELAY, now));
    assert_true(limit_delay_enter(&l, BERTA, DELAY, now)); /* nobody else's */
    assert_true(limit_delay_enter(&l, ANNA, 0, now));      /* none */
    assert_false(limit_delay_enter(&l, ANNA, DELAY, now + 749));
    assert_true(limit_delay_would(&l, ANNA, DELAY, now + 750));
    assert_true(limit_delay_enter(&l, ANNA, DELAY, now + 750)); /* a quarter too early */
    assert_false(limit_delay_enter(&l, ANNA, DELAY, now + 1749)); /* which is made up for */
    assert_true(limit_delay_enter(&l, ANNA, DELAY, now + 1750));
    assert_true(limit_delay_enter(&l, ANNA, DELAY, now + 60000));
    assert_false(limit_delay_enter(&l, ANNA, DELAY, now + 60001)); /* nothing is saved up in an hour of silence */
    limit_delay_fini(&l);
}

/* Refused tries cost nothing: who comes again when it is time is served. */
static void refusals_do_not_count(void **state)
{
    struct limit_delay l = {0};
    (void)state;
    assert_true(limit_delay_enter(&l, ANNA, DELAY, 1));
    for (uint64_t now = 2; now < 700; now++)
        assert_false(limit_delay_enter(&l, ANNA, DELAY, now));
    assert_true(limit_delay_enter(&l, ANNA, DELAY, 1001));
    limit_delay_fini(&l);
}

static void what_came_to_nothing_is_given_back(void **state)
{
    struct limit_delay l = {0};
    (void)state;
    limit_delay_back(&l, ANNA, DELAY);
    assert_true(limit_delay_enter(&l, ANNA, DELAY, 500));
    limit_delay_back(&l, ANNA, DELAY);
    assert_true(limit_delay_enter(&l, ANNA, DELAY, 501));
    assert_false(limit_delay_enter(&l, ANNA, DELAY, 502));
    limit_delay_fini(&l);
}

/* A poll that wavers by a tenth is always served; one at two thirds of the delay is served once in a delay on average. */
static void polls(void **state)
{
    struct limit_delay l = {0};
    unsigned served = 0;
    uint64_t now = 10000;
    (void)state;
    for (unsigned i = 0; i < 100; i++, now += i % 2 ? DELAY - 100 : DELAY + 100)
        assert_true(limit_delay_enter(&l, ANNA, DELAY, now));
    for (unsigned i = 0; i < 300; i++, now += 660)
        served += limit_delay_enter(&l, BERTA, DELAY, now);
    assert_in_range(served, 140, 200);
    limit_delay_fini(&l);
}

/* An administrator makes a delay of days one of a second: it is so at once. */
static void one_that_becomes_shorter(void **state)
{
    struct limit_delay l = {0};
    (void)state;
    assert_true(limit_delay_enter(&l, ANNA, 1000000, 500));
    assert_false(limit_delay_would(&l, ANNA, 1000000, 600));
    assert_true(limit_delay_enter(&l, ANNA, DELAY, 600));
    assert_false(limit_delay_would(&l, ANNA, DELAY, 700));
    assert_true(limit_delay_enter(&l, ANNA, DELAY, 1350)); /* a quarter too early */
    assert_false(limit_delay_enter(&l, ANNA, DELAY, 1351));
    limit_delay_fini(&l);
}

/* However many come, the memory stays; who was longest ago is forgotten first, and served. */
static void bounded(void **state)
{
    struct limit_delay l = {0};
    (void)state;
    for (uint64_t i = 0; i <= LIMIT_DELAY_WAYS; i++)
        assert_true(limit_delay_enter(&l, ANNA + i * LIMIT_DELAY_SETS, DELAY, 100 + i));
    for (uint64_t i = 1; i <= LIMIT_DELAY_WAYS; i++)
        assert_false(limit_delay_would(&l, ANNA + i * LIMIT_DELAY_SETS, DELAY, 110));
    assert_true(limit_delay_would(&l, ANNA, DELAY, 110));
    limit_delay_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_after_the_other), cmocka_unit_test(refusals_do_not_count),
        cmocka_unit_test(what_came_to_nothing_is_given_back), cmocka_unit_test(polls), cmocka_unit_test(bounded),
        cmocka_unit_test(one_that_becomes_shorter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
