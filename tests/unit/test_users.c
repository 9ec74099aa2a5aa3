/* user/users and user/name: the database as it should be, locked, broken, another program's, put back from a backup. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "guard.h"
#include "user/users.h"

static char folder[200], path[240];
static struct err err;

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/bustia-users-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/users.db", folder);
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".old", ".link"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char file[260];
        snprintf(file, sizeof file, "%s%s", path, ends[i]);
        unlink(file);
    }
    return rmdir(folder);
}

static struct user person(const char *name)
{
    return (struct user){
        .name = (char *)(uintptr_t)name,
        .verifier = (char *)(uintptr_t) "$y$x",
        .scram1 = (char *)(uintptr_t) "1:a:b:c",
        .scram256 = (char *)(uintptr_t) "2:a:b:c",
        .apop = (char *)(uintptr_t) "se:cret\xff",
        .where = (char *)(uintptr_t) "maildir:/m/x",
        .uid = 4294967294,
        .gid = 7,
    };
}

static struct users *open_db(bool create)
{
    struct users *db = NULL;
    if (users_open(&db, path, create, &err))
        fail_msg("%s", err.text);
    return db;
}

static enum err_kind find_kind(struct users *db, const char *name)
{
    struct user u;
    err = (struct err){0};
    if (users_find(db, span_of(name), &u, &err) == 0)
        user_free(&u);
    return err.kind;
}

static void all_fields(void **state)
{
    struct users *db = open_db(true);
    struct user in = person("anna"), u;
    assert_int_equal(users_add(db, &in, &err), 0);
    assert_int_equal(users_find(db, span_of("anna"), &u, &err), 0);
    assert_string_equal(u.name, in.name);
    assert_string_equal(u.verifier, in.verifier);
    assert_string_equal(u.scram1, in.scram1);
    assert_string_equal(u.scram256, in.scram256);
    assert_string_equal(u.apop, in.apop);
    assert_string_equal(u.where, in.where);
    assert_int_equal(u.uid, in.uid);
    assert_int_equal(u.gid, in.gid);
    assert_false(u.disabled);
    user_free(&u);
    assert_null(u.name);
    in.disabled = true;
    in.where = NULL; /* none */
    assert_int_equal(users_change(db, &in, &err), 0);
    assert_int_equal(users_find(db, span_of("anna"), &u, &err), 0);
    assert_true(u.disabled);
    assert_string_equal(u.where, "");
    user_free(&u);
    assert_int_equal(users_del(db, span_of("anna"), &err), 0);
    assert_int_equal(find_kind(db, "anna"), ERR_GONE);
    users_close(db);
}

