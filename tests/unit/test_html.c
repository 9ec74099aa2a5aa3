/* html: what a person reads of HTML, and that no HTML makes it go on or grow without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reader/html.h"

static char *text_of(struct span html, bool *whole)
{
    char *out = NULL;
    size_t n;
    FILE *to = open_memstream(&out, &n);
    *whole = html_text(html, to);
    fclose(to);
    return out;
}

static void check(const char *html, const char *expected)
{
    bool whole;
    char *out = text_of(span_of(html), &whole);
    assert_string_equal(out, expected);
    assert_true(whole);
    free(out);
}

static void test_paragraphs(void **state)
{
    (void)state;
    check("<p>One\n  two</p><p>three<br>four", "One two\n\nthree\nfour\n");
    check("<div>a</div><div>b</div>", "a\nb\n");
    check("plain", "plain\n");
    check("", "");
    check("  <p> </p>  ", "");
    check("<h1>Title</h1>text", "Title\n\ntext\n");
    check("<div>a<hr>b</div>", "a\n----------------------------------------\nb\n");
    check("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc\n");
    check("<p>w<b>or</b>d &amp; caf&eacute; &lt;x&gt;", "word & caf\xc3\xa9 <x>\n");
}

static void test_lines_are_wrapped(void **state)
{
    (void)state;
    bool whole;
    char html[2000] = "<p>";
    for (int i = 0; i < 100; i++)
        strcat(html, "word ");
    char *out = text_of(span_of(html), &whole);
    for (char *line = out; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        assert_true(strcspn(line, "\n") <= 76);
    free(out);
}

static void test_preformatted(void **state)
{
    (void)state;
    check("<pre>a  b\n\n\n\n  c</pre>", "a  b\n\n\n\n  c\n");
    check("x<pre>y</pre>z", "x\n\ny\n\nz\n");
}

static void test_lists_and_quotations(void **state)
{
    (void)state;
    check("<ul><li>a<ul><li>b</ul><li>c</ul>d", "* a\n  * b\n* c\n\nd\n");
    check("x<blockquote>said<blockquote>before</blockquote></blockquote>y", "x\n\n> said\n\n> > before\n\ny\n");
}

static void test_links(void **state)
{
    (void)state;
    check("<a href='https://a.example/?x=1&amp;y=2'>here</a>, <a href=\"https://a.example/?x=1&y=2\">again</a>, "
          "<a href='mailto:b@example.org'>b</a>",
          "here[1], again[1], b[2]\n\n[1] https://a.example/?x=1&y=2\n[2] mailto:b@example.org\n");
    check("<a href='javascript:alert(1)'>x</a> <a name=y>y</a> <a href='#z'>z</a>", "x y z\n");
    check("<a href='https://a.example/\n[2] https://b.example'>x</a>",
          "x[1]\n\n[1] https://a.example/[2] https://b.example\n");
}

static void test_what_is_not_seen(void **state)
{
    (void)state;
    check(
        "<head><title>t</title><style>p{}</style></head><body><script>if(a<b)x('<p>')</script>seen<!-- not --></body>",
        "seen\n");
    check("<div>a<div style='color:red; Display : NONE'>hidden <b>too</b></div>b</div>", "a\nb\n");
    check("a<span hidden>not</span>b", "ab\n");
    check("<img alt='a cat' src='http://tracker.example/1.gif'><img src=x>", "a cat\n");
    check("<body><svg><text>s</text></svg>t", "t\n");
}

static void test_depth_has_an_end(void **state)
{
    (void)state;
    size_t n = 300000;
    char *html = mem_alloc(n + 1);
    bool whole;
    for (size_t i = 0; i < n; i++)
        html[i] = "<b>"[i % 3];
    char *out = text_of((struct span){html, n}, &whole);
    assert_false(whole);
    free(out);
    mem_free(html);
}

static void test_size_has_an_end(void **state)
{
    (void)state;
    size_t n = HTML_MAX + 1000;
    char *html = mem_alloc(n + 1);
    bool whole;
    memset(html, 'x', n);
    char *out = text_of((struct span){html, n}, &whole);
    assert_false(whole);
    assert_true(strlen(out) <= HTML_MAX + 1);
    free(out);
    mem_free(html);
}

static void test_many_links(void **state)
{
    (void)state;
    char *html = NULL;
    size_t n;
    bool whole;
    FILE *to = open_memstream(&html, &n);
    for (int i = 0; i < HTML_LINKS + 10; i++)
        fprintf(to, "<a href='https://a.example/%d'>%d</a> ", i, i);
    fclose(to);
    char *out = text_of((struct span){html, n}, &whole);
    assert_false(whole);
    assert_non_null(strstr(out, "[500] https://a.example/499"));
    assert_null(strstr(out, "[501]"));
    free(out);
    free(html);
}

static void test_octets_of_any_kind(void **state)
{
    (void)state;
    bool whole;
    char *out = text_of((struct span){"a\0b\x1b[1m\xff\xfe<p\0>c", 15}, &whole);
    assert_non_null(strstr(out, "c"));
    assert_null(strchr(out, '\x1b'));
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paragraphs),
        cmocka_unit_test(test_lines_are_wrapped),
        cmocka_unit_test(test_preformatted),
        cmocka_unit_test(test_lists_and_quotations),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_what_is_not_seen),
        cmocka_unit_test(test_depth_has_an_end),
        cmocka_unit_test(test_size_has_an_end),
        cmocka_unit_test(test_many_links),
        cmocka_unit_test(test_octets_of_any_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
