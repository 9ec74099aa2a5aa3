/* base/span: cutting, comparing, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/span.h"

static const struct span nothing = {NULL, 0};

static void from_is_bounded(void **state)
{
    struct span s = span_of("hello");
    assert_true(span_is(span_from(s, 0), "hello"));
    assert_true(span_is(span_from(s, 3), "lo"));
    assert_int_equal(span_from(s, 5).n, 0);
    assert_int_equal(span_from(s, SIZE_MAX).n, 0);
    assert_int_equal(span_from(nothing, 0).n, 0);
}

static void compares(void **state)
{
    assert_true(span_is(span_of(""), ""));
    assert_true(span_is(nothing, ""));
    assert_false(span_is(span_of("a"), ""));
    assert_false(span_is(span_of("ab"), "a"));
    assert_false(span_is((struct span){"a\0b", 3}, "a"));
    assert_true(span_is_nocase(span_of("StLs"), "STLS"));
    assert_false(span_is_nocase(span_of("STL"), "STLS"));
    assert_false(span_is_nocase(span_of("STLSX"), "STLS"));
    assert_false(span_is_nocase((struct span){"STLS\0", 5}, "STLS"));
    assert_false(span_is_nocase(span_of("{"), "["));       /* differ by the case bit, are no letters */
    assert_false(span_is_nocase(span_of("\xE4"), "\xC4")); /* ASCII only */
    assert_true(span_is_nocase(nothing, ""));
    assert_true(span_equal(nothing, span_of("")));
    assert_false(span_equal(span_of("a"), span_of("b")));
}

static void orders_bytewise(void **state)
{
    assert_true(span_compare(span_of("a"), span_of("ab")) < 0);
    assert_true(span_compare(span_of("b"), span_of("ab")) > 0);
    assert_true(span_compare(span_of("\x7f"), span_of("\x80")) < 0);
    assert_true(span_compare(nothing, span_of("")) == 0);
    assert_true(span_compare(nothing, span_of("a")) < 0);
    assert_true(span_compare(span_of("ab"), span_of("ab")) == 0);
}

static void cuts_words(void **state)
{
    struct span s = span_of("a  b");
    assert_true(span_is(span_cut(&s, ' '), "a"));
    assert_true(span_is(span_cut(&s, ' '), ""));
    assert_non_null(s.p);
    assert_true(span_is(span_cut(&s, ' '), "b"));
    assert_null(s.p);
    assert_int_equal(span_cut(&s, ' ').n, 0);
    s = span_of("x ");
    assert_true(span_is(span_cut(&s, ' '), "x"));
    assert_non_null(s.p); /* something empty follows the blank: not the same as nothing */
    assert_int_equal(s.n, 0);
}

static void reads_numbers(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } rows[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"1:", false, 0},
        {"1/", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t value = 42;
        assert_int_equal(span_number(span_of(rows[i].text), &value), rows[i].good);
        assert_true(value == (rows[i].good ? rows[i].value : 42));
    }
    uint64_t value;
    assert_false(span_number(nothing, &value));
    assert_false(span_number((struct span){"1\0", 2}, &value));
}

/* As printf has them, about each power of ten and of two. */
static void writes_numbers(void **state)
{
    uint64_t ten = 1;
    for (unsigned i = 0; i < 64; i++, ten *= 10) {
        const uint64_t near[] = {UINT64_C(1) << i, ten};
        for (unsigned n = 0; n < 6; n++) {
            uint64_t v = near[n / 3] + n % 3 - 1;
            char is[SPAN_DIGITS + 1], should[32];
            *span_put_number(is, v) = '\0';
            snprintf(should, sizeof should, "%llu", (unsigned long long)v);
            assert_string_equal(is, should);
        }
    }
    char most[SPAN_DIGITS + 1];
    *span_put_number(most, UINT64_MAX) = '\0';
    assert_string_equal(most, "18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_is_bounded), cmocka_unit_test(compares),      cmocka_unit_test(orders_bytewise),
        cmocka_unit_test(cuts_words),      cmocka_unit_test(reads_numbers), cmocka_unit_test(writes_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
