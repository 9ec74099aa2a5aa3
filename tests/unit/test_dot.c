/* dot: against a plain encoder that goes byte by byte, for every way of cutting input and output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "guard.h"
#include "wire/dot.h"

enum { WHOLE = -1, BIG = 1 << 16 };

static char *in_page, *out_page; /* BIG bytes each, a guard page behind them */

static int set_up(void **state)
{
    in_page = guard_space(BIG);
    out_page = guard_space(BIG);
    return 0;
}

static int tear_down(void **state)
{
    guard_free(in_page);
    guard_free(out_page);
    return 0;
}

/* ---- what it must be, said in the plainest way: line by line, then byte by byte. `top` lines of the body. */
static void plain(struct span in, int top, struct buf *out)
{
    bool body = false;
    while (in.n && !(body && top == 0)) {
        const char *lf = memchr(in.p, '\n', in.n);
        size_t n = lf ? (size_t)(lf - in.p) : in.n;
        bool cr = lf && n && in.p[n - 1] == '\r';
        struct span line = {in.p, n - cr};
        if (line.n && line.p[0] == '.')
            buf_add(out, ".", 1);
        buf_add_span(out, line);
        buf_add(out, "\r\n", 2);
        if (top != WHOLE && body)
            top--;
        else if (top != WHOLE && line.n == 0)
            body = true;
        in = span_from(in, lf ? n + 1 : n);
    }
    buf_add(out, ".\r\n", 3);
}

static void init(struct dot *d, bool wire, int top)
{
    if (top == WHOLE)
        dot_init(d, wire);
    else
        dot_init_top(d, wire, (uint64_t)top);
}

/* Encodes with pieces and rooms that `next` chooses; both end at a guard page. */
static void encode(struct span in, bool wire, int top, size_t (*next)(size_t), size_t piece, size_t room,
                   struct buf *out)
{
    struct dot d;
    init(&d, wire, top);
    while (in.n && !d.done) {
        size_t n = next(piece), space = next(room), wrote;
        if (n > in.n)
            n = in.n;
        char *from = in_page + BIG - n, *to = out_page + BIG - space;
        memcpy(from, in.p, n);
        size_t took = dot_encode(&d, (struct span){from, n}, to, space, &wrote);
        assert_in_range(took, 0, n);
        assert_in_range(wrote, 0, space);
        if (took < n && !d.done)
            assert_in_range(space - wrote, 0, 1); /* it stops only for want of room … */
        if (space >= 2 && n)
            assert_true(took > 0 || d.done); /* … and always goes on with two bytes of it */
        if (space >= 2 * n + 2 && !d.done)
            assert_int_equal(took, n);
        assert_true(buf_add(out, to, wrote));
        in = span_from(in, took);
    }
    char *end = out_page + BIG - 5;
    size_t n = dot_finish(&d, end);
    assert_true(n == 3 || n == 5);
    buf_add(out, end, n);
}

static size_t same(size_t n)
{
    return n;
}

static size_t random_up_to(size_t n)
{
    return 1 + (size_t)rand() % n;
}

static void compare(struct span in, bool wire, int top, size_t (*next)(size_t), size_t piece, size_t room)
{
    struct buf want, got;
    buf_init(&want, 1 << 20, NULL);
    buf_init(&got, 1 << 20, NULL);
    plain(in, top, &want);
    encode(in, wire, top, next, piece, room, &got);
    assert_int_equal(got.len, want.len);
    assert_memory_equal(buf_span(&got).p, buf_span(&want).p, want.len);
    buf_fini(&want);
    buf_fini(&got);
}

/* All inputs of up to six of the bytes that matter, in pieces of every size, into every small room. */
static void test_all_small(void **state)
{
    static const char letters[] = "\r\n.x";
    for (size_t n = 0; n <= 6; n++)
        for (unsigned k = 0; k < 1u << (2 * n); k++) {
            char text[6];
            for (size_t i = 0; i < n; i++)
                text[i] = letters[k >> (2 * i) & 3];
            for (size_t piece = 1; piece <= n + 1; piece += piece < 3 ? 1 : 3)
                for (size_t room = 2; room <= 5; room++)
                    compare((struct span){text, n}, false, WHOLE, same, piece, room);
            for (int top = 0; top < 3; top++)
                for (size_t piece = 1; piece <= 2; piece++)
                    compare((struct span){text, n}, false, top, same, piece, 2 + piece);
        }
}

/* Four octets that matter at every place in and between the blocks that are copied as one; in two pieces, cut in or beside them, and
 * into rooms that end there. */
static void test_all_in_blocks(void **state)
{
    static const char letters[] = "\r\n.x";
    enum { FOUR = 4, BEFORE = 36, BEHIND = 40 };
    char text[BEFORE + FOUR + BEHIND];
    memset(text, 'x', sizeof text);
    for (size_t at = 0; at <= BEFORE; at++) {
        memset(text, 'x', at);
        size_t n = at + FOUR + BEHIND;
        for (unsigned k = 0; k < 1u << (2 * FOUR); k++) {
            for (size_t i = 0; i < FOUR; i++)
                text[at + i] = letters[k >> (2 * i) & 3];
            compare((struct span){text, n}, false, WHOLE, same, n, 2 * n + 2);
            for (size_t cut = 0; cut <= FOUR; cut++) {
                if (at + cut >= BEFORE)
                    compare((struct span){text, n}, false, WHOLE, same, at + cut, 2 * n + 2);
                compare((struct span){text, n}, false, WHOLE, same, n, 34 + cut);
            }
        }
        memset(text + at, 'x', FOUR);
    }
}

