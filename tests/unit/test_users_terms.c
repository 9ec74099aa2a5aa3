/* user/users_terms: what is announced before anybody has said who he is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/users_terms.h"
#include "users_help.h"

static void add(struct users *db, const char *name, bool has, uint32_t expire)
{
    struct user u = users_person(name);
    u.disabled = u.no_pop3 = false;
    u.has_expire = has;
    u.expire = expire;
    if (users_add(db, &u, &users_err))
        fail_msg("%s", users_err.text);
}

static void expect(struct users *db, uint32_t configured, uint32_t least, uint32_t most)
{
    struct users_terms t = {0};
    if (users_terms(db, configured, 60, &t, &users_err))
        fail_msg("%s", users_err.text);
    assert_int_equal(t.expire_least, least);
    assert_int_equal(t.expire_most, most);
}

static void least_and_most(void **state)
{
    struct users *db = users_opened(true);
    expect(db, USER_NEVER, USER_NEVER, USER_NEVER); /* nobody */
    expect(db, 7, 7, 7);
    add(db, "anna", false, 0);
    expect(db, USER_NEVER, USER_NEVER, USER_NEVER);
    expect(db, 7, 7, 7);
    add(db, "bert", true, 30);
    expect(db, USER_NEVER, 30, USER_NEVER);
    expect(db, 7, 7, 30);
    expect(db, 30, 30, 30);
    add(db, "cora", true, USER_NEVER);
    expect(db, 7, 7, USER_NEVER);
    add(db, "dora", true, 0);
    expect(db, USER_NEVER, 0, USER_NEVER);
    users_close(db);
}

/* Who may not log in gets no answer that could differ. */
static void who_may_not_log_in(void **state)
{
    struct users *db = users_opened(true);
    struct user u;
    add(db, "anna", true, 30);
    add(db, "bert", true, 3);
    assert_int_equal(users_find(db, span_of("bert"), &u, &users_err), 0);
    u.no_pop3 = true;
    assert_int_equal(users_change(db, &u, &users_err), 0);
    expect(db, USER_NEVER, 30, 30);
    u.no_pop3 = false;
    u.disabled = true;
    assert_int_equal(users_change(db, &u, &users_err), 0);
    expect(db, USER_NEVER, 30, 30);
    u.disabled = false;
    assert_int_equal(users_change(db, &u, &users_err), 0);
    expect(db, USER_NEVER, 3, 30);
    user_free(&u);
    users_close(db);
}

static void delays(void **state)
{
    struct users *db = users_opened(true);
    struct users_terms t = {0};
    struct user u = users_person("anna");
    assert_int_equal(users_terms(db, USER_NEVER, 60, &t, &users_err), 0);
    assert_true(t.delay_least == 60 && t.delay_most == 60);
    u.no_pop3 = u.has_login_delay = false;
    assert_int_equal(users_add(db, &u, &users_err), 0);
    u.name = (char *)(uintptr_t) "bert";
    u.has_login_delay = true;
    u.login_delay = 0;
    assert_int_equal(users_add(db, &u, &users_err), 0);
    assert_int_equal(users_terms(db, USER_NEVER, 60, &t, &users_err), 0);
    assert_true(t.delay_least == 0 && t.delay_most == 60);
    u.login_delay = 600;
    assert_int_equal(users_change(db, &u, &users_err), 0);
    assert_int_equal(users_terms(db, USER_NEVER, 0, &t, &users_err), 0);
    assert_true(t.delay_least == 0 && t.delay_most == 600);
    assert_int_equal(user_delay(&u, 0), 600);
    u.has_login_delay = false;
    assert_int_equal(user_delay(&u, 1), 1); /* whole seconds */
    users_close(db);
}

static void version_changes_with_others(void **state)
{
    struct users *reader = users_opened(true), *writer = users_opened(false);
    uint64_t first = users_version(reader);
    assert_int_not_equal(first, 0);
    assert_int_equal(users_version(reader), first);
    add(writer, "anna", true, 30);
    uint64_t second = users_version(reader);
    assert_int_not_equal(second, first);
    assert_int_equal(users_version(reader), second);
    add(reader, "bert", true, 30); /* its own */
    assert_int_equal(users_version(reader), second);
    users_close(writer);
    users_close(reader);
}

/* A file that was put in the place of the open one counts. */
static void version_of_another_file(void **state)
{
    char old[260];
    struct users *reader = users_opened(true);
    uint64_t first = users_version(reader);
    snprintf(old, sizeof old, "%s.old", users_path);
    assert_int_equal(rename(users_path, old), 0);
    assert_int_equal(users_version(reader), 0);
    users_close(users_opened(true));
    uint64_t second = users_version(reader);
    assert_true(second != 0 && second != first);
    users_close(reader);
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, users_setup, users_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(delays), DB_TEST(least_and_most),
        DB_TEST(who_may_not_log_in),
        DB_TEST(version_changes_with_others),
        DB_TEST(version_of_another_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
