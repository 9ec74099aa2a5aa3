/* test_jail_probe: each role tries from inside what it must not be able to do, also as the child of a sealed master.
 * With arguments this is the program that such a master starts. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

static const char *self;

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
        jail_furnish(&in, role);
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
    jail_need_walls();
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
    jail_need_walls();
    jail_path_in(path, "granted/open");
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
            execl(self, self, role_name((enum role)r), jail_top, NULL);
            _exit(127);
        }
        NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
        NEED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return 0;
}

static void test_children_of_master(void **state)
{
    jail_need_walls();
    assert_int_equal(jail_inside(ROLE_MASTER, start_each), 0);
}

static int child_of_master(const char *role, const char *where)
{
    struct inside in;
    struct err err;
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    snprintf(jail_top, sizeof jail_top, "%s", where);
    jail_furnish(&in, (enum role)role_of(role));
    int log = dup(STDOUT_FILENO);
    dup2(quiet, STDOUT_FILENO);
    if (jail_probe(&in.jail, "/etc/hostname", &err) == 0)
        return 0;
    dprintf(log, "%s\n", err.text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return child_of_master(argv[1], argv[2]);
    self = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_probe_tells),
        cmocka_unit_test(test_probe_without_walls),
        cmocka_unit_test(test_children_of_master),
    };
    return cmocka_run_group_tests(tests, jail_set_up, jail_tear_down);
}
