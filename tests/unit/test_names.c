/* names: what a message may call a file, and that it never takes the place of another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reader/names.h"
#include "reader/size.h"

static void check(const char *wanted, const char *expected)
{
    char out[NAME_ROOM];
    name_safe(span_of(wanted), "part-1.bin", out);
    assert_string_equal(out, expected);
}

static void test_paths_and_tricks(void **state)
{
    (void)state;
    check("report.pdf", "report.pdf");
    check("../../etc/passwd", "passwd");
    check("/etc/passwd", "passwd");
    check("C:\\Windows\\x.exe", "x.exe");
    check("..", "part-1.bin");
    check("...", "part-1.bin");
    check("", "part-1.bin");
    check("a/", "part-1.bin");
    check(".bashrc", "bashrc");
    check(" . .profile ", "profile");
    check("-rf", "_rf");
    check("a\nb\x1b[2J.txt", "a b^[[2J.txt");
    check("caf\xc3\xa9 menu.pdf", "caf\xc3\xa9 menu.pdf");
    check("\xff\xfe.bin", "\xef\xbf\xbd\xef\xbf\xbd.bin");
    check("gpj.\xe2\x80\xae"
          "exe",
          "gpj._U+202E_exe");
    check("what?*<>|\":.txt", "what_______.txt");
    check("end. . ", "end");
}

static void test_nul_does_not_end_it(void **state)
{
    (void)state;
    char out[NAME_ROOM];
    name_safe((struct span){"a\0/../b", 7}, "x", out);
    assert_string_equal(out, "b");
    name_safe((struct span){"a\0b", 3}, "x", out);
    assert_string_equal(out, "a^@b");
}

static void test_long_names(void **state)
{
    (void)state;
    char long_name[1200], out[NAME_ROOM];
    for (int i = 0; i < 500; i++)
        memcpy(long_name + (ptrdiff_t)2 * i, "\xc3\xa9", 2);
    strcpy(long_name + 1000, ".pdf");
    name_safe(span_of(long_name), "x", out);
    assert_true(strlen(out) <= NAME_SAFE);
    assert_string_equal(out + strlen(out) - 6, "\xc3\xa9.pdf");
    memset(long_name, '.', 1100);
    long_name[0] = 'a';
    name_safe(span_of(long_name), "x", out);
    assert_true(strlen(out) <= NAME_SAFE);
}

static void test_never_in_the_place_of_another(void **state)
{
    (void)state;
    char dir[] = "/tmp/test-names-XXXXXX", made[NAME_ROOM];
    struct err err;
    assert_non_null(mkdtemp(dir));
    int folder = open(dir, O_RDONLY | O_DIRECTORY);
    static const char *const expected[] = {"a.txt", "a-1.txt", "a-2.txt"};
    for (int i = 0; i < 3; i++) {
        int fd = name_create(folder, "a.txt", made, &err);
        struct stat st;
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_string_equal(made, expected[i]);
        close(fd);
    }
    /* a link that leads out of the folder is another, too */
    assert_int_equal(symlinkat("/tmp/test-names-outside", folder, "link"), 0);
    int fd = name_create(folder, "link", made, &err);
    assert_string_equal(made, "link-1");
    close(fd);
    assert_int_equal(access("/tmp/test-names-outside", F_OK), -1);
    static const char *const all[] = {"a.txt", "a-1.txt", "a-2.txt", "link", "link-1"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        unlinkat(folder, all[i], 0);
    close(folder);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(name_create(-1, "a", made, &err), -1);
    assert_int_equal(err.kind, ERR_PERM);
}

static void check_size(uint64_t octets, const char *expected)
{
    char out[SIZE_TEXT];
    size_text(octets, out);
    assert_string_equal(out, expected);
}

static void test_sizes(void **state)
{
    (void)state;
    check_size(0, "0");
    check_size(999, "999");
    check_size(1000, "1.0k");
    check_size(9950, "9.9k");
    check_size(31999, "31k");
    check_size(1500000, "1.5M");
    check_size(UINT64_MAX, "18E");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_and_tricks),
        cmocka_unit_test(test_nul_does_not_end_it),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_never_in_the_place_of_another),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
