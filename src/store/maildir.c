/* maildir: new/ and cur/ of a directory, served as they are: nothing is moved or flagged. Mail processes, with
 * the mailbox's own uid, from an empty root with one directory held open, sealed by seccomp and Landlock; deliver
 * processes, for which files cannot be opened for reading at all.
 *
 * Whatever is opened is opened beneath the maildrop (base/beneath.h), is a regular file and is the inode that was
 * listed; else it is not that message. The calls used by both: openat2, fstat, newfstatat, getdents64, fcntl (F_GETFL,
 * F_SETFD), readlinkat, symlinkat, renameat (of libc's renameat2), unlinkat, fsync, flock, mkdirat, close, nanosleep or
 * clock_nanosleep, and the clock. For sessions also openat, pread64, close_range, and of what the kernel tells fanotify_init,
 * fanotify_mark, name_to_handle_at, fstatfs, lseek, read; for deliveries write, renameat2, linkat, getrandom, getpid.
 */
#include "store/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/maildir_ages.h"
#include "store/maildir_count.h"
#include "store/maildir_draft.h"
#include "store/maildir_list.h"
#include "store/maildir_open.h"
#include "store/maildir_used.h"

static void maildir_close(struct store *s)
{
    struct maildir *m = maildir_of(s);
    maildir_index_close(&m->index);
    maildir_box_close(&m->box);
    mem_free(m);
}

static int maildir_open(struct store **s, const struct store_root *root, const char *path, enum store_mode mode,
                        struct err *err)
{
    struct maildir *m = mem_alloc(sizeof *m);
    m->store.ops = &store_maildir;
    if (maildir_box_begin(&m->box, root, path, mode, err) < 0) {
        mem_free(m);
        return -1;
    }
    maildir_index_init(&m->index);
    if (mode == STORE_EXCLUSIVE)
        maildir_index_open(&m->index, m->box.dir);
    if (mode == STORE_EXCLUSIVE && m->index.fd < 0 && maildir_box_parts(&m->box, err) < 0) {
        maildir_close(&m->store);
        return -1;
    }
    *s = &m->store;
    return 0;
}

/* ---- a body */

static void body_close(struct store_body *b)
{
    close(b->fd);
    b->fd = -1;
}

struct opening {
    int fd;
    int failed; /* errno */
    struct stat st;
};

static bool open_body(struct maildir_box *m, struct maildir_entry *e, void *arg)
{
    struct opening *o = arg;
    enum maildir_outcome outcome = maildir_message_open(m, e, &o->fd, &o->st);
    o->failed = outcome == MAILDIR_FAILED ? errno : 0;
    e->gone = outcome == MAILDIR_GONE;
    return outcome != MAILDIR_MOVED;
}

/* Opens it under the name it has now. */
static int reach(struct maildir_box *m, struct maildir_entry *e, struct opening *o, struct err *err)
{
    if (!e->gone && !open_body(m, e, o)) {
        if (maildir_box_parts(m, err) < 0)
            return -1;
        e->wanted = true;
        int searched = maildir_search(m, open_body, o, err);
        bool missed = e->wanted;
        e->wanted = false;
        if (searched < 0)
            return -1;
        if (missed && e->seen)
            return err_set(err, ERR_TEMP, "the message is being renamed without end");
        e->gone = e->gone || missed;
    }
    if (e->gone)
        return err_set(err, ERR_GONE, "the message is not there any more");
    if (o->failed)
        return err_set(err, ERR_TEMP, "the message cannot be opened: %s", strerror(o->failed));
    return 0;
}

/* What the table says of its content is true of the file that was opened. */
static bool is_same(const struct maildir_entry *e, const struct stat *st)
{
    if ((uint64_t)st->st_size != e->size)
        return false;
    return e->ctime ? maildir_ns(st->st_ctim) == e->ctime : e->mtime && maildir_ns(st->st_mtim) == e->mtime;
}

static int refuse_changed(struct maildir_entry *e, struct err *err)
{
    e->refused = true;
    return err_set(err, ERR_TEMP, "the message has changed since the log-in");
}

/* A size was promised (RFC 1939 §5, LIST): another content must not travel under it. What is not what the table says is
 * counted again: it is served if it has the size that was told, for only its name or its rights may have changed; or if it was
 * another one before the log-in already, when an index was wrong about it: then with its true size. */
