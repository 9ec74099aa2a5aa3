/* maildir_count: see the header. Mail processes; blocking. Three calls a message: openat, fstat, pread; and one close_range for several. */
#include "store/maildir_count.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/mem.h"
#include "store/store.h"

enum { FOREIGN_MOST = 4 /* that are met before it is taken for granted that all are */ };

/* O_NONBLOCK: if a FIFO or a device has taken the name since it was looked at, nobody is waited for. O_NOATIME, which only a file's
 * owner may ask for: else the first reading of each message would write its inode to the disk. Of a maildrop that is full of others' files
 * it is not asked for each of them. */
static int open_entry(struct maildir_box *m, const struct maildir_entry *e)
{
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    const char *name = maildir_table_name(&m->table, e);
    if (m->foreign < FOREIGN_MOST) {
        int fd = beneath_open_name(m->sub[e->dir], name, flags | O_NOATIME);
        if (fd >= 0 || errno != EPERM)
            return fd;
        m->foreign++;
    }
    return beneath_open_name(m->sub[e->dir], name, flags);
}

enum maildir_outcome maildir_message_open(struct maildir_box *m, const struct maildir_entry *e, int *fd, struct stat *st)
{
    *fd = open_entry(m, e);
    if (*fd < 0)
        return maildir_moved(errno) ? MAILDIR_MOVED : MAILDIR_FAILED;
    enum maildir_outcome outcome = fstat(*fd, st) < 0          ? MAILDIR_FAILED
                                   : st->st_ino != e->inode    ? MAILDIR_MOVED
                                   : S_ISREG(st->st_mode) == 0 ? MAILDIR_GONE
                                                               : MAILDIR_HAVE;
    if (outcome != MAILDIR_HAVE) {
        int saved = errno;
        close(*fd);
        *fd = -1;
        errno = saved;
    }
    return outcome;
}

/* ---- one file */

/* Octets. Eight times what can be delivered here: a file of holes, which costs nothing, could be read for hours under the lock. */
static const off_t LARGEST = (off_t)16 << 30;

/* A read that brings less than was asked for has met the end, if it is where the file said that it ends: a second one would
 * only say so. */
static const char *read_all(struct store_count *count, int fd, uint64_t size, char *piece)
{
    for (;;) {
        ssize_t n = pread(fd, piece, MAILDIR_PIECE, (off_t)count->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return "it cannot be read";
        store_count_add(count, (struct span){piece, (size_t)n});
        if (n == 0 || count->size > size || (n < MAILDIR_PIECE && count->size == size))
            return NULL;
    }
}

const char *maildir_count_file(struct maildir_entry *e, int fd, const struct stat *st, int64_t began, char *piece)
{
    static const char changes[] = "it changes while it is read";
    struct store_count count = {0};
    if (st->st_size > LARGEST)
        return "it is too large to be a message";
    const char *why = read_all(&count, fd, (uint64_t)st->st_size, piece);
    if (why)
        return why;
    if (count.size != (uint64_t)st->st_size)
        return changes;
    bool fresh = !maildir_told(st->st_ctim, began);
    struct stat after;
    if (fresh && (fstat(fd, &after) < 0 || maildir_ns(after.st_mtim) != maildir_ns(st->st_mtim)))
        return changes;
    e->size = count.size;
    e->mtime = maildir_ns(st->st_mtim);
    e->ctime = fresh ? 0 : maildir_ns(st->st_ctim);
    e->octets = store_count_octets(&count);
    e->wire = store_count_wire(&count);
    e->eight_bit = store_count_eight_bit(&count);
    e->downgraded = 0;
    e->counted = true;
    return NULL;
}

bool maildir_count_unseen(struct maildir_box *m, struct maildir_entry *e, int64_t began, char *piece)
{
    struct stat st;
    int fd = open_entry(m, e);
    if (fd < 0)
        return false;
    bool counted = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (counted) {
        e->inode = st.st_ino;
        counted = !maildir_count_file(e, fd, &st, began, piece);
    }
    close(fd);
    return counted;
}

/* ---- all of them */

enum {
    /* Files that are open at once: to do the same with each of them costs less than to do all with one by one. */
    OPEN_MOST = 16,
    NEAR = 8 /* names are called near so many entries beforehand: they lie in the order of the directory */
};

struct opened {
    struct maildir_entry *entry;
    struct stat st;
};

struct counting {
    char *piece;
    int64_t began;
    int failed; /* errno of trouble that is ours, not the message's */
    bool doubt; /* an inode is not the one that readdir told */
    unsigned n; /* files that are open: */
    int fds[OPEN_MOST];
    struct opened opened[OPEN_MOST];
};

/* Nobody else has a descriptor between them. */
static void close_row(int first, int last)
{
    if (first == last || close_range((unsigned)first, (unsigned)last, 0) < 0)
        for (; first <= last; first++)
            close(first);
}

/* Counts what is open, and closes it: descriptors that follow each other by one call. */
static void count_opened(struct counting *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        struct opened *o = &c->opened[i];
        o->entry->odd = maildir_count_file(o->entry, c->fds[i], &o->st, c->began, c->piece);
    }
    for (unsigned i = 0, first = 0; i < c->n; i++)
        if (i + 1 == c->n || c->fds[i + 1] != c->fds[i] + 1) {
            close_row(c->fds[first], c->fds[i]);
            first = i + 1;
        }
    c->n = 0;
}

