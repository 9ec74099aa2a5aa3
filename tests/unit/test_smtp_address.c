/* smtp_address: what is an address and what is none, each at a guard page, and how it is written again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "guard.h"
#include "wire/smtp_address.h"

/* ---- what it is */

struct good {
    const char *text, *local, *domain, *written, *rest;
    bool utf8;
};

/* clang-format off */
static const struct good goods[] = {
    {"<>", "", "", "", ""},
    {"<> SIZE=1", "", "", "", " SIZE=1"},
    {"<postmaster>", "postmaster", "", "postmaster", ""},
    {"<a@b>x", "a", "b", "a@b", "x"},
    {"<a@b.c> BODY=7BIT", "a", "b.c", "a@b.c", " BODY=7BIT"},
    {"<!#$%&'*+-/=?^_`{|}~@b>", "!#$%&'*+-/=?^_`{|}~", "b", "!#$%&'*+-/=?^_`{|}~@b", ""},
    {"<a.b.c@d>", "a.b.c", "d", "a.b.c@d", ""},
    {"<.a@b>", ".a", "b", "\".a\"@b", ""},
    {"<a..b@c>", "a..b", "c", "\"a..b\"@c", ""},
    {"<a.@b>", "a.", "b", "\"a.\"@b", ""},
    {"<\"a\"@b>", "a", "b", "a@b", ""},
    {"<\"\"@b>", "", "b", "\"\"@b", ""},
    {"<\" \"@b>", " ", "b", "\" \"@b", ""},
    {"<\"a b\">", "a b", "", "\"a b\"", ""},
    {"<\"a\\\"b\\\\c\\d\"@e>", "a\"b\\cd", "e", "\"a\\\"b\\\\cd\"@e", ""},
    {"<\"@>,:\"@b>", "@>,:", "b", "\"@>,:\"@b", ""},
    {"<@a:b@c>", "b", "c", "b@c", ""},
    {"<@a,@b.c,@[1.2.3.4]:\"x y\"@d>", "x y", "d", "\"x y\"@d", ""},
    {"<@a:postmaster>", "postmaster", "", "postmaster", ""},
    {"<a@[192.0.2.1]>", "a", "[192.0.2.1]", "a@[192.0.2.1]", ""},
    {"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", ""},
    {"<a@b_c.d-e.0>", "a", "b_c.d-e.0", "a@b_c.d-e.0", ""},
    {"<\xc3\xa4@b>", "\xc3\xa4", "b", "\xc3\xa4@b", "", true},
    {"<a@\xe4\xbe\x8b.\xe2\x84\xa2>", "a", "\xe4\xbe\x8b.\xe2\x84\xa2", "a@\xe4\xbe\x8b.\xe2\x84\xa2", "", true},
    {"<\"\xf0\x9f\x98\x80 x\"@b>", "\xf0\x9f\x98\x80 x", "b", "\"\xf0\x9f\x98\x80 x\"@b", "", true},
    {"<\"~\"@b>", "~", "b", "~@b", ""},
    {"<\xe0\xa0\x80@b>", "\xe0\xa0\x80", "b", "\xe0\xa0\x80@b", "", true},
    {"<@\xc3\xa4:a@b>", "a", "b", "a@b", ""},
    {"<\xc2\xa0@b>", "\xc2\xa0", "b", "\xc2\xa0@b", "", true},
    {"<\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf@b>", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "b",
     "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf@b", "", true},
};

static const char *const bads[] = {
    "", "a@b", " <a@b>", "<", "<a", "<a@", "<a@b", "<a@>", "<@>", "<@b>", "<a@b@c>", "<a b@c>", "<a@b c>", "<a(b)@c>",
    "<a@b,c>", "<a,b@c>", "<a:b@c>", "<a;b@c>", "<a\\b@c>", "<a[b@c>", "<<a@b>", "<\"a@b>", "<\"a\"b@c>", "<\"a\\",
    "<\"a\"", "<\"\">", "<\"\\\"@b>", "<a\"b\"@c>", "<a@.b>", "<a@b.>", "<a@b..c>", "<a@.>", "<a@b!c>", "<a@b:c>",
    "<@a>", "<@a:>", "<@a,b:c@d>", "<@a,b@c>", "<@a@b:c@d>", "<@:a@b>", "<@,@a:b@c>", "<@a,:b@c>", "<@a,@b>",
    "<a@[]>", "<a@[1.2.3.4>", "<a@[1.2.3.4]b>", "<a@[1 2]>", "<a@[1\\2]>", "<a@[", "<a@[1", "<a@1.2.3.4]>",
    "<a\rb@c>", "<a\nb@c>", "<a\tb@c>", "<a\x7f@c>", "<\"a\rb\"@c>", "<\"a\nb\"@c>", "<\"a\\\rb\"@c>", "<\"a\x7f\"@c>",
    "<a@b\r>", "<a@b\n>", "<a@[\n]>",
    /* not UTF-8: a tail alone, cut short, too long, surrogates, beyond the last; and controls in it */
    "<\x80@b>", "<\xbf\xbf@b>", "<\xc3@b>", "<\xc3", "<\xe2\x82@b>", "<\xe2\x82", "<\xf0\x9f\x98@b>", "<\xc0\xaf@b>", "<\xc1\xbf@b>", "<\xe0\x80\xaf@b>", "<\xe0\x9f\xbf@b>",
    "<\xf0\x80\x80\xaf@b>", "<\xf0\x8f\xbf\xbf@b>", "<\xed\xa0\x80@b>", "<\xed\xbf\xbf@b>", "<\xf4\x90\x80\x80@b>", "<\xf5\x80\x80\x80@b>", "<\xff@b>",
    "<\xc2\x80@b>", "<\xc2\x9f@b>", "<a@\xc3>", "<a@\xff>", "<\"\xc3\"@b>", "<\"\\\xc3\xa4\"@b>",
};
/* clang-format on */

