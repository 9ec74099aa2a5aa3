/* terminal: nothing that could command a terminal comes out, however it is cut and whatever it is hidden in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reader/terminal.h"

static char *cleaned(struct span in, size_t piece, bool ascii)
{
    struct terminal t = {.ascii = ascii};
    char *out = NULL;
    size_t n;
    FILE *to = open_memstream(&out, &n);
    while (in.n) {
        size_t now = in.n < piece ? in.n : piece;
        terminal_put(&t, (struct span){in.p, now}, to);
        in = span_from(in, now);
    }
    terminal_end(&t, to);
    fclose(to);
    return out;
}

static void check_n(const char *in, size_t n, const char *expected)
{
    for (size_t piece = 1; piece <= n; piece++) {
        char *out = cleaned((struct span){in, n}, piece, false);
        assert_string_equal(out, expected);
        free(out);
    }
}

static void check(const char *in, const char *expected)
{
    check_n(in, strlen(in), expected);
}

static void test_text_passes(void **state)
{
    (void)state;
    check("Bon dia, caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\ta\nb\n",
          "Bon dia, caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\ta\nb\n");
    check("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"); /* what is written from the right */
    check("a\r\nb\r\n", "a\nb\n");
}

static void test_controls_are_shown(void **state)
{
    (void)state;
    check("\x1b]0;title\x07", "^[]0;title^G");
    check("\x1b[2J\x1b[31m", "^[[2J^[[31m");
    check("a\rb", "a^Mb");
    check("a\r", "a^M");
    check("\r\r\n", "^M\n");
    check("\x7f\x08\x0b\x0c\x0e", "^?^H^K^L^N");
    check_n("a\0b", 3, "a^@b");
}

static void test_c1_are_shown(void **state)
{
    (void)state;
    check("\xc2\x9b"
          "2J",
          "<U+009B>2J"); /* CSI as UTF-8 */
    check("\xc2\x80\xc2\x9f\xc2\xa0", "<U+0080><U+009F>\xc2\xa0");
    check("\x9b"
          "2J",
          "\xef\xbf\xbd"
          "2J"); /* CSI as an octet */
    check("\x90q", "\xef\xbf\xbdq");
}

static void test_direction_is_shown(void **state)
{
    (void)state;
    check("\xe2\x80\xaa\xe2\x80\xae\xe2\x81\xa6\xe2\x81\xa9", "<U+202A><U+202E><U+2066><U+2069>");
    check("exe.\xe2\x80\xaegpj", "exe.<U+202E>gpj");
    check("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7", "<U+2028><U+2029>\xe2\x80\xa7");
}

static void test_what_is_no_utf8(void **state)
{
    (void)state;
    check("\xc0\x9b", "\xef\xbf\xbd\xef\xbf\xbd"); /* overlong ESC and CSI */
    check("\xe0\x80\x9b", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    check("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    check("\xf8\xff", "\xef\xbf\xbd\xef\xbf\xbd");
    check("\xe2\x82", "\xef\xbf\xbd");           /* ended too early */
    check("\xe2\x82\x1b[m", "\xef\xbf\xbd^[[m"); /* what ends it is looked at itself */
    check("\xc2\r\n", "\xef\xbf\xbd\n");
    check("\r\xff\n", "^M\xef\xbf\xbd\n");
}

static void test_ascii_alone(void **state)
{
    (void)state;
    const char *in = "\xc3\x9b caf\xc3\xa9 \xff \xc2\x9b";
    char *out = cleaned(span_of(in), 100, true);
    assert_string_equal(out, "? caf? ? <U+009B>");
    free(out);
}

/* No octet in front of or behind another makes a command pass: all pairs and many triples. */
static void test_every_pair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536 * 4; i++) {
        char in[4] = {(char)(i >> 8), (char)i, "\x9b\x1b\x80\n"[i >> 16]};
        char *out = cleaned((struct span){in, 3}, 3, false);
        for (const char *p = out; *p; p++) {
            unsigned char b = (unsigned char)*p;
            assert_true(b >= ' ' || b == '\n' || b == '\t');
            assert_int_not_equal(b, 0x7F);
            if (b == 0xC2)
                assert_true((unsigned char)p[1] >= 0xA0);
        }
        free(out);
    }
}

static void test_line(void **state)
{
    (void)state;
    char *line = terminal_line(span_of("Subject\r\n\tof \x1b[1mtwo\n"), false);
    assert_string_equal(line, "Subject  of ^[[1mtwo ");
    mem_free(line);
}

static void check_cell(const char *text, int columns, bool pad, const char *expected)
{
    char *out = NULL;
    size_t n;
    FILE *to = open_memstream(&out, &n);
    terminal_cell(text, columns, pad, false, to);
    fclose(to);
    assert_string_equal(out, expected);
    free(out);
}

static void test_cell(void **state)
{
    (void)state;
    check_cell("abc", 5, true, "abc  ");
    check_cell("abc", 5, false, "abc");
    check_cell("abcdef", 5, true, "abcd…");
    check_cell("caf\xc3\xa9", 4, true, "caf\xc3\xa9");
    if (setlocale(LC_CTYPE, "C.UTF-8")) {
        check_cell("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, true, "\xe6\x97\xa5\xe6\x9c\xac…"); /* two columns each */
        check_cell("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, true, "\xe6\x97\xa5… ");
        check_cell("e\xcc\x81", 1, true, "e\xcc\x81"); /* an accent of its own takes none */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_passes),
        cmocka_unit_test(test_controls_are_shown),
        cmocka_unit_test(test_c1_are_shown),
        cmocka_unit_test(test_direction_is_shown),
        cmocka_unit_test(test_what_is_no_utf8),
        cmocka_unit_test(test_ascii_alone),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_cell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