/* Lines of every kind: long, empty, dotted; LF, CRLF or both; 8-bit and NUL. */
static size_t random_text(char *text, size_t max)
{
    size_t n = 0, end = (size_t)rand() % max;
    unsigned ends = (unsigned)rand() % 3;
    while (n < end) {
        size_t line = rand() % 3 ? (size_t)rand() % 90 : rand() % 3 ? 0 : (size_t)rand() % 3000;
        for (size_t i = 0; i < line && n < end; i++)
            text[n++] = rand() % 40 ? (char)rand() : '.';
        if (rand() % 30 == 0)
            break;
        if (n + 2 < max && (ends == 1 || (ends == 2 && rand() % 2)))
            text[n++] = '\r';
        if (n < max)
            text[n++] = '\n';
    }
    return n;
}

static void test_random(void **state)
{
    static char text[20000];
    srand(1939);
    for (unsigned i = 0; i < 400; i++) {
        struct span in = {text, random_text(text, sizeof text)};
        compare(in, false, WHOLE, same, BIG, BIG);
        compare(in, false, WHOLE, random_up_to, 3000, 5000);
        compare(in, false, WHOLE, random_up_to, 30, 50);
        compare(in, false, rand() % 20, random_up_to, 300, 200);
    }
}

/* A text that is in wire form already: copied, for RETR and for TOP. */
static void test_wire(void **state)
{
    static char text[20000];
    struct buf wire;
    srand(5321);
    for (unsigned i = 0; i < 200; i++) {
        size_t n = random_text(text, sizeof text);
        for (size_t k = 0; k < n; k++)
            text[k] = text[k] == '.' ? ':' : text[k];
        buf_init(&wire, 1 << 20, NULL);
        plain((struct span){text, n}, WHOLE, &wire);
        struct span in = {buf_span(&wire).p, wire.len - 3};
        compare(in, true, WHOLE, same, BIG, BIG);
        compare(in, true, WHOLE, random_up_to, 3000, 5000);
        compare(in, true, rand() % 20, random_up_to, 300, 200);
        buf_fini(&wire);
    }
    compare((struct span){"", 0}, true, WHOLE, same, 1, 2);
    compare(span_of("no end"), true, WHOLE, same, 4, 2); /* a store that errs: the reply is ended all the same */
    compare((struct span){"", 0}, true, 0, same, 1, 2);
}

static void expect(const char *text, int top, const char *want)
{
    struct buf got;
    buf_init(&got, 1 << 10, NULL);
    encode(span_of(text), false, top, same, 100, 200, &got);
    assert_true(span_is(buf_span(&got), want));
    buf_fini(&got);
}

/* The rules one by one, in words that do not come from the plain encoder above. */
static void test_rules(void **state)
{
    expect("", WHOLE, ".\r\n");
    expect("\r\n", WHOLE, "\r\n.\r\n");
    expect("\n", WHOLE, "\r\n.\r\n");
    expect("a", WHOLE, "a\r\n.\r\n");
    expect(".", WHOLE, "..\r\n.\r\n");
    expect(".\r\n.a\n..\n", WHOLE, "..\r\n..a\r\n...\r\n.\r\n");
    expect("a\r", WHOLE, "a\r\r\n.\r\n");
    expect("a\rb\r\r\n\r.", WHOLE, "a\rb\r\r\n\r.\r\n.\r\n");
    expect("H: a\n\nb\nc\n", 0, "H: a\r\n\r\n.\r\n");
    expect("H: a\n\nb\nc\n", 1, "H: a\r\n\r\nb\r\n.\r\n");
    expect("H: a\r\n\r\nb\r\nc", 2, "H: a\r\n\r\nb\r\nc\r\n.\r\n");
    expect("H: a\r\n\r\nb\r\nc", 9, "H: a\r\n\r\nb\r\nc\r\n.\r\n");
    expect("H: a\nI: b", 0, "H: a\r\nI: b\r\n.\r\n");
    expect("H: a\n\r\r\nx\n\ny\n", 0, "H: a\r\n\r\r\nx\r\n\r\n.\r\n");
    expect("\n\nb\n", 1, "\r\n\r\n.\r\n");
}

/* TOP says when it has its lines, so that no more of the file is read. */
static void test_done(void **state)
{
    struct dot d;
    char out[100];
    size_t wrote;
    dot_init_top(&d, false, 1);
    assert_int_equal(dot_encode(&d, span_of("H: a\n\none\ntwo\n"), out, sizeof out, &wrote), 10);
    assert_true(d.done);
    assert_int_equal(wrote, 13);
    assert_int_equal(dot_encode(&d, span_of("more"), out, sizeof out, &wrote), 0);
    assert_int_equal(wrote, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),  cmocka_unit_test(test_done), cmocka_unit_test(test_all_small),
        cmocka_unit_test(test_random), cmocka_unit_test(test_wire), cmocka_unit_test(test_all_in_blocks),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
