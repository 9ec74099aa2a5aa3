/* base/log_kept: the last errors and warnings, from memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_kept.h"

static unsigned kept(void)
{
    struct log_kept line;
    unsigned n = 0;
    while (log_kept(n, &line))
        n++;
    return n;
}

static void errors_and_warnings(void **state)
{
    struct log_kept line;
    assert_int_equal(kept(), 0);
    log_info("session", "nothing of it is kept");
    log_warning("busy", "user=%s", log_quote_text("a\x1b"));
    log_error("open", "no\nway");
    assert_int_equal(kept(), 2);
    assert_true(log_kept(0, &line));
    assert_string_equal(line.text, "busy: user=\"a\\x1b\"");
    assert_int_equal(line.level, LOG_L_WARNING);
    assert_in_range(line.seconds, clock_wall().tv_sec - 60, clock_wall().tv_sec);
    assert_true(log_kept(1, &line));
    assert_string_equal(line.text, "open: no\\x0away");
    assert_int_equal(line.level, LOG_L_ERROR);
}

static void the_last_ones(void **state)
{
    struct log_kept line;
    char text[20];
    for (unsigned i = 0; i < LOG_KEPT + 5; i++)
        log_error("e", "%u", i);
    assert_int_equal(kept(), LOG_KEPT);
    for (unsigned i = 0; i < LOG_KEPT; i++) {
        assert_true(log_kept(i, &line));
        snprintf(text, sizeof text, "e: %u", i + 5);
        assert_string_equal(line.text, text);
    }
}

static void a_long_one_is_cut(void **state)
{
    struct log_kept line;
    log_error("e", "%0600d", 7);
    assert_true(log_kept(LOG_KEPT - 1, &line));
    assert_int_equal(strlen(line.text), LOG_KEPT_TEXT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_and_warnings),
        cmocka_unit_test(the_last_ones),
        cmocka_unit_test(a_long_one_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
