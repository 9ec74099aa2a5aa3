/* maildir_scan: see the header. Mail processes; blocking. */
#include "store/maildir_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/maildir_pass.h"

enum {
    PASSES_ENOUGH = 5, /* the least without one that counts */
    PASSES_IDLE = 2,   /* of which so many at the end met nothing missed before */
    PASSES_MOST = 40,  /* then it ends, */
    SCAN_MS = 2000     /* or after so long */
};

/* ---- what an entry is */

struct sight {
    enum maildir_how how; /* asked for */
    bool believed;        /* and what was told has been believed */
    struct span name;
    struct maildir_name parts;
    uint64_t inode;
    mode_t mode;
    int64_t mtime; /* 0: not asked for */
    uint64_t size; /* the same */
    int error;     /* it could not be asked what it is */
    long entry;    /* in the table, or MAILDIR_NONE */
};

static const char *odd(const struct sight *s)
{
    static const struct {
        mode_t type;
        const char *what;
    } kinds[] = {{S_IFLNK, "a symbolic link"}, {S_IFDIR, "a directory"}, {S_IFIFO, "a FIFO"},
                 {S_IFSOCK, "a socket"},       {S_IFCHR, "a device"},    {S_IFBLK, "a device"}};
    if (s->error)
        return s->error == ENAMETOOLONG ? "its name is too long" : "it cannot be examined";
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((s->mode & S_IFMT) == kinds[i].type)
            return kinds[i].what;
    return S_ISREG(s->mode) ? NULL : "not a regular file";
}

/* A file that is known keeps its entry without a system call. A new one is asked for its inode, because some
 * file systems invent those that readdir tells; if it was renamed in that moment, readdir is believed, since
 * nothing is served from here but what its own descriptor shows to be that inode. */
