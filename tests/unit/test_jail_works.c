/* test_jail_works: what a sealed role needs, it still has: channels and memory, threads that hash, a database, a
 * maildrop. */
#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <crypt.h>
#include <sqlite3.h>

#include "daemon/jail_build.h"
#include "jail_help.h"

/* ---- what a role needs works */

static int end_by_abort(struct inside *in)
{
    abort();
}

static void test_abort(void **state)
{
    for (int r = 0; r < ROLES; r++) {
        int status = jail_inside((enum role)r, end_by_abort);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static int talk_and_wait(struct inside *in)
{
    int pair[2];
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    struct iovec iov = {&byte, 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    *h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(h), &pair[0], sizeof(int));
    NEED(sendmsg(pair[0], &m, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
    NEED(recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 1 && m.msg_controllen > 0);
    int copy = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    NEED(copy >= 0 && dup3(pair[0], copy, O_CLOEXEC) == copy);
    char *big = malloc(8 << 20);
    NEED(big);
    memset(big, 1, 8 << 20);
    NEED((big = realloc(big, 32 << 20)));
    free(big);
    return 0;
}

static void test_talk(void **state)
{
    for (int r = 0; r < ROLES; r++)
        assert_int_equal(jail_inside((enum role)r, talk_and_wait), 0);
}

static void *hash(void *arg)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    char *setting = crypt_gensalt_rn("$y$", 0, NULL, 0, data->output, sizeof data->output);
    char copy[CRYPT_OUTPUT_SIZE];
    snprintf(copy, sizeof copy, "%s", setting ? setting : "*");
    *(bool *)arg = crypt_rn("password", copy, data, sizeof *data) != NULL;
    free(data);
    return arg;
}

static int hash_in_threads(struct inside *in)
{
    pthread_t t[4];
    bool good[4] = {false};
    for (int i = 0; i < 4; i++)
        NEED(pthread_create(&t[i], NULL, hash, &good[i]) == 0);
    for (int i = 0; i < 4; i++)
        NEED(pthread_join(t[i], NULL) == 0 && good[i]);
    return 0;
}

static int start_threads(struct inside *in)
{
    pthread_t t[8];
    pthread_attr_t small;
    bool good[8] = {false};
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    for (int i = 0; i < 8; i++)
        NEED(pthread_create(&t[i], &small, hash, &good[i]) == 0);
    for (int i = 0; i < 8; i++)
        NEED(pthread_join(t[i], NULL) == 0);
    return 0;
}

static void test_threads(void **state)
{
    assert_int_equal(jail_inside(ROLE_AUTH, hash_in_threads), 0);
    assert_int_equal(jail_inside(ROLE_MAIL, start_threads), 0);
}

static int sql(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* A database as auth has it: made, written, read by a second connection, checkpointed, its log removed. */
static int database(struct inside *in)
{
    char path[300];
    sqlite3 *db, *second;
    snprintf(path, sizeof path, "%s/users.db", in->granted);
    NEED(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK);
    NEED(sql(db, "PRAGMA journal_mode=WAL") && sql(db, "PRAGMA synchronous=FULL"));
    NEED(sql(db, "CREATE TABLE u(name TEXT PRIMARY KEY, secret TEXT)"));
    NEED(sql(db, "BEGIN IMMEDIATE") && sql(db, "INSERT INTO u VALUES('a','b')") && sql(db, "COMMIT"));
    NEED(sqlite3_open_v2(path, &second, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    NEED(sql(second, "UPDATE u SET secret='c' WHERE name='a'") && sql(db, "SELECT * FROM u"));
    NEED(sql(db, "PRAGMA wal_checkpoint(TRUNCATE)"));
    NEED(sqlite3_close(second) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
    NEED(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    NEED(sql(db, "PRAGMA journal_mode=DELETE") && sql(db, "DELETE FROM u") && sql(db, "VACUUM"));
    NEED(sqlite3_close(db) == SQLITE_OK);
    return 0;
}

static void test_database(void **state)
{
    assert_int_equal(jail_inside(ROLE_AUTH, database), 0);
}

static int beneath(int dir, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static int maildrop(struct inside *in)
{
    struct stat st;
    char text[8];
    int pair[2], box;
    NEED(mkdirat(in->path.fd, "box", 0700) == 0 && (box = beneath(in->path.fd, "box", O_RDONLY | O_DIRECTORY)) >= 0);
    NEED(mkdirat(box, "cur", 0700) == 0);
    int cur = beneath(box, "cur", O_RDONLY | O_DIRECTORY);
    NEED(cur >= 0 && flock(box, LOCK_EX | LOCK_NB) == 0);
    int fd = openat(cur, "1.m.host", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    NEED(fd >= 0 && write(fd, "message", 7) == 7 && fsync(fd) == 0 && close(fd) == 0);
    DIR *d = fdopendir(beneath(box, "cur", O_RDONLY | O_DIRECTORY));
    unsigned entries = 0;
    NEED(d);
    while (readdir(d))
        entries++;
    closedir(d);
    NEED(entries == 3);
    NEED(fstatat(cur, "1.m.host", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 7);
    NEED((fd = beneath(cur, "1.m.host", O_RDONLY | O_NOFOLLOW | O_NONBLOCK)) >= 0 && fstat(fd, &st) == 0);
    NEED(pread(fd, text, sizeof text, 0) == 7);
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 && sendfile(pair[0], fd, NULL, 7) == 7);
    NEED(unlinkat(cur, "1.m.host", 0) == 0 && fsync(cur) == 0 && flock(box, LOCK_UN) == 0);
    NEED(fstat(fd, &st) == 0 && st.st_nlink == 0);
    NEED(beneath(cur, "../../..", O_RDONLY | O_DIRECTORY) < 0 && errno == EXDEV);
    return 0;
}

static void test_maildrop(void **state)
{
    char path[256];
    assert_int_equal(jail_inside(ROLE_MAIL, maildrop), 0);
    jail_path_in(path, "granted/box/cur");
    assert_int_equal(rmdir(path), 0);
    jail_path_in(path, "granted/box");
    assert_int_equal(rmdir(path), 0);
}

/* A delivery, and the record of what is used. */
static int delivery(struct inside *in)
{
    char text[16];
    int pair[2], box;
    NEED(mkdirat(in->path.fd, "box", 0700) == 0 && (box = beneath(in->path.fd, "box", O_RDONLY | O_DIRECTORY)) >= 0);
    NEED(mkdirat(box, "tmp", 0700) == 0 && mkdirat(box, "new", 0700) == 0);
    int tmp = beneath(box, "tmp", O_RDONLY | O_DIRECTORY), new = beneath(box, "new", O_RDONLY | O_DIRECTORY);
    struct open_how how = {.flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, .mode = 0600, .resolve = RESOLVE_BENEATH};
    int fd = (int)syscall(SYS_openat2, tmp, "m", &how, sizeof how);
    NEED(tmp >= 0 && new >= 0 && fd >= 0 && write(fd, "message", 7) == 7 && fsync(fd) == 0 && close(fd) == 0);
    NEED(flock(tmp, LOCK_EX | LOCK_NB) == 0 && symlinkat("v1:7:1:0", tmp, "used") == 0);
    NEED(renameat2(tmp, "used", box, "used", 0) == 0 && readlinkat(box, "used", text, sizeof text) == 8);
    NEED(linkat(tmp, "m", new, "linked", 0) == 0 && renameat2(tmp, "m", new, "renamed", RENAME_NOREPLACE) == 0);
    NEED(fsync(new) == 0 && flock(tmp, LOCK_UN) == 0);
    NEED(in->report.landlock_abi == 0 || (beneath(new, "renamed", O_RDONLY) < 0 && errno == EACCES));
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    NEED(sendfile(pair[0], pair[1], NULL, 1) < 0 && (!jail_build.walls || errno == EPERM));
    NEED(unlinkat(new, "linked", 0) == 0 && unlinkat(new, "renamed", 0) == 0 && unlinkat(box, "used", 0) == 0);
    NEED(unlinkat(box, "tmp", AT_REMOVEDIR) == 0 && unlinkat(box, "new", AT_REMOVEDIR) == 0);
    return 0;
}

static void test_delivery(void **state)
{
    char path[256];
    assert_int_equal(jail_inside(ROLE_DELIVER, delivery), 0);
    assert_int_equal(jail_inside(ROLE_DELIVER, start_threads), 0);
    jail_path_in(path, "granted/box");
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abort),    cmocka_unit_test(test_talk),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_database), cmocka_unit_test(test_maildrop), cmocka_unit_test(test_delivery),
    };
    return cmocka_run_group_tests(tests, jail_set_up, jail_tear_down);
}
