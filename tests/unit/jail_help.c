/* jail_help: see the header. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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
#include "jail_help.h"

char jail_top[200];

void jail_path_in(char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", jail_top, name);
}

int jail_open_dir(const char *name)
{
    char path[256];
    jail_path_in(path, name);
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void jail_furnish(struct inside *in, enum role role)
{
    bool root = geteuid() == 0;
    static const unsigned rights[ROLES] = {
        [ROLE_AUTH] = JAIL_DATABASE, [ROLE_MAIL] = JAIL_MAILDROPS, [ROLE_DELIVER] = JAIL_DELIVERIES};
    *in = (struct inside){.path = {jail_open_dir("granted"), rights[role]}};
    in->jail = (struct jail){
        .role = role, .root = root, .uid = JAIL_SOMEBODY, .gid = JAIL_SOMEBODY, .chroot_fd = -1, .files = JAIL_FILES};
    if (rights[role]) {
        in->jail.paths = &in->path;
        in->jail.n_paths = 1;
    }
    if (root && role != ROLE_MASTER)
        in->jail.chroot_fd = jail_open_dir(role == ROLE_AUTH ? "granted" : "empty");
    if (root && role == ROLE_AUTH)
        snprintf(in->granted, sizeof in->granted, ".");
    else
        jail_path_in(in->granted, "granted");
}

int jail_inside(enum role role, int (*fn)(struct inside *in))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct inside in;
        struct err err;
        signal(SIGABRT, SIG_DFL); /* cmocka has its own */
        jail_furnish(&in, role);
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

void jail_need_walls(void)
{
    if (!jail_build.walls)
        skip();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

int jail_set_up(void **state)
{
    char path[256];
    const char *tmp = getenv("TMPDIR");
    snprintf(jail_top, sizeof jail_top, "%s/bustia-jail-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(jail_top) || chmod(jail_top, 0755) < 0) /* JAIL_SOMEBODY passes through it where there is no chroot */
        return -1;
    jail_path_in(path, "empty");
    if (mkdir(path, 0755) < 0)
        return -1;
    jail_path_in(path, "granted");
    if (mkdir(path, 0700) < 0 || (geteuid() == 0 && chown(path, JAIL_SOMEBODY, JAIL_SOMEBODY) < 0))
        return -1;
    return 0;
}

int jail_tear_down(void **state)
{
    return nftw(jail_top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
