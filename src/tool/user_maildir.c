/* user_maildir: see the header. As root it works in directories that others may write to, so it works there with the
 * user's own ids: whatever he puts in the way, nothing happens that he could not do himself. Only the maildrop's own
 * entry is made as root, when its parent is not the user's to write to, who then cannot be in the way either. */
#include "tool/user_maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/mem.h"

enum { ONLY_US = 0700, GROUPS = 65536 };

/* The ids of before. The process has one thread here. */
struct before {
    uid_t uid;
    gid_t gid, *groups;
    int n;
};

static int become(struct before *b, uint32_t uid, uint32_t gid)
{
    *b = (struct before){.uid = geteuid(), .gid = getegid()};
    if (b->uid != 0)
        return 0;
    b->groups = mem_alloc(GROUPS * sizeof *b->groups);
    b->n = getgroups(GROUPS, b->groups);
    return b->n < 0 || setgroups(1, &gid) || setegid(gid) || seteuid(uid) ? -1 : 0;
}

static void come_back(struct before *b)
{
    int saved = errno;
    if (b->uid == 0 && (seteuid(0) || setegid(b->gid) || setgroups((size_t)b->n, b->groups)))
        _exit(71); /* root that cannot become root again: nothing that follows would be right */
    mem_free(b->groups);
    errno = saved;
}

static enum user_maildir left(struct err *err, const char *what)
{
    err_set(err, ERR_TEMP, "%s: %s", what, strerror(errno));
    return USER_MAILDIR_LEFT;
}

static enum user_maildir wrong(struct err *err, const char *what)
{
    err_set(err, ERR_PERM, "%s", what);
    return USER_MAILDIR_WRONG;
}

/* The entry in a parent where the user himself may not make it. */
static int make_as_root(int parent, const char *name, uint32_t uid, uint32_t gid)
{
    struct stat st;
    if (mkdirat(parent, name, ONLY_US))
        return -1;
    int fd = beneath_open(parent, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return -1;
    int ret = fstat(fd, &st) == 0 && st.st_uid == 0 ? fchown(fd, uid, gid) : -1;
    close(fd);
    return ret;
}

/* Makes or finds the maildrop's own directory. *made: it is new. */
static int make_entry(int parent, const char *name, uint32_t uid, uint32_t gid, bool *made)
{
    struct before b;
    int ret = become(&b, uid, gid) ? -1 : mkdirat(parent, name, ONLY_US);
    come_back(&b);
    if (ret && errno == EACCES && b.uid == 0)
        ret = make_as_root(parent, name, uid, gid);
    *made = ret == 0;
    return ret && errno != EEXIST ? -1 : 0;
}

/* Durable, as all above it: a message that is vouched for needs it, and who puts it there finds it made. */
static int make_parts(int dir)
{
    static const char *const parts[] = {"cur", "new", "tmp"};
    for (unsigned i = 0; i < 3; i++)
        if (mkdirat(dir, parts[i], ONLY_US) && errno != EEXIST)
            return -1;
    return beneath_sync(dir, ".");
}

static enum user_maildir fill(int parent, const char *name, uint32_t uid, uint32_t gid, bool made, struct err *err)
{
    struct before b;
    struct stat st;
    int dir = beneath_open(parent, name, O_PATH | O_DIRECTORY, 0);
    if (dir < 0 || fstat(dir, &st)) {
        if (dir >= 0)
            close(dir);
        return errno == EACCES ? left(err, "it cannot be opened") : wrong(err, "it is there, and no directory");
    }
    enum user_maildir result = made ? USER_MAILDIR_MADE : USER_MAILDIR_THERE;
    if (made && beneath_sync(parent, ".")) {
        result = left(err, "it may not outlast a power cut: fsync of the folder above it");
    } else if (st.st_uid != uid) {
        result = wrong(err, "it is there, and belongs to another uid");
    } else {
        int ret = become(&b, uid, gid) ? -1 : make_parts(dir);
        come_back(&b);
        if (ret)
            result = left(err, "its cur, new and tmp");
    }
    close(dir);
    return result;
}

enum user_maildir user_maildir_make(const char *root, const char *path, uint32_t uid, uint32_t gid, struct err *err)
{
    const char *slash = strrchr(path, '/');
    if (geteuid() != 0 && geteuid() != uid) {
        errno = EPERM;
        return left(err, "only root and the user himself can make it");
    }
    int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return left(err, root);
    char *before = slash ? mem_copy(path, (size_t)(slash - path)) : mem_copy_text(".");
    int parent = beneath_open(top, before, O_PATH | O_DIRECTORY, 0);
    bool made;
    enum user_maildir result;
    if (parent < 0)
        result = left(err, "the folder above it");
    else if (make_entry(parent, slash ? slash + 1 : path, uid, gid, &made))
        result = left(err, "mkdir");
    else
        result = fill(parent, slash ? slash + 1 : path, uid, gid, made, err);
    mem_free(before);
    if (parent >= 0)
        close(parent);
    close(top);
    return result;
}
