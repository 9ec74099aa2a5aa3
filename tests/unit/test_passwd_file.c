/* tool/passwd_file: lines of a passwd-file, at a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "guard.h"
#include "tool/passwd_file.h"

static struct err err;

static int parse_n(const char *text, size_t n, struct passwd_entry *e, char **copy)
{
    *copy = guard_copy(text, n);
    err = (struct err){0};
    return passwd_file_parse((struct span){*copy, n}, e, &err);
}

static void is(struct span s, const char *text)
{
    assert_int_equal(s.n, strlen(text));
    if (s.n)
        assert_memory_equal(s.p, text, s.n);
}

static void whole(void **state)
{
    static const char line[] =
        "anna:{PLAIN}secret:1001:1002:Anna:/home/anna:/bin/sh:nologin userdb_mail=maildir:~/M:INDEX=x a=b";
    struct passwd_entry e;
    char *copy;
    assert_int_equal(parse_n(line, sizeof line - 1, &e, &copy), 1);
    is(e.user, "anna");
    is(e.secret, "secret");
    assert_int_equal(e.kind, PASSWD_CLEAR);
    assert_true(e.has_uid && e.has_gid && e.nologin);
    assert_int_equal(e.uid, 1001);
    assert_int_equal(e.gid, 1002);
    is(e.home, "/home/anna");
    is(e.store, "maildir:~/M");
    guard_free(copy);
}

/* What each line gives: kind and secret, or a word of the complaint. */
static void secrets(void **state)
{
    static const struct {
        const char *line;
        int result, kind;
        const char *text;
    } rows[] = {
        {"a:{PLAIN}x", 1, PASSWD_CLEAR, "x"},
        {"a:{plain}x::", 1, PASSWD_CLEAR, "x"},
        {"a:{CLEARTEXT}{x}::", 1, PASSWD_CLEAR, "{x}"},
        {"a:{PLAIN}*", 1, PASSWD_CLEAR, "*"},
        {"a:{CRYPT}$6$s$h:::", 1, PASSWD_CRYPT, "$6$s$h"},
        {"a:$6$s$h", 1, PASSWD_CRYPT, "$6$s$h"},
        {"a:{SHA512-CRYPT}$6$s$h", 1, PASSWD_CRYPT, "$6$s$h"},
        {"a:{SHA256-CRYPT}$5$s$h", 1, PASSWD_CRYPT, "$5$s$h"},
        {"a:{BLF-CRYPT}$2y$05$x", 1, PASSWD_CRYPT, "$2y$05$x"},
        {"a:{MD5-CRYPT}$1$s$h", 1, PASSWD_CRYPT, "$1$s$h"},
        {"a:*:1:1", 1, PASSWD_LOCKED, "*"},
        {"a:!$6$s$h:1:1", 1, PASSWD_LOCKED, "!$6$s$h"},
        {"", 0, 0, ""},
        {"# a:{PLAIN}x", 0, 0, ""},
        {"a", -1, 0, "no password field"},
        {":{PLAIN}x", -1, 0, "no user's name"},
        {"a:", -1, 0, "no password"},
        {"a:{PLAIN}:", -1, 0, "no password"},
        {"a:{PLAIN", -1, 0, "no \"}\""},
        {"a:{SHA512-CRYPT}$5$s$h", -1, 0, "not of its scheme"},
        {"a:{SSHA}abc", -1, 0, "{SSHA} is not libcrypt's"},
        {"a:{ARGON2ID}$argon2id$v=19", -1, 0, "{ARGON2ID} is not libcrypt's"},
        {"a:{PLAIN.b64}eA==", -1, 0, "{PLAIN.b64} is not libcrypt's"},
        {"a:{\033[2J}x", -1, 0, "scheme is no word"},
        {"a:{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}x", -1, 0, "is not libcrypt's"},
        {"a:{PLAIN}x:b:1", -1, 0, "uid is no number"},
        {"a:{PLAIN}x:1:-1", -1, 0, "gid is no number"},
        {"a:{PLAIN}x:4294967295:1", -1, 0, "uid is no number"},
        {"a:{PLAIN}x:99999999999999999999:1", -1, 0, "uid is no number"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct passwd_entry e;
        char *copy;
        int result = parse_n(rows[i].line, strlen(rows[i].line), &e, &copy);
        if (result != rows[i].result)
            fail_msg("%s: %d %s", rows[i].line, result, err.text);
        if (result == 1) {
            assert_int_equal(e.kind, rows[i].kind);
            is(e.secret, rows[i].text);
            assert_false(e.nologin);
        }
        if (result < 0) {
            assert_int_equal(err.kind, ERR_INPUT);
            assert_non_null(strstr(err.text, rows[i].text));
        }
        guard_free(copy);
    }
}

static void nul(void **state)
{
    struct passwd_entry e;
    char *copy;
    assert_int_equal(parse_n("a:{PLAIN}x\0y", 12, &e, &copy), -1);
    guard_free(copy);
}

static void absent(void **state)
{
    static const char line[] = "a:{PLAIN}x::::::";
    struct passwd_entry e;
    char *copy;
    assert_int_equal(parse_n(line, sizeof line - 1, &e, &copy), 1);
    assert_false(e.has_uid || e.has_gid);
    assert_int_equal(e.home.n, 0);
    assert_int_equal(e.store.n, 0);
    guard_free(copy);
}

/* userdb_mail without a path, or of another format, stays as it is: the check of stores words what is wrong. */
static void stores(void **state)
{
    static const char *const rows[][2] = {
        {"userdb_mail=mbox:~/mail:INBOX=/x", "mbox:~/mail"},
        {"userdb_mail=/var/x", "/var/x"},
        {"userdb_mail", ""},
        {"x=y userdb_mail=maildir:/a:b userdb_quota_rule=*:storage=1", "maildir:/a"},
    };
    for (size_t i = 0; i < 4; i++) {
        char line[200] = "a:{PLAIN}x::::::", *copy;
        struct passwd_entry e;
        strcat(line, rows[i][0]);
        assert_int_equal(parse_n(line, strlen(line), &e, &copy), 1);
        is(e.store, rows[i][1]);
        guard_free(copy);
    }
}

static void lines(void **state)
{
    char *copy = guard_copy("one\r\n\ntwo", 9);
    struct span text = {copy, 9}, line;
    assert_true(passwd_file_line(&text, &line));
    is(line, "one");
    assert_true(passwd_file_line(&text, &line));
    is(line, "");
    assert_true(passwd_file_line(&text, &line));
    is(line, "two");
    assert_false(passwd_file_line(&text, &line));
    guard_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),  cmocka_unit_test(secrets), cmocka_unit_test(nul),
        cmocka_unit_test(absent), cmocka_unit_test(stores),  cmocka_unit_test(lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
