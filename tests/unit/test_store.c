/* store: octets on the wire, unique ids, and which stores may be named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "guard.h"
#include "store/open.h"

/* ---- counting */

/* Byte by byte, from the definition: each LF without a CR before it gets one, an unended last line CRLF. */
static uint64_t octets_by_hand(struct span text)
{
    uint64_t octets = text.n;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            octets++;
    return octets + (text.n && text.p[text.n - 1] != '\n' ? 2 : 0);
}

static bool wire_by_hand(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\n' && (i == 0 || text.p[i - 1] != '\r'))
            return false;
        if (text.p[i] == '.' && (i == 0 || text.p[i - 1] == '\n'))
            return false;
    }
    return text.n == 0 || text.p[text.n - 1] == '\n';
}

static void count_in_pieces(struct span text, size_t piece)
{
    struct store_count c = {0};
    for (size_t at = 0; at < text.n; at += piece) {
        size_t n = text.n - at < piece ? text.n - at : piece;
        char *p = guard_copy(text.p + at, n);
        store_count_add(&c, (struct span){p, n});
        guard_free(p);
    }
    assert_int_equal(c.size, text.n);
    assert_int_equal(store_count_octets(&c), octets_by_hand(text));
    assert_int_equal(store_count_wire(&c), wire_by_hand(text));
}

/* Every text of up to six of the bytes that matter, cut in every way. */
static void test_count_every_short_text(void **state)
{
    static const char bytes[] = "\r\n.a";
    (void)state;
    for (unsigned n = 0; n <= 6; n++)
        for (unsigned code = 0; code < 1u << 2 * n; code++) {
            char text[6];
            for (unsigned i = 0; i < n; i++)
                text[i] = bytes[code >> 2 * i & 3];
            struct store_count c = {0};
            store_count_add(&c, (struct span){text, n});
            assert_int_equal(store_count_octets(&c), octets_by_hand((struct span){text, n}));
            assert_int_equal(store_count_wire(&c), wire_by_hand((struct span){text, n}));
            struct store_count single = {0};
            for (unsigned i = 0; i < n; i++)
                store_count_add(&single, (struct span){text + i, 1});
            assert_memory_equal(&single, &c, sizeof c);
        }
}

/* Octets above 0x7F before the first empty line (RFC 5322 §2.1). */
static bool eight_bit_by_hand(struct span text)
{
    for (struct span rest = text; rest.n;) {
        struct span line = rest;
        const char *lf = memchr(rest.p, '\n', rest.n);
        line.n = lf ? (size_t)(lf - rest.p) : rest.n;
        if (lf && (line.n == 0 || span_is(line, "\r")))
            return false;
        for (size_t i = 0; i < line.n; i++)
            if ((unsigned char)line.p[i] >= 0x80)
                return true;
        rest = span_from(rest, line.n + 1);
    }
    return false;
}

/* The same of headers. */
static void test_eight_bits_in_every_short_header(void **state)
{
    static const char bytes[] = "\r\n\xe9x";
    for (unsigned n = 0; n <= 7; n++)
        for (unsigned code = 0; code < 1u << 2 * n; code++) {
            char text[7];
            for (unsigned i = 0; i < n; i++)
                text[i] = bytes[code >> 2 * i & 3];
            for (unsigned piece = 1; piece <= 3; piece++) {
                struct store_count c = {0};
                for (unsigned at = 0; at < n; at += piece)
                    store_count_add(&c, (struct span){text + at, n - at < piece ? n - at : piece});
                assert_int_equal(store_count_eight_bit(&c), eight_bit_by_hand((struct span){text, n}));
            }
        }
}

/* What matters stands anywhere in a text that is long enough to be taken many octets at a time: the count is that of its octets
 * one by one, and so is what is known of the header. */
