/* letter, whole, envelope, options: what is written, and what goes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reader/envelope.h"
#include "reader/letter.h"
#include "reader/options.h"
#include "reader/whole.h"

/* ---- letters */

static char *put(const struct letter *l)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    letter_put(l, to);
    fclose(to);
    return text;
}

static void test_draft(void **state)
{
    (void)state;
    struct letter l = {.from = NULL}, again = {.from = NULL};
    struct err err;
    static const char draft[] = "From: a@b\nTo: b@c, d@e\nSubject: x: y\nIn-Reply-To: <1@2>\nReferences: <0@2> <1@2>\n"
                                "Attach: /nonexistent/x\n\ntext\n\nmore\n";
    assert_int_equal(letter_take(&l, span_of(draft), true, &err), 0);
    assert_string_equal(l.from, "a@b");
    assert_string_equal(l.to, "b@c, d@e");
    assert_string_equal(l.subject, "x: y");
    assert_string_equal(l.attach[0], "/nonexistent/x");
    assert_string_equal(l.text, "text\n\nmore\n");
    char *text = put(&l);
    assert_string_equal(text, draft);
    assert_int_equal(letter_take(&again, span_of(text), true, &err), 0);
    assert_string_equal(again.references, "<0@2> <1@2>");
    free(text);
    letter_free(&l);
    letter_free(&again);
}

static void test_draft_of_somebody_else(void **state)
{
    (void)state;
    static const char *const wrong[] = {"Attach: /etc/passwd\nTo: a@b\n\n",
                                        "References: <a@b>\nTo: a@b\n\n",
                                        "no field\n\n",
                                        ": x\n\n",
                                        "X-Mine: 1\nTo: a@b\n\n",
                                        " To: a@b\n\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof(void *); i++) {
        struct letter l = {.from = NULL};
        struct err err;
        assert_int_equal(letter_take(&l, span_of(wrong[i]), false, &err), -1);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_false(letter_is(span_of(wrong[i])));
        letter_free(&l);
    }
    assert_true(letter_is(span_of("to: a@b\r\n\r\nx")));
    assert_true(letter_is(span_of("Bcc: a@b")));
    assert_false(letter_is(span_of("Subject: nobody\n\nx")));
    assert_false(letter_is(span_of("")));
}

