/* auth_remember: what is remembered of passwords, how long, and that less of it is remembered once the option says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/auth_state.h"

static char anna[] = "anna", verifier[] = "$y$first", other[] = "$y$second";

static int begin(void **state)
{
    struct auth *a = mem_alloc(sizeof *a);
    a->start.conf.password_remember = 60000;
    auth_remember_init(a);
    *state = a;
    return 0;
}

static int finish(void **state)
{
    struct auth *a = *state;
    mem_free(a->remembered);
    mem_free(a);
    return 0;
}

static bool known(struct auth *a, char *with, const char *password)
{
    const struct user u = {.name = anna, .verifier = with};
    return auth_remembers(a, &u, span_of(password));
}

static void learn(struct auth *a, const char *password)
{
    const struct user u = {.name = anna, .verifier = verifier};
    auth_remember(a, &u, span_of(password));
}

static void only_what_was_verified(void **state)
{
    struct auth *a = *state;
    assert_false(known(a, verifier, "right"));
    learn(a, "right");
    assert_true(known(a, verifier, "right"));
    assert_false(known(a, verifier, "wrong"));
    assert_false(known(a, verifier, ""));
    assert_false(known(a, other, "right")); /* it has been changed since */
}

static void for_so_long(void **state)
{
    struct auth *a = *state;
    a->start.conf.password_remember = 30;
    learn(a, "right");
    usleep(60000);
    assert_false(known(a, verifier, "right"));
}

static void nothing_when_told_so(void **state)
{
    struct auth *a = *state;
    a->start.conf.password_remember = 0;
    learn(a, "right");
    a->start.conf.password_remember = 60000;
    assert_false(known(a, verifier, "right"));
}

static void forgotten_when_told_so(void **state)
{
    struct auth *a = *state;
    learn(a, "right");
    a->start.conf.password_remember = 0;
    auth_remember_shorter(a);
    assert_false(known(a, verifier, "right"));
    a->start.conf.password_remember = 60000; /* and not remembered again with the option */
    auth_remember_shorter(a);
    assert_false(known(a, verifier, "right"));
    learn(a, "right");
    assert_true(known(a, verifier, "right"));
}

static void forgotten_sooner_when_told_so(void **state)
{
    struct auth *a = *state;
    learn(a, "right");
    a->start.conf.password_remember = 30;
    auth_remember_shorter(a);
    usleep(60000);
    assert_false(known(a, verifier, "right"));
}

/* Its memory grows with them; far from its most nobody is forgotten. */
static void many_users(void **state)
{
    enum { MANY = 10000 };
    struct auth *a = *state;
    char name[16];
    const struct user u = {.name = name, .verifier = verifier};
    unsigned forgotten = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "u%u", i);
        assert_false(auth_remembers(a, &u, span_of("right")));
        auth_remember(a, &u, span_of("right"));
    }
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "u%u", i);
        forgotten += !auth_remembers(a, &u, span_of("right"));
        assert_false(auth_remembers(a, &u, span_of("wrong")));
    }
    assert_true(forgotten <= 2); /* of a set that is full when it grows no more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_was_verified, begin, finish),
        cmocka_unit_test_setup_teardown(for_so_long, begin, finish),
        cmocka_unit_test_setup_teardown(nothing_when_told_so, begin, finish),
        cmocka_unit_test_setup_teardown(forgotten_when_told_so, begin, finish),
        cmocka_unit_test_setup_teardown(many_users, begin, finish),
        cmocka_unit_test_setup_teardown(forgotten_sooner_when_told_so, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