static void test_count_of_long_texts(void **state)
{
    enum { LONG = 150 };
    static const char *const parts[] = {"\n", "\r\n", "\n\n", "\r\n\r\n", "\n\r\n", "\r\n\n", "\n.", "\r\n.", ".", "\r", "\r\r\n",
                                        "\xe9", "\n\xe9", "\n\n\xe9", "\xe9\n\n", "\n\n.\n", "\n\r\r\n\xe9", "\r\n\r\r\n"};
    static const size_t pieces[] = {1, 2, 15, 16, 17, 18, 65, 66, 67, 130, LONG};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t at = 0; at + strlen(parts[i]) <= LONG; at++) {
            char text[LONG];
            memset(text, 'a', LONG);
            memcpy(text + at, parts[i], strlen(parts[i]));
            struct store_count single = {0};
            for (size_t k = 0; k < LONG; k++)
                store_count_add(&single, (struct span){text + k, 1});
            assert_int_equal(store_count_octets(&single), octets_by_hand((struct span){text, LONG}));
            assert_int_equal(store_count_wire(&single), wire_by_hand((struct span){text, LONG}));
            assert_int_equal(store_count_eight_bit(&single), eight_bit_by_hand((struct span){text, LONG}));
            for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
                struct store_count c = {0};
                for (size_t done = 0; done < LONG; done += pieces[k])
                    store_count_add(&c,
                                    (struct span){text + done, LONG - done < pieces[k] ? LONG - done : pieces[k]});
                assert_memory_equal(&single, &c, sizeof c);
            }
        }
}

/* More lone line ends than one octet can count. */
static void test_count_of_many_lines(void **state)
{
    enum { LONG = 20000 };
    (void)state;
    char *text = mem_alloc(LONG);
    for (size_t every = 1; every <= 3; every++) {
        memset(text, 'a', LONG);
        for (size_t i = 0; i < LONG; i += every)
            text[i] = '\n';
        struct store_count c = {0};
        store_count_add(&c, (struct span){text, LONG});
        assert_int_equal(store_count_octets(&c), octets_by_hand((struct span){text, LONG}));
    }
    mem_free(text);
}

static void test_count_at_a_guard_page(void **state)
{
    static const char *const texts[] = {"Subject: x\r\n\r\nbody\r\n",
                                        "Subject: a header of more than sixty-four octets, so that it is taken in a stride\n\nbody\n",
                                        "a\n.b\r\n..\rc", "\n\n\n", "no end", "\r", ""};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t piece = 1; piece < 90; piece++)
            count_in_pieces(span_of(texts[i]), piece);
}

/* ---- unique ids */

static void expect_uid(const char *base, const char *uid)
{
    char out[71];
    size_t n = strlen(base);
    char *p = guard_copy(base, n);
    store_uid((struct span){p, n}, out);
    guard_free(p);
    if (uid)
        assert_string_equal(out, uid);
    else
        assert_true(out[0] == ':' && strlen(out) == 65);
}

static void test_keeps_crlf(void **state)
{
    static const struct {
        const char *text;
        bool keeps;
    } rows[] = {{"", false},      {"\r\r", false},   {"\r\n", false},    {"a\r\nb\rc\r\n", false},
                {"\r\r\n", true}, {"a\r\r\n", true}, {"\r\r\r\n", true}, {"x\r\n\r\r\ny", true},
                {"\n\r\r", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].text);
        char *p = guard_copy(rows[i].text, n);
        assert_int_equal(store_keeps_crlf((struct span){p, n}), rows[i].keeps);
        guard_free(p);
    }
}

static void test_uid(void **state)
{
    (void)state;
    expect_uid("1234.M5P6.host", "1234.M5P6.host");
    expect_uid("1234.M5P6.host,S=10,W=20", "1234.M5P6.host");
    expect_uid("1234.M5P6.host:2,S", "1234.M5P6.host");
    expect_uid("1:2,3", "1");
    expect_uid("!~", "!~");
    expect_uid("", NULL);
    expect_uid(",S=1", NULL);
    expect_uid(":2,S", NULL);
    expect_uid("with space", NULL);
    expect_uid("del\x7f", NULL);
    expect_uid("\xc3\xa9", NULL);
    char name[72];
    memset(name, 'x', sizeof name);
    name[70] = '\0';
    expect_uid(name, name);
    name[70] = 'x';
    name[71] = '\0';
    expect_uid(name, NULL);
}

/* The digest does not change when another program adds its hints to the name. */
static void test_uid_digest(void **state)
{
    (void)state;
    char a[71], b[71];
    store_uid(span_of("a name"), a);
    store_uid(span_of("a name,S=17"), b);
    assert_string_equal(a, b);
    assert_string_equal(a, ":36e96c62633613d6f8e98943830ed5c5f814c2bb9214d8bba577386096bc926a");
}

