/* user/app_password and user/users_login: passwords for single programs, and the last log-in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/app_password.h"
#include "user/users_login.h"
#include "users_help.h"

static char label[APP_LABEL_MAX + 1];

static struct users *with_anna(void)
{
    struct users *db = users_opened(true);
    struct user u = users_person("anna");
    assert_int_equal(users_add(db, &u, &users_err), 0);
    return db;
}

static int add(struct users *db, const char *user, const char *name, const char *password)
{
    users_err = (struct err){0};
    return app_password_add(db, span_of(user), span_of(name), password, 1000, &users_err);
}

static int match(struct users *db, const char *user, const char *password)
{
    return app_password_match(db, span_of(user), span_of(password), label, &users_err);
}

static void each_is_alone(void **state)
{
    struct users *db = with_anna(), *other = users_opened(false);
    assert_int_equal(add(db, "anna", "phone", "first"), 0);
    assert_int_equal(add(db, "anna", "desk top", "second"), -1); /* a blank is nothing for a name */
    assert_int_equal(add(db, "anna", "desk", "second"), 0);
    assert_int_equal(match(other, "anna", "first"), 1);
    assert_string_equal(label, "phone");
    assert_int_equal(match(other, "anna", "second"), 1);
    assert_string_equal(label, "desk");
    assert_int_equal(match(other, "anna", "secon"), 0);
    assert_int_equal(match(other, "anna", ""), 0);
    assert_int_equal(match(other, "berta", "first"), 0);
    assert_int_equal(app_password_revoke(db, span_of("anna"), span_of("phone"), &users_err), 0);
    assert_int_equal(match(other, "anna", "first"), 0); /* at once, for every handle */
    assert_int_equal(match(other, "anna", "second"), 1);
    assert_int_equal(app_password_revoke(db, span_of("anna"), span_of("phone"), &users_err), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_del(db, span_of("anna"), &users_err), 0);
    assert_int_equal(match(other, "anna", "second"), 0); /* they go with the user */
    users_close(other);
    users_close(db);
}

static int count(void *arg, const struct app_password *p)
{
    unsigned *n = arg;
    assert_true(p->created == 1000 && p->used == 0 && !*p->address);
    ++*n;
    return 0;
}

static void bounds(void **state)
{
    struct users *db = with_anna();
    char name[APP_LABEL_MAX + 2];
    unsigned n = 0;
    assert_int_equal(add(db, "berta", "phone", "x"), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(add(db, "anna", "", "x"), -1);
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(add(db, "anna", name, "x"), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    for (int i = 0; i < APP_PASSWORDS_MAX; i++) {
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(add(db, "anna", name, name), 0);
    }
    assert_int_equal(match(db, "anna", "p24"), 1);
    assert_int_equal(add(db, "anna", "more", "x"), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    assert_int_equal(app_password_revoke(db, span_of("anna"), span_of("p3"), &users_err), 0);
    assert_int_equal(add(db, "anna", "p4", "x"), -1); /* there already */
    assert_int_equal(users_err.kind, ERR_INPUT);
    assert_int_equal(app_password_each(db, span_of("anna"), count, &n, &users_err), 0);
    assert_int_equal(n, APP_PASSWORDS_MAX - 1);
    users_close(db);
}

/* The file holds no password, and a verifier that is damaged fits nothing. */
static void damaged(void **state)
{
    struct users *db = with_anna();
    assert_int_equal(add(db, "anna", "phone", "first"), 0);
    users_sql("UPDATE app_password SET verifier = substr(verifier, 1, 50)");
    assert_int_equal(match(db, "anna", "first"), 0);
    users_close(db);
}

static bool has_app(struct users *db)
{
    struct user u;
    assert_int_equal(users_find(db, span_of("anna"), &u, &users_err), 0);
    bool has = u.has_app;
    user_free(&u);
    return has;
}

/* Where the table cannot be read he is found all the same. */
static void known_with_the_user(void **state)
{
    struct users *db = with_anna();
    assert_false(has_app(db));
    assert_int_equal(add(db, "anna", "phone", "first"), 0);
    assert_true(has_app(db));
    assert_int_equal(app_password_revoke(db, span_of("anna"), span_of("phone"), &users_err), 0);
    assert_false(has_app(db));
    users_close(db);
    db = users_opened(false);
    users_sql("DROP TABLE app_password");
    assert_true(has_app(db));
    users_close(db);
}

struct seen {
    char text[200];
    unsigned n;
};

static int note(void *arg, const char *user, int64_t time, const char *address)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);
    snprintf(s->text + at, sizeof s->text - at, "%s %d %s;", user, (int)time, address);
    return 0;
}

static int note_app(void *arg, const struct app_password *p)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);
    snprintf(s->text + at, sizeof s->text - at, "%s %d %s;", p->label, (int)p->used, p->address);
    return 0;
}

#define LOGIN(who, what, where, when) {(char *)(uintptr_t)(who), (char *)(uintptr_t)(what), (char *)(uintptr_t)(where), when}

static void last_log_in(void **state)
{
    struct users *db = with_anna();
    struct seen s = {.n = 0}, app = {.n = 0};
    const struct users_login first[] = {LOGIN("anna", "", "::1", 5), LOGIN("nobody", "", "::1", 6)};
    const struct users_login second[] = {LOGIN("anna", "phone", "192.0.2.1", 7), LOGIN("anna", "gone", "::1", 8)};
    assert_int_equal(add(db, "anna", "desk", "x"), 0);
    assert_int_equal(add(db, "anna", "phone", "y"), 0);
    assert_int_equal(users_login_note(db, first, 2, &users_err), 0); /* who is gone is passed over */
    assert_int_equal(users_login_each(db, note, &s, &users_err), 0);
    assert_string_equal(s.text, "anna 5 ::1;");
    assert_int_equal(users_login_note(db, second, 2, &users_err), 0);
    s.text[0] = '\0';
    assert_int_equal(users_login_each(db, note, &s, &users_err), 0);
    assert_string_equal(s.text, "anna 8 ::1;");
    assert_int_equal(app_password_each(db, span_of("anna"), note_app, &app, &users_err), 0);
    assert_string_equal(app.text, "desk 0 ;phone 7 192.0.2.1;");
    users_close(db);
}

#define DB_TEST(f) cmocka_unit_test_setup_teardown(f, users_setup, users_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {DB_TEST(each_is_alone), DB_TEST(bounds), DB_TEST(damaged), DB_TEST(known_with_the_user), DB_TEST(last_log_in)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