static int see_content(struct maildir *m, struct maildir_entry *e, const struct opening *o, struct err *err)
{
    if (e->refused)
        return refuse_changed(e, err);
    if (is_same(e, &o->st)) {
        e->mtime = maildir_ns(o->st.st_mtim);
        return 0;
    }
    if (e->mtime && maildir_ns(o->st.st_mtim) != e->mtime) /* its content was seen in this session */
        return refuse_changed(e, err);
    uint64_t told = e->octets;
    int64_t now = maildir_tick();
    char *piece = mem_resize(NULL, MAILDIR_PIECE);
    const char *why = maildir_count_file(e, o->fd, &o->st, now, piece);
    mem_free(piece);
    if (why)
        return err_set(err, ERR_TEMP, "%s", why);
    m->news = e->recounted = true;
    if (e->octets != told && !maildir_before(o->st.st_ctim, m->listed))
        return refuse_changed(e, err);
    return 0;
}

static int maildir_body(struct store *s, unsigned msg, struct store_body *b, struct err *err)
{
    struct maildir *m = maildir_of(s);
    if (msg >= m->box.table.count)
        return err_set(err, ERR_GONE, "there is no such message");
    struct maildir_entry *e = &m->box.table.entries[msg];
    struct opening o = {.fd = -1};
    if (maildir_box_part(&m->box, e->dir, err) < 0) /* mostly all lie in one of the two */
        return -1;
    if (reach(&m->box, e, &o, err) < 0) {
        if (e->gone)
            maildir_doubt(m, e);
        return -1;
    }
    if (see_content(m, e, &o, err) < 0) {
        close(o.fd);
        return -1;
    }
    *b = (struct store_body){.fd = o.fd,
                             .size = e->size,
                             .wire = e->wire,
                             .eight_bit = e->eight_bit,
                             .octets = e->octets,
                             .close = body_close};
    return 0;
}

/* ---- removing */

struct removal {
    struct maildir *maildir;
    struct maildir_box *box;
    bool changed[MAILDIR_DIRS]; /* what must be made durable */
    size_t left;
    int failed;                /* the first errno */
    uint64_t octets, messages; /* that are gone now, as stored */
};

/* The descriptor says better than another look at the names whether the file is gone: it has no link left.
 * true: it is gone, or cannot be removed; false: it may still be there, under another name. */
static bool unlink_message(struct maildir_box *m, struct maildir_entry *e, void *arg)
{
    struct removal *r = arg;
    struct stat st;
    int fd = maildir_beneath(m->sub[e->dir], maildir_table_name(&m->table, e), O_PATH);
    int error = 0;
    bool here = false;
    if (fd < 0 || fstat(fd, &st) < 0)
        error = errno;
    else
        here = st.st_ino == e->inode && S_ISREG(st.st_mode);
    if (here && unlinkat(m->sub[e->dir], maildir_table_name(&m->table, e), 0) < 0) {
        error = errno;
        here = false;
    }
    if (here) {
        r->changed[e->dir] = true;
        e->unlinked = true;
        e->gone = fstat(fd, &st) == 0 && st.st_nlink == 0;
    } else if (error && !maildir_moved(error)) {
        e->failed = true;
        r->failed = r->failed ? r->failed : error;
    }
    if (fd >= 0)
        close(fd);
    return e->gone || e->failed;
}

/* Another program may have been faster than we: its work must be durable too before we vouch for it. Not where it can have
 * done none: what we have removed, and has links elsewhere, was in no other directory if that stood still. */
static void vouch(struct removal *r, const struct maildir_entry *e, const struct maildir_look before[MAILDIR_DIRS])
{
    for (int i = 0; i < MAILDIR_DIRS; i++)
        r->changed[i] = r->changed[i] || !e->unlinked || !maildir_is_still(r->box->sub[i], &before[i]);
}

/* The listed name first; all that are not there any more are looked for together, so that a program that
 * renames beside us costs a few passes over the directories, not one for each message. */
