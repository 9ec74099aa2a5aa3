/* users_help: see the header. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "users_help.h"

char users_path[240];
struct err users_err;

static char folder[200];

int users_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/bustia-users-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(users_path, sizeof users_path, "%s/users.db", folder);
    return 0;
}

int users_teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".old", ".link"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char file[260];
        snprintf(file, sizeof file, "%s%s", users_path, ends[i]);
        unlink(file);
    }
    return rmdir(folder);
}

struct users *users_opened(bool create)
{
    struct users *db = NULL;
    if (users_open(&db, users_path, create, &users_err))
        fail_msg("%s", users_err.text);
    return db;
}

struct user users_person(const char *name)
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
        .quota_octets = 1ULL << 40,
        .quota_messages = 5,
        .external = true,
        .no_pop3 = true,
        .has_login_delay = true,
        .login_delay = 300,
        .has_expire = true,
        .expire = USER_NEVER,
    };
}

void users_sql(const char *text)
{
    sqlite3 *other = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(users_path, &other), SQLITE_OK);
    if (sqlite3_exec(other, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", text, why);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
}

/* The child takes SQLite's lock range, from octet 0x40000000 on. */
static void hold(int ready, int end)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000000, .l_len = 512};
    char c;
    int fd = open(users_path, O_RDWR);
    if (fd < 0 || fcntl(fd, F_SETLK, &l) || write(ready, "x", 1) != 1 || read(end, &c, 1) < 0)
        _exit(1);
    _exit(0);
}

void users_hold(struct users_hold *h)
{
    int ready[2], end[2];
    char c;
    assert_int_equal(pipe(ready) | pipe(end), 0);
    h->pid = fork();
    if (h->pid == 0) {
        close(end[1]);
        hold(ready[1], end[0]);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    close(end[0]);
    h->end = end[1];
}

void users_let_go(struct users_hold *h)
{
    close(h->end);
    assert_int_equal(waitpid(h->pid, NULL, 0), h->pid);
}

static void overwrite(long from, unsigned octets)
{
    FILE *f = fopen(users_path, "r+");
    assert_non_null(f);
    fseek(f, from, SEEK_SET);
    for (unsigned i = 0; i < octets; i++)
        fputc(0xa5, f);
    fclose(f);
}

void users_break(void)
{
    overwrite(4096, 65536);
}

void users_break_table(const char *table)
{
    sqlite3 *other = NULL;
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_open(users_path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(other, "SELECT rootpage FROM sqlite_schema WHERE name = ?1", -1, &s, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    long page = (long)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(other);
    overwrite((page - 1) * 4096, 4096);
}
