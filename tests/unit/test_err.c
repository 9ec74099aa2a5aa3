/* base/err: the table is whole, and says what the RFCs say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <cmocka.h>

#include "base/err.h"

static void every_kind_has_a_row(void **state)
{
    for (unsigned k = 0; k < ERR_KINDS; k++) {
        const struct err_row *r = err_row((enum err_kind)k);
        assert_int_equal(r->kind, k);
        assert_true(r->name && *r->name);
        assert_non_null(r->pop3);
        assert_int_equal(strlen(r->smtp), 5);
        assert_int_equal(r->exit_status == 0, k == ERR_NONE);
        for (unsigned other = 0; other < k; other++)
            assert_string_not_equal(r->name, err_row((enum err_kind)other)->name);
    }
    assert_int_equal(err_row(ERR_KINDS)->kind, ERR_TEMP);
    assert_int_equal(err_row((enum err_kind) - 1)->kind, ERR_TEMP);
}

static void means_what_the_rfcs_say(void **state)
{
    assert_string_equal(err_row(ERR_TEMP)->pop3, "SYS/TEMP");
    assert_string_equal(err_row(ERR_PERM)->pop3, "SYS/PERM");
    assert_string_equal(err_row(ERR_BUSY)->pop3, "IN-USE");
    assert_string_equal(err_row(ERR_AUTH)->pop3, "AUTH");
    assert_string_equal(err_row(ERR_UNKNOWN)->pop3, "SYS/TEMP");
    assert_string_equal(err_row(ERR_GONE)->pop3, "");
    assert_string_equal(err_row(ERR_DELAY)->pop3, "LOGIN-DELAY");
    assert_int_equal(err_row(ERR_BUSY)->exit_status, EX_TEMPFAIL);
    assert_int_equal(err_row(ERR_USAGE)->exit_status, EX_USAGE);
}

static void fills(void **state)
{
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_BUSY, "%s is held by %u", "a", 7u), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_string_equal(err.text, "a is held by 7");
    assert_int_equal(err_set(NULL, ERR_BUSY, "nobody asks"), -1);
    char longer[2 * ERR_TEXT];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    err_set(&err, ERR_INPUT, "%s", longer);
    assert_int_equal(strlen(err.text), ERR_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_row),
        cmocka_unit_test(means_what_the_rfcs_say),
        cmocka_unit_test(fills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
