/* base/clock: dates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"

static void dates(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {0, "Thu, 1 Jan 1970 00:00:00 +0000"},           {951782400, "Tue, 29 Feb 2000 00:00:00 +0000"},
        {951868799, "Tue, 29 Feb 2000 23:59:59 +0000"},  {951868800, "Wed, 1 Mar 2000 00:00:00 +0000"},
        {1795532400, "Tue, 24 Nov 2026 15:00:00 +0000"}, {4107542400, "Mon, 1 Mar 2100 00:00:00 +0000"},
        {-1, "Wed, 31 Dec 1969 23:59:59 +0000"},
    };
    char out[CLOCK_HEADER];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clock_header(rows[i].seconds, out);
        assert_string_equal(out, rows[i].text);
    }
}

static void agrees_with_the_library(void **state)
{
    (void)state;
    for (int64_t t = -4000000000; t < 8000000000; t += 8640731) {
        struct clock_date d = clock_date(t);
        time_t same = (time_t)t;
        struct tm tm;
        gmtime_r(&same, &tm);
        assert_int_equal(d.year, tm.tm_year + 1900);
        assert_int_equal(d.month, tm.tm_mon + 1);
        assert_int_equal(d.day, tm.tm_mday);
        assert_int_equal(d.hour, tm.tm_hour);
        assert_int_equal(d.minute, tm.tm_min);
        assert_int_equal(d.second, tm.tm_sec);
        assert_int_equal(d.weekday, tm.tm_wday);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates), cmocka_unit_test(agrees_with_the_library)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
