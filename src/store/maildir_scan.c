/* maildir_scan: see the header. Mail processes; blocking. */
#include "store/maildir_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    GRAIN_NS = 10000000,    /* the kernel stamps by its tick: at most 10 ms behind the clock */
    COARSE_NS = 2000000000, /* file systems that keep whole seconds */
    PASSES_PATIENT = 3,     /* these wait until a change would show */
    PASSES_ENOUGH = 5,      /* the least without one that counts */
    PASSES_IDLE = 2,        /* of which so many at the end met nothing missed before */
    PASSES_MOST = 40,       /* then it ends, */
    SCAN_MS = 2000,         /* or after so long */
    ROOM_LEAST = 32 * 1024, /* for the entries of a directory at once */
    ROOM_MOST = 256 * 1024
};

const char *maildir_dir_name(enum maildir_dir dir)
{
    return dir == MAILDIR_NEW ? "new" : "cur";
}

int maildir_beneath(int dir, const char *path, int flags)
{
    return beneath_open(dir, path, flags | O_NOFOLLOW, 0);
}

int maildir_create(int dir, const char *name)
{
    return beneath_open(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
}

bool maildir_moved(int error)
{
    return error == ENOENT || error == ESTALE || error == ELOOP || error == ENOTDIR || error == ENXIO || error == EXDEV;
}

/* ---- one pass */

struct stamps {
    struct timespec changed[MAILDIR_DIRS];
    struct maildir_state state[MAILDIR_DIRS];
};

int64_t maildir_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t grain(struct timespec changed)
{
    return changed.tv_nsec ? GRAIN_NS : COARSE_NS;
}

bool maildir_before(struct timespec changed, int64_t now)
{
    return maildir_ns(changed) < now - grain(changed);
}

static int read_stamps(const struct maildir_box *m, struct stamps *s, struct err *err)
{
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        struct stat st;
        if (fstat(m->sub[i], &st) < 0)
            return err_set(err, ERR_TEMP, "%s/%s: fstat: %s", m->where, maildir_dir_name(i), strerror(errno));
        s->changed[i] = st.st_ctim;
        s->state[i] = (struct maildir_state){st.st_dev, st.st_ino, maildir_ns(st.st_ctim)};
    }
    return 0;
}

/* No change between `start` and `end` could have left this stamp. (One in the future could not either.) */
static bool sharp(const struct stamps *s, struct timespec start, struct timespec end)
{
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        int64_t stamp = maildir_ns(s->changed[i]);
        if (!maildir_before(s->changed[i], maildir_ns(start)) && stamp <= maildir_ns(end))
            return false;
    }
    return true;
}

/* None is in the future: a change in some time to come could bear such a one. */
static bool past(const struct stamps *s, struct timespec start)
{
    return maildir_ns(s->changed[MAILDIR_NEW]) < maildir_ns(start) &&
           maildir_ns(s->changed[MAILDIR_CUR]) < maildir_ns(start);
}

/* The stamps before a pass. When they are too fresh to tell a later change by, a tick's patience is cheaper
 * than another pass; where they stay fresh it is vain. */
static int first_stamps(const struct maildir_box *m, unsigned n, struct stamps *s, struct timespec *start,
                        struct err *err)
{
    if (read_stamps(m, s, err) < 0)
        return -1;
    *start = clock_wall();
    if (n > PASSES_PATIENT || sharp(s, *start, *start))
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = GRAIN_NS}, NULL);
    *start = clock_wall();
    return read_stamps(m, s, err);
}

/* ---- one directory */

typedef void see_fn(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d, void *arg);

static void see_all(struct maildir_box *m, enum maildir_dir dir, const char *p, size_t n, see_fn *see, void *arg)
{
    for (const char *end = p + n; p < end; p += ((const struct dirent64 *)(const void *)p)->d_reclen)
        see(m, dir, (const struct dirent64 *)(const void *)p, arg);
}

/* So much as its entries may take, as far as its size tells it: the fewer calls the better. */
static size_t room_for(int fd)
{
    struct stat st;
    size_t want = fstat(fd, &st) < 0 ? 0 : 2 * (size_t)st.st_size;
    return want < ROOM_LEAST ? ROOM_LEAST : want > ROOM_MOST ? ROOM_MOST : want;
}

static int read_dir(struct maildir_box *m, enum maildir_dir dir, see_fn *see, void *arg, struct err *err)
{
    int fd = maildir_beneath(m->sub[dir], ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return err_set(err, ERR_TEMP, "%s/%s: cannot be opened: %s", m->where, maildir_dir_name(dir), strerror(errno));
    size_t room = room_for(fd);
    char *p = mem_resize(NULL, room);
    ssize_t n;
    while ((n = getdents64(fd, p, room)) > 0)
        see_all(m, dir, p, (size_t)n, see, arg);
    int failed = n < 0 ? errno : 0;
    mem_free(p);
    close(fd);
    if (failed)
        return err_set(err, ERR_TEMP, "%s/%s: cannot be read: %s", m->where, maildir_dir_name(dir), strerror(failed));
    return 0;
}

/* All that is in it is in the table already. */
static bool as_known(const struct maildir_box *m, enum maildir_dir dir, const struct maildir_state *now)
{
    const struct maildir_state *then = &m->known[dir];
    return then->changed && then->device == now->device && then->inode == now->inode && then->changed == now->changed;
}

/* What a pass has found both directories to be. */
struct view {
    struct maildir_state state[MAILDIR_DIRS]; /* when it began */
    int64_t looked;                           /* when that was */
    bool counts;                              /* they stood still meanwhile, */
    bool still;                               /* and each later change will show in their state */
};

/* The n-th pass. new/ before cur/: what is moved meanwhile is moved that way. *view: what it was of. */
static int pass(struct maildir_box *m, unsigned n, see_fn *see, void *arg, struct view *view, struct err *err)
{
    struct stamps before = {0}, after = {0};
    struct timespec start = {0};
    if (first_stamps(m, n, &before, &start, err) < 0)
        return -1;
    maildir_table_walk(&m->table);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (as_known(m, i, &before.state[i]))
            maildir_table_meet_all(&m->table, i);
        else if (read_dir(m, i, see, arg, err) < 0)
            return -1;
    if (read_stamps(m, &after, err) < 0)
        return -1;
    view->counts = sharp(&before, start, clock_wall());
    for (int i = 0; i < MAILDIR_DIRS; i++)
        view->counts = view->counts && maildir_ns(before.changed[i]) == maildir_ns(after.changed[i]);
    memcpy(view->state, before.state, sizeof view->state);
    view->looked = maildir_ns(start);
    view->still = view->counts && past(&before, start);
    return 0;
}

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
        maildir_table_rename(&m->table, s.entry, dir, s.name);
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

static void note_view(struct maildir_box *m, const struct view *view)
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
        struct view view = {0};
        scan.missed = 0;
        if (pass(m, n, see_listed, &scan, &view, err) < 0)
            return -1;
        note_view(m, &view);
        idle = scan.missed ? 0 : idle + 1;
        scan.how = MAILDIR_ASK; /* when each was delivered says how many more are of use */
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
    struct view view = {0};
    for (unsigned n = 1; n <= PASSES_ENOUGH && !view.counts && !each.enough; n++)
        if (pass(m, n, see_name, &each, &view, err) < 0)
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
        maildir_table_rename(&m->table, s.entry, dir, s.name);
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
        struct view view = {0};
        search.met_now = 0;
        if (pass(m, n, see_wanted, &search, &view, err) < 0)
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
