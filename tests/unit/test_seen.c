/* fetch/seen: rows, groups, the lock, and files that are none of ours. */
#include <fcntl.h>
#include <setjmp.h>
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

#include "fetch/seen.h"

static char folder[200], state[240];
static struct err err;

static int setup(void **arg)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/bustia-seen-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(state, sizeof state, "%s/a/state", folder);
    err = (struct err){0};
    return 0;
}

static int teardown(void **arg)
{
    static const char *const names[] = {"a/state/x.db",
                                        "a/state/x.db-wal",
                                        "a/state/x.db-shm",
                                        "a/state/x.db-journal",
                                        "a/state/x.lock",
                                        "a/state/x.db.new",
                                        "a/state/y.db",
                                        "a/state/y.lock",
                                        "a/state/x.db.old",
                                        "a/state",
                                        "a",
                                        ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[280];
        snprintf(file, sizeof file, "%s/%s", folder, names[i]);
        remove(file);
    }
    return access(folder, F_OK) ? 0 : -1;
}

static const char *file_of(const char *name)
{
    static char file[300];
    snprintf(file, sizeof file, "%s/%s", state, name);
    return file;
}

static struct seen *opened(bool lock)
{
    struct seen *s = NULL;
    if (seen_open(&s, state, "x", lock, &err))
        fail_msg("%s", err.text);
    return s;
}

static void works(int result)
{
    if (result)
        fail_msg("%s", err.text);
}

static void put(struct seen *s, const char *uid, enum seen_state what, unsigned failures)
{
    const struct seen_row row = {
        .uid = uid, .state = what, .first = 1000, .size = 5000000000, .failures = failures, .turn = 2};
    works(seen_put(s, &row, NULL, NULL, NULL, &err));
}

static void count_row(void *arg, const struct seen_row *row)
{
    ++*(unsigned *)arg;
}

static unsigned rows(struct seen *s)
{
    unsigned n = 0;
    works(seen_each(s, count_row, &n, &err));
    return n;
}

/* ---- rows */

static void check_kept(void *arg, const struct seen_kept *k)
{
    static const unsigned char digest[32] = {1, 2, 3};
    assert_string_equal(k->row.uid, "uid1");
    assert_int_equal(k->row.state, SEEN_DELIVERED);
    assert_int_equal(k->row.first, 1000);
    assert_int_equal(k->row.gone, 77);
    assert_int_equal(k->row.size, 5000000000);
    assert_int_equal(k->row.failures, 3);
    assert_int_equal(k->row.turn, 2);
    assert_true(k->row.whole);
    assert_true(k->digested);
    assert_memory_equal(k->sha256, digest, sizeof digest);
    assert_string_equal(k->id, "new/1.M2");
    assert_string_equal(k->reason, "why\ndash");
    *(bool *)arg = true;
}

