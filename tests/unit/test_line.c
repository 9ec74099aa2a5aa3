/* line: ends, limits, and that the tail of an over-long line is never a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "guard.h"
#include "wire/line.h"

enum { MAX = 12 };

/* A queue whose bytes end at a guard page. */
static struct buf queue(const char *bytes, size_t n)
{
    return (struct buf){.mem = guard_copy(bytes, n), .len = n, .cap = n, .max = 1 << 20};
}

static void expect(const char *bytes, size_t n, enum line_result want, const char *text, size_t taken)
{
    struct buf in = queue(bytes, n);
    char *mem = in.mem;
    struct line l;
    struct span line = {NULL, 0};
    size_t used = 0;
    line_init(&l);
    assert_int_equal(line_next(&l, &in, MAX, &line, &used), want);
    if (want == LINE_WHOLE) {
        assert_true(span_is(line, text));
        assert_int_equal(used, taken);
        assert_int_equal(in.len, n); /* nothing is taken before the caller says so */
    } else {
        assert_int_equal(in.len, n - taken);
    }
    if (want == LINE_TOO_LONG) /* its head tells what it was */
        assert_true(span_is(line, text));
    guard_free(mem);
}

static void test_ends(void **state)
{
    expect("", 0, LINE_NONE, "", 0);
    expect("NOOP", 4, LINE_NONE, "", 0);
    expect("NOOP\r", 5, LINE_NONE, "", 0);
    expect("NOOP\r\n", 6, LINE_WHOLE, "NOOP", 6);
    expect("NOOP\n", 5, LINE_WHOLE, "NOOP", 5);
    expect("\n", 1, LINE_WHOLE, "", 1);
    expect("\r\n", 2, LINE_WHOLE, "", 2);
    expect("\r\r\n", 3, LINE_WHOLE, "\r", 3);
    expect("a\rb\r\n", 5, LINE_WHOLE, "a\rb", 5);
    expect("a\nb\n", 4, LINE_WHOLE, "a", 2);
}

static void test_limit(void **state)
{
    expect("0123456789\r\n", 12, LINE_WHOLE, "0123456789", 12);
    expect("0123456789A\n", 12, LINE_WHOLE, "0123456789A", 12);
    expect("0123456789A", 11, LINE_NONE, "", 0);
    /* Twelve octets without an end cannot become a line any more; all of it is gone. */
    expect("0123456789AB", 12, LINE_TOO_LONG, "0123", 12);
    expect("0123456789A\r\n", 13, LINE_TOO_LONG, "0123", 13);
    expect("0123456789AB\nQUIT\n", 18, LINE_TOO_LONG, "0123", 13);
}

/* Every way to cut this input gives the same lines. */
static void test_cuts(void **state)
{
    static const char text[] = "A\r\n\r\nBC\n0123456789ABCDEF and more\r\nD\r\r\n0123456789\r\n0123456789AB\n\nE\r\n";
    static const char want[] = "[A][][BC]!!!![D\r][0123456789]!!!![][E]";
    size_t n = sizeof text - 1;
    for (size_t piece = 1; piece <= n; piece++) {
        char got[200] = "";
        struct buf in;
        struct line l;
        buf_init(&in, 1 << 16, NULL);
        line_init(&l);
        for (size_t at = 0; at < n; at += piece) {
            buf_add(&in, text + at, n - at < piece ? n - at : piece);
            struct span line;
            size_t used;
            enum line_result r;
            while ((r = line_next(&l, &in, MAX, &line, &used)) != LINE_NONE) {
                if (r == LINE_TOO_LONG) {
                    strcat(got, "!!!!");
                    continue;
                }
                snprintf(got + strlen(got), sizeof got - strlen(got), "[%.*s]", (int)line.n, line.p);
                buf_take(&in, used);
            }
        }
        assert_string_equal(got, want);
        assert_int_equal(in.len, 0);
        buf_fini(&in);
    }
}

/* Only CRLF is an end, also of what is thrown away; a bare LF stays in the text. */
static void test_crlf(void **state)
{
    static const char text[] =
        "A\nB\r\n\n\r\n\r\r\n0123456789ABC\nD\rE\n\r\nF\r\n0123456789\r\n0123456789A\r\n\r\nG\r\n";
    static const char want[] = "[A\nB][\n][\r]!!!![F][0123456789]!!!![][G]";
    size_t n = sizeof text - 1;
    for (size_t piece = 1; piece <= n; piece++) {
        char got[200] = "";
        struct buf in;
        struct line l;
        buf_init(&in, 1 << 16, NULL);
        line_init_crlf(&l);
        for (size_t at = 0; at < n; at += piece) {
            buf_add(&in, text + at, n - at < piece ? n - at : piece);
            struct span line = {"", 0};
            size_t used;
            enum line_result r;
            while ((r = line_next(&l, &in, MAX, &line, &used)) != LINE_NONE) {
                snprintf(got + strlen(got), sizeof got - strlen(got), r == LINE_WHOLE ? "[%.*s]" : "!!!!", (int)line.n,
                         line.p);
                if (r == LINE_WHOLE)
                    buf_take(&in, used);
            }
        }
        assert_string_equal(got, want);
        assert_int_equal(in.len, 0);
        buf_fini(&in);
    }
}

/* What is over-long is held nowhere, however much of it comes. */
static void test_endless(void **state)
{
    struct buf in;
    struct line l;
    struct span line;
    size_t used;
    unsigned said = 0;
    char block[1000];
    for (size_t i = 0; i < sizeof block; i++) /* not one octet alone: fresh memory may be full of any one */
        block[i] = "pq"[i % 2];
    buf_init(&in, 1 << 16, NULL);
    line_init(&l);
    for (unsigned i = 0; i < 5000; i++) {
        assert_true(buf_add(&in, block, sizeof block));
        said += line_next(&l, &in, 255, &line, &used) == LINE_TOO_LONG;
        assert_int_equal(in.len, 0);
    }
    assert_int_equal(said, 1);
    assert_true(l.discarding);
    assert_null(memmem(in.mem, in.cap, "pqpq", 4)); /* it may have been a password */
    buf_add(&in, "tail\nNOOP\r\n", 11);
    assert_int_equal(line_next(&l, &in, 255, &line, &used), LINE_WHOLE);
    assert_true(span_is(line, "NOOP"));
    buf_fini(&in);
}

/* A queue that is full and holds no end: nothing could ever end it. */
static void test_full_queue(void **state)
{
    struct buf in;
    struct line l;
    struct span line;
    size_t used;
    buf_init(&in, 8, NULL);
    line_init(&l);
    buf_add(&in, "1234567", 7);
    assert_int_equal(line_next(&l, &in, 255, &line, &used), LINE_NONE);
    buf_add(&in, "8", 1);
    assert_int_equal(line_next(&l, &in, 255, &line, &used), LINE_TOO_LONG);
    assert_true(span_is(line, "1234"));
    assert_int_equal(in.len, 0);
    buf_add(&in, "90\nX\n", 5);
    assert_int_equal(line_next(&l, &in, 255, &line, &used), LINE_WHOLE);
    assert_true(span_is(line, "X"));
    buf_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),    cmocka_unit_test(test_limit),      cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_endless), cmocka_unit_test(test_full_queue), cmocka_unit_test(test_crlf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
