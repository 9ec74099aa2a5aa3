/* test_jail: what is refused at the entry, what the kernel says of a sealed role, and Landlock and the filter by
 * themselves. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/jail_build.h"
#include "daemon/jail_landlock.h"
#include "jail_help.h"

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
    jail_furnish(&in, ROLE_DOOR);
    struct jail good = in.jail, j = good;
    assert_int_equal(enter_with(&j), 0);
    j.role = ROLES;
    assert_int_equal(enter_with(&j), 1);
    j = good;
    j.root = !j.root;
    assert_int_equal(enter_with(&j), 1);
    jail_furnish(&in, ROLE_MAIL);
    j = in.jail;
    in.path.fd = -1;
    assert_int_equal(enter_with(&j), jail_build.walls && jail_landlock_abi() > 0);
}

static void test_refused_as_root(void **state)
{
    struct inside in;
    jail_furnish(&in, ROLE_DOOR);
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
        jail_furnish(&in, ROLE_AUTH);
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
        jail_furnish(&in, role);
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
    jail_need_walls();
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
            snprintf(want, sizeof want, "%d\t%d\t%d\t%d", JAIL_SOMEBODY, JAIL_SOMEBODY, JAIL_SOMEBODY, JAIL_SOMEBODY);
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
    static const unsigned gone[] = {12 /* NET_ADMIN */, 13 /* NET_RAW */,    16 /* SYS_MODULE */,
                                    17 /* SYS_RAWIO */, 19 /* SYS_PTRACE */, 21 /* SYS_ADMIN */,
                                    22 /* SYS_BOOT */,  27 /* MKNOD */,      39 /* BPF */};
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
    assert_int_equal(jail_inside(ROLE_MASTER, few_capabilities), 0);
}

static int limits(struct inside *in)
{
    struct rlimit r;
    NEED(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == JAIL_FILES);
    NEED(in->jail.role == ROLE_MASTER ? r.rlim_max >= JAIL_FILES : r.rlim_max == JAIL_FILES);
    NEED(getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_cur == 0 && r.rlim_max == 0);
    if (in->jail.role == ROLE_DOOR && jail_build.walls)
        NEED(getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur == 0 && r.rlim_max == 0);
    return 0;
}

static void test_limits(void **state)
{
    for (int r = 0; r < ROLES; r++)
        assert_int_equal(jail_inside((enum role)r, limits), 0);
}

/* ---- the walls one by one */

static int by_landlock(void)
{
    int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), abi = jail_landlock_abi();
    int name = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct jail_path paths[2] = {{jail_open_dir("granted"), JAIL_DATABASE}, {jail_open_dir("empty"), JAIL_READ | JAIL_LIST}};
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

/* What deliveries have: new files and moves, and no look into a file that is there, nor a way to shorten it. */
static int by_landlock_deliver(void)
{
    char text[16];
    int abi = jail_landlock_abi(), outside = jail_open_dir("empty");
    struct jail_path path = {jail_open_dir("granted"), JAIL_DELIVERIES};
    struct err err;
    int dir = path.fd, old = openat(dir, "old", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    NEED(old >= 0 && write(old, "secret", 6) == 6 && close(old) == 0);
    NEED(jail_landlock_enter(abi, &path, 1, &err) == 0);
    NEED(openat(dir, "old", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    NEED(openat(dir, "old", O_RDWR | O_CLOEXEC) < 0 && errno == EACCES);
    NEED(abi < 3 || (openat(dir, "old", O_WRONLY | O_TRUNC | O_CLOEXEC) < 0 && errno == EACCES));
    NEED(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0);
    NEED(mkdirat(dir, "tmp", 0700) == 0 && mkdirat(dir, "new", 0700) == 0);
    int fresh = openat(dir, "tmp/m", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    NEED(fresh >= 0 && write(fresh, "message", 7) == 7 && fsync(fresh) == 0 && close(fresh) == 0);
    NEED(openat(dir, "tmp/m", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    NEED(renameat2(dir, "tmp/m", dir, "new/m", RENAME_NOREPLACE) == 0 && linkat(dir, "new/m", dir, "tmp/m", 0) == 0);
    NEED(symlinkat("v1:7:1:0", dir, "record") == 0 && readlinkat(dir, "record", text, sizeof text) == 8);
    NEED(linkat(dir, "new/m", outside, "m", 0) < 0 && renameat(dir, "new/m", outside, "m") < 0);
    NEED(unlinkat(dir, "tmp/m", 0) == 0 && unlinkat(dir, "new/m", 0) == 0 && unlinkat(dir, "record", 0) == 0);
    NEED(unlinkat(dir, "tmp", AT_REMOVEDIR) == 0 && unlinkat(dir, "new", AT_REMOVEDIR) == 0 && unlinkat(dir, "old", 0) == 0);
    return 0;
}

static void landlocked(int (*fn)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
            _exit(2);
        int line = fn();
        if (line)
            dprintf(STDERR_FILENO, "landlock: line %d: %s\n", line, strerror(errno));
        _exit(line ? 1 : 0);
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_int_equal(status, 0);
}

/* Landlock by itself, without the filter that would answer first. */
static void test_landlock(void **state)
{
    if (!jail_build.walls || jail_landlock_abi() == 0)
        skip();
    struct sockaddr_un abstract = {.sun_family = AF_UNIX};
    snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "bustia-test-%d", (int)getpid());
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(bind(listener, (struct sockaddr *)&abstract, sizeof abstract) == 0 && listen(listener, 1) == 0);
    landlocked(by_landlock);
    close(listener);
}

static void test_landlock_deliver(void **state)
{
    if (!jail_build.walls || jail_landlock_abi() < 2)
        skip();
    landlocked(by_landlock_deliver);
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
            jail_furnish(&in, *role);
            if (jail_enter(&in.jail, &in.report, &err) < 0)
                _exit(255);
        }
        _exit(call());
    }
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* The numbers of another architecture would pass a filter that looks at numbers only; a kernel may have none of them.
 */
static void test_other_architecture(void **state)
{
    jail_need_walls();
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0] && foreign[i]; i++)
        for (int r = 0; r < ROLES; r++) {
            enum role role = (enum role)r;
            if (ended_by(foreign[i], NULL) != SIGSEGV)
                assert_int_equal(ended_by(foreign[i], &role), SIGSYS);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_report_text),
        cmocka_unit_test(test_possible),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_as_root),
        cmocka_unit_test(test_refused_with_threads),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_capabilities_of_master),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_landlock),
        cmocka_unit_test(test_landlock_deliver),
        cmocka_unit_test(test_other_architecture),
    };
    return cmocka_run_group_tests(tests, jail_set_up, jail_tear_down);
}
