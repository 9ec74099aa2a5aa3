/* probe: see the header. Seals this process by the role's row, with what the configuration grants that role. */
#include "daemon/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/account.h"
#include "base/conf.h"
#include "base/mem.h"
#include "daemon/jail.h"

static int directory(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fprintf(stderr, "bustiad: %s: %s\n", path, strerror(errno));
    return fd;
}

/* The account, root directory and granted paths that the running server gives this role. */
static int furnish(const struct conf *c, struct jail *j, struct jail_path paths[CONF_ROOTS], struct err *err)
{
    char path[4096];
    const char *account = c->mail_user;
    snprintf(path, sizeof path, "%s/empty", c->run_dir);
    j->paths = paths;
    switch (j->role) {
    case ROLE_MASTER:
    case ROLES:
        return 0;
    case ROLE_DOOR:
        account = c->door_user;
        break;
    case ROLE_CONTROL:
        account = c->control_user;
        break;
    case ROLE_METRICS:
        account = c->metrics_user;
        break;
    case ROLE_AUTH:
        account = c->auth_user;
        snprintf(path, sizeof path, "%s", c->users_db);
        *strrchr(path, '/') = '\0';
        paths[j->n_paths++] = (struct jail_path){directory(path), JAIL_DATABASE};
        break;
    case ROLE_MAIL:
    case ROLE_DELIVER:
        for (unsigned i = 0; i < c->mail_roots; i++)
            paths[j->n_paths++] = (struct jail_path){directory(c->mail_root[i]),
                                                     j->role == ROLE_MAIL ? JAIL_MAILDROPS : JAIL_DELIVERIES};
        break;
    }
    if (!j->root)
        return 0;
    j->chroot_fd = directory(path);
    if (j->chroot_fd < 0)
        return err_set(err, ERR_CONFIG, "the server makes this directory at its first start: %s", path);
    return account_find(account, &j->uid, &j->gid, err);
}

int probe_run(const char *file, const char *role, const char *others)
{
    struct conf c;
    struct err err;
    struct jail_path paths[CONF_ROOTS];
    int r = role_of(role);
    if (r < 0) {
        fprintf(stderr, "bustiad: no role \"%s\"\n", role);
        return EX_USAGE;
    }
    struct conf_problems problems = {0};
    int loaded = conf_load(&c, file, &problems, &err);
    conf_problems_free(&problems);
    if (loaded < 0) {
        fprintf(stderr, "bustiad: %s\n", err.text);
        conf_free(&c);
        return EX_CONFIG;
    }
    struct jail j = {.role = (enum role)r, .root = geteuid() == 0, .uid = geteuid(), .gid = getegid(), .chroot_fd = -1, .files = 1024};
    bool good = furnish(&c, &j, paths, &err) == 0 && jail_probe(&j, others, &err) == 0;
    if (!good)
        fprintf(stderr, "bustiad: %s\n", err.text);
    conf_free(&c);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