static void refusals(void **state)
{
    struct users *db = open_db(true);
    struct user in = person("anna"), bad = person("a b");
    assert_int_equal(users_add(db, &in, &err), 0);
    assert_int_equal(users_add(db, &in, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(users_add(db, &bad, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    in.name = (char *)(uintptr_t) "Anna";
    assert_int_equal(users_change(db, &in, &err), -1); /* names are bytes: not the same person */
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(users_del(db, span_of("Anna"), &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(users_del(db, span_of("a/b"), &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    users_close(db);
}

/* A name is a parameter, never a part of SQL; a NUL hides nothing. */
static void foreign_names(void **state)
{
    struct users *db = open_db(true);
    struct user in = person("anna"), u;
    static const char *const names[] = {"", "' OR 1=1 --", "anna'--", "ann%", "anna ", "a\xff"};
    assert_int_equal(users_add(db, &in, &err), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(find_kind(db, names[i]), ERR_GONE);
    assert_int_equal(users_find(db, (struct span){"anna\0x", 6}, &u, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(users_find(db, (struct span){NULL, 0}, &u, &err), -1);
    char *long_name = mem_alloc(100001);
    memset(long_name, 'a', 100000);
    assert_int_equal(find_kind(db, long_name), ERR_GONE);
    mem_free(long_name);
    char *edge = guard_copy("anna", 4); /* a span ends where it ends */
    assert_int_equal(users_find(db, (struct span){edge, 4}, &u, &err), 0);
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
    struct users *db = open_db(true);
    static const char *const names[] = {"b", "\xc3\xa9", "a", "B", "a.b"};
    for (size_t i = 0; i < 5; i++) {
        struct user in = person(names[i]);
        assert_int_equal(users_add(db, &in, &err), 0);
    }
    struct seen s = {.stop = 0}, two = {.stop = 2};
    assert_int_equal(users_each(db, note, &s, &err), 0);
    assert_string_equal(s.names, "B a a.b b \xc3\xa9 ");
    assert_int_equal(users_each(db, note, &two, &err), 0);
    assert_string_equal(two.names, "B a ");
    users_close(db);
}

static void as_one(void **state)
{
    struct users *db = open_db(true), *other = open_db(false);
    struct user a = person("a"), b = person("b");
    assert_int_equal(users_begin(db, &err), 0);
    assert_int_equal(users_add(db, &a, &err), 0);
    assert_int_equal(find_kind(db, "a"), ERR_NONE);
    assert_int_equal(find_kind(other, "a"), ERR_GONE); /* and does not wait for the writer */
    users_rollback(db);
    assert_int_equal(find_kind(db, "a"), ERR_GONE);
    users_rollback(db); /* nothing to take back: nothing happens */
    assert_int_equal(users_begin(db, &err), 0);
    assert_int_equal(users_add(db, &a, &err), 0);
    assert_int_equal(users_add(db, &b, &err), 0);
    assert_int_equal(users_commit(db, &err), 0);
    assert_int_equal(find_kind(other, "a"), ERR_NONE); /* a change takes effect at once */
    assert_int_equal(find_kind(other, "b"), ERR_NONE);
    assert_int_equal(users_commit(db, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    users_close(other);
    users_close(db);
}

static void opening(void **state)
{
    struct users *db = NULL;
    struct stat st;
    assert_int_equal(users_open(&db, path, false, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(users_make(path, (uint32_t)-1, (uint32_t)-1, &err), 0);
    assert_int_equal(users_open(&db, path, false, &err), -1); /* empty: nobody has made the tables */
    assert_int_equal(err.kind, ERR_GONE);
    mode_t old = umask(0);
    users_close(open_db(true));
    umask(old);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(users_make(path, (uint32_t)-1, (uint32_t)-1, &err), 0); /* there already: stays */
    users_close(open_db(false));
    assert_int_equal(users_open(&db, "/nonexistent/x/users.db", true, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(users_make("/nonexistent/x/users.db", 0, 0, &err), -1);
    assert_int_equal(err.kind, ERR_PERM);
}

static void links(void **state)
{
    char link[260];
    struct users *db = NULL;
    users_close(open_db(true));
    snprintf(link, sizeof link, "%s.link", path);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(users_open(&db, link, false, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
}

static void write_file(const char *text, size_t n)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* Runs SQL on the file as another program would. */
static void sql(const char *text)
{
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

static void not_ours(void **state)
{
    struct users *db = NULL;
    static const char noise[4096] = "this is no database at all";
    write_file(noise, sizeof noise);
    assert_int_equal(users_open(&db, path, false, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    unlink(path);
    sql("CREATE TABLE person(name)");
    assert_int_equal(users_open(&db, path, true, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    unlink(path);
    users_close(open_db(true));
    sql("PRAGMA user_version = 99");
    assert_int_equal(users_open(&db, path, true, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
}

/* Trouble is never "nobody of this name". */
static void broken(void **state)
{
    struct users *db = open_db(true);
    struct user in = person("anna");
    assert_int_equal(users_add(db, &in, &err), 0);
    users_close(db);
    db = open_db(false);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    fseek(f, 4096, SEEK_SET); /* all pages but the first */
    for (unsigned i = 0; i < 8192; i++)
        fputc(0xa5, f);
    fclose(f);
    assert_int_equal(find_kind(db, "anna"), ERR_TEMP);
    assert_int_equal(find_kind(db, "berta"), ERR_TEMP);
    users_close(db);
}

static void moved(void **state)
{
    char old[260];
    struct users *db = open_db(true);
    struct user a = person("a"), b = person("b");
    assert_int_equal(users_add(db, &a, &err), 0);
    users_close(db);
    db = open_db(false);
    assert_int_equal(find_kind(db, "a"), ERR_NONE);
    snprintf(old, sizeof old, "%s.old", path);
    assert_int_equal(rename(path, old), 0);
    assert_int_equal(find_kind(db, "a"), ERR_TEMP); /* gone: trouble, not an answer */
    assert_int_equal(find_kind(db, "a"), ERR_TEMP);
    assert_int_equal(users_del(db, span_of("a"), &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    struct users *fresh = open_db(true);
    assert_int_equal(users_add(fresh, &b, &err), 0);
    assert_int_equal(find_kind(db, "a"), ERR_GONE); /* what is in its place counts */
    assert_int_equal(find_kind(db, "b"), ERR_NONE);
    users_close(fresh);
    users_close(db);
}

/* Somebody holds the whole file: a reader gives up soon, with trouble. */
static void locked(void **state)
{
    struct users *db = open_db(true);
    users_close(db);
    sql("PRAGMA journal_mode = DELETE");
    db = open_db(false);
    int ready[2], end[2];
    char c;
    assert_int_equal(pipe(ready) | pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        /* byte 0x40000000 and on: SQLite's lock range */
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
        FILE *f = fopen(path, "r+");
        close(end[1]);
        if (!f || fcntl(fileno(f), F_SETLK, &l) || write(ready[1], "x", 1) != 1 || read(end[0], &c, 1) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(find_kind(db, "a"), ERR_TEMP);
    close(end[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(end[0]);
    close(ready[0]);
    close(ready[1]);
    assert_int_equal(find_kind(db, "a"), ERR_GONE);
    users_close(db);
}

static void key(void **state)
{
    unsigned char a[USERS_KEY], b[USERS_KEY], none[USERS_KEY] = {0};
    struct users *db = open_db(true);
    assert_int_equal(users_key(db, a, &err), 0);
    users_close(db);
    db = open_db(false);
    assert_int_equal(users_key(db, b, &err), 0);
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
        if ((users_check_name((struct span){edge, n}, &err) == 0) != rows[i].good)
            fail_msg("row %zu", i);
        guard_free(edge);
    }
    char name[USER_NAME_MAX + 1];
    memset(name, 'a', sizeof name);
    assert_int_equal(users_check_name((struct span){name, USER_NAME_MAX}, &err), 0);
    assert_int_equal(users_check_name((struct span){name, USER_NAME_MAX + 1}, &err), -1);
    assert_int_equal(users_check_name((struct span){"a\0b", 3}, &err), -1);
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(all_fields), DB_TEST(refusals), DB_TEST(foreign_names),  DB_TEST(each),   DB_TEST(as_one),
        DB_TEST(opening),    DB_TEST(links),    DB_TEST(not_ours),       DB_TEST(broken), DB_TEST(moved),
        DB_TEST(locked),     DB_TEST(key),      cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
