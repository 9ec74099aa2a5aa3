/* daemon/limit_peers: connections of an address, messages in a minute; the clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "daemon/limit_peers.h"

static uint64_t now = 1000000;

uint64_t __wrap_clock_ms(void);
uint64_t __wrap_clock_ms(void)
{
    return now;
}

static void connections(void **state)
{
    struct limit_peers p = {0};
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(limit_peers_enter(&p, "192.0.2.1", 3));
    assert_false(limit_peers_enter(&p, "192.0.2.1", 3));
    assert_true(limit_peers_enter(&p, "192.0.2.2", 3));
    limit_peers_leave(&p, "192.0.2.1");
    assert_true(limit_peers_enter(&p, "192.0.2.1", 3));
    assert_false(limit_peers_enter(&p, "192.0.2.1", 3));
    now += 3600000; /* they stay open for an hour, and count */
    assert_false(limit_peers_enter(&p, "192.0.2.1", 3));
    limit_peers_fini(&p);
}

static void a_network_of_64_bits_is_one(void **state)
{
    struct limit_peers p = {0};
    (void)state;
    assert_true(limit_peers_enter(&p, "2001:db8:0:1::1", 2));
    assert_true(limit_peers_enter(&p, "2001:db8:0:1:ffff::2", 2));
    assert_false(limit_peers_enter(&p, "2001:db8:0:1::3", 2));
    assert_true(limit_peers_enter(&p, "2001:db8:0:2::1", 2));
    limit_peers_fini(&p);
}

static void messages(void **state)
{
    struct limit_peers p = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_true(limit_peers_message(&p, "192.0.2.1", 5));
    assert_false(limit_peers_message(&p, "192.0.2.1", 5));
    assert_true(limit_peers_message(&p, "192.0.2.9", 5));
    assert_true(limit_peers_message(&p, "192.0.2.1", 0)); /* no limit */
    now += 59999;
    assert_false(limit_peers_message(&p, "192.0.2.1", 5));
    now += 1;
    assert_true(limit_peers_message(&p, "192.0.2.1", 5));
    limit_peers_fini(&p);
}

static void no_address_no_limit(void **state)
{
    struct limit_peers p = {0};
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(limit_peers_enter(&p, "unix", 1) && limit_peers_message(&p, "unix", 1));
    limit_peers_leave(&p, "unix");
    assert_int_equal(p.peers.count, 0);
}

static void what_has_passed_is_not_kept(void **state)
{
    struct limit_peers p = {0};
    char address[32];
    (void)state;
    assert_true(limit_peers_enter(&p, "192.0.2.1", 3));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(address, sizeof address, "10.0.%u.%u", i / 250, i % 250);
        assert_true(limit_peers_message(&p, address, 5));
    }
    assert_int_equal(p.peers.count, 5001);
    now += 61000;
    assert_true(limit_peers_enter(&p, "192.0.2.1", 3));
    assert_int_equal(p.peers.count, 1);
    assert_true(limit_peers_enter(&p, "192.0.2.1", 3));
    assert_false(limit_peers_enter(&p, "192.0.2.1", 3));
    limit_peers_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections),
        cmocka_unit_test(a_network_of_64_bits_is_one),
        cmocka_unit_test(messages),
        cmocka_unit_test(no_address_no_limit),
        cmocka_unit_test(what_has_passed_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
