/* contract: what every destination promises (post/out.h), wherever it leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest.h"
#include "fault.h"

#define TEXT(s)                                                                                                        \
    {                                                                                                                  \
        s, sizeof(s) - 1                                                                                               \
    }
static const struct span texts[] = {
    TEXT("Subject: x\r\n\r\nbody\r\n"),
    TEXT("\r\n"),
    TEXT("\r\n\r\n"),
    TEXT(".\r\n..\r\n.x\r\n...\r\n"),
    TEXT("\n.\n is data\r\nlone LF\nand on\r\n"),
    TEXT("a\r\r\nb\r\n\r\r\r\n"),
    TEXT("a\rb\r\n\rc\r\n"),
    TEXT("nul \0 in it\0\r\n\0\r\n"),
    TEXT("\x80\xff\xfe 8 bit\r\n"),
    TEXT("From here\r\n>From there\r\nFrom me\r\n"),
    TEXT("no end"),
};
#undef TEXT
enum { TEXTS = sizeof texts / sizeof *texts };

static const struct out_about wire = {.wire = true};

/* ---- octets */

/* In pieces of any size, so that CR and LF fall into different ones. */
static void test_octets_arrive(void **state)
{
    static const size_t pieces[] = {1, 3, 1000};
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    for (unsigned i = 0; i < TEXTS; i++)
        for (unsigned k = 0; k < 3; k++) {
            struct out_draft *d = dest_draft(o, &wire, texts[i], pieces[k]);
            struct err err = {0};
            out_commit(o, &d, 1, &err, NULL);
            assert_int_equal(err.kind, ERR_NONE);
        }
    out_close(o);
    assert_int_equal(t->dest->count(t), 3 * TEXTS);
    for (unsigned i = 0; i < 3 * TEXTS; i++)
        dest_expect(t, i, texts[i / 3]);
}

/* What comes in lines that end with CRLF is kept in lines that end with LF. */
static void test_lines_are_kept_with_lf(void **state)
{
    static const char is[] = "Subject: x\r\n\r\nbody\r\n", kept[] = "Subject: x\n\nbody\n";
    struct dest_test *t = *state;
    if (!t->dest->own_end)
        return;
    struct out *o = dest_open(t);
    size_t n;
    dest_deliver(o, &wire, span_of(is), NULL);
    char *got = t->dest->read(t, 0, &n);
    assert_int_equal(n, strlen(kept));
    assert_memory_equal(got, kept, n);
    mem_free(got);
    out_close(o);
}

/* What is given as it is to be stored is not touched. */
static void test_as_stored(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    for (unsigned i = 0; i < TEXTS; i++)
        dest_deliver(o, &(struct out_about){.size = texts[i].n}, texts[i], NULL);
    out_close(o);
    assert_int_equal(t->dest->count(t), TEXTS);
    for (unsigned i = 0; i < TEXTS; i++) {
        size_t n;
        char *got = t->dest->read(t, i, &n);
        if (t->dest->own_end) {
            assert_int_equal(n, texts[i].n);
            assert_memory_equal(got, texts[i].p, n);
        } else {
            dest_expect(t, i, texts[i]);
        }
        mem_free(got);
    }
}

static void test_no_octets(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    dest_deliver(o, &wire, (struct span){"", 0}, NULL);
    out_close(o);
    assert_int_equal(t->dest->count(t), 1);
    dest_expect(t, 0, (struct span){"", 0});
}

/* A line of 1 MB; lines whose ends fall at every distance from the seams at which a destination may write. */
static void test_large_ones(void **state)
{
    enum { LARGE = 1024 * 1024 };
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    char *text[4];
    for (unsigned i = 0; i < 4; i++) {
        text[i] = mem_alloc(LARGE);
        memset(text[i], 'x', LARGE);
        for (size_t at = 4096; i && at < LARGE; at += 4096)
            memcpy(text[i] + at - 3 + i, "\r\n.", 3);
        memcpy(text[i] + LARGE - 2, "\r\n", 2);
        struct out_draft *d = dest_draft(o, &wire, (struct span){text[i], LARGE}, i % 2 ? 10007 : LARGE);
        struct err err = {0};
        out_commit(o, &d, 1, &err, NULL);
        assert_int_equal(err.kind, ERR_NONE);
    }
    out_close(o);
    for (unsigned i = 0; i < 4; i++) {
        dest_expect(t, i, (struct span){text[i], LARGE});
        mem_free(text[i]);
    }
}

/* ---- visible */

