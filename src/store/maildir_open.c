/* maildir_open: see the header. Mail processes, from an empty root: only root->fd leads to files. */
#include "store/maildir_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { ONLY_US = 0700 };

static const char *const parts[] = {"new", "cur", "tmp"};
enum { PARTS = sizeof parts / sizeof *parts };

static const char *reason(int error)
{
    if (error == ELOOP || error == ENOTDIR) /* the kernel says either of a link where a directory should be */
        return "a symbolic link or a file stands in its way";
    if (error == EXDEV)
        return "it leads out of its root";
    return strerror(error);
}

static int refuse(const struct maildir_box *m, const char *part, int error, struct err *err)
{
    return err_set(err, ERR_TEMP, "maildrop %s%s%s cannot be opened: %s", m->where, part ? "/" : "", part ? part : "",
                   reason(error));
}

static int open_directory(int dir, const char *path)
{
    return maildir_beneath(dir, path, O_RDONLY | O_DIRECTORY);
}

/* Makes the last component of the path, never one before it: a parent that is not there may be a disk
 * that is not mounted. */
static int make_maildrop(const struct store_root *root, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mkdirat(root->fd, path, ONLY_US) < 0 && errno != EEXIST ? -1 : 0;
    char *parent = mem_copy(path, (size_t)(slash - path));
    int fd = maildir_beneath(root->fd, parent, O_PATH | O_DIRECTORY);
    mem_free(parent);
    if (fd < 0)
        return -1;
    int made = mkdirat(fd, slash + 1, ONLY_US) < 0 && errno != EEXIST ? -1 : 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return made;
}

static int open_maildrop(struct maildir_box *m, const struct store_root *root, const char *path, struct err *err)
{
    m->dir = open_directory(root->fd, path);
    if (m->dir < 0 && errno == ENOENT) {
        if (make_maildrop(root, path) < 0)
            return err_set(err, ERR_TEMP, "maildrop %s is not there and cannot be made: %s", m->where, reason(errno));
        m->dir = open_directory(root->fd, path);
        if (m->dir >= 0)
            log_info("maildir", "maildrop=%s made", log_quote_text(m->where));
    }
    return m->dir < 0 ? refuse(m, NULL, errno, err) : 0;
}

static bool is_empty(int dir)
{
    int fd = open_directory(dir, ".");
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    const struct dirent *d;
    bool empty = true;
    while (errno = 0, empty && (d = readdir(stream)))
        empty = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
    empty = empty && !errno;
    closedir(stream);
    return empty;
}

/* Of the three directories, as a set of bits. A symbolic link counts as there: opening it is refused later. */
static unsigned parts_there(int dir)
{
    unsigned there = 0;
    for (unsigned i = 0; i < PARTS; i++) {
        struct stat st;
        if (fstatat(dir, parts[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            there |= 1u << i;
    }
    return there;
}

/* Without tmp/ mail can still be served. */
static int complete(const struct maildir_box *m, struct err *err)
{
    unsigned there = parts_there(m->dir);
    if (!there && !is_empty(m->dir))
        return err_set(err, ERR_TEMP, "%s is not a Maildir: it has neither new/ nor cur/", m->where);
    for (unsigned i = 0; i < PARTS; i++)
        if (!(there & 1u << i) && mkdirat(m->dir, parts[i], ONLY_US) < 0 && errno != EEXIST && i < MAILDIR_DIRS)
            return err_set(err, ERR_TEMP, "%s/%s is missing and cannot be made: %s", m->where, parts[i],
                           strerror(errno));
    return 0;
}

static int open_parts(struct maildir_box *m, struct err *err)
{
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        m->sub[i] = open_directory(m->dir, parts[i]);
        if (m->sub[i] < 0 && errno == ENOENT && complete(m, err) < 0)
            return -1;
        if (m->sub[i] < 0)
            m->sub[i] = open_directory(m->dir, parts[i]);
        if (m->sub[i] < 0)
            return refuse(m, parts[i], errno, err);
    }
    return 0;
}

static int take_lock(const struct maildir_box *m, struct err *err)
{
    if (flock(m->dir, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY, "the maildrop is in use by another session");
    return err_set(err, ERR_TEMP, "%s: flock: %s", m->where, strerror(errno));
}

int maildir_box_open(struct maildir_box *m, const struct store_root *root, const char *path, bool lock, struct err *err)
{
    *m = (struct maildir_box){.dir = -1, .sub = {-1, -1}};
    size_t n = strlen(root->path) + 1 + strlen(path) + 1;
    m->where = mem_alloc(n);
    snprintf(m->where, n, "%s/%s", root->path, path);
    maildir_table_init(&m->table);
    if (open_maildrop(m, root, path, err) < 0 || (lock && take_lock(m, err) < 0) || open_parts(m, err) < 0) {
        maildir_box_close(m);
        return -1;
    }
    return 0;
}

/* The maildrop last: with it goes the lock. */
void maildir_box_close(struct maildir_box *m)
{
    maildir_table_fini(&m->table);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (m->sub[i] >= 0)
            close(m->sub[i]);
    if (m->dir >= 0)
        close(m->dir);
    mem_free(m->where);
    *m = (struct maildir_box){.dir = -1, .sub = {-1, -1}};
}