/* Trouble of this process or of the machine, not of one file; or a lease, which its holder gives back before long: hiding messages for it
 * would be wrong. */
static bool ours(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
}

/* true when there is no more to find out about this entry, but for counting it once it is open. */
static bool open_message(struct maildir_box *m, struct maildir_entry *e, struct counting *c)
{
    struct opened *o = &c->opened[c->n];
    *o = (struct opened){.entry = e};
    switch (maildir_message_open(m, e, &c->fds[c->n], &o->st)) {
    case MAILDIR_MOVED:
        c->doubt = c->doubt || (e->believed && o->st.st_ino); /* it was opened, and is another */
        return false;
    case MAILDIR_GONE:
        e->gone = true;
        return true;
    case MAILDIR_FAILED:
        if (ours(errno) && c->n > 1) { /* it may be for the others that are open */
            count_opened(c);
            return open_message(m, e, c);
        }
        if (ours(errno))
            c->failed = errno;
        e->odd = errno == EACCES || errno == EPERM ? "it may not be read" : "it cannot be opened";
        return true;
    case MAILDIR_HAVE:
        c->n++;
        return true;
    }
    return true;
}

/* maildir_met_fn */
static bool count_message(struct maildir_box *m, struct maildir_entry *e, void *arg)
{
    bool met = open_message(m, e, arg);
    count_opened(arg);
    return met;
}

static void approach(const struct maildir_table *t, unsigned i)
{
    if (i + NEAR < t->count)
        __builtin_prefetch(maildir_table_name(t, &t->entries[i + NEAR]));
}

int maildir_count_all(struct maildir_box *m, struct err *err)
{
    struct counting c = {.piece = NULL, .began = maildir_tick()};
    struct maildir_table *t = &m->table;
    bool search = false;
    for (unsigned i = 0; i < t->count && !c.failed && !c.doubt; i++) {
        struct maildir_entry *e = &t->entries[i];
        approach(t, i);
        if (e->odd || e->counted || e->gone)
            continue;
        c.piece = c.piece ? c.piece : mem_resize(NULL, MAILDIR_PIECE);
        e->wanted = !open_message(m, e, &c);
        search = search || e->wanted;
        if (c.n == OPEN_MOST)
            count_opened(&c);
    }
    count_opened(&c);
    int result = search && !c.failed && !c.doubt ? maildir_search(m, count_message, &c, err) : 0;
    mem_free(c.piece);
    if (c.failed)
        return err_set(err, ERR_TEMP, "%s: messages cannot be opened: %s", m->where, strerror(c.failed));
    return c.doubt ? 1 : result;
}