static void test_abort_leaves_nothing(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    for (unsigned i = 0; i < 3; i++) {
        struct out_draft *d = dest_draft(o, &wire, (struct span){"some text\r\n", i == 0 ? 0 : i == 1 ? 4 : 11}, 3);
        out_abort(o, d);
    }
    dest_deliver(o, &wire, span_of("one\r\n"), NULL);
    out_close(o);
    assert_int_equal(t->dest->count(t), 1);
    dest_expect(t, 0, span_of("one\r\n"));
}

static void test_not_there_before_commit(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    struct err err = {0};
    struct out_draft *d = dest_draft(o, &wire, span_of("Subject: x\r\n\r\nbody\r\n"), 5);
    assert_int_equal(t->dest->count(t), 0);
    out_commit(o, &d, 1, &err, NULL);
    assert_int_equal(err.kind, ERR_NONE);
    assert_int_equal(t->dest->count(t), 1);
    out_close(o);
}

/* As many as may be open at once, written by turns, some of them aborted. */
static void test_several_together(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    unsigned n = o->together, kept = 0;
    assert_true(n >= 1);
    struct out_draft **d = mem_alloc(n * sizeof(struct out_draft *));
    struct err *errs = mem_alloc(n * sizeof *errs), err;
    char(*ids)[OUT_ID] = mem_alloc(n * sizeof *ids);
    for (unsigned i = 0; i < n; i++)
        d[i] = dest_draft(o, &wire, span_of("Subject: "), 100);
    for (unsigned i = 0; i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u\r\n", i);
        assert_int_equal(out_write(o, d[i], span_of(text), &err), 0);
    }
    for (unsigned i = 0; i < n; i++)
        if (i % 3 == 1)
            out_abort(o, d[i]);
        else
            d[kept++] = d[i];
    out_commit(o, d, kept, errs, ids);
    assert_int_equal(t->dest->count(t), kept);
    for (unsigned i = 0; i < kept; i++) {
        char text[32];
        snprintf(text, sizeof text, "Subject: %u\r\n", i / 2 * 3 + i % 2 * 2);
        assert_int_equal(errs[i].kind, ERR_NONE);
        assert_true(ids[i][0]);
        dest_expect(t, i, span_of(text));
    }
    out_close(o);
    mem_free(d);
    mem_free(errs);
    mem_free(ids);
}

/* ---- trouble */

/* The first failure is told at a write or at the end, never swallowed; nothing stays; and what comes after it is well
 * again. */
static void test_a_full_disk(void **state)
{
    struct dest_test *t = *state;
    char *large = mem_alloc(300000);
    memset(large, 'x', 300000);
    for (unsigned i = 0; i < 2; i++) {
        struct out_draft *d = NULL;
        struct err err = {0};
        struct span text = {large, i ? 300000 : 10};
        fault_rules(t->dest->disk_full);
        struct out *o = dest_open(t);
        assert_int_equal(out_begin(o, &wire, &d, &err), 0);
        int result = 0;
        for (; result == 0 && text.n; text = span_from(text, 7000))
            result = out_write(o, d, (struct span){text.p, text.n < 7000 ? text.n : 7000}, &err);
        if (result < 0)
            out_abort(o, d);
        else
            out_commit(o, &d, 1, &err, NULL);
        assert_int_equal(err.kind, ERR_TEMP);
        assert_true(err.text[0]);
        assert_int_equal(t->dest->count(t), 0);
        out_close(o);
    }
    fault_rules("");
    struct out *o = dest_open(t);
    dest_deliver(o, &wire, span_of("after it\r\n"), NULL);
    out_close(o);
    assert_int_equal(t->dest->count(t), 1);
    mem_free(large);
}

static void test_closed_with_drafts_open_elsewhere(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t), *other = dest_open(t);
    struct err err = {0};
    struct out_draft *d = dest_draft(o, &wire, span_of("one\r\n"), 2);
    dest_deliver(other, &wire, span_of("two\r\n"), NULL);
    out_close(other);
    out_commit(o, &d, 1, &err, NULL);
    assert_int_equal(err.kind, ERR_NONE);
    out_close(o);
    out_close(NULL);
    assert_int_equal(t->dest->count(t), 2);
}

int main(void)
{
    const struct CMUnitTest promises[] = {
        PROMISE(octets_arrive),
        PROMISE(lines_are_kept_with_lf),
        PROMISE(as_stored),
        PROMISE(no_octets),
        PROMISE(large_ones),
        PROMISE(abort_leaves_nothing),
        PROMISE(not_there_before_commit),
        PROMISE(several_together),
        PROMISE(a_full_disk),
        PROMISE(closed_with_drafts_open_elsewhere),
    };
    DEST_RUN(promises, true)
}
