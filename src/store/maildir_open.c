/* maildir_open: see the header. Mail and deliver processes, from an empty root: only root->fd leads to files. */
#include "store/maildir_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/maildir_first.h"
#include "store/maildir_index_format.h"
#include "store/maildir_kept.h"

enum { ONLY_US = 0700 };

enum {
    LOCK_WAIT_MS = 10000,
    LOCK_TRY_MS = 1,      /* the first pause between two tries; each is twice the one before, */
    LOCK_TRY_MOST_MS = 32 /* up to this */
};

/* In the order of enum maildir_dir. */
static const char *const parts[] = {"new", "cur", "tmp"};
enum { TMP = MAILDIR_DIRS, PARTS };

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

/* What could not be made durable is not left behind: who finds it there takes it for durable. */
static int make_directory(int dir, const char *name)
{
    bool made = mkdirat(dir, name, ONLY_US) == 0;
    if (!made && errno != EEXIST) /* if another was faster: its work is not durable yet */
        return -1;
    if (beneath_sync(dir, name) == 0)
        return 0;
    int saved = errno;
    if (made)
        (void)unlinkat(dir, name, AT_REMOVEDIR);
    errno = saved;
    return -1;
}

/* fn for the last component of the path and the directory that it is in. */
static int in_parent(int root, const char *path, int (*fn)(int dir, const char *name))
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return fn(root, path);
    char *parent = mem_copy(path, (size_t)(slash - path));
    int fd = maildir_beneath(root, parent, O_PATH | O_DIRECTORY);
    mem_free(parent);
    if (fd < 0)
        return -1;
    int result = fn(fd, slash + 1);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static int open_maildrop(struct maildir_box *m, const struct store_root *root, const char *path, struct err *err)
{
    m->dir = open_directory(root->fd, path);
    if (m->dir < 0 && errno == ENOENT && m->as_it_is)
        return err_set(err, ERR_GONE, "there is no maildrop %s", m->where);
    if (m->dir < 0 && errno == ENOENT) {
        /* The last component, never one before it: a parent that is not there may be a disk that is not mounted. */
        if (in_parent(root->fd, path, make_directory) < 0)
            return err_set(err, ERR_TEMP, "maildrop %s is not there and cannot be made: %s", m->where, reason(errno));
        m->dir = open_directory(root->fd, path);
        if (m->dir >= 0)
            log_info("maildir", "maildrop=%s made", log_quote_text(m->where));
    }
    return m->dir < 0 ? refuse(m, NULL, errno, err) : 0;
}

/* Our own records do not count: they say that this was a maildrop. */
static bool counts(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, MAILDIR_RECORD) != 0 &&
           strcmp(name, MAILDIR_FIRST) != 0 && strcmp(name, MAILDIR_INDEX) != 0 &&
           strcmp(name, MAILDIR_INDEX_FRESH) != 0;
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
        empty = !counts(d->d_name);
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
static int complete(const struct maildir_box *m, bool need_tmp, struct err *err)
{
    unsigned there = parts_there(m->dir);
    if (!there && !is_empty(m->dir))
        return err_set(err, ERR_TEMP, "%s is not a Maildir: it has neither new/ nor cur/", m->where);
    /* Whoever made it may have been killed before he made it durable, or be about to. */
    if (!there && in_parent(m->root, m->path, beneath_sync) < 0)
        return err_set(err, ERR_TEMP, "the folder above %s: fsync: %s", m->where, strerror(errno));
    for (unsigned i = 0; i < PARTS; i++)
        if (!(there & 1u << i) && make_directory(m->dir, parts[i]) < 0 && (i != TMP || need_tmp))
            return err_set(err, ERR_TEMP, "%s/%s is missing and cannot be made: %s", m->where, parts[i],
                           strerror(errno));
    return 0;
}

static int open_part(const struct maildir_box *m, unsigned part, int *fd, struct err *err)
{
    *fd = open_directory(m->dir, parts[part]);
    if (*fd < 0 && errno == ENOENT && m->as_it_is)
        return err_set(err, ERR_GONE, "%s has no %s/", m->where, parts[part]);
    if (*fd < 0 && errno == ENOENT) {
        if (complete(m, part == TMP, err) < 0)
            return -1;
        *fd = open_directory(m->dir, parts[part]);
    }
    return *fd < 0 ? refuse(m, parts[part], errno, err) : 0;
}