static bool take(const char *text, size_t n, struct smtp_address *a, struct span *rest)
{
    char *copy = guard_copy(text, n);
    struct span in = {copy, n};
    bool good = smtp_address_take(&in, a);
    *rest = good ? (struct span){text + (in.n ? (size_t)(in.p - copy) : n), in.n} : (struct span){"", 0};
    guard_free(copy);
    return good;
}

static void test_good(void **state)
{
    for (size_t i = 0; i < sizeof goods / sizeof *goods; i++) {
        const struct good *g = &goods[i];
        struct smtp_address a, again;
        struct span rest;
        char text[SMTP_ADDRESS_TEXT], path[SMTP_ADDRESS_TEXT + 2];
        print_message("%s\n", g->text);
        assert_true(take(g->text, strlen(g->text), &a, &rest));
        assert_string_equal(a.local, g->local);
        assert_string_equal(a.domain, g->domain);
        assert_int_equal(a.utf8, g->utf8);
        assert_true(span_is(rest, g->rest));
        assert_int_equal(smtp_address_text(&a, text), strlen(g->written));
        assert_string_equal(text, g->written);
        /* what is written is read as the same */
        int n = snprintf(path, sizeof path, "<%s>", text);
        assert_true(take(path, (size_t)n, &again, &rest));
        assert_string_equal(again.local, a.local);
        assert_string_equal(again.domain, a.domain);
    }
}

static void test_bad(void **state)
{
    for (size_t i = 0; i < sizeof bads / sizeof *bads; i++) {
        struct smtp_address a;
        struct span rest;
        print_message("%s\n", bads[i]);
        assert_false(take(bads[i], strlen(bads[i]), &a, &rest));
    }
}

/* What is cut off anywhere is no address. */
static void test_cut(void **state)
{
    static const char whole[] = "<@r.example:\"a \\\"b\"@\xc3\xa4.example>";
    struct smtp_address a;
    struct span rest;
    for (size_t n = 0; n < sizeof whole - 1; n++)
        assert_false(take(whole, n, &a, &rest));
    assert_true(take(whole, sizeof whole - 1, &a, &rest));
}

/* Any control octet, at any place, written in any way. */
static void test_controls(void **state)
{
    static const char *const forms[] = {"<a%b@c>",       "<a@b%c>",    "<\"a%b\"@c>",
                                        "<\"a\\%b\"@c>", "<@a%b:c@d>", "<a@[1%2]>"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (unsigned c = 0; c <= 0x7F; c++) {
            char text[20];
            struct smtp_address a;
            struct span rest;
            size_t n = strlen(forms[i]);
            memcpy(text, forms[i], n + 1);
            *strchr(text, '%') = (char)c;
            bool good = take(text, n, &a, &rest);
            if (c < ' ' || c == 0x7F)
                assert_false(good);
        }
}

/* ---- limits */

static bool take_long(size_t local, bool quoted, size_t domain, struct smtp_address *a)
{
    char text[1200];
    size_t n = 0;
    struct span rest;
    text[n++] = '<';
    if (quoted)
        text[n++] = '"';
    for (size_t i = 0; i < local; i++) {
        if (quoted)
            text[n++] = '\\';
        text[n++] = quoted ? '"' : 'l';
    }
    if (quoted)
        text[n++] = '"';
    if (domain)
        text[n++] = '@';
    for (size_t i = 0; i < domain; i++)
        text[n++] = i % 64 == 63 ? '.' : 'd';
    text[n++] = '>';
    return take(text, n, a, &rest);
}

static void test_limits(void **state)
{
    struct smtp_address a;
    char text[SMTP_ADDRESS_TEXT];
    assert_true(take_long(SMTP_LOCAL_MAX, false, SMTP_DOMAIN_MAX, &a));
    assert_int_equal(strlen(a.local), SMTP_LOCAL_MAX);
    assert_int_equal(strlen(a.domain), SMTP_DOMAIN_MAX);
    assert_false(take_long(SMTP_LOCAL_MAX + 1, false, 5, &a));
    assert_false(take_long(5, false, SMTP_DOMAIN_MAX + 2, &a));
    /* the longest that can be written: every octet with a backslash */
    assert_true(take_long(SMTP_LOCAL_MAX, true, SMTP_DOMAIN_MAX, &a));
    assert_int_equal(smtp_address_text(&a, text), SMTP_ADDRESS_TEXT - 1);
    assert_int_equal(strlen(text), SMTP_ADDRESS_TEXT - 1);
    assert_false(take_long(SMTP_LOCAL_MAX + 1, true, 5, &a));
}

static void test_labels(void **state)
{
    char text[100];
    struct smtp_address a;
    struct span rest;
    int n = snprintf(text, sizeof text, "<a@%.*s.b>", 63,
                     "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
    assert_true(take(text, (size_t)n, &a, &rest));
    n = snprintf(text, sizeof text, "<a@%.*s.b>", 64,
                 "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd");
    assert_false(take(text, (size_t)n, &a, &rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_bad),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_controls), cmocka_unit_test(test_limits), cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
