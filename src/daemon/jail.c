/* jail: see the header. Runs once in every process, before it meets its first peer. */
#include "daemon/jail.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/jail_build.h"
#include "daemon/jail_landlock.h"
#include "daemon/jail_seccomp.h"

#define CAP(name) (1ULL << CAP_##name)

/* What the master keeps of root: opening files for others, low ports, and all that its children's own jails need,
 * because what leaves its bounding set never comes back to them. Not among them: tracing, mounting, modules, raw
 * devices, networks. */
#define MASTER_CAPS                                                                                                    \
    (CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(DAC_READ_SEARCH) | CAP(FOWNER) | CAP(KILL) | CAP(SETUID) | CAP(SETGID) |     \
     CAP(SETPCAP) | CAP(NET_BIND_SERVICE) | CAP(SYS_CHROOT) | CAP(SYS_RESOURCE))

/* Which walls a role has; the calls it may make are jail_seccomp.c's. The first version of Landlock lets nobody move a file to
 * another directory, and deliveries are moved from tmp/ to new/. */
static const struct {
    uint64_t caps; /* kept */
    int landlock;  /* from which version of it on; 0: never, for the master's would be its children's too */
    bool user;     /* becomes somebody else, with another root directory */
    bool threads;  /* false: neither threads nor processes, by RLIMIT_NPROC */
} rows[ROLES] = {
    /* clang-format off */
    [ROLE_MASTER]  = {.user = false, .landlock = 0, .threads = true,  .caps = MASTER_CAPS},
    [ROLE_DOOR]    = {.user = true,  .landlock = 1, .threads = false, .caps = 0},
    [ROLE_AUTH]    = {.user = true,  .landlock = 1, .threads = true,  .caps = 0},
    [ROLE_MAIL]    = {.user = true,  .landlock = 1, .threads = true,  .caps = 0},
    [ROLE_DELIVER] = {.user = true,  .landlock = 2, .threads = true,  .caps = 0},
    [ROLE_CONTROL] = {.user = true,  .landlock = 1, .threads = false, .caps = 0},
    [ROLE_METRICS] = {.user = true,  .landlock = 1, .threads = false, .caps = 0},
    /* clang-format on */
};

static int check(const struct jail *j, struct err *err)
{
    if ((unsigned)j->role >= ROLES)
        return err_set(err, ERR_PERM, "jail: no such role: %u", (unsigned)j->role);
    if (j->root != (geteuid() == 0))
        return err_set(err, ERR_PERM, "jail: %s",
                       j->root ? "needs root" : "is root, so the change of user is required");
    if (j->root && rows[j->role].user && (j->uid == 0 || j->gid == 0 || j->uid == UINT32_MAX || j->gid == UINT32_MAX))
        return err_set(err, ERR_PERM, "jail: %s may not run as uid %u, gid %u", role_name(j->role), j->uid, j->gid);
    if (j->root && rows[j->role].user && j->chroot_fd < 0 && jail_build.walls)
        return err_set(err, ERR_PERM, "jail: %s has no root directory", role_name(j->role));
    /* Seals are a thread's own: another one would stay outside. This asks for nothing new, and is refused where there
     * are others. */
    if (syscall(SYS_unshare, CLONE_THREAD) < 0)
        return err_set(err, ERR_PERM, "jail: other threads run: %s", strerror(errno));
    return 0;
}

static int limit(int what, rlim_t value, const char *name, struct err *err)
{
    struct rlimit r = {value, value};
    if (setrlimit(what, &r) < 0)
        return err_set(err, ERR_PERM, "jail: %s to %llu: %s", name, (unsigned long long)value, strerror(errno));
    return 0;
}

/* The master's hard limit stays, for it is the most that its children can have. */
static int limit_files(const struct jail *j, struct err *err)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || j->role != ROLE_MASTER || r.rlim_max < j->files)
        return limit(RLIMIT_NOFILE, j->files, "RLIMIT_NOFILE", err);
    r.rlim_cur = j->files;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0)
        return err_set(err, ERR_PERM, "jail: RLIMIT_NOFILE: %s", strerror(errno));
    return 0;
}

/* No RLIMIT_FSIZE: roles write to log files, which may have any size. */
static int set_limits(const struct jail *j, struct err *err)
{
    if (limit_files(j, err) < 0 || limit(RLIMIT_CORE, 0, "RLIMIT_CORE", err) < 0)
        return -1;
    if (j->role == ROLE_MASTER)
        return 0;
    if (limit(RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK", err) < 0 || limit(RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE", err) < 0)
        return -1;
    return rows[j->role].threads || !jail_build.walls ? 0 : limit(RLIMIT_NPROC, 0, "RLIMIT_NPROC", err);
}

static int enter_landlock(const struct jail *j, struct jail_report *report, struct err *err)
{
    if (!rows[j->role].landlock || !jail_build.walls)
        return 0;
    int abi = jail_landlock_abi();
    if (abi < rows[j->role].landlock)
        return 0;
    if (jail_landlock_enter(abi, j->paths, j->n_paths, err) < 0)
        return -1;
    report->landlock_abi = abi;
    return 0;
}

static int enter_root(const struct jail *j, struct jail_report *report, struct err *err)
{
    if (j->chroot_fd >= 0 && fchdir(j->chroot_fd) < 0)
        return err_set(err, ERR_PERM, "jail: root directory of %s: %s", role_name(j->role), strerror(errno));
    if (!jail_build.walls)
        return 0;
    if (chroot(".") < 0 || chdir("/") < 0)
        return err_set(err, ERR_PERM, "jail: chroot of %s: %s", role_name(j->role), strerror(errno));
    report->chrooted = true;
    return 0;
}

