/* test_jail: each role seals itself in a child of this test, and shows from inside what it can and cannot do. As root the roles
 * become a uid that nobody has; otherwise they stay who they are. With arguments it is the program that a sealed master starts. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <crypt.h>
#include <sqlite3.h>

#include "daemon/jail.h"
#include "daemon/jail_build.h"
#include "daemon/jail_landlock.h"

enum { SOMEBODY = 61234 /* a uid and gid */, FILES = 64 };

static char top[200]; /* holds empty/ and granted/ */
static const char *self;

struct inside { /* what a child knows */
    struct jail jail;
    struct jail_path path;
    char granted[256]; /* as the child names it once it is sealed */
    struct jail_report report;
};

static void path_in(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", top, name);
}

static int open_dir(const char *name)
{
    char path[256];
    path_in(path, name);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The jail of a role as the server makes it: the door sees nothing, auth its database's directory, a worker a maildrop. */
static void furnish(struct inside *in, enum role role)
{
    bool root = geteuid() == 0;
    *in = (struct inside){.path = {open_dir("granted"), true}};
    in->jail = (struct jail){.role = role, .root = root, .uid = SOMEBODY, .gid = SOMEBODY, .chroot_fd = -1, .files = FILES};
    if (role == ROLE_AUTH || role == ROLE_MAIL) {
        in->jail.paths = &in->path;
        in->jail.n_paths = 1;
    }
    if (root && role != ROLE_MASTER)
        in->jail.chroot_fd = open_dir(role == ROLE_AUTH ? "granted" : "empty");
    if (root && role == ROLE_AUTH)
        snprintf(in->granted, sizeof in->granted, ".");
    else
        path_in(in->granted, "granted");
}

/* In a child: seals it, runs fn, and ends with what fn returns: 0, or the line that failed. */
static int inside(enum role role, int (*fn)(struct inside *in))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct inside in;
        struct err err;
        signal(SIGABRT, SIG_DFL); /* cmocka has its own */
        furnish(&in, role);
        if (jail_enter(&in.jail, &in.report, &err) < 0) {
            fprintf(stderr, "%s: %s\n", role_name(role), err.text);
            _exit(255);
        }
        int line = fn(&in);
        if (line)
            dprintf(STDERR_FILENO, "%s: line %d: %s\n", role_name(role), line, strerror(errno));
        _exit(line ? 1 : 0);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

#define NEED(what)                                                                                                     \
    if (!(what))                                                                                                       \
    return __LINE__

static void need_walls(void)
{
    if (!jail_build.walls)
        skip();
}

/* ---- names */

static void test_names(void **state)
{
    for (int r = 0; r < ROLES; r++)
        assert_int_equal(role_of(role_name((enum role)r)), r);
    assert_int_equal(role_of("root"), -1);
    assert_int_equal(role_of(""), -1);
    assert_int_equal(role_of(NULL), -1);
    assert_string_equal(role_name(ROLES), "?");
}

static void test_report_text(void **state)
{
    static const struct {
        struct jail_report report;
        const char *text;
    } rows[] = {
        {{ROLE_DOOR, true, true, true, true, 4}, "user chroot no_new_privs seccomp landlock=4"},
        {{ROLE_MAIL, false, false, true, true, 0}, "no-user no-chroot no_new_privs seccomp no-landlock"},
        {{ROLE_AUTH, false, false, false, false, 0}, "no-user no-chroot no-no_new_privs no-seccomp no-landlock"},
        {{ROLE_MASTER, false, false, true, true, 0}, "no_new_privs seccomp"},
        {{ROLE_MASTER, false, false, true, false, 0}, "no_new_privs no-seccomp"},
    };
    char text[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        jail_report_text(&rows[i].report, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_possible(void **state)
{
    struct jail_report r;
    jail_possible(&r);
    assert_true(r.no_new_privs);
    assert_int_equal(r.seccomp, jail_build.walls);
    assert_int_equal(r.landlock_abi, jail_build.walls ? jail_landlock_abi() : 0);
    if (geteuid() != 0)
        assert_false(r.user || r.chrooted);
}

/* ---- the probe */

static int probe(enum role role, const char *other, char *out, size_t room)
{
    struct inside in;
    struct err err;
    int pipes[2] = {-1, -1};
    assert_int_equal(pipe(pipes), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        furnish(&in, role);
        _exit(jail_probe(&in.jail, other, &err) < 0);
    }
    close(pipes[1]);
    size_t n = 0;
    for (ssize_t got; n < room - 1 && (got = read(pipes[0], out + n, room - 1 - n)) > 0;)
        n += (size_t)got;
    out[n] = '\0';
    close(pipes[0]);
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_probe(void **state)
{
    static char out[16384];
    need_walls();
    for (int r = 0; r < ROLES; r++) {
        int failed = probe((enum role)r, "/etc/hostname", out, sizeof out);
        if (failed)
            print_message("%s", out);
        assert_int_equal(failed, 0);
        assert_non_null(strstr(out, "ptrace SEIZE parent: expected EPERM: got EPERM: ok\n"));
        assert_non_null(strstr(out, " as expected, 0 not\n"));
    }
}

/* A file that the role can read, named as one it must not: the probe says so. */
static void test_probe_tells(void **state)
{
    static char out[16384];
    char path[256];
    need_walls();
    path_in(path, "granted/open");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0 && fchmod(fd, 0644) == 0);
    close(fd);
    if (jail_landlock_abi() > 0 || geteuid() == 0) {
        assert_int_equal(probe(ROLE_AUTH, geteuid() == 0 ? "/open" : path, out, sizeof out), 1);
        assert_non_null(strstr(out, "open another's mail: expected EACCES or ENOENT: got success: NOT OK\n"));
    }
    unlink(path);
}

static void test_probe_without_walls(void **state)
{
    static char out[16384];
    if (jail_build.walls)
        skip();
    assert_int_equal(probe(ROLE_DOOR, NULL, out, sizeof out), 1);
    assert_string_equal(out, "");
}

/* The children of a sealed master, each a fresh exec: its filter is upon them too, and leaves them all they need. */
static int start_each(struct inside *in)
{
    for (int r = 0; r < ROLES; r++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            execl(self, self, role_name((enum role)r), top, NULL);
            _exit(127);
        }
        NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
        NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return 0;
}

static void test_children_of_master(void **state)
{
    need_walls();
    assert_int_equal(inside(ROLE_MASTER, start_each), 0);
}

static int child_of_master(const char *role, const char *where)
{
    struct inside in;
    struct err err;
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    snprintf(top, sizeof top, "%s", where);
    furnish(&in, (enum role)role_of(role));
    int log = dup(STDOUT_FILENO);
    dup2(quiet, STDOUT_FILENO);
    if (jail_probe(&in.jail, "/etc/hostname", &err) == 0)
        return 0;
    dprintf(log, "%s\n", err.text);
    return 1;
}

/* ---- what is refused at the entry */

static int enter_with(struct jail *j)
{
    struct jail_report report;
    struct err err = {0};
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(jail_enter(j, &report, &err) < 0 && err.text[0] ? 1 : 0);
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_refused(void **state)
{
    struct inside in;
    furnish(&in, ROLE_DOOR);
    struct jail good = in.jail, j = good;
    assert_int_equal(enter_with(&j), 0);
    j.role = ROLES;
    assert_int_equal(enter_with(&j), 1);
    j = good;
    j.root = !j.root;
    assert_int_equal(enter_with(&j), 1);
    furnish(&in, ROLE_MAIL);
    j = in.jail;
    in.path.fd = -1;
    assert_int_equal(enter_with(&j), jail_build.walls && jail_landlock_abi() > 0);
}

static void test_refused_as_root(void **state)
{
    struct inside in;
    furnish(&in, ROLE_DOOR);
    if (!in.jail.root)
        skip();
    struct jail j = in.jail;
    j.uid = 0;
    assert_int_equal(enter_with(&j), 1);
    j = in.jail;
    j.gid = 0;
    assert_int_equal(enter_with(&j), 1);
    j = in.jail;
    j.uid = UINT32_MAX;
    assert_int_equal(enter_with(&j), 1);
    j = in.jail;
    j.chroot_fd = -1;
    assert_int_equal(enter_with(&j), jail_build.walls);
}

static void *wait_long(void *arg)
{
    pause();
    return NULL;
}

static void test_refused_with_threads(void **state)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct inside in;
        struct err err = {0};
        pthread_t t;
        furnish(&in, ROLE_AUTH);
        pthread_create(&t, NULL, wait_long, NULL);
        _exit(jail_enter(&in.jail, &in.report, &err) < 0 && strstr(err.text, "threads") ? 0 : 1);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

/* ---- what the kernel says of a sealed process */

static int read_status(pid_t pid, const char *name, char value[128])
{
    char path[40], text[4096], key[40];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return 0;
    text[n] = '\0';
    snprintf(key, sizeof key, "\n%s:\t", name);
    const char *at = strstr(text, key);
    if (!at)
        return 0;
    at += strlen(key);
    snprintf(value, 128, "%.*s", (int)strcspn(at, "\n"), at);
    return 1;
}

/* A role that waits until its end of the pipe is closed, after telling that it is sealed. */
static pid_t sealed_role(enum role role, int *stop)
{
    int up[2] = {-1, -1}, down[2] = {-1, -1};
    assert_true(pipe(up) == 0 && pipe(down) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct inside in;
        struct err err;
        char c = 's';
        close(down[1]);
        furnish(&in, role);
        if (jail_enter(&in.jail, &in.report, &err) < 0 || write(up[1], &c, 1) != 1)
            _exit(1);
        _exit(read(down[0], &c, 1) == 0 ? 0 : 2);
    }
    close(up[1]);
    close(down[0]);
    char c = 0;
    assert_int_equal(read(up[0], &c, 1), 1);
    close(up[0]);
    *stop = down[1];
    return pid;
}

static void test_status(void **state)
{
    need_walls();
    for (int r = 0; r < ROLES; r++) {
        int stop = -1, status = 0;
        char value[128], want[128];
        pid_t pid = sealed_role((enum role)r, &stop);
        assert_true(read_status(pid, "NoNewPrivs", value));
        assert_string_equal(value, "1");
        assert_true(read_status(pid, "Seccomp", value));
        assert_string_equal(value, "2");
        assert_true(read_status(pid, "CapInh", value));
        assert_string_equal(value, "0000000000000000");
        if (r != ROLE_MASTER && geteuid() == 0) {
            assert_true(read_status(pid, "CapBnd", value));
            assert_string_equal(value, "0000000000000000");
            snprintf(want, sizeof want, "%d\t%d\t%d\t%d", SOMEBODY, SOMEBODY, SOMEBODY, SOMEBODY);
            assert_true(read_status(pid, "Uid", value));
            assert_string_equal(value, want);
            assert_true(read_status(pid, "Gid", value));
            assert_string_equal(value, want);
            assert_true(read_status(pid, "Groups", value));
            assert_string_equal(value, " ");
        }
        if (r != ROLE_MASTER) {
            assert_true(read_status(pid, "CapEff", value));
            assert_string_equal(value, "0000000000000000");
            assert_true(read_status(pid, "CapPrm", value));
            assert_string_equal(value, "0000000000000000");
        }
        close(stop);
        assert_true(waitpid(pid, &status, 0) == pid && status == 0);
    }
}

/* The master keeps no capability to trace, mount, load modules, or touch networks and raw devices. */
static int few_capabilities(struct inside *in)
{
    static const unsigned gone[] = {12 /* NET_ADMIN */, 13 /* NET_RAW */, 16 /* SYS_MODULE */, 17 /* SYS_RAWIO */, 19 /* SYS_PTRACE */,
                                    21 /* SYS_ADMIN */, 22 /* SYS_BOOT */, 27 /* MKNOD */, 39 /* BPF */};
    static const char *const sets[] = {"CapEff", "CapPrm", "CapBnd"};
    char value[128];
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        NEED(read_status(getpid(), sets[s], value));
        unsigned long long caps = strtoull(value, NULL, 16);
        for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++)
            NEED(!(caps >> gone[i] & 1));
    }
    return 0;
}

static void test_capabilities_of_master(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(inside(ROLE_MASTER, few_capabilities), 0);
}

static int limits(struct inside *in)
{
    struct rlimit r;
    NEED(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == FILES);
    NEED(in->jail.role == ROLE_MASTER ? r.rlim_max >= FILES : r.rlim_max == FILES);
    NEED(getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_cur == 0 && r.rlim_max == 0);
    if (in->jail.role == ROLE_DOOR && jail_build.walls)
        NEED(getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur == 0 && r.rlim_max == 0);
    return 0;
}

static void test_limits(void **state)
{
    for (int r = 0; r < ROLES; r++)
        assert_int_equal(inside((enum role)r, limits), 0);
}

/* ---- what a role needs works */

static int end_by_abort(struct inside *in)
{
    abort();
}

static void test_abort(void **state)
{
    for (int r = 0; r < ROLES; r++) {
        int status = inside((enum role)r, end_by_abort);
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
        assert_int_equal(inside((enum role)r, talk_and_wait), 0);
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
    assert_int_equal(inside(ROLE_AUTH, hash_in_threads), 0);
    assert_int_equal(inside(ROLE_MAIL, start_threads), 0);
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
    assert_int_equal(inside(ROLE_AUTH, database), 0);
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
    assert_int_equal(inside(ROLE_MAIL, maildrop), 0);
    path_in(path, "granted/box/cur");
    assert_int_equal(rmdir(path), 0);
    path_in(path, "granted/box");
    assert_int_equal(rmdir(path), 0);
}

/* ---- the walls one by one */

static int by_landlock(void)
{
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), abi = jail_landlock_abi();
    int name = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct jail_path paths[2] = {{open_dir("granted"), true}, {open_dir("empty"), false}};
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    struct err err;
    snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "bustia-test-%d", (int)getppid());
    NEED(jail_landlock_enter(abi, paths, 2, &err) == 0);
    NEED(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    NEED(openat(paths[0].fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) < 0 && errno == EACCES);
    NEED(openat(paths[0].fd, "f", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0700) >= 0);
    NEED(mkdirat(paths[0].fd, "d", 0700) == 0 && renameat(paths[0].fd, "f", paths[0].fd, "d/f") == (abi >= 2 ? 0 : -1));
    NEED(abi < 2 || renameat(paths[0].fd, "d/f", paths[0].fd, "f") == 0);
    NEED(symlinkat("/etc", paths[0].fd, "s") < 0 && errno == EACCES);
    NEED(mknodat(paths[0].fd, "p", S_IFIFO | 0600, 0) < 0 && errno == EACCES);
    NEED(openat(paths[1].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
    NEED(openat(paths[1].fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EACCES);
    NEED(execl("/bin/true", "true", NULL) < 0 && errno == EACCES);
    NEED(abi < 4 || (connect(tcp, (struct sockaddr *)&there, sizeof there) < 0 && errno == EACCES));
    NEED(abi < 6 || (kill(getppid(), 0) < 0 && errno == EPERM));
    NEED(abi < 6 || (connect(name, (struct sockaddr *)&abstract, sizeof abstract) < 0 && errno == EPERM));
    NEED(unlinkat(paths[0].fd, "f", 0) == 0 && unlinkat(paths[0].fd, "d", AT_REMOVEDIR) == 0);
    return 0;
}

/* Landlock by itself, without the filter that would answer first. */
static void test_landlock(void **state)
{
    int status = 0;
    if (!jail_build.walls || jail_landlock_abi() == 0)
        skip();
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "bustia-test-%d", (int)getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(listener, (struct sockaddr *)&abstract, sizeof abstract) == 0 && listen(listener, 1) == 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            _exit(2);
        int line = by_landlock();
        if (line)
            dprintf(STDERR_FILENO, "landlock: line %d: %s\n", line, strerror(errno));
        _exit(line ? 1 : 0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    close(listener);
    assert_int_equal(status, 0);
}

#if defined(__x86_64__)
static int i386_call(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L /* getpid of i386 */) : "memory");
    return result > 0;
}

static int x32_call(void)
{
    return syscall(0x40000000L | SYS_getpid) > 0;
}

static int (*const foreign[])(void) = {i386_call, x32_call};
#else
static int (*const foreign[1])(void);
#endif

/* What ends a process that makes this call: by itself, or sealed. */
static int ended_by(int (*call)(void), const enum role *role)
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct inside in;
        struct err err;
        signal(SIGSEGV, SIG_DFL);
        signal(SIGSYS, SIG_DFL);
        if (role) {
            furnish(&in, *role);
            if (jail_enter(&in.jail, &in.report, &err) < 0)
                _exit(255);
        }
        _exit(call());
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* The numbers of another architecture would pass a filter that looks at numbers only; a kernel may have none of them. */
static void test_other_architecture(void **state)
{
    need_walls();
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0] && foreign[i]; i++)
        for (int r = 0; r < ROLES; r++) {
            enum role role = (enum role)r;
            if (ended_by(foreign[i], NULL) != SIGSEGV)
                assert_int_equal(ended_by(foreign[i], &role), SIGSYS);
        }
}

/* ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static int set_up(void **state)
{
    char path[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(top, sizeof top, "%s/bustia-jail-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(top) || chmod(top, 0755) < 0) /* SOMEBODY passes through it where there is no chroot */
        return -1;
    path_in(path, "empty");
    if (mkdir(path, 0755) < 0)
        return -1;
    path_in(path, "granted");
    if (mkdir(path, 0700) < 0 || (geteuid() == 0 && chown(path, SOMEBODY, SOMEBODY) < 0))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return child_of_master(argv[1], argv[2]);
    self = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_report_text),
        cmocka_unit_test(test_possible),
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_probe_tells),
        cmocka_unit_test(test_probe_without_walls),
        cmocka_unit_test(test_children_of_master),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_as_root),
        cmocka_unit_test(test_refused_with_threads),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_capabilities_of_master),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_talk),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_database),
        cmocka_unit_test(test_maildrop),
        cmocka_unit_test(test_landlock),
        cmocka_unit_test(test_other_architecture),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