int maildir_box_part(struct maildir_box *m, enum maildir_dir part, struct err *err)
{
    return m->sub[part] >= 0 ? 0 : open_part(m, part, &m->sub[part], err);
}

void maildir_box_part_close(struct maildir_box *m, enum maildir_dir part)
{
    if (m->sub[part] >= 0)
        close(m->sub[part]);
    m->sub[part] = -1;
}

int maildir_box_parts(struct maildir_box *m, struct err *err)
{
    for (unsigned i = 0; i < MAILDIR_DIRS; i++)
        if (maildir_box_part(m, i, err) < 0)
            return -1;
    return 0;
}

static int open_parts(struct maildir_box *m, enum store_mode mode, struct err *err)
{
    if (maildir_box_parts(m, err) < 0)
        return -1;
    return mode == STORE_DELIVER ? maildir_box_tmp(m, err) : 0;
}

int maildir_box_tmp(struct maildir_box *m, struct err *err)
{
    return m->tmp >= 0 ? 0 : open_part(m, TMP, &m->tmp, err);
}

static int open_again(struct maildir_box *m, unsigned part, int *fd, struct err *err)
{
    int other;
    if (open_part(m, part, &other, err) < 0)
        return -1;
    if (*fd >= 0)
        close(*fd);
    *fd = other;
    return 0;
}

int maildir_box_tmp_again(struct maildir_box *m, struct err *err)
{
    return open_again(m, TMP, &m->tmp, err);
}

int maildir_box_new_again(struct maildir_box *m, struct err *err)
{
    return open_again(m, MAILDIR_NEW, &m->sub[MAILDIR_NEW], err);
}

static int take_lock(const struct maildir_box *m, struct err *err)
{
    if (flock(m->dir, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY, "the maildrop is in use by another session");
    return err_set(err, ERR_TEMP, "%s: flock: %s", m->where, strerror(errno));
}

static const struct maildir_box nothing = {.root = -1, .dir = -1, .sub = {-1, -1}, .tmp = -1};

int maildir_box_begin(struct maildir_box *m, const struct store_root *root, const char *path, enum store_mode mode,
                     struct err *err)
{
    *m = nothing;
    m->wire_ends = root->wire_ends;
    m->as_it_is = mode == STORE_PRESENT;
    size_t n = strlen(root->path) + 1 + strlen(path) + 1;
    m->where = mem_alloc(n);
    snprintf(m->where, n, "%s/%s", root->path, path);
    m->root = root->fd;
    m->path = m->where + strlen(root->path) + 1;
    maildir_table_init(&m->table);
    if (open_maildrop(m, root, path, err) < 0 || (mode != STORE_DELIVER && take_lock(m, err) < 0) ||
        (mode != STORE_EXCLUSIVE && open_parts(m, mode, err) < 0)) {
        maildir_box_close(m);
        return -1;
    }
    m->as_it_is = false;
    return 0;
}

int maildir_box_open(struct maildir_box *m, const struct store_root *root, const char *path, enum store_mode mode,
                     struct err *err)
{
    if (maildir_box_begin(m, root, path, mode, err) < 0)
        return -1;
    if (maildir_box_parts(m, err) == 0)
        return 0;
    maildir_box_close(m);
    return -1;
}

/* The maildrop last: with it goes the lock. */
void maildir_box_close(struct maildir_box *m)
{
    maildir_table_fini(&m->table);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        maildir_box_part_close(m, i);
    if (m->tmp >= 0)
        close(m->tmp);
    if (m->dir >= 0)
        close(m->dir);
    mem_free(m->where);
    *m = nothing;
}

/* ---- the short lock */

/* On tmp/, because the maildrop's own descriptor bears that of a session, which may last for hours. */
int maildir_lock(struct maildir_box *m, struct err *err)
{
    if (maildir_box_tmp(m, err) < 0)
        return -1;
    uint64_t began = clock_ms();
    long pause_ms = LOCK_TRY_MS;
    while (flock(m->tmp, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(err, ERR_TEMP, "%s/tmp: flock: %s", m->where, strerror(errno));
        if (clock_ms() - began > LOCK_WAIT_MS)
            return err_set(err, ERR_TEMP, "%s: others deliver or count without end", m->where);
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000}, NULL);
        pause_ms = pause_ms < LOCK_TRY_MOST_MS ? 2 * pause_ms : pause_ms;
    }
    return 0;
}

void maildir_unlock(struct maildir_box *m)
{
    (void)flock(m->tmp, LOCK_UN);
}
