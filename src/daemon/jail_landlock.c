/* jail_landlock: what a role may still touch of the file system (landlock(7)). Runs in every role but the master, whose
 * children would inherit it. Descriptors that are open already are not affected. */
#include "daemon/jail_landlock.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface, by our own names, because what the installed header lacks depends on its age. */
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

#define FS_EXECUTE     (1ULL << 0)
#define FS_WRITE_FILE  (1ULL << 1)
#define FS_READ_FILE   (1ULL << 2)
#define FS_READ_DIR    (1ULL << 3)
#define FS_REMOVE_DIR  (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_DIR    (1ULL << 7)
#define FS_MAKE_REG    (1ULL << 8)
#define FS_MAKE_SYM    (1ULL << 12)
#define FS_ABI_1       ((1ULL << 13) - 1) /* … to MAKE_SYM */
#define FS_REFER       (1ULL << 13)
#define FS_TRUNCATE    (1ULL << 14)
#define FS_IOCTL_DEV   (1ULL << 15)

#define NET_BIND_TCP    (1ULL << 0)
#define NET_CONNECT_TCP (1ULL << 1)

#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL        (1ULL << 1)

struct ruleset {
    uint64_t fs, net, scope;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

/* What each version of the kernel's Landlock can take away; a row adds to those above it. */
static const struct {
    int abi;
    struct ruleset adds;
} versions[] = {
    {1, {.fs = FS_ABI_1}},     {2, {.fs = FS_REFER}},
    {3, {.fs = FS_TRUNCATE}},  {4, {.net = NET_BIND_TCP | NET_CONNECT_TCP}},
    {5, {.fs = FS_IOCTL_DEV}}, {6, {.scope = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL}},
};

static const struct {
    enum jail_right right;
    uint64_t fs;
} grants[] = {
    {JAIL_READ, FS_READ_FILE},
    {JAIL_LIST, FS_READ_DIR},
    {JAIL_WRITE, FS_WRITE_FILE},
    {JAIL_MAKE, FS_REMOVE_FILE | FS_REMOVE_DIR | FS_MAKE_REG | FS_MAKE_DIR | FS_REFER},
    {JAIL_SYMLINK, FS_MAKE_SYM},
    {JAIL_TRUNCATE, FS_TRUNCATE},
};
/* What can be said of something that is no directory. */
#define GRANT_FILE (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE)

int jail_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_RULESET_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static struct ruleset ruleset_of(int abi)
{
    struct ruleset r = {0};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0] && versions[i].abi <= abi; i++) {
        r.fs |= versions[i].adds.fs;
        r.net |= versions[i].adds.net;
        r.scope |= versions[i].adds.scope;
    }
    return r;
}

static int grant(int set, uint64_t handled, const struct jail_path *path, struct err *err)
{
    struct stat st;
    if (fstat(path->fd, &st) < 0)
        return err_set(err, ERR_PERM, "Landlock: descriptor %d: %s", path->fd, strerror(errno));
    uint64_t rights = 0;
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++)
        if (path->rights & grants[i].right)
            rights |= grants[i].fs;
    if (!S_ISDIR(st.st_mode))
        rights &= GRANT_FILE;
    struct path_beneath rule = {.allowed = rights & handled, .parent = path->fd};
    if (syscall(SYS_landlock_add_rule, set, RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_set(err, ERR_PERM, "Landlock: rule for descriptor %d: %s", path->fd, strerror(errno));
    return 0;
}

int jail_landlock_enter(int abi, const struct jail_path *paths, unsigned n_paths, struct err *err)
{
    /* An older kernel takes the longer struct as long as what it does not know is zero. */
    struct ruleset rules = ruleset_of(abi);
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (set < 0)
        return err_set(err, ERR_PERM, "Landlock: %s", strerror(errno));
    int result = 0;
    for (unsigned i = 0; i < n_paths && result == 0; i++)
        result = grant(set, rules.fs, &paths[i], err);
    if (result == 0 && syscall(SYS_landlock_restrict_self, set, 0) < 0)
        result = err_set(err, ERR_PERM, "Landlock: restrict: %s", strerror(errno));
    close(set);
    return result;
}