static void a_row_keeps_what_is_put(void **arg)
{
    struct seen *s = opened(true);
    struct seen_row row = {
        .uid = "uid1", .state = SEEN_FETCHED, .first = 1000, .gone = 77, .size = 5000000000, .failures = 3, .turn = 2};
    const unsigned char digest[32] = {1, 2, 3};
    row.whole = true;
    works(seen_begin(s, &err));
    works(seen_put(s, &row, digest, NULL, "why\ndash", &err));
    row.state = SEEN_DELIVERED;
    works(seen_put(s, &row, NULL, "new/1.M2", NULL, &err)); /* digest and reason stay */
    works(seen_commit(s, &err));
    seen_close(s);
    s = opened(false);
    bool called = false;
    works(seen_find(s, "uid1", check_kept, &called, &err));
    assert_true(called);
    assert_int_equal(seen_find(s, "uid2", check_kept, &called, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    seen_close(s);
}

static bool add_uid(void *arg, const struct seen_kept *k)
{
    strcat(arg, k->row.uid);
    return strcmp(k->row.uid, "c") != 0;
}

static void rows_are_shown_in_the_order_they_came(void **arg)
{
    static const char *const uids[] = {"d", "a", "c", "b"};
    struct seen *s = opened(true);
    char all[10] = "";
    works(seen_begin(s, &err));
    for (unsigned i = 0; i < 4; i++) {
        const struct seen_row row = {.uid = uids[i], .state = SEEN_SEEN, .first = 10 + i};
        works(seen_put(s, &row, NULL, NULL, NULL, &err));
    }
    works(seen_commit(s, &err));
    works(seen_show(s, add_uid, all, &err));
    assert_string_equal(all, "dac"); /* it ends where it is told to */
    seen_close(s);
}

static void rows_are_forgotten(void **arg)
{
    struct seen *s = opened(true);
    works(seen_begin(s, &err));
    put(s, "a", SEEN_DELIVERED, 0);
    put(s, "b", SEEN_DELIVERED, 0);
    for (int64_t gone = 100; gone < 110; gone++) {
        char uid[20];
        snprintf(uid, sizeof uid, "gone%d", (int)gone);
        const struct seen_row row = {.uid = uid, .state = SEEN_DELETED, .gone = gone};
        works(seen_put(s, &row, NULL, NULL, NULL, &err));
    }
    works(seen_commit(s, &err));
    assert_int_equal(rows(s), 12);
    works(seen_begin(s, &err));
    works(seen_forget(s, "a", &err));
    works(seen_forget(s, "nobody", &err));
    works(seen_forget_gone(s, 105, &err));
    works(seen_commit(s, &err));
    assert_int_equal(rows(s), 6);
    seen_close(s);
}

/* ---- groups */

static void a_group_is_whole_or_nothing(void **arg)
{
    struct seen *s = opened(true);
    works(seen_begin(s, &err));
    put(s, "a", SEEN_DELIVERED, 0);
    works(seen_commit(s, &err));
    works(seen_begin(s, &err));
    put(s, "b", SEEN_DELIVERED, 0);
    seen_abandon(s);
    seen_abandon(s);
    assert_int_equal(rows(s), 1);
    works(seen_begin(s, &err));
    put(s, "c", SEEN_DELIVERED, 0);
    seen_close(s); /* in the middle */
    s = opened(false);
    assert_int_equal(rows(s), 1);
    seen_close(s);
}

/* What a process leaves that ends without a word, with one group committed and one not. */
static void what_is_committed_outlives_its_process(void **arg)
{
    seen_close(opened(true));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct seen *s = NULL;
        const struct seen_row row = {.uid = "kept", .state = SEEN_DELIVERED},
                              lost = {.uid = "lost", .state = SEEN_DELIVERED};
        if (seen_open(&s, state, "x", true, NULL) || seen_begin(s, NULL) || seen_put(s, &row, NULL, NULL, NULL, NULL) ||
            seen_commit(s, NULL) || seen_begin(s, NULL) || seen_put(s, &lost, NULL, NULL, NULL, NULL))
            _exit(1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    struct seen *s = opened(true);
    assert_int_equal(rows(s), 1);
    seen_close(s);
}

static void a_row_that_cannot_be_is_told(void **arg)
{
    struct seen *s = opened(true);
    works(seen_begin(s, &err));
    put(s, "a", SEEN_DELIVERED, 0);
    const struct seen_row bad = {.uid = "b", .state = SEEN_NEW}; /* the table refuses it */
    assert_int_equal(seen_put(s, &bad, NULL, NULL, NULL, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    seen_abandon(s);
    assert_int_equal(rows(s), 0);
    seen_close(s);
}

/* ---- the file */

static void folders_and_files_are_the_owners_alone(void **arg)
{
    struct stat st;
    mode_t old = umask(0);
    seen_close(opened(true));
    umask(old);
    assert_int_equal(stat(state, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(file_of("x.db"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(access(file_of("x.db.new"), F_OK), -1);
}

static void one_process_at_a_time(void **arg)
{
    struct seen *s = opened(true), *other = NULL;
    assert_int_equal(seen_open(&other, state, "x", true, &err), -1); /* flock: of the open file, not of the process */
    assert_int_equal(err.kind, ERR_BUSY);
    assert_string_equal(err.text, "another process collects this account now");
    works(seen_open(&other, state, "y", true, &err));
    seen_close(other);
    works(seen_begin(s, &err));
    put(s, "a", SEEN_DELIVERED, 0);
    struct seen *reader = opened(false); /* reads what is committed, beside it */
    assert_int_equal(rows(reader), 0);
    works(seen_commit(s, &err));
    assert_int_equal(rows(reader), 1);
    seen_close(reader);
    seen_close(s);
    seen_close(opened(true));
}

static void readers_make_nothing(void **arg)
{
    struct seen *s = NULL;
    assert_int_equal(seen_open(&s, state, "x", false, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(access(state, F_OK), -1);
    static const char *const bad[] = {"", ".x", "a/b", "../x"};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(seen_open(&s, state, bad[i], true, &err), -1);
        assert_int_equal(err.kind, ERR_CONFIG);
    }
}

static void overwrite(const char *file, const void *p, size_t n, off_t at, bool cut)
{
    int fd = open(file, O_WRONLY | O_CREAT | (cut ? O_TRUNC : 0), 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, p, n, at), n);
    close(fd);
}

static void refuses(enum err_kind kind, const char *words)
{
    struct seen *s = NULL;
    for (int lock = 0; lock < 2; lock++) {
        struct stat before, after;
        assert_int_equal(stat(file_of("x.db"), &before), 0);
        int ret = seen_open(&s, state, "x", lock, &err);
        if (ret == 0) {
            unsigned n = 0;
            ret = seen_each(s, count_row, &n, &err);
            seen_close(s);
        }
        assert_int_equal(ret, -1);
        assert_int_equal(err.kind, kind);
        if (!strstr(err.text, words))
            fail_msg("\"%s\" does not say \"%s\"", err.text, words);
        assert_int_equal(stat(file_of("x.db"), &after), 0);
        assert_int_equal(before.st_size, after.st_size);
        assert_int_equal(before.st_ino, after.st_ino); /* never begun anew */
    }
}

static void a_file_that_is_none_of_ours_is_left_alone(void **arg)
{
    static char noise[8192];
    seen_close(opened(true));
    memset(noise, 'x', sizeof noise);
    overwrite(file_of("x.db"), "", 0, 0, true);
    refuses(ERR_PERM, "is empty; move it away");
    overwrite(file_of("x.db"), noise, sizeof noise, 0, true);
    refuses(ERR_PERM, "is no database; move it away");
}

static void another_version_is_left_alone(void **arg)
{
    seen_close(opened(true));
    overwrite(file_of("x.db"), "\0\0\0\7", 4, 60, false); /* user_version: file format §1.3 */
    refuses(ERR_PERM, "has schema version 7; this program knows 1");
    overwrite(file_of("x.db"), "\0\0\0\7", 4, 68, false); /* application_id */
    refuses(ERR_PERM, "is a database of another program");
}

static void a_damaged_table_is_told(void **arg)
{
    static char noise[4096];
    struct seen *s = opened(true);
    works(seen_begin(s, &err));
    for (unsigned i = 0; i < 1000; i++) {
        char uid[20];
        snprintf(uid, sizeof uid, "uid%u", i);
        put(s, uid, SEEN_DELIVERED, 0);
    }
    works(seen_commit(s, &err));
    seen_close(s);
    memset(noise, 0xa5, sizeof noise);
    overwrite(file_of("x.db"), noise, sizeof noise, 4096, false); /* the table's root */
    refuses(ERR_PERM, "is damaged; move it away");
}

static void a_log_that_was_left_is_no_new_files(void **arg)
{
    struct seen *s = opened(true);
    works(seen_begin(s, &err));
    put(s, "old", SEEN_DELIVERED, 0);
    works(seen_commit(s, &err));
    assert_int_equal(unlink(file_of("x.db")), 0); /* its log stays */
    assert_int_equal(access(file_of("x.db-wal"), F_OK), 0);
    seen_close(s);
    overwrite(file_of("x.db-wal"), "7\x7f\x06\x82 a log of long ago", 20, 0, true);
    overwrite(file_of("x.db.new"), "half", 4, 0, true);
    s = opened(true);
    assert_int_equal(rows(s), 0);
    seen_close(s);
}

/* ---- the board */

static void the_board_is_kept(void **arg)
{
    struct seen *s = opened(true);
    struct seen_board b = {0};
    works(seen_board_get(s, &b, &err));
    assert_int_equal(b.checked, 0);
    assert_int_equal(b.expires, -1);
    assert_string_equal(b.error, "");
    b = (struct seen_board){1, 2, 3, 4, 5, 6, 7, 8, 9, "it's down"};
    works(seen_board_put(s, &b, &err));
    seen_close(s);
    s = opened(false);
    struct seen_board c = {0};
    works(seen_board_get(s, &c, &err));
    assert_int_equal(c.checked, 1);
    assert_int_equal(c.succeeded, 2);
    assert_int_equal(c.next, 3);
    assert_int_equal(c.fetched, 4);
    assert_int_equal(c.left, 5);
    assert_int_equal(c.failures, 6);
    assert_int_equal(c.not_before, 7);
    assert_int_equal(c.told, 8);
    assert_int_equal(c.expires, 9);
    assert_string_equal(c.error, "it's down");
    seen_close(s);
}

static bool two_rows(void *arg, const struct seen_row *row)
{
    (void)row;
    return ++*(unsigned *)arg < 2;
}

static void of_one_content_and_under_another_uid(void **arg)
{
    struct seen *s = opened(true);
    const unsigned char digest[32] = "a", other[32] = "b";
    const char *const uids[] = {"1", "2", "3"};
    unsigned n = 0;
    works(seen_begin(s, &err));
    for (unsigned i = 0; i < 3; i++) {
        const struct seen_row row = {.uid = uids[i], .state = SEEN_DELIVERED, .turn = i};
        works(seen_put(s, &row, digest, "id", NULL, &err));
    }
    works(seen_commit(s, &err));
    works(seen_same(s, digest, two_rows, &n, &err));
    assert_int_equal(n, 2); /* until the function has enough */
    works(seen_begin(s, &err));
    works(seen_rename(s, "1", "2", &err));
    works(seen_rename(s, "3", "4", &err));
    works(seen_commit(s, &err));
    n = 0;
    works(seen_same(s, other, two_rows, &n, &err));
    assert_int_equal(n, 0);
    assert_int_equal(rows(s), 2);
    assert_int_equal(seen_find(s, "1", NULL, NULL, &err), -1);
    assert_int_equal(seen_find(s, "3", NULL, NULL, &err), -1);
    seen_close(s);
}

static void rows_belong_to_one_maildrop(void **arg)
{
    struct seen *s = opened(true);
    const struct seen_row row = {.uid = "uid1", .state = SEEN_DELIVERED};
    works(seen_maildrop(s, "ana at a.example", false, &err));
    works(seen_maildrop(s, "anna at a.example", false, &err)); /* nothing was collected under a name that was wrong */
    works(seen_begin(s, &err));
    works(seen_put(s, &row, NULL, NULL, NULL, &err));
    works(seen_commit(s, &err));
    works(seen_maildrop(s, "anna at a.example", false, &err));
    assert_int_equal(seen_maildrop(s, "anna at b.example", false, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "of anna at a.example, the account names anna at b.example"));
    works(seen_maildrop(s, "anna at b.example", true, &err));
    works(seen_maildrop(s, "anna at b.example", false, &err));
    seen_close(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_row_keeps_what_is_put),
        TEST(rows_are_shown_in_the_order_they_came),
        TEST(rows_are_forgotten),
        TEST(a_group_is_whole_or_nothing),
        TEST(what_is_committed_outlives_its_process),
        TEST(a_row_that_cannot_be_is_told),
        TEST(folders_and_files_are_the_owners_alone),
        TEST(one_process_at_a_time),
        TEST(readers_make_nothing),
        TEST(a_file_that_is_none_of_ours_is_left_alone),
        TEST(another_version_is_left_alone),
        TEST(a_damaged_table_is_told),
        TEST(a_log_that_was_left_is_no_new_files),
        TEST(the_board_is_kept),
        TEST(of_one_content_and_under_another_uid),
        TEST(rows_belong_to_one_maildrop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
