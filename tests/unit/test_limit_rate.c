/* daemon/limit_rate: so many in a time, for each owner; the test says what time it is. daemon/limit_address: what one address is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/limit_address.h"
#include "daemon/limit_rate.h"

enum { MINUTE = 60000, SETS = 8192 /* of the table, of eight owners each */ };

static int fresh(void **state)
{
    *state = limit_rate_new();
    return 0;
}

static int over(void **state)
{
    limit_rate_free(*state);
    return 0;
}

static unsigned taken(struct limit_rate *t, uint64_t owner, unsigned tries, uint64_t most, uint64_t now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++)
        n += limit_rate_take(t, owner, most, MINUTE, now);
    return n;
}

static void so_many_at_once_and_then_evenly(void **state)
{
    struct limit_rate *t = *state;
    uint64_t now = 1000000;
    assert_int_equal(taken(t, 1, 30, 10, now), 10);
    assert_true(limit_rate_full(t, 1, 10, MINUTE, now));
    assert_int_equal(taken(t, 1, 30, 10, now + 5999), 0);
    assert_int_equal(taken(t, 1, 30, 10, now + 6000), 1);
    assert_int_equal(taken(t, 1, 30, 10, now + 6000), 0);
    assert_int_equal(taken(t, 1, 30, 10, now + 36000), 5);
    assert_int_equal(taken(t, 1, 30, 10, now + 36000 + MINUTE - 1), 9);
    assert_int_equal(taken(t, 1, 99, 10, now + 100 * MINUTE), 10);
    assert_int_equal(taken(t, 2, 30, 10, now), 10); /* another */
}

/* Whoever tries on and on is not held out the longer for it. */
static void what_is_refused_does_not_count(void **state)
{
    struct limit_rate *t = *state;
    unsigned n = 0;
    for (uint64_t now = 0; now < 10 * MINUTE; now += 100)
        n += limit_rate_take(t, 1, 10, MINUTE, now);
    assert_in_range(n, 10 + 98, 10 + 100);
}

static void a_million_a_minute(void **state)
{
    struct limit_rate *t = *state;
    assert_int_equal(taken(t, 1, 1000001, 1000000, 5), 1000000);
    assert_int_equal(taken(t, 1, 100, 1000000, 6), 16);
}

static void no_limit(void **state)
{
    struct limit_rate *t = *state;
    assert_int_equal(taken(t, 1, 1000, 0, 7), 1000);
    assert_false(limit_rate_full(t, 1, 0, MINUTE, 7));
    assert_true(limit_rate_dry(t, 1, 7));
    limit_rate_give_back(t, 1, 0, MINUTE, 7);
}

static void what_was_taken_can_be_given_back(void **state)
{
    struct limit_rate *t = *state;
    assert_int_equal(taken(t, 1, 30, 10, 500), 10);
    limit_rate_give_back(t, 1, 10, MINUTE, 500);
    limit_rate_give_back(t, 1, 10, MINUTE, 500);
    assert_int_equal(taken(t, 1, 30, 10, 500), 2);
    for (int i = 0; i < 20; i++)
        limit_rate_give_back(t, 1, 10, MINUTE, 500); /* no more than there was */
    assert_true(limit_rate_dry(t, 1, 500));
    assert_int_equal(taken(t, 1, 30, 10, 500), 10);
}

static void dry_again(void **state)
{
    struct limit_rate *t = *state;
    assert_true(limit_rate_dry(t, 9, 100));
    limit_rate_add(t, 9, 1, MINUTE, 100);
    limit_rate_add(t, 9, 1, MINUTE, 200); /* full already: nothing */
    assert_false(limit_rate_dry(t, 9, 100 + MINUTE - 1));
    assert_true(limit_rate_dry(t, 9, 100 + MINUTE));
}

static void touched_again(void **state)
{
    enum { HOUR = 60 * MINUTE };
    struct limit_rate *t = *state;
    for (uint64_t hours = 0; hours <= 23; hours += 23)
        limit_rate_touch(t, 9, 24 * HOUR, hours * HOUR);
    assert_false(limit_rate_dry(t, 9, 46 * HOUR));
    assert_false(limit_rate_dry(t, 9, 47 * HOUR - 1));
    assert_true(limit_rate_dry(t, 9, 47 * HOUR));
    assert_true(limit_rate_dry(t, 8, 0)); /* another */
}

/* Many who have tried once do not make it forget who has tried often. */
static void the_often_are_not_forgotten_for_the_many(void **state)
{
    struct limit_rate *t = *state;
    assert_int_equal(taken(t, 3, 30, 10, 1000), 10);
    for (uint64_t i = 1; i <= 1000; i++)
        assert_true(limit_rate_take(t, 3 + i * SETS, 10, MINUTE, 1000)); /* all of one set */
    assert_int_equal(taken(t, 3, 30, 10, 1000), 0);
}

/* It grows for them: far from full it forgets nobody. */
static void the_many_are_remembered_too(void **state)
{
    enum { MANY = 20000 };
    struct limit_rate *t = *state;
    for (uint64_t i = 1; i <= MANY; i++)
        assert_true(limit_rate_take(t, i * 0x9E3779B97F4A7C15u, 1, MINUTE, 1000));
    for (uint64_t i = 1; i <= MANY; i++)
        assert_false(limit_rate_take(t, i * 0x9E3779B97F4A7C15u, 1, MINUTE, 1001));
    for (uint64_t i = 1; i <= MANY; i++)
        assert_true(limit_rate_dry(t, i * 0x9E3779B97F4A7C15u, 1000 + MINUTE));
}

static void what_one_address_is(void **state)
{
    uint64_t a, b;
    (void)state;
    assert_true(limit_address("192.0.2.1", &a) && limit_address("192.0.2.2", &b) && a != b);
    assert_true(limit_address("2001:db8:0:1::1", &a) && limit_address("2001:db8:0:1:ffff::2", &b) && a == b);
    assert_true(limit_address("2001:db8:0:2::1", &b) && a != b);
    assert_true(limit_address("::c000:201", &a) && limit_address("192.0.2.1", &b) && a != b);
    assert_false(limit_address("unix", &a));
    assert_false(limit_address("", &a));
    assert_false(limit_address("192.0.2.1:110", &a));
}

int main(void)
{
#define WITH_TABLE(test) cmocka_unit_test_setup_teardown(test, fresh, over)
    const struct CMUnitTest tests[] = {
        WITH_TABLE(so_many_at_once_and_then_evenly),
        WITH_TABLE(what_is_refused_does_not_count),
        WITH_TABLE(a_million_a_minute),
        WITH_TABLE(no_limit),
        WITH_TABLE(what_was_taken_can_be_given_back),
        WITH_TABLE(dry_again),
        WITH_TABLE(touched_again),
        WITH_TABLE(the_often_are_not_forgotten_for_the_many),
        WITH_TABLE(the_many_are_remembered_too),
        cmocka_unit_test(what_one_address_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