static void test_no_line_ends_in_fields(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a\nb", "a\rb", "\x1b[31m", "\x7f", "a\tb"};
    struct err err;
    for (size_t i = 0; i < sizeof wrong / sizeof(void *); i++)
        for (int field = 0; field < 7; field++) {
            struct letter l = {.from = NULL};
            char **fields[] = {&l.from, &l.to, &l.cc, &l.bcc, &l.subject, &l.in_reply_to, &l.references};
            *fields[field] = mem_copy_text(wrong[i]);
            assert_int_equal(letter_check(&l, &err), -1);
            letter_free(&l);
        }
    struct letter l = {.from = NULL};
    assert_int_equal(letter_attach(&l, "a\nb", &err), 0);
    assert_int_equal(letter_check(&l, &err), -1);
    letter_free(&l);
    l.to = mem_copy_text("Größe <a@b>");
    assert_int_equal(letter_check(&l, &err), 0);
    letter_free(&l);
}

static void test_many_files(void **state)
{
    (void)state;
    struct letter l = {.from = NULL};
    struct err err;
    for (int i = 0; i < LETTER_ATTACHED; i++)
        assert_int_equal(letter_attach(&l, "/etc/../etc", &err), 0);
    assert_string_equal(l.attach[0], "/etc");
    assert_int_equal(letter_attach(&l, "x", &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    letter_free(&l);
}

static void test_lists(void **state)
{
    (void)state;
    char *list = NULL;
    letter_add(&list, NULL);
    letter_add(&list, "");
    assert_null(list);
    letter_add(&list, "a@b");
    letter_add(&list, "c@d");
    assert_string_equal(list, "a@b, c@d");
    mem_free(list);
}

/* ---- whole messages */

static void test_heads(void **state)
{
    (void)state;
    assert_true(whole_is(span_of("From: a\nX: y\n\ntext")));
    assert_true(whole_is(span_of("X: y\r\nSUBJECT: a\r\n\r\ntext")));
    assert_true(whole_is(span_of("Subject: a\n")));
    assert_false(whole_is(span_of("")));
    assert_false(whole_is(span_of("\nSubject: a\n")));
    assert_false(whole_is(span_of("Hello: Ben\n\ntext")));
    assert_false(whole_is(span_of("Subject: a\nno field\n\ntext")));
    assert_false(whole_is(span_of(" Subject: a\n\n")));
    assert_false(whole_is(span_of(": a\n\n")));
}

static void test_fields(void **state)
{
    (void)state;
    static const char text[] = "To: a@b,\r\n c@d\r\nX: To: e@f\nto:g@h\n\nTo: i@j\n";
    char *to = whole_field(span_of(text), "To");
    assert_string_equal(to, " a@b, c@d,g@h");
    mem_free(to);
    assert_null(whole_field(span_of(text), "Cc"));
}

static char *sent(const char *text, const char *more)
{
    struct spool s;
    struct err err;
    assert_int_equal(spool_open(&s, 1000, &err), 0);
    assert_int_equal(whole_put(span_of(text), span_of(more), &s, &err), 0);
    char *out = mem_alloc(s.size + 1);
    assert_int_equal(spool_read(&s, 0, out, s.size, &err), (long)s.size);
    spool_close(&s);
    return out;
}

static void check_sent(const char *text, const char *more, const char *expected)
{
    char *out = sent(text, more);
    assert_string_equal(out, expected);
    mem_free(out);
}

static void test_bcc_goes_nowhere(void **state)
{
    (void)state;
    check_sent("To: a@b\nBcc: c@d\n\nBcc: text\n", "Date: x\n", "Date: x\nTo: a@b\n\nBcc: text\n");
    check_sent("BCC : c@d,\r\n\te@f\r\nTo: a@b\r\nResent-Bcc: x@y\r\n\r\n", "", "To: a@b\r\n\r\n");
    check_sent("To: a@b\nbcc:", "", "To: a@b\n");
}

static void test_what_is_said(void **state)
{
    (void)state;
    struct whole_facts f;
    struct err err;
    assert_int_equal(whole_look(span_of("From: a@b\nDate: x\nMessage-Id: <x>\n\ntext\n"), &f, &err), 0);
    assert_true(f.from && f.date && f.id && !f.mime && !f.utf8 && !f.eight_bit);
    assert_int_equal(whole_look(span_of("Subject: \xc3\xb6\nContent-Type: x/y\n\ntext \xff\n"), &f, &err), 0);
    assert_true(!f.from && !f.date && !f.id && f.mime && f.utf8 && f.eight_bit);
    assert_int_equal(whole_look((struct span){"To: a\n\n\0", 8}, &f, &err), -1);
}

/* ---- the envelope */

static void test_each_once(void **state)
{
    (void)state;
    struct envelope e = {.from = NULL}, few = {.from = NULL};
    struct err err;
    assert_int_equal(envelope_add(&e, "a@b", &err), 0);
    assert_int_equal(envelope_add(&e, "c@d", &err), 0);
    assert_int_equal(envelope_add(&e, "a@b", &err), 0);
    assert_int_equal(e.count, 2);
    assert_false(e.utf8);
    assert_int_equal(envelope_add(&e, "\xc3\xb6@d", &err), 0);
    assert_true(e.utf8);
    assert_int_equal(envelope_add(&few, "c@d", &err), 0);
    assert_int_equal(envelope_keep(&e, &few, &err), 0);
    assert_int_equal(e.count, 1);
    assert_string_equal(e.rcpts[0].address, "c@d");
    assert_int_equal(envelope_add(&few, "x@y", &err), 0);
    assert_int_equal(envelope_keep(&e, &few, &err), -1);
    assert_int_equal(e.count, 1);
    envelope_free(&e);
    envelope_free(&few);
}

static void test_not_too_many(void **state)
{
    (void)state;
    struct envelope e = {.from = NULL};
    struct err err;
    char address[32];
    for (int i = 0; i < ENVELOPE_MAX; i++) {
        snprintf(address, sizeof address, "%d@x", i);
        assert_int_equal(envelope_add(&e, address, &err), 0);
    }
    assert_int_equal(envelope_add(&e, "0@x", &err), 0);
    assert_int_equal(envelope_add(&e, "more@x", &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    envelope_free(&e);
}

/* ---- options */

static void test_options(void **state)
{
    (void)state;
    bool all = false;
    const char *file = NULL;
    struct option_texts to = {NULL, 0};
    struct err err;
    const struct option_row rows[] = {
        {"--all", OPTION_FLAG, &all}, {"-a", OPTION_TEXT, &file}, {"--to", OPTION_TEXTS, &to}};
    char *argv[] = {"x", "--to", "a", "-", "--all", "--to=b=c", "-a", "-f", "--", "--all", NULL};
    int argc = 10;
    assert_int_equal(options_take(rows, 3, &argc, argv, &err), 0);
    assert_int_equal(argc, 3);
    assert_string_equal(argv[0], "x");
    assert_string_equal(argv[1], "-");
    assert_string_equal(argv[2], "--all");
    assert_true(all);
    assert_string_equal(file, "-f");
    assert_int_equal(to.count, 2);
    assert_string_equal(to.text[1], "b=c");
    mem_free(to.text);
    static char *const wrong[] = {"--none", "--all=yes", "--allx", "-ax", "-a=x", "--to", "-a"};
    for (size_t i = 0; i < sizeof wrong / sizeof(void *); i++) {
        char *one[] = {wrong[i], NULL};
        argc = 1;
        assert_int_equal(options_take(rows, 3, &argc, one, &err), -1);
        assert_int_equal(err.kind, ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draft),
        cmocka_unit_test(test_draft_of_somebody_else),
        cmocka_unit_test(test_no_line_ends_in_fields),
        cmocka_unit_test(test_many_files),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_bcc_goes_nowhere),
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_each_once),
        cmocka_unit_test(test_not_too_many),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
