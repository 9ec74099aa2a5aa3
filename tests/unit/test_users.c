/* user/users and user/name: the database as it should be, locked, broken, another program's, put back from a backup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "guard.h"
#include "user/address.h"
#include "user/users_impl.h"
#include "users_help.h"

static enum err_kind find_kind(struct users *db, const char *name)
{
    struct user u;
    users_err = (struct err){0};
    if (users_find(db, span_of(name), &u, &users_err) == 0)
        user_free(&u);
    return users_err.kind;
}

static void all_fields(void **state)
{
    struct users *db = users_opened(true);
    struct user in = users_person("anna"), u;
    assert_int_equal(users_add(db, &in, &users_err), 0);
    assert_int_equal(users_find(db, span_of("anna"), &u, &users_err), 0);
    assert_string_equal(u.name, in.name);
    assert_string_equal(u.verifier, in.verifier);
    assert_string_equal(u.scram1, in.scram1);
    assert_string_equal(u.scram256, in.scram256);
    assert_string_equal(u.apop, in.apop);
    assert_string_equal(u.where, in.where);
    assert_int_equal(u.uid, in.uid);
    assert_int_equal(u.gid, in.gid);
    assert_false(u.disabled);
    assert_true(u.quota_octets == in.quota_octets && u.quota_messages == in.quota_messages);
    assert_true(u.external && u.no_pop3);
    assert_true(u.has_login_delay && u.login_delay == 300 && u.has_expire && u.expire == USER_NEVER);
    user_free(&u);
    assert_null(u.name);
    in.disabled = true;
    in.where = NULL; /* none */
    in.quota_octets = INT64_MAX;
    in.quota_messages = 0;
    in.external = in.no_pop3 = in.has_login_delay = false;
    in.expire = 0;
    assert_int_equal(users_change(db, &in, &users_err), 0);
    assert_int_equal(users_find(db, span_of("anna"), &u, &users_err), 0);
    assert_true(u.disabled);
    assert_string_equal(u.where, "");
    assert_true(u.quota_octets == INT64_MAX && u.quota_messages == 0 && !u.external);
    assert_true(!u.no_pop3 && !u.has_login_delay && u.has_expire && u.expire == 0); /* 0 days are not "unset" */
    user_free(&u);
    assert_int_equal(users_del(db, span_of("anna"), &users_err), 0);
    assert_int_equal(find_kind(db, "anna"), ERR_GONE);
    users_close(db);
}

