/* master: for whom and for which store a mail process may be started, whatever auth asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "daemon/limit_files.h"
#include "daemon/master.h"

enum { FIRST = 1000, GOOD = 61011 };

/* Without root only one's own number is served: the rows below are written for root. */
static uid_t self;

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return self;
}

static struct conf conf_of(bool memory)
{
    return (struct conf){.first_uid = FIRST,
                         .mail_root = {"/srv/mail", "/home/pop"},
                         .mail_roots = 2,
                         .allow_memory_store = memory,
                         .door_user = "61001:61101",
                         .auth_user = "61002:61102",
                         .control_user = "61003:61103",
                         .metrics_user = "61005:61105",
                         .metrics_listen = "127.0.0.1:9110"};
}

static int ask(const struct conf *c, uint32_t uid, uint32_t gid, const char *where, struct err *err)
{
    *err = (struct err){0};
    int r = master_may_start(c, uid, gid, where, err);
    if (r < 0) {
        assert_int_equal(err->kind, ERR_PERM);
        assert_true(*err->text);
    }
    return r;
}

/* clang-format off */
static const struct {
    uint32_t uid, gid;
    const char *where;
    bool may;
} rows[] = {
    {GOOD,       GOOD,       "maildir:/srv/mail/anna",            true},
    {GOOD,       GOOD,       "maildir:/home/pop/a/b/Maildir",     true},
    {FIRST,      1,          "maildir:/srv/mail/anna",            true},
    {UINT32_MAX - 1, GOOD,   "maildir:/srv/mail/anna",            true},
    /* numbers */
    {0,          GOOD,       "maildir:/srv/mail/anna",            false},
    {GOOD,       0,          "maildir:/srv/mail/anna",            false},
    {0,          0,          "maildir:/srv/mail/anna",            false},
    {FIRST - 1,  GOOD,       "maildir:/srv/mail/anna",            false},
    {33,         33,         "maildir:/srv/mail/anna",            false},
    {UINT32_MAX, GOOD,       "maildir:/srv/mail/anna",            false},
    {GOOD,       UINT32_MAX, "maildir:/srv/mail/anna",            false},
    /* those of the roles, though they are above first_uid here */
    {61001,      GOOD,       "maildir:/srv/mail/anna",            false},
    {61002,      GOOD,       "maildir:/srv/mail/anna",            false},
    {61003,      GOOD,       "maildir:/srv/mail/anna",            false},
    {61005,      GOOD,       "maildir:/srv/mail/anna",            false},
    {GOOD,       61101,      "maildir:/srv/mail/anna",            false},
    {GOOD,       61102,      "maildir:/srv/mail/anna",            false},
    {GOOD,       61103,      "maildir:/srv/mail/anna",            false},
    {61101,      61001,      "maildir:/srv/mail/anna",            true},
    {61004,      61104,      "maildir:/srv/mail/anna",            true},
    /* places */
    {GOOD,       GOOD,       "maildir:/etc",                      false},
    {GOOD,       GOOD,       "maildir:/",                         false},
    {GOOD,       GOOD,       "maildir:/srv/mail",                 false},
    {GOOD,       GOOD,       "maildir:/srv/mail/",                false},
    {GOOD,       GOOD,       "maildir:/home/pop",                 false},
    {GOOD,       GOOD,       "maildir:/srv/mailbox/anna",         false},
    {GOOD,       GOOD,       "maildir:/srv/mail/../../etc",       false},
    {GOOD,       GOOD,       "maildir:/srv/mail/anna/..",         false},
    {GOOD,       GOOD,       "maildir:/srv/mail/./anna",          false},
    {GOOD,       GOOD,       "maildir:/srv/mail//anna",           false},
    {GOOD,       GOOD,       "maildir:srv/mail/anna",             false},
    {GOOD,       GOOD,       "maildir:/srv/mail/an\nna",          false},
    /* schemes */
    {GOOD,       GOOD,       "mbox:/srv/mail/anna",               false},
    {GOOD,       GOOD,       "memory:/srv/mail/anna",             false},
    {GOOD,       GOOD,       "/srv/mail/anna",                    false},
    {GOOD,       GOOD,       ":/srv/mail/anna",                   false},
    {GOOD,       GOOD,       "maildir",                           false},
    {GOOD,       GOOD,       "maildir:",                          false},
    {GOOD,       GOOD,       "",                                  false},
};
/* clang-format on */

static void test_as_root(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    self = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (ask(&c, rows[i].uid, rows[i].gid, rows[i].where, &err) != (rows[i].may ? 0 : -1))
            fail_msg("uid %u, gid %u, %s: %s", rows[i].uid, rows[i].gid, rows[i].where,
                     rows[i].may ? err.text : "allowed");
}