static int unlink_all(struct removal *r, const struct drop *drop, struct err *err)
{
    struct maildir_table *t = &r->box->table;
    struct maildir_look before[MAILDIR_DIRS] = {maildir_look(r->box->sub[MAILDIR_NEW]),
                                                maildir_look(r->box->sub[MAILDIR_CUR])};
    for (unsigned i = 0; i < t->count; i++) {
        struct maildir_entry *e = &t->entries[i];
        bool marked = i < drop->count && drop->messages[i].deleted && !e->told;
        e->failed = e->unlinked = false;
        e->gone = e->gone && !marked; /* it was missed before, and may be back */
        e->wanted = marked && !unlink_message(r->box, e, r);
    }
    int searched = maildir_search(r->box, unlink_message, r, err);
    for (unsigned i = 0; i < t->count; i++) {
        struct maildir_entry *e = &t->entries[i];
        if (e->wanted && (searched < 0 || e->seen)) {
            e->failed = true;
        } else if (e->wanted) {
            e->gone = true;
            maildir_doubt(r->maildir, e);
            vouch(r, e, before);
        }
        r->left += e->failed;
        e->wanted = false;
        if (e->gone && !e->told && i < drop->count && drop->messages[i].deleted) {
            e->told = true;
            r->octets += e->size;
            r->messages++;
        }
    }
    return searched;
}

static int make_durable(const struct removal *r, struct err *err)
{
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (r->changed[i] && fsync(r->box->sub[i]) < 0)
            return err_set(err, ERR_UNKNOWN, "%s/%s: fsync: %s", r->box->where, maildir_dir_name(i), strerror(errno));
    return 0;
}

static int maildir_remove(struct store *s, const struct drop *drop, size_t *left, struct err *err)
{
    struct maildir *m = maildir_of(s);
    struct removal r = {.maildir = m, .box = &m->box};
    *left = drop->deleted;
    if (maildir_box_parts(&m->box, err) < 0)
        return -1;
    if (m->box.unsure) /* a second fsync would say that all is well: it reports each failure once */
        return err_set(err, ERR_UNKNOWN, "%s: an earlier fsync failed", m->box.where);
    struct maildir_record before;
    bool recorded = maildir_record_load(&m->box, &before);
    int searched = unlink_all(&r, drop, err);
    maildir_used_less(&m->box, recorded ? &before : NULL, r.octets, r.messages); /* after it: see the record's header */
    if (make_durable(&r, err) < 0) {
        m->box.unsure = true;
        return -1;
    }
    *left = r.left;
    if (searched < 0)
        return -1;
    if (r.left)
        return err_set(err, ERR_TEMP, "%s: %zu messages cannot be removed: %s", m->box.where, r.left,
                       r.failed ? strerror(r.failed) : "they are renamed without end");
    return 0;
}

/* ---- deliveries */

static int maildir_begin(struct store *s, const struct store_about *about, struct store_draft **d, struct err *err)
{
    return maildir_draft_begin(&maildir_of(s)->box, about, d, err);
}

static int maildir_count(struct store *s, bool afresh, struct store_used *used, struct err *err)
{
    struct maildir_box *m = &maildir_of(s)->box;
    return maildir_box_parts(m, err) < 0 ? -1 : maildir_used(m, afresh, used, err);
}

static int maildir_sweep_now(struct store *s, struct err *err)
{
    return maildir_sweep(&maildir_of(s)->box, clock_wall().tv_sec, err);
}

static int maildir_since(struct store *s, int64_t now, bool keep, struct drop *drop, int64_t **first, struct err *err)
{
    struct maildir_box *m = &maildir_of(s)->box;
    return maildir_box_parts(m, err) < 0 ? -1 : maildir_ages(m, now, keep, drop, first, err);
}

const struct store_ops store_maildir = {
    .scheme = "maildir",
    .open = maildir_open,
    .list = maildir_list,
    .at_hand = maildir_at_hand,
    .load = maildir_load,
    .text = maildir_text,
    .keep = maildir_keep,
    .body = maildir_body,
    .remove = maildir_remove,
    .begin = maildir_begin,
    .write = maildir_draft_write,
    .start = maildir_draft_start,
    .ready = maildir_draft_ready,
    .commit = maildir_draft_commit,
    .abort = maildir_draft_abort,
    .used = maildir_count,
    .sweep = maildir_sweep_now,
    .ages = maildir_since,
    .close = maildir_close,
};