static void refusals(void **state)
{
    struct users *db = users_opened(true);
    struct user in = users_person("anna"), bad = users_person("a b");
    assert_int_equal(users_add(db, &in, &users_err), 0);
    assert_int_equal(users_add(db, &in, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    assert_int_equal(users_add(db, &bad, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    in.quota_messages = (uint64_t)INT64_MAX + 1;
    assert_int_equal(users_change(db, &in, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    in.quota_messages = 0;
    in.login_delay = USER_DELAY_MAX + 1;
    assert_int_equal(users_change(db, &in, &users_err), -1);
    in.login_delay = 0;
    in.expire = USER_DAYS_MAX + 1;
    assert_int_equal(users_change(db, &in, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    in.expire = USER_DAYS_MAX;
    in.name = (char *)(uintptr_t) "Anna";
    assert_int_equal(users_change(db, &in, &users_err), -1); /* names are bytes: not the same person */
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_del(db, span_of("Anna"), &users_err), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_del(db, span_of("a/b"), &users_err), -1);
    assert_int_equal(users_err.kind, ERR_INPUT);
    users_close(db);
}

/* A name is a parameter, never a part of SQL; a NUL hides nothing. */
static void foreign_names(void **state)
{
    struct users *db = users_opened(true);
    struct user in = users_person("anna"), u;
    static const char *const names[] = {"", "' OR 1=1 --", "anna'--", "ann%", "anna ", "a\xff"};
    assert_int_equal(users_add(db, &in, &users_err), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(find_kind(db, names[i]), ERR_GONE);
    assert_int_equal(users_find(db, (struct span){"anna\0x", 6}, &u, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_find(db, (struct span){NULL, 0}, &u, &users_err), -1);
    char *long_name = mem_alloc(100001);
    memset(long_name, 'a', 100000);
    assert_int_equal(find_kind(db, long_name), ERR_GONE);
    mem_free(long_name);
    char *edge = guard_copy("anna", 4); /* a span ends where it ends */
    assert_int_equal(users_find(db, (struct span){edge, 4}, &u, &users_err), 0);
    user_free(&u);
    guard_free(edge);
    users_close(db);
}

struct seen {
    char names[100];
    unsigned n, stop;
};

static int note(void *arg, const struct user *u)
{
    struct seen *s = arg;
    strcat(strcat(s->names, u->name), " ");
    return ++s->n == s->stop;
}

static void each(void **state)
{
    struct users *db = users_opened(true);
    static const char *const names[] = {"b", "\xc3\xa9", "a", "B", "a.b"};
    for (size_t i = 0; i < 5; i++) {
        struct user in = users_person(names[i]);
        assert_int_equal(users_add(db, &in, &users_err), 0);
    }
    struct seen s = {.stop = 0}, two = {.stop = 2};
    assert_int_equal(users_each(db, note, &s, &users_err), 0);
    assert_string_equal(s.names, "B a a.b b \xc3\xa9 ");
    assert_int_equal(users_each(db, note, &two, &users_err), 0);
    assert_string_equal(two.names, "B a ");
    users_close(db);
}

static void as_one(void **state)
{
    struct users *db = users_opened(true), *other = users_opened(false);
    struct user a = users_person("a"), b = users_person("b");
    assert_int_equal(users_begin(db, &users_err), 0);
    assert_int_equal(users_add(db, &a, &users_err), 0);
    assert_int_equal(find_kind(db, "a"), ERR_NONE);
    assert_int_equal(find_kind(other, "a"), ERR_GONE); /* and does not wait for the writer */
    users_rollback(db);
    assert_int_equal(find_kind(db, "a"), ERR_GONE);
    users_rollback(db); /* nothing to take back: nothing happens */
    assert_int_equal(users_begin(db, &users_err), 0);
    assert_int_equal(users_add(db, &a, &users_err), 0);
    assert_int_equal(users_add(db, &b, &users_err), 0);
    assert_int_equal(users_commit(db, &users_err), 0);
    assert_int_equal(find_kind(other, "a"), ERR_NONE); /* a change takes effect at once */
    assert_int_equal(find_kind(other, "b"), ERR_NONE);
    assert_int_equal(users_commit(db, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_TEMP);
    users_close(other);
    users_close(db);
}

static void opening(void **state)
{
    struct users *db = NULL;
    struct stat st;
    assert_int_equal(users_open(&db, users_path, false, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_old(users_path, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_make(users_path, (uint32_t)-1, (uint32_t)-1, &users_err), 0);
    assert_int_equal(users_open(&db, users_path, false, &users_err), -1); /* empty: nobody has made the tables */
    assert_int_equal(users_err.kind, ERR_GONE);
    mode_t old = umask(0);
    users_close(users_opened(true));
    umask(old);
    assert_int_equal(stat(users_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(users_make(users_path, (uint32_t)-1, (uint32_t)-1, &users_err), 0); /* there already: stays */
    users_close(users_opened(false));
    assert_int_equal(users_open(&db, "/nonexistent/x/users.db", true, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_GONE);
    assert_int_equal(users_make("/nonexistent/x/users.db", 0, 0, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_PERM);
}

static void links(void **state)
{
    char link[260];
    struct users *db = NULL;
    users_close(users_opened(true));
    snprintf(link, sizeof link, "%s.link", users_path);
    assert_int_equal(symlink(users_path, link), 0);
    assert_int_equal(users_open(&db, link, false, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_TEMP);
}

static void write_file(const char *text, size_t n)
{
    FILE *f = fopen(users_path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void not_ours(void **state)
{
    struct users *db = NULL;
    static const char noise[4096] = "this is no database at all";
    write_file(noise, sizeof noise);
    assert_int_equal(users_open(&db, users_path, false, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_TEMP);
    unlink(users_path);
    users_sql("CREATE TABLE person(name)");
    assert_int_equal(users_open(&db, users_path, true, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_CONFIG);
    unlink(users_path);
    users_close(users_opened(true));
    users_sql("PRAGMA user_version = 99");
    assert_int_equal(users_open(&db, users_path, true, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_CONFIG);
}

/* Trouble is never "nobody of this name". */
static void broken(void **state)
{
    struct users *db = users_opened(true);
    struct user in = users_person("anna");
    assert_int_equal(users_add(db, &in, &users_err), 0);
    users_close(db);
    db = users_opened(false);
    users_break();
    assert_int_equal(find_kind(db, "anna"), ERR_TEMP);
    assert_int_equal(find_kind(db, "berta"), ERR_TEMP);
    users_close(db);
}

static void moved(void **state)
{
    char old[260];
    struct users *db = users_opened(true);
    struct user a = users_person("a"), b = users_person("b");
    assert_int_equal(users_add(db, &a, &users_err), 0);
    users_close(db);
    db = users_opened(false);
    assert_int_equal(find_kind(db, "a"), ERR_NONE);
    snprintf(old, sizeof old, "%s.old", users_path);
    assert_int_equal(rename(users_path, old), 0);
    assert_int_equal(find_kind(db, "a"), ERR_TEMP); /* gone: trouble, not an answer */
    assert_int_equal(find_kind(db, "a"), ERR_TEMP);
    assert_int_equal(users_del(db, span_of("a"), &users_err), -1);
    assert_int_equal(users_err.kind, ERR_TEMP);
    struct users *fresh = users_opened(true);
    assert_int_equal(users_add(fresh, &b, &users_err), 0);
    assert_int_equal(find_kind(db, "a"), ERR_GONE); /* what is in its place counts */
    assert_int_equal(find_kind(db, "b"), ERR_NONE);
    users_close(fresh);
    users_close(db);
}

/* Somebody holds the whole file: a reader gives up soon, with trouble. */
static void locked(void **state)
{
    struct users *db = users_opened(true);
    struct users_hold h;
    users_close(db);
    users_sql("PRAGMA journal_mode = DELETE");
    db = users_opened(false);
    users_hold(&h);
    uint64_t took = UINT64_MAX;
    for (int again = 0; again < 5 && took >= 2 * USERS_WAIT_READ; again++) {
        uint64_t start = clock_ms();
        assert_int_equal(find_kind(db, "a"), ERR_TEMP);
        took = clock_ms() - start;
    }
    assert_in_range(took, USERS_WAIT_READ / 2, 2 * USERS_WAIT_READ - 1); /* it has waited once */
    users_let_go(&h);
    assert_int_equal(find_kind(db, "a"), ERR_GONE);
    users_close(db);
}

/* A database of schema version 1, as the first release made it. */
static const char version_1[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE person(name TEXT NOT NULL PRIMARY KEY, verifier TEXT NOT NULL, scram1 TEXT NOT NULL,"
    " scram256 TEXT NOT NULL, apop TEXT NOT NULL, store TEXT NOT NULL,"
    " uid INTEGER NOT NULL CHECK (uid BETWEEN 0 AND 4294967295),"
    " gid INTEGER NOT NULL CHECK (gid BETWEEN 0 AND 4294967295),"
    " disabled INTEGER NOT NULL CHECK (disabled IN (0, 1))) STRICT, WITHOUT ROWID;"
    "CREATE TABLE key(one INTEGER PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL) STRICT;"
    "INSERT INTO key VALUES(1, zeroblob(32));"
    "INSERT INTO person VALUES('anna', '$y$x', '1:a:b:c', '2:a:b:c', 'se:cret', 'maildir:/m/x', 4294967294, 7, 0),"
    " ('berta', '', '', '', '', 'maildir:/m/y', 1000, 1000, 1);"
    "PRAGMA user_version = 1; PRAGMA application_id = 1114993524;";

static void migration(void **state)
{
    struct user u;
    unsigned char key[USERS_KEY], zeroes[USERS_KEY] = {0};
    users_sql(version_1);
    assert_int_equal(users_old(users_path, &users_err), 1);
    assert_int_equal(users_old(users_path, &users_err), 1); /* looked at, not changed */
    struct users *db = users_opened(false), *other = users_opened(false); /* also who only reads migrates */
    assert_int_equal(users_key(db, key, &users_err), 0);
    assert_memory_equal(key, zeroes, USERS_KEY);
    assert_int_equal(users_find(db, span_of("anna"), &u, &users_err), 0);
    assert_string_equal(u.where, "maildir:/m/x");
    assert_string_equal(u.apop, "se:cret");
    assert_true(u.uid == 4294967294 && u.gid == 7 && !u.disabled && u.quota_octets == 0 && u.quota_messages == 0);
    assert_true(!u.no_pop3 && !u.has_login_delay && !u.has_expire);
    assert_false(u.external); /* it is permitted to nobody who was there before */
    u.quota_octets = 500;
    assert_int_equal(users_change(db, &u, &users_err), 0);
    user_free(&u);
    assert_int_equal(users_find(other, span_of("anna"), &u, &users_err), 0);
    assert_true(u.quota_octets == 500);
    user_free(&u);
    assert_int_equal(users_find(db, span_of("berta"), &u, &users_err), 0);
    assert_true(u.disabled);
    user_free(&u);
    assert_int_equal(alias_add(other, span_of("info"), span_of("anna"), &users_err), 0);
    users_close(other);
    users_close(db);
    users_close(users_opened(false)); /* nothing left to do */
    assert_int_equal(users_old(users_path, &users_err), 0);
}

/* One that fails on the way leaves the old version as it was. */
static void migration_fails(void **state)
{
    struct users *db = NULL;
    users_sql(version_1);
    users_sql("CREATE TABLE alias(x)");
    assert_int_equal(users_open(&db, users_path, true, &users_err), -1);
    assert_int_equal(users_err.kind, ERR_TEMP);
    users_sql(
        "INSERT INTO person VALUES('c', '', '', '', '', '', 1000, 1000, 1); DROP TABLE alias"); /* nine columns yet */
    users_close(users_opened(false));
}

static void key(void **state)
{
    unsigned char a[USERS_KEY], b[USERS_KEY], none[USERS_KEY] = {0};
    struct users *db = users_opened(true);
    assert_int_equal(users_key(db, a, &users_err), 0);
    users_close(db);
    db = users_opened(false);
    assert_int_equal(users_key(db, b, &users_err), 0);
    assert_memory_equal(a, b, USERS_KEY);
    assert_memory_not_equal(a, none, USERS_KEY);
    users_close(db);
}

static void names(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        {"a", true},
        {"anna@example.org", true},
        {"...", true},
        {".", false},
        {"..", false},
        {"", false},
        {"a b", false},
        {"a/b", false},
        {"a\tb", false},
        {"a\x7f", false},
        {"\xc3\xa9", true},
        {"\xc3", false},
        {"\xc3\x28", false},
        {"\xc0\xaf", false},
        {"\xe0\x80\xaf", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false},
        {"\xff", false},
        {"\x80", false},
        {"a\xc2\xa0", false},
        {"a\xc2\x85", false},
        {"\xe2\x80\xae"
         "a",
         false},
        {"a\xe2\x80\x8b", false},
        {"\xf0\x9f\x98\x80", true},
        {"\xe3\x80\x80", false},
        {"a\nb", false},
        {"\xf0\x9f\x98", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = strlen(rows[i].name);
        char *edge = guard_copy(rows[i].name, n);
        if ((users_check_name((struct span){edge, n}, &users_err) == 0) != rows[i].good)
            fail_msg("row %zu", i);
        guard_free(edge);
    }
    char name[USER_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    assert_int_equal(users_check_name((struct span){name, USER_NAME_MAX}, &users_err), 0);
    assert_int_equal(users_check_name((struct span){name, USER_NAME_MAX + 1}, &users_err), -1);
    assert_int_equal(users_check_name((struct span){"a\0b", 3}, &users_err), -1);
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, users_setup, users_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(all_fields), DB_TEST(refusals),        DB_TEST(foreign_names), DB_TEST(each),   DB_TEST(as_one),
        DB_TEST(opening),    DB_TEST(links),           DB_TEST(not_ours),      DB_TEST(broken), DB_TEST(moved),
        DB_TEST(migration),  DB_TEST(migration_fails), DB_TEST(locked),        DB_TEST(key),    cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