/* The number decides first: what is wrong with the store is not looked at for a uid that is never served. */
static void test_says_why(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    self = 0;
    assert_int_equal(ask(&c, 999, 999, "maildir:/etc", &err), -1);
    assert_non_null(strstr(err.text, "uid 999"));
    assert_non_null(strstr(err.text, "1000"));
    assert_int_equal(ask(&c, GOOD, GOOD, "maildir:/etc", &err), -1);
    assert_non_null(strstr(err.text, "mail_root"));
}

static void test_first_uid_zero(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    self = 0;
    c.first_uid = 0;
    assert_int_equal(ask(&c, 0, GOOD, "maildir:/srv/mail/anna", &err), -1);
    assert_int_equal(ask(&c, 1, GOOD, "maildir:/srv/mail/anna", &err), 0);
}

static void test_without_roots(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    self = 0;
    c.mail_roots = 0;
    assert_int_equal(ask(&c, GOOD, GOOD, "maildir:/srv/mail/anna", &err), -1);
}

/* Accounts by name, as they are installed. Who cannot be looked up might be anybody. */
static void test_roles_by_name(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    const struct passwd *nobody = getpwnam("nobody");
    assert_non_null(nobody);
    self = 0;
    c.auth_user = "nobody";
    assert_int_equal(ask(&c, nobody->pw_uid, GOOD, "maildir:/srv/mail/anna", &err), -1);
    assert_non_null(strstr(err.text, "auth_user"));
    assert_int_equal(ask(&c, GOOD, GOOD, "maildir:/srv/mail/anna", &err), 0);
    c.auth_user = "no-such-account";
    err = (struct err){0};
    assert_int_equal(master_may_start(&c, GOOD, GOOD, "maildir:/srv/mail/anna", &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_non_null(strstr(err.text, "no-such-account"));
}

static void test_roles_without_root(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    self = 61002; /* all roles run as this one user, whatever the accounts say */
    assert_int_equal(ask(&c, 61002, GOOD, "maildir:/srv/mail/anna", &err), 0);
    self = GOOD;
    c.door_user = c.auth_user = c.control_user = c.metrics_user = "no-such-account"; /* a trial on a machine where nothing is installed */
    assert_int_equal(ask(&c, GOOD, GOOD, "maildir:/srv/mail/anna", &err), 0);
}

static void test_memory(void **state)
{
    struct conf c = conf_of(true);
    struct err err;
    self = 0;
    assert_int_equal(ask(&c, GOOD, GOOD, "memory:/srv/mail/anna", &err), 0);
    assert_int_equal(ask(&c, GOOD, GOOD, "memory:/etc", &err), -1);
    assert_int_equal(ask(&c, 0, GOOD, "memory:/srv/mail/anna", &err), -1);
}

static void test_without_root(void **state)
{
    struct conf c = conf_of(false);
    struct err err;
    self = GOOD;
    assert_int_equal(ask(&c, GOOD, GOOD, "maildir:/srv/mail/anna", &err), 0);
    assert_int_equal(ask(&c, GOOD + 1, GOOD, "maildir:/srv/mail/anna", &err), -1);
    assert_non_null(strstr(err.text, "without root"));
    assert_int_equal(ask(&c, 0, GOOD, "maildir:/srv/mail/anna", &err), -1);
    assert_int_equal(ask(&c, GOOD, GOOD, "maildir:/etc", &err), -1);
    self = FIRST - 1; /* started by a number below first_uid: not even its own */
    assert_int_equal(ask(&c, FIRST - 1, GOOD, "maildir:/srv/mail/anna", &err), -1);
}

/* Some descriptors stay for the roles, whatever auth asks for. */
static void test_few_files(void **state)
{
    assert_false(limit_few_files(20000, 19935));
    assert_true(limit_few_files(20000, 19936));
    assert_true(limit_few_files(20000, 19999));
    assert_false(limit_few_files(256, 223));
    assert_true(limit_few_files(256, 224));
}

/* Once a second, however often somebody says that it is lost; and then it is. */
static void test_log_again(void **state)
{
    unsigned opened = 0;
    uint64_t last = 0;
    assert_int_equal(master_log_wait(5, 0), 0);
    for (uint64_t now = 5000; now < 8000; now += 5)
        if (master_log_wait(now, last) == 0) {
            last = now;
            opened++;
        }
    assert_int_equal(opened, 3);
    assert_int_equal(master_log_wait(8400, 8000), 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_root),       cmocka_unit_test(test_says_why), cmocka_unit_test(test_first_uid_zero),
        cmocka_unit_test(test_without_roots), cmocka_unit_test(test_memory),   cmocka_unit_test(test_without_root),
        cmocka_unit_test(test_roles_by_name), cmocka_unit_test(test_roles_without_root),
        cmocka_unit_test(test_few_files),     cmocka_unit_test(test_log_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
