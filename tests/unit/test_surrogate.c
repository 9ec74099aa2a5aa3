/* surrogate: what stands for each field, that the rest passes, and that nothing depends on pieces and rooms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "guard.h"
#include "wire/surrogate.h"

#define INVALID "<invalid@internationalized-address.invalid>"

static void assert_field(const char *field, const char *want)
{
    struct buf out;
    buf_init(&out, SURROGATE_WRITTEN, NULL);
    char *copy = guard_copy(field, strlen(field));
    bool stands = surrogate_field((struct span){copy, strlen(field)}, &out);
    assert_int_equal(stands, want != NULL);
    if (want) {
        buf_add(&out, "", 1);
        assert_string_equal(buf_span(&out).p, want);
    }
    guard_free(copy);
    buf_fini(&out);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *field, *want;
    } rows[] = {
        /* names */
        {"From: José Pérez <jose@example.org>\r\n", "From: =?utf-8?q?Jos=C3=A9_P=C3=A9rez?= <jose@example.org>\r\n"},
        {"from : Fred José <a@b>\n", "from: Fred =?utf-8?q?Jos=C3=A9?= <a@b>\r\n"},
        {"To: \"José, the \\\"x\\\"\" <a@b>\r\n", "To: =?utf-8?q?Jos=C3=A9=2C_the_=22x=22?= <a@b>\r\n"},
        {"To: é \"a b\" =?utf-8?q?x?= é <a@b>\r\n", "To: =?utf-8?b?w6k=?= \"a b\" =?utf-8?q?x?= =?utf-8?q?_=C3=A9?= <a@b>\r\n"},
        {"To: é =?utf-8?q?x?= <a@b>\r\n", "To: =?utf-8?q?=C3=A9_?= =?utf-8?q?x?= <a@b>\r\n"},
        {"Cc: a@b (José (x) \\) é), c@d\r\n", "Cc: a@b (=?utf-8?q?Jos=C3=A9_=28x=29_=29_=C3=A9?=), c@d\r\n"},
        {"Cc: Ann (é) <a@b> (ü)\r\n", "Cc: Ann (=?utf-8?b?w6k=?=) <a@b> (=?utf-8?b?w7w=?=)\r\n"},
        {"To: \xe9t\xe9 <a@b>\r\n", "To: =?unknown-8bit?q?=E9t=E9?= <a@b>\r\n"},
        {"To: a@b,, \"x, y\" <c@d>,\r\n\t\xc3\xa9 <e@f>;\r\n", "To: a@b, \"x, y\" <c@d>, =?utf-8?b?w6k=?= <e@f>\r\n"},
        /* internationalized addresses */
        {"From: Fred Foo <fréd@example.com>\r\n", "From: Fred Foo =?utf-8?q?=28fr=C3=A9d=40example=2Ecom=29?=\r\n " INVALID "\r\n"},
        {"Sender: fréd@example.com\r\n", "Sender: =?utf-8?q?fr=C3=A9d=40example=2Ecom?=\r\n " INVALID "\r\n"},
        {"To: é <a@é>, b@c\r\n", "To: =?utf-8?b?w6kgKGFAw6kp?= " INVALID ",\r\n b@c\r\n"},
        {"To: \"é\"@b\r\n", "To: =?utf-8?b?IsOpIkBi?= " INVALID "\r\n"},
        {"Return-Path: <é@b>\r\n", "Return-Path: " INVALID "\r\n"},
        /* groups (RFC 5322 §3.4) */
        {"To: Frïends: é <a@b>, c@d; , e@f\r\n", "To: =?utf-8?q?Fr=C3=AFends?=: =?utf-8?b?w6k=?= <a@b>, c@d;, e@f\r\n"},
        {"To: undisclosed é:;\r\n", "To: undisclosed =?utf-8?b?w6k=?=:;\r\n"},
        {"To: g: é@b\r\n", "To: g: =?utf-8?q?=C3=A9=40b?= " INVALID ";\r\n"},
        /* what does not end */
        {"To: \"é <a@b>\r\n", NULL},
        {"To: é <a@b\r\n", NULL},
        {"To: (é a@b\r\n", NULL},
        {"From: \"é\\", NULL},
        {"From: , é", "From: =?utf-8?b?w6k=?= " INVALID "\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_field(rows[i].field, rows[i].want);
}