static void test_uid_second(void **state)
{
    (void)state;
    char a[71], b[71];
    store_uid_second(span_of("1.a"), 1, a);
    store_uid_second(span_of("1.a"), 2, b);
    assert_string_not_equal(a, b);
    store_uid_second(span_of("1.a,S=1"), 1, b);
    assert_string_not_equal(a, b);
    store_uid_second(span_of("1.a"), 1, b);
    assert_string_equal(a, b);
    assert_true(a[0] == ':' && strlen(a) == 65);
    store_uid_second(span_of("1.a1"), 1, a); /* name and number do not run into each other */
    store_uid_second(span_of("1.a"), 11, b);
    assert_string_not_equal(a, b);
}

/* ---- where a store may lie */

static const struct store_root roots[] = {
    {.path = "/srv/mail", .fd = -1}, {.path = "/srv/mail/far", .fd = -1, .memory = true}, {.path = "/home", .fd = -1}};

static void test_where_allowed(void **state)
{
    static const struct {
        const char *where;
        unsigned root;
    } rows[] = {
        {"maildir:/srv/mail/anna", 0},         {"maildir:/srv/mail/a/b/Maildir", 0},
        {"maildir:/srv/mail/far/x", 1},        {"maildir:/srv/mail/farther", 0},
        {"maildir:/home/anna/Maildir", 2},     {"maildir:/home/...", 2},
        {"memory:/srv/mail/far/x?sleep=1", 1}, {"maildir:/home/a:b", 2},
        {"maildir:/home/\xc3\xa9 x", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {0};
        unsigned root = 9;
        if (store_where_check(roots, 3, rows[i].where, &root, &err) < 0)
            fail_msg("%s: %s", rows[i].where, err.text);
        assert_int_equal(root, rows[i].root);
        assert_int_equal(store_where_check(roots, 3, rows[i].where, NULL, NULL), 0);
    }
}

static void test_where_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "maildir",
        "maildir:",
        "maildir:/",
        "/srv/mail/anna",
        "MAILDIR:/srv/mail/anna",
        "maildi:/srv/mail/anna",
        "maildirs:/srv/mail/anna",
        "mbox:/srv/mail/anna",
        "maildir:srv/mail/anna",
        "maildir:/srv/mail",
        "maildir:/srv/mail/",
        "maildir:/srv/mail/far",
        "maildir:/srv/mailbox",
        "maildir:/srv",
        "maildir:/etc",
        "maildir:/srv/mail/../../etc",
        "maildir:/srv/mail/..",
        "maildir:/srv/mail/./anna",
        "maildir:/srv/mail//anna",
        "maildir://srv/mail/anna",
        "maildir:/srv/mail/anna/",
        "maildir:/srv/mail/an\nna",
        "maildir:/srv/mail/an\x7fna",
        "maildir:/srv/mail/an\x01",
        "memory:/srv/mail/anna",
        "memory:/home/x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {0};
        if (store_where_check(roots, 3, rows[i], NULL, &err) == 0)
            fail_msg("allowed: %s", rows[i]);
        assert_int_equal(err.kind, ERR_PERM);
        struct store *s = NULL;
        assert_int_equal(store_open(&s, roots, 3, rows[i], STORE_EXCLUSIVE, &err), -1);
        assert_null(s);
    }
    assert_int_equal(store_where_check(NULL, 0, "maildir:/srv/mail/anna", NULL, NULL), -1);
}

static void test_where_too_long(void **state)
{
    (void)state;
    char where[5000] = "maildir:/srv/mail/";
    size_t n = strlen(where);
    memset(where + n, 'x', 256);
    assert_int_equal(store_where_check(roots, 3, where, NULL, NULL), -1);
    where[n + 255] = '\0';
    assert_int_equal(store_where_check(roots, 3, where, NULL, NULL), 0);
    for (size_t i = n; i < sizeof where - 1; i++)
        where[i] = i % 2 ? '/' : 'x';
    assert_int_equal(store_where_check(roots, 3, where, NULL, NULL), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_every_short_text),
        cmocka_unit_test(test_eight_bits_in_every_short_header),
        cmocka_unit_test(test_count_of_long_texts),
        cmocka_unit_test(test_count_of_many_lines),
        cmocka_unit_test(test_count_at_a_guard_page),
        cmocka_unit_test(test_keeps_crlf),
        cmocka_unit_test(test_uid),
        cmocka_unit_test(test_uid_digest),
        cmocka_unit_test(test_uid_second),
        cmocka_unit_test(test_where_allowed),
        cmocka_unit_test(test_where_refused),
        cmocka_unit_test(test_where_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