/* The bounding set, then (after the change of user, which empties them otherwise) all others. */
static int drop_bounding(uint64_t keep, struct err *err)
{
    for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return err_set(err, ERR_PERM, "jail: capability %u: %s", cap, strerror(errno));
    return 0;
}

struct caps {
    struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

static int get_caps(struct caps *c)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    return (int)syscall(SYS_capget, &head, c->half);
}

static int keep_caps(uint64_t keep, struct err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct caps c;
    if (get_caps(&c) < 0)
        return err_set(err, ERR_PERM, "jail: capget: %s", strerror(errno));
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        c.half[i].permitted &= (uint32_t)(keep >> 32 * i);
        c.half[i].effective = c.half[i].permitted;
        c.half[i].inheritable = 0;
    }
    /* The ambient set follows: it never holds what is not inheritable. */
    if (syscall(SYS_capset, &head, c.half) < 0)
        return err_set(err, ERR_PERM, "jail: capset: %s", strerror(errno));
    return 0;
}

static int become(const struct jail *j, struct jail_report *report, struct err *err)
{
    if (setgroups(0, NULL) < 0 || setresgid(j->gid, j->gid, j->gid) < 0 || setresuid(j->uid, j->uid, j->uid) < 0)
        return err_set(err, ERR_PERM, "jail: becoming uid %u, gid %u: %s", j->uid, j->gid, strerror(errno));
    report->user = true;
    return 0;
}

static int change_user(const struct jail *j, struct jail_report *report, struct err *err)
{
    uint64_t keep = rows[j->role].caps;
    if (j->root && rows[j->role].user && enter_root(j, report, err) < 0)
        return -1;
    if (j->root && drop_bounding(keep, err) < 0)
        return -1;
    if (j->root && rows[j->role].user && become(j, report, err) < 0)
        return -1;
    return keep_caps(keep, err);
}

/* Nothing of it can be taken back: asked before seccomp, which would answer for the kernel. */
static int check_user(const struct jail *j, struct err *err)
{
    uid_t uid[3];
    gid_t gid[3];
    struct caps c;
    uint64_t keep = rows[j->role].caps;
    if (get_caps(&c) < 0)
        return err_set(err, ERR_PERM, "jail: capget: %s", strerror(errno));
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        if ((c.half[i].permitted | c.half[i].effective | c.half[i].inheritable) & ~(uint32_t)(keep >> 32 * i))
            return err_set(err, ERR_PERM, "jail: capabilities are left");
    if (!j->root || !rows[j->role].user)
        return 0;
    if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
        return err_set(err, ERR_PERM, "jail: getresuid: %s", strerror(errno));
    for (int i = 0; i < 3; i++)
        if (uid[i] != j->uid || gid[i] != j->gid)
            return err_set(err, ERR_PERM, "jail: the change of user is not whole");
    if (getgroups(0, NULL) != 0 || setuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0)
        return err_set(err, ERR_PERM, "jail: the change of user can be taken back");
    return 0;
}

/* A call that no role has and that does nothing shows whether the filter holds. */
static int enter_seccomp(const struct jail *j, struct jail_report *report, struct err *err)
{
    if (!jail_build.walls)
        return 0;
    if (jail_seccomp_enter(j->role, err) < 0)
        return -1;
    if (syscall(SYS_sched_get_priority_max, 0) != -1 || errno != EPERM)
        return err_set(err, ERR_PERM, "seccomp: the filter of %s lets through what it must not", role_name(j->role));
    report->seccomp = true;
    return 0;
}

int jail_enter(const struct jail *j, struct jail_report *report, struct err *err)
{
    *report = (struct jail_report){.role = j->role};
    if (check(j, err) < 0 || set_limits(j, err) < 0)
        return -1;
    /* First, because Landlock and seccomp ask for it where there is no CAP_SYS_ADMIN. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return err_set(err, ERR_PERM, "jail: no_new_privs: %s", strerror(errno));
    report->no_new_privs = true;
    if (enter_landlock(j, report, err) < 0 || change_user(j, report, err) < 0)
        return -1;
    if (prctl(PR_SET_DUMPABLE, jail_build.walls ? 0 : 1, 0, 0, 0) < 0)
        return err_set(err, ERR_PERM, "jail: PR_SET_DUMPABLE: %s", strerror(errno));
    if (check_user(j, err) < 0)
        return -1;
    return enter_seccomp(j, report, err);
}

void jail_report_text(const struct jail_report *r, char out[128])
{
    const bool all = (unsigned)r->role < ROLES && rows[r->role].user;
    char landlock[32] = "";
    if (all && r->landlock_abi)
        snprintf(landlock, sizeof landlock, " landlock=%d", r->landlock_abi);
    else if (all)
        snprintf(landlock, sizeof landlock, " no-landlock");
    snprintf(out, 128, "%s%s%sno_new_privs %sseccomp%s",
             !all      ? ""
             : r->user ? "user "
                       : "no-user ",
             !all          ? ""
             : r->chrooted ? "chroot "
                           : "no-chroot ",
             r->no_new_privs ? "" : "no-", r->seccomp ? "" : "no-", landlock);
}

void jail_possible(struct jail_report *report)
{
    struct caps c;
    const uint64_t needed = CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP);
    uint64_t have = 0;
    if (get_caps(&c) == 0)
        have = c.half[0].effective | (uint64_t)c.half[1].effective << 32;
    *report = (struct jail_report){
        .role = ROLE_DOOR,
        .user = geteuid() == 0 && (have & needed) == needed,
        .chrooted = jail_build.walls && geteuid() == 0 && have & CAP(SYS_CHROOT),
        .no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0,
        .seccomp = jail_build.walls && jail_seccomp_possible(),
        .landlock_abi = jail_build.walls ? jail_landlock_abi() : 0,
    };
}