static void test_subject(void **state)
{
    static const struct {
        const char *field, *want;
    } rows[] = {
        {"Subject: Grüße\r\n", "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"},
        {"Subject:é\n", "Subject: =?utf-8?b?w6k=?=\r\n"},
        {"SUBJECT: Re:  two  blanks é  ü end\r\n", "SUBJECT: Re:  two  blanks =?utf-8?q?=C3=A9__=C3=BC?= end\r\n"},
        {"Subject: =?utf-8?q?a?= é =?utf-8?q?b?=\r\n", "Subject: =?utf-8?q?a?= =?utf-8?q?_=C3=A9_?= =?utf-8?q?b?=\r\n"},
        {"Subject: a\r\n é\r\n\tb\r\n", "Subject: a =?utf-8?b?w6k=?=\tb\r\n"},
        {"Subject: 日本語の件名\r\n", "Subject: =?utf-8?b?5pel5pys6Kqe44Gu5Lu25ZCN?=\r\n"},
        {"Subject: \xed\xa0\x80\r\n", "Subject: =?unknown-8bit?b?7aCA?=\r\n"}, /* a surrogate is no UTF-8 */
        {"Subject: \xc3\r\n", "Subject: =?unknown-8bit?b?ww==?=\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_field(rows[i].field, rows[i].want);
}

static void test_other_fields(void **state)
{
    static const struct {
        const char *field, *want;
    } rows[] = {
        {"Content-Disposition: attachment; filename=\"é;x.txt\"; size=3\r\n", "Content-Disposition: attachment; size=3\r\n"},
        {"Content-Disposition: attachment; filename=é\r\n", "Content-Disposition: attachment\r\n"},
        {"Content-Type: text/plain; charset=utf-8;\r\n name=é;\r\n", "Content-Type: text/plain; charset=utf-8\r\n"},
        /* blanks within quotes are the boundary's, also where a line is folded there */
        {"Content-Type: multipart/mixed; x=é; boundary=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  bbbbbbbbbbbbbbbbbbbb\"\r\n",
         "Content-Type: multipart/mixed;\r\n boundary=\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n  bbbbbbbbbbbbbbbbbbbb\"\r\n"},
        {"Content-Type: téxt/plain; charset=utf-8\r\n", NULL},
        {"Content-Type: text/plain; name=\"é\r\n", NULL},
        {"Received: from é\r\n", NULL},
        {"Message-ID: <é@b>\r\n", NULL},
        {"Fröm: a@b\r\n", NULL},
        {"no field at all é\r\n", NULL},
        {"é", NULL},
        {": é\r\n", NULL},
        {" é\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_field(rows[i].field, rows[i].want);
}

/* Every line has at most 76 octets, each encoded-word at most 75 and whole characters (RFC 2047 §2, §5). */
static void test_lines(void **state)
{
    char field[3000] = "Subject:";
    for (int i = 0; i < 200; i++)
        strcat(field, i % 3 ? " naïve" : "日本語");
    struct buf out;
    buf_init(&out, SURROGATE_WRITTEN, NULL);
    assert_true(surrogate_field(span_of(field), &out));
    struct span rest = buf_span(&out);
    unsigned lines = 0;
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        assert_in_range(line.n, 2, 77);
        assert_int_equal(line.p[line.n - 1], '\r');
        assert_true(lines == 0 || line.p[0] == ' ');
        lines++;
    }
    assert_in_range(lines, 10, 100);
    buf_fini(&out);
}

/* ---- the machine */

/* The whole surrogate, read in pieces of `piece` octets and written in rooms of `room`. */
static struct buf run(struct span text, size_t piece, size_t room)
{
    struct surrogate s;
    struct buf out;
    buf_init(&out, 1 << 28, NULL);
    surrogate_init(&s);
    for (unsigned still = 0; !s.done;) {
        struct span in = span_from(text, (size_t)s.at);
        bool last = in.n <= piece;
        if (!last)
            in.n = piece;
        uint64_t at = s.at;
        size_t wrote;
        char *copy = guard_copy(in.p, in.n), *to = guard_space(room);
        surrogate_feed(&s, (struct span){copy, in.n}, last, to, room, &wrote);
        assert_in_range(wrote, 0, room);
        still = wrote || s.at != at ? 0 : still + 1;
        assert_in_range(still, 0, 1); /* it goes on, or has found that a long field passes */
        buf_add(&out, to, wrote);
        guard_free(copy);
        guard_free(to);
    }
    buf_add_span(&out, span_from(text, (size_t)s.at));
    return out;
}

static void assert_surrogate(struct span text, struct span want)
{
    static const struct {
        size_t piece, room;
    } ways[] = {{1 << 22, 1 << 22}, {SURROGATE_PIECE, 5000}, {40000, 77}, {SURROGATE_PIECE, 700}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct buf got = run(text, ways[i].piece, ways[i].room);
        assert_int_equal(got.len, want.n);
        assert_memory_equal(buf_span(&got).p, want.p, want.n);
        buf_fini(&got);
    }
}

static void test_messages(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"Date: now\nSubject: é\nX: é\n y\nTo: a@b\n\nbödy\nTo: é\n",
         "Date: now\nSubject: =?utf-8?b?w6k=?=\r\nTo: a@b\n\nbödy\nTo: é\n"},
        {"A: b\r\nX: é\r\n\tmore\r\n\r\n\xff", "A: b\r\n\r\n\xff"},
        {"From: \"é\nTo: é", "From: invalid@internationalized-address.invalid\r\nTo: =?utf-8?b?w6k=?= " INVALID "\r\n"},
        {"\nSubject: é\n", "\nSubject: é\n"},
        {"\r\né", "\r\né"},
        {"", ""},
        {"X: é", ""},
        {"X: a", "X: a"},
        {"X: é\n", ""},
        {"X: a\n \n b: é\n\nx", "\nx"}, /* a line of blanks belongs to its field */
        {"\r", "\r"},
        {"From ann Mon\nSubject: é\n\n", "From ann Mon\nSubject: =?utf-8?b?w6k=?=\r\n\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_surrogate(span_of(rows[i].text), span_of(rows[i].want));
}

/* Adds NAME: and n octets on lines of 1000, or on one. */
static void add_long(struct buf *b, const char *name, size_t n, bool folded, const char *end)
{
    buf_add_text(b, name);
    for (size_t i = 0; i < n; i++)
        buf_add(b, folded && i % 1000 == 999 ? "\n" : folded && i % 1000 == 0 ? " " : "x", 1);
    buf_add_text(b, end);
}

static void test_long_fields(void **state)
{
    struct buf text, want;
    buf_init(&text, 1 << 23, NULL);
    buf_init(&want, 1 << 23, NULL);
    for (int folded = 0; folded < 2; folded++) {
        add_long(&text, "X-Ascii: ", 1500500, folded, "\n");
        add_long(&want, "X-Ascii: ", 1500500, folded, "\n");
        add_long(&text, "X-Eight: ", 1500500, folded, "é\n");
        add_long(&text, "From: ", 70500, folded, "é\r\n z\r\n");
        buf_add_text(&want, surrogate_from);
        add_long(&text, "Subject: ", 40500, folded, " é\n");
        buf_add_text(&text, "Subject: é\n");
        buf_add_text(&want, "Subject: =?utf-8?b?w6k=?=\r\n");
    }
    struct buf head = {0};
    buf_init(&head, 1 << 23, NULL);
    buf_add_span(&head, buf_span(&text));
    assert_surrogate(buf_span(&head), buf_span(&want)); /* a header and nothing else */
    buf_add_text(&text, "\nbödy\n");
    buf_add_text(&want, "\nbödy\n");
    assert_surrogate(buf_span(&text), buf_span(&want));
    buf_fini(&head);
    buf_fini(&text);
    buf_fini(&want);
}

/* Around the limit: how a field is taken must not depend on where pieces end. */
static void test_limit(void **state)
{
    for (size_t n = SURROGATE_FIELD - 3; n <= SURROGATE_FIELD + 3; n++) {
        struct buf text, want;
        buf_init(&text, 1 << 20, NULL);
        buf_init(&want, 1 << 20, NULL);
        add_long(&text, "From: é ", n - strlen("From: é  <a@b>\n"), false, " <a@b>\n");
        assert_int_equal(text.len, n);
        surrogate_field(buf_span(&text), &want);
        if (n > SURROGATE_FIELD) {
            buf_take(&want, want.len);
            buf_add_text(&want, surrogate_from);
        }
        buf_add_text(&text, "\nx");
        buf_add_text(&want, "\nx");
        assert_surrogate(buf_span(&text), buf_span(&want));
        buf_fini(&text);
        buf_fini(&want);
    }
}

/* What would become too large is left out. */
static void test_swollen(void **state)
{
    struct buf text;
    buf_init(&text, 1 << 20, NULL);
    buf_add_text(&text, "To:");
    while (text.len < SURROGATE_FIELD - 10)
        buf_add_text(&text, "\xc3\xa9,");
    buf_add_text(&text, "\n\nx");
    assert_surrogate(buf_span(&text), span_of("\nx"));
    buf_fini(&text);
}

/* Whoever sends a header of megabytes in other letters does not choose how long each log-in takes. */
static void test_work(void **state)
{
    struct buf text, want;
    size_t work = 0;
    buf_init(&text, 1 << 23, NULL);
    buf_init(&want, 1 << 23, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        size_t before = text.len;
        buf_add_text(&text, "Subject: é");
        add_long(&text, "", 990, false, "\n");
        if (work < SURROGATE_WORK)
            surrogate_field(span_from(buf_span(&text), before), &want);
        work += text.len - before;
    }
    assert_in_range(work, 2 * SURROGATE_WORK, 1 << 23);
    buf_add_text(&text, "From: é <a@b>\nA: b\n\n\xff");
    buf_add_text(&want, surrogate_from);
    buf_add_text(&want, "A: b\n\n\xff");
    assert_surrogate(buf_span(&text), buf_span(&want));
    buf_fini(&text);
    buf_fini(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_subject),     cmocka_unit_test(test_other_fields),
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_messages),    cmocka_unit_test(test_long_fields),
        cmocka_unit_test(test_limit),     cmocka_unit_test(test_swollen),     cmocka_unit_test(test_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
