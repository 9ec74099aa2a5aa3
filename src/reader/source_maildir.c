/* source_maildir: a Maildir to look at (source.h). Nothing is made, moved, flagged or locked. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reader/source.h"
#include "store/maildir_scan.h"
#include "store/maildir_uid.h"

struct local {
    struct source source;
    struct maildir_box box;
};

static void local_close(struct source *s)
{
    struct local *l = (struct local *)s;
    maildir_table_fini(&l->box.table);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (l->box.sub[i] >= 0)
            close(l->box.sub[i]);
    if (l->box.dir >= 0)
        close(l->box.dir);
    mem_free(l->box.where);
    drop_fini(&s->drop);
    mem_free(l);
}

/* ---- a message */

struct opening {
    int fd, failed;
};

/* maildir_met_fn. Another file may have taken the name: then it is looked for. */
static bool open_entry(struct maildir_box *m, struct maildir_entry *e, void *arg)
{
    struct opening *o = arg;
    struct stat st;
    o->failed = 0;
    o->fd = maildir_beneath(m->sub[e->dir], maildir_table_name(&m->table, e), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (o->fd >= 0 && fstat(o->fd, &st) == 0 && st.st_ino == e->inode && S_ISREG(st.st_mode))
        return true;
    if (o->fd < 0 && !maildir_moved(errno)) {
        o->failed = errno;
        return true;
    }
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
    return false;
}

static int open_message(struct local *l, unsigned msg, int *fd, struct err *err)
{
    struct maildir_entry *e = &l->box.table.entries[msg];
    struct opening o = {.fd = -1};
    if (!open_entry(&l->box, e, &o)) {
        e->wanted = true;
        int searched = maildir_search(&l->box, open_entry, &o, err);
        e->wanted = false;
        if (searched < 0)
            return -1;
    }
    *fd = o.fd;
    if (o.failed)
        return err_set(err, ERR_PERM, "message %u cannot be opened: %s", msg + 1, strerror(o.failed));
    return o.fd < 0 ? err_set(err, ERR_GONE, "message %u is not there any more", msg + 1) : 0;
}

static int local_fetch(struct source *s, unsigned msg, struct spool *to, struct err *err)
{
    int fd;
    if (open_message((struct local *)s, msg, &fd, err) < 0)
        return -1;
    int result = spool_copy(to, fd, err);
    close(fd);
    return result;
}

/* The octets before the first empty line. */
static size_t head_of(const char *p, size_t n)
{
    size_t line = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] == '\n') {
            if (i == line || (i == line + 1 && p[line] == '\r'))
                return line;
            line = i + 1;
        }
    return n;
}

static int add_head(struct local *l, unsigned msg, char *p, size_t most, struct spool *to, struct err *err)
{
    struct err gone;
    int fd = -1;
    size_t n = 0;
    if (open_message(l, msg, &fd, &gone) == 0) {
        ssize_t got;
        while (n < most && ((got = read(fd, p + n, most - n)) > 0 || (got < 0 && errno == EINTR)))
            n += got > 0 ? (size_t)got : 0;
        close(fd);
    }
    uint32_t octets = (uint32_t)head_of(p, n);
    if (spool_add(to, (struct span){(const char *)&octets, sizeof octets}, err) < 0)
        return -1;
    return spool_add(to, (struct span){p, octets}, err);
}

static int local_heads(struct source *s, const unsigned *msgs, unsigned count, size_t most, struct spool *to,
                       struct err *err)
{
    char *p = mem_alloc(most);
    int result = 0;
    for (unsigned i = 0; i < count && result == 0; i++)
        result = add_head((struct local *)s, msgs[i], p, most, to, err);
    mem_free(p);
    return result;
}

/* ---- opening */

static const struct source_ops local_ops = {.heads = local_heads, .fetch = local_fetch, .close = local_close};

static int open_folder(int dir, const char *path, bool follow)
{
    return openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
}

static int open_folders(struct maildir_box *m, const char *path, struct err *err)
{
    m->dir = open_folder(AT_FDCWD, path, true);
    if (m->dir < 0)
        return err_set(err, errno == ENOENT ? ERR_GONE : ERR_PERM, "%s cannot be opened: %s", path, strerror(errno));
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        m->sub[i] = open_folder(m->dir, maildir_dir_name(i), false);
        if (m->sub[i] < 0)
            return err_set(err, ERR_INPUT, "%s is no Maildir: %s/ in it cannot be opened: %s", path,
                           maildir_dir_name(i), strerror(errno));
    }
    return 0;
}

/* The sizes are those of the files: what they would be on the wire is not worth reading all of them. */
static int read_folders(struct local *l, struct err *err)
{
    struct maildir_table *t = &l->box.table;
    if (maildir_scan(&l->box, MAILDIR_ASK, err) < 0)
        return -1;
    maildir_table_sort(t);
    maildir_table_sift(t);
    for (unsigned i = 0; i < t->count; i++)
        t->entries[i].octets = t->entries[i].size;
    maildir_number(t, &l->source.drop);
    return 0;
}

int source_maildir(struct source **s, const char *path, struct err *err)
{
    struct local *l = mem_alloc(sizeof *l);
    l->source.ops = &local_ops;
    l->box = (struct maildir_box){.where = mem_copy_text(path), .dir = -1, .sub = {-1, -1}, .tmp = -1};
    maildir_table_init(&l->box.table);
    drop_init(&l->source.drop);
    if (open_folders(&l->box, path, err) < 0 || read_folders(l, err) < 0) {
        local_close(&l->source);
        return -1;
    }
    *s = &l->source;
    return 0;
}
