/* smtp_body: against a plain decoder that goes byte by byte, for every way of cutting the input; and the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "guard.h"
#include "wire/smtp_body.h"

enum { BIG = 4096 };
static char *page; /* BIG octets, a guard page behind them */

static int set_up(void **state)
{
    page = guard_space(BIG);
    return 0;
}

static int tear_down(void **state)
{
    guard_free(page);
    return 0;
}

/* The piece, where not one octet more may be read. */
static struct span guarded(const char *p, size_t n)
{
    return (struct span){memcpy(page + BIG - n, p, n), n};
}

/* ---- what it must be, said in the plainest way (RFC 5321 §4.5.2). Returns the octets used, 0: no end was found. */
static size_t plain(struct span in, struct buf *out, bool *bare_lf)
{
    size_t start = 0;
    *bare_lf = false;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            *bare_lf = true;
        if (in.p[i] != '\n' || i == start || in.p[i - 1] != '\r')
            continue;
        if (i - start == 2 && in.p[start] == '.')
            return i + 1;
        start += in.p[start] == '.';
        buf_add(out, in.p + start, i + 1 - start);
        start = i + 1;
    }
    return 0;
}

struct result {
    struct buf out;
    size_t used;
    struct smtp_body b;
};

/* In pieces of n octets, each at a guard page. */
static void decode(struct span in, size_t n, struct result *r)
{
    buf_init(&r->out, 1 << 20, NULL);
    smtp_body_init(&r->b);
    r->used = 0;
    for (size_t at = 0; at < in.n && !r->b.ended; at += n) {
        size_t left = in.n - at, size = left < n ? left : n;
        struct span piece = guarded(in.p + at, size);
        while (piece.n && !r->b.ended) {
            struct span run;
            size_t took = smtp_body_data(&r->b, piece, &run);
            assert_true(took + run.n > 0 && took <= piece.n);
            buf_add_span(&r->out, run);
            piece = span_from(piece, took);
            r->used += took;
        }
    }
}

static void compare(struct span in)
{
    struct buf want;
    bool bare_lf;
    buf_init(&want, 1 << 20, NULL);
    size_t used = plain(in, &want, &bare_lf);
    for (size_t n = 1; n <= in.n; n++) {
        struct result r;
        decode(in, n, &r);
        assert_int_equal(r.b.ended, used > 0);
        if (used) {
            assert_int_equal(r.used, used);
            assert_true(span_equal(buf_span(&r.out), buf_span(&want)));
            assert_int_equal(r.b.bare_lf, bare_lf);
            assert_int_equal(r.b.octets, want.len);
        }
        buf_fini(&r.out);
    }
    buf_fini(&want);
}

/* Every text of up to six octets from CR, LF, dot and another one. */
static void test_all_short(void **state)
{
    static const char octets[] = "\r\n.x";
    for (unsigned length = 1; length <= 6; length++)
        for (unsigned long n = 0; n < 1ul << 2 * length; n++) {
            char text[20];
            for (unsigned i = 0; i < length; i++)
                text[i] = octets[n >> 2 * i & 3];
            memcpy(text + length, "\r\n.\r\nNOOP\r\n", 11);
            compare((struct span){text, length + 11});
        }
}

static void test_random(void **state)
{
    static const char octets[] = {'\r', '\n', '\r', '\n', '.', '.', 'x', '\0', '\xff', ' '};
    unsigned seed = 7;
    for (unsigned round = 0; round < 200; round++) {
        char text[105];
        for (size_t i = 0; i < 100; i++) {
            seed = seed * 1103515245u + 12345u;
            text[i] = octets[(seed >> 16) % sizeof octets];
        }
        memcpy(text + 100, "\r\n.\r\n", 5);
        compare((struct span){text, sizeof text});
    }
}

static void test_first_octet(void **state)
{
    compare(span_of(".\r\n"));
    compare(span_of("..\r\n.\r\n"));
    compare(span_of("\r\n.\r\n"));
    compare(span_of("\n.\r\n\r\n.\r\n"));
}

/* What is given out is part of what came in, and long: a run ends only where a dot is taken out. */
static void test_runs(void **state)
{
    char text[20000];
    struct smtp_body b;
    struct span run;
    for (size_t i = 0; i < sizeof text; i += 10)
        memcpy(text + i, "12345678\r\n", 10);
    text[10000] = '.';
    smtp_body_init(&b);
    assert_int_equal(smtp_body_data(&b, (struct span){text, sizeof text}, &run), 10000);
    assert_ptr_equal(run.p, text);
    assert_int_equal(run.n, 10000);
    assert_int_equal(smtp_body_data(&b, (struct span){text + 10000, 10000}, &run), 1);
    assert_int_equal(run.n, 0);
    assert_int_equal(smtp_body_data(&b, (struct span){text + 10001, 9999}, &run), 9999);
    assert_ptr_equal(run.p, text + 10001);
    assert_int_equal(run.n, 9999);
}

/* ---- the header */

static struct smtp_body scan(const char *text, size_t n)
{
    struct smtp_body b;
    struct span in = span_of(text);
    smtp_body_init(&b);
    for (size_t at = 0; at < in.n; at += n) {
        size_t left = in.n - at, size = left < n ? left : n;
        smtp_body_chunk(&b, guarded(in.p + at, size));
    }
    return b;
}

static void expect_header(const char *text, unsigned received, uint64_t octets, bool in_header)
{
    for (size_t n = 1; n <= strlen(text); n++) {
        struct smtp_body b = scan(text, n);
        assert_int_equal(b.received, received);
        assert_int_equal(b.header_octets, octets);
        assert_int_equal(b.in_header, in_header);
        assert_int_equal(b.octets, strlen(text));
    }
}

static void test_header(void **state)
{
    expect_header("\r\nReceived: x\r\n", 0, 2, false);
    expect_header("Received:\r\n\r\nReceived: x\r\n", 1, 13, false);
    expect_header("received: a\r\nRECEIVED:b\r\n\r\n", 2, 27, false);
    expect_header("Received: a\r\n Received: b\r\nReceived-SPF: c\r\nReceive\r\nReceived", 1, 61, true);
    expect_header("XReceived: a\r\nReReceived:\r\nRReceived:\r\n", 0, 39, true);
    expect_header("Received:Received:Received:", 1, 27, true);
    expect_header("a\r\n\r\r\n\r\nx", 0, 8, false); /* a line of one CR is not empty */
}

static void test_bare_lf(void **state)
{
    static const struct {
        const char *text;
        bool bare;
    } cases[] = {{"a\r\nb\r\n", false}, {"\n", true},           {"a\n", true},       {"a\r\n\n", true},
                 {"a\rb\n", true},      {"a\r\r\n\r\n", false}, {"\r\n\r\n", false}, {"a\r", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 1; n <= strlen(cases[i].text); n++)
            assert_int_equal(scan(cases[i].text, n).bare_lf, cases[i].bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_short), cmocka_unit_test(test_random), cmocka_unit_test(test_first_octet),
        cmocka_unit_test(test_runs),      cmocka_unit_test(test_header), cmocka_unit_test(test_bare_lf),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