static bool identify(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d, struct sight *s)
{
    *s = (struct sight){.how = s->how, .name = span_of(d->d_name), .inode = d->d_ino, .mode = S_IFREG};
    enum maildir_name_kind kind = maildir_name_read(s->name, &s->parts);
    if (kind == MAILDIR_NAME_HIDDEN)
        return false;
    if (kind == MAILDIR_NAME_LONG) {
        s->error = ENAMETOOLONG;
        s->name.n = MAILDIR_NAME_MAX;
        maildir_name_read(s->name, &s->parts);
    }
    bool regular = d->d_type == DT_REG || d->d_type == DT_UNKNOWN;
    s->entry = regular ? maildir_table_find(&m->table, s->parts.base, s->inode) : MAILDIR_NONE;
    s->believed = s->how == MAILDIR_BELIEVE && d->d_type == DT_REG;
    if (s->entry != MAILDIR_NONE || s->error || s->believed)
        return true;
    struct stat st;
    if (fstatat(m->sub[dir], d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        s->inode = st.st_ino;
        s->mode = st.st_mode;
        s->mtime = maildir_ns(st.st_mtim);
        s->size = (uint64_t)st.st_size;
        s->entry = maildir_table_find(&m->table, s->parts.base, s->inode);
        if (s->entry != MAILDIR_NONE && !m->table.entries[s->entry].odd != !odd(s))
            s->entry = MAILDIR_NONE; /* the number has passed from a message to something else, or back */
    } else if (errno != ENOENT) {
        s->error = errno;
    } else if (d->d_type != DT_REG) {
        return false;
    }
    return true;
}

/* ---- the scan */

struct scan {
    enum maildir_how how; /* in the first pass, */
    bool right, wrong;    /* if readdir was right the first time */
    int64_t began;   /* wall clock, for comparing with times of files */
    unsigned missed; /* entries first met in this pass that must have been there before */
};

/* Most are where they were in the last reading, and bear the same name. */
static long next_known(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d)
{
    if (d->d_type != DT_REG && d->d_type != DT_UNKNOWN)
        return MAILDIR_NONE;
    return maildir_table_next(&m->table, dir, d->d_name, d->d_ino);
}

static void see_listed(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d, void *arg)
{
    struct scan *scan = arg;
    long entry = next_known(m, dir, d);
    if (entry != MAILDIR_NONE) {
        maildir_table_meet(&m->table, entry);
        return;
    }
    struct sight s = {.how = scan->right && !scan->wrong ? scan->how : MAILDIR_ASK};
    if (!identify(m, dir, d, &s))
        return;
    if (s.entry != MAILDIR_NONE) {
        if (!maildir_table_rename(&m->table, s.entry, dir, s.name))
            maildir_table_find_place(&m->table, s.entry);
        maildir_table_meet(&m->table, s.entry);
        return;
    }
    long added = maildir_table_add(&m->table, dir, s.name, &s.parts, s.inode);
    m->table.entries[added].odd = odd(&s);
    m->table.entries[added].size = s.size;
    m->table.entries[added].believed = s.believed;
    maildir_table_meet(&m->table, added);
    if (!s.believed) {
        scan->right = scan->right || s.inode == d->d_ino;
        scan->wrong = scan->wrong || s.inode != d->d_ino;
    }
    if (s.mtime < scan->began) /* else it has just been delivered: passes need not go on for its like */
        scan->missed++;
}

static void note_view(struct maildir_box *m, const struct maildir_view *view)
{
    memcpy(m->state, view->state, sizeof m->state);
    m->looked = view->looked;
    m->still = view->still;
}

static int scan_in_passes(struct maildir_box *m, enum maildir_how how, struct err *err)
{
    struct scan scan = {.how = how, .began = maildir_ns(clock_wall())};
    uint64_t began = clock_ms();
    unsigned idle = 0;
    for (unsigned n = 1;; n++) {
        struct maildir_view view = {0};
        scan.missed = 0;
        if (maildir_pass(m, n, see_listed, &scan, &view, err) < 0)
            return -1;
        note_view(m, &view);
        idle = scan.missed ? 0 : idle + 1;
        scan.how = MAILDIR_ASK; /* when each was delivered says how many more are of use */
        m->table.settled = view.counts;
        if (view.counts)
            return 0;
        if (n >= PASSES_ENOUGH && (idle >= PASSES_IDLE || n >= PASSES_MOST || clock_ms() - began > SCAN_MS))
            return 0;
    }
}

int maildir_scan(struct maildir_box *m, enum maildir_how how, struct err *err)
{
    int result = scan_in_passes(m, how, err);
    memset(m->known, 0, sizeof m->known); /* who searches later looks everywhere */
    return result;
}

/* ---- names alone */

struct each {
    maildir_name_fn *see;
    void *arg;
    bool enough;
};

static void see_name(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d, void *arg)
{
    struct each *each = arg;
    (void)m;
    if (!each->enough && d->d_name[0] != '.' && (d->d_type == DT_REG || d->d_type == DT_UNKNOWN))
        each->enough = each->see(dir, d->d_name, each->arg);
}

int maildir_each_name(struct maildir_box *m, maildir_name_fn *see, void *arg, struct err *err)
{
    struct each each = {see, arg, false};
    struct maildir_view view = {0};
    for (unsigned n = 1; n <= PASSES_ENOUGH && !view.counts && !each.enough; n++)
        if (maildir_pass(m, n, see_name, &each, &view, err) < 0)
            return -1;
    return 0;
}

/* ---- the search */

struct search {
    maildir_met_fn *met;
    void *arg;
    unsigned wanted;  /* how many are */
    unsigned met_now; /* seen in this pass and not had */
    unsigned idle;    /* passes in a row that saw none of them */
};

static void see_wanted(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d, void *arg)
{
    struct search *search = arg;
    struct sight s = {.how = MAILDIR_ASK};
    if (!search->wanted)
        return;
    s.entry = next_known(m, dir, d);
    if (s.entry == MAILDIR_NONE) {
        if (!identify(m, dir, d, &s) || s.entry == MAILDIR_NONE)
            return;
        if (!maildir_table_rename(&m->table, s.entry, dir, s.name))
            maildir_table_find_place(&m->table, s.entry);
    }
    maildir_table_meet(&m->table, s.entry);
    struct maildir_entry *e = &m->table.entries[s.entry];
    if (!e->wanted)
        return;
    e->seen = true;
    if (search->met(m, e, search->arg)) {
        e->wanted = false;
        search->wanted--;
    } else {
        search->met_now++;
    }
}

static unsigned count_wanted(struct maildir_box *m)
{
    unsigned wanted = 0;
    for (unsigned i = 0; i < m->table.count; i++)
        wanted += m->table.entries[i].wanted;
    return wanted;
}

static void forget_seen(struct maildir_box *m)
{
    for (unsigned i = 0; i < m->table.count; i++)
        m->table.entries[i].seen = false;
}

int maildir_search(struct maildir_box *m, maildir_met_fn *met, void *arg, struct err *err)
{
    struct search search = {.met = met, .arg = arg, .wanted = count_wanted(m)};
    uint64_t began = clock_ms();
    forget_seen(m);
    for (unsigned n = 1; search.wanted; n++) {
        struct maildir_view view = {0};
        search.met_now = 0;
        if (maildir_pass(m, n, see_wanted, &search, &view, err) < 0)
            return -1;
        search.idle = search.met_now ? 0 : search.idle + 1;
        if ((view.counts && search.idle) || (n >= PASSES_ENOUGH && search.idle > PASSES_IDLE)) {
            forget_seen(m); /* they were there once, and are not now */
            return 0;
        }
        if (n >= PASSES_MOST || (n >= PASSES_ENOUGH && clock_ms() - began > SCAN_MS))
            return 0;
    }
    return 0;
}
