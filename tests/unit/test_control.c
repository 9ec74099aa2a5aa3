/* base/control: what both sides check before they look into a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/control.h"

static void requests(void **state)
{
    struct control_request q;
    assert_true(control_request_make(&q, CONTROL_WHO, ""));
    assert_true(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_KICK, "anna"));
    assert_true(control_request_ok(&q));
    q.user[100] = 'x'; /* hidden behind the end */
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_KICK, ""));
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_WHO, "anna"));
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_ERRORS, "anna"));
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_ERRORS, ""));
    assert_true(control_request_ok(&q));
    assert_true(control_request_make(&q, (enum control_what)99, ""));
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_WHO, ""));
    q.version++;
    assert_false(control_request_ok(&q));
}

/* Only a test has more than a user. */
static void tests_of_passwords(void **state)
{
    struct control_request q;
    assert_true(control_request_make(&q, CONTROL_TEST, "anna"));
    assert_false(control_request_ok(&q)); /* by which method? */
    memcpy(q.method, "plain", sizeof "plain");
    memcpy(q.secret, "x", sizeof "x");
    assert_true(control_request_ok(&q));
    q.secret[CONTROL_SECRET - 1] = 'x';
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_KICK, "anna"));
    memcpy(q.secret, "x", sizeof "x");
    assert_false(control_request_ok(&q));
    assert_true(control_request_make(&q, CONTROL_TEST, ""));
    memcpy(q.method, "plain", sizeof "plain");
    assert_false(control_request_ok(&q));
}

static void long_names(void **state)
{
    struct control_request q;
    char name[CONTROL_USER + 1];
    memset(name, 'a', sizeof name);
    name[CONTROL_USER] = '\0';
    assert_false(control_request_make(&q, CONTROL_KICK, name));
    name[CONTROL_USER - 1] = '\0';
    assert_true(control_request_make(&q, CONTROL_KICK, name));
    assert_true(control_request_ok(&q));
    memset(q.user, 'a', sizeof q.user); /* no end at all */
    assert_false(control_request_ok(&q));
}

static void rows(void **state)
{
    struct control_row r;
    for (int kind = CONTROL_ROW; kind <= CONTROL_ERROR; kind++) {
        control_row_make(&r, (enum control_kind)kind);
        assert_true(control_row_ok(&r));
    }
    r.kind = CONTROL_ERROR + 1;
    assert_false(control_row_ok(&r));
    r.kind = 0;
    assert_false(control_row_ok(&r));
    control_row_make(&r, CONTROL_ROW);
    r.tls = 2;
    assert_false(control_row_ok(&r));
    control_row_make(&r, CONTROL_ROW);
    memset(r.address, '1', sizeof r.address);
    assert_false(control_row_ok(&r));
    control_row_make(&r, CONTROL_ROW);
    r.text[sizeof r.text - 1] = 'x';
    assert_false(control_row_ok(&r));
}

static void errors_are_cut(void **state)
{
    struct control_row r;
    struct err e = {.kind = ERR_BUSY};
    memset(e.text, 'e', sizeof e.text - 1);
    control_row_error(&r, &e);
    assert_true(control_row_ok(&r));
    assert_int_equal(r.kind, CONTROL_ERROR);
    assert_int_equal(r.count, ERR_BUSY);
    assert_int_equal(strlen(r.text), CONTROL_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(tests_of_passwords),
        cmocka_unit_test(long_names),
        cmocka_unit_test(rows),
        cmocka_unit_test(errors_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
