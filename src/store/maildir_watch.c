/* maildir_watch: see the header. Mail processes. Calls beside the store's own: fanotify_init, fanotify_mark (no path is ever given),
 * name_to_handle_at, fstatfs, lseek, read. */
#include "store/maildir_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sum.h"
#include "store/maildir_event.h"

#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif

#define INIT (FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC)
#define COMES (FAN_CREATE | FAN_MOVED_TO) /* all that can be followed */
#define MASK (COMES | FAN_DELETE | FAN_MOVED_FROM | FAN_ONDIR)
#define NEVER FAN_OPEN /* no mark has it: taking it away only tells whether there is one */

enum {
    PIECE = 32 * 1024, /* of the queue at once, */
    PIECES_MOST = 256, /* and so many of them: more than a queue has, as it comes from the kernel */
    HANDLE_MOST = 40,  /* octets of a handle; those of the file systems that are watched have up to 20 */
    HINTS_MOST = 4096  /* octets of one maildrop's: some 60 names */
};

struct place {
    char octets[8 + 8 + HANDLE_MOST]; /* as an event has it: file system; length and kind of the handle; the handle */
    size_t n;
};

struct watched {
    uint64_t device, inode[MAILDIR_DIRS];
    struct place place[MAILDIR_DIRS];
    uint64_t index; /* of which the hints are; 0: none */
    struct maildir_hints hints;
};

static struct {
    pthread_mutex_t lock;
    int group;        /* -1: not needed so far */
    unsigned most;
    uint64_t refused; /* a device that is not watched */
    struct map by_inode, by_place; /* struct watched; the second has each twice */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .group = -1};

/* ---- hints */

void maildir_hints_free(struct maildir_hints *h)
{
    mem_free(h->text);
    *h = (struct maildir_hints){0};
}

bool maildir_hints_next(const struct maildir_hints *h, size_t *at, enum maildir_dir *dir, const char **name)
{
    if (*at >= h->n)
        return false;
    *dir = h->text[*at] ? MAILDIR_CUR : MAILDIR_NEW;
    *name = h->text + *at + 1;
    *at += 1 + strlen(*name) + 1;
    return true;
}

static void lose(struct watched *w)
{
    maildir_hints_free(&w->hints);
    w->hints.lost = true;
}

static void lose_all(void)
{
    size_t at = 0;
    for (struct watched *w; (w = map_next(&watch.by_inode, &at));)
        lose(w);
}

static void hint(struct watched *w, enum maildir_dir dir, const struct maildir_event *e)
{
    struct maildir_hints *h = &w->hints;
    bool hidden = e->name.p[0] == '.' && !(e->mask & FAN_ONDIR);
    h->of[dir] = true;
    if (h->lost || hidden)
        return;
    if (e->mask & ~(uint64_t)COMES || h->n + 1 + e->name.n + 1 > HINTS_MOST) {
        lose(w);
        return;
    }
    h->text = mem_resize(h->text, h->n + 1 + e->name.n + 1);
    h->text[h->n] = (char)dir;
    memcpy(h->text + h->n + 1, e->name.p, e->name.n);
    h->n += 1 + e->name.n + 1;
    h->text[h->n - 1] = '\0';
}

/* ---- the table */

static uint64_t inode_key(uint64_t device, const uint64_t inode[MAILDIR_DIRS])
{
    const uint64_t all[] = {device, inode[MAILDIR_NEW], inode[MAILDIR_CUR]};
    return sum_of(all, sizeof all);
}

static struct watched *find(uint64_t device, const uint64_t inode[MAILDIR_DIRS])
{
    struct watched *w = map_get(&watch.by_inode, inode_key(device, inode));
    return w && w->device == device && memcmp(w->inode, inode, sizeof w->inode) == 0 ? w : NULL;
}

static struct watched *find_state(const struct maildir_state state[MAILDIR_DIRS])
{
    const uint64_t inode[] = {state[MAILDIR_NEW].inode, state[MAILDIR_CUR].inode};
    return state[MAILDIR_NEW].device == state[MAILDIR_CUR].device ? find(state[MAILDIR_NEW].device, inode) : NULL;
}

static void forget(struct watched *w)
{
    map_take(&watch.by_inode, inode_key(w->device, w->inode));
    for (int i = 0; i < MAILDIR_DIRS; i++)
        map_take(&watch.by_place, sum_of(w->place[i].octets, w->place[i].n));
    maildir_hints_free(&w->hints);
    mem_free(w);
}

static void take_event(const struct maildir_event *e)
{
    struct watched *w = e->where.n ? map_get(&watch.by_place, sum_of(e->where.p, e->where.n)) : NULL;
    for (int i = 0; w && i < MAILDIR_DIRS; i++)
        if (e->where.n == w->place[i].n && memcmp(e->where.p, w->place[i].octets, e->where.n) == 0) {
            hint(w, i, e);
            return;
        }
    lose_all(); /* a full queue, for one */
}

/* All that is in the queue. */
static void drain(void)
{
    char *p = mem_resize(NULL, PIECE);
    bool empty = false, failed = false;
    for (unsigned i = 0; i < PIECES_MOST && !empty && !failed; i++) {
        ssize_t n = read(watch.group, p, PIECE);
        struct span events = {p, n > 0 ? (size_t)n : 0};
        struct maildir_event e;
        empty = n < 0 && errno == EAGAIN;
        failed = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        while (events.n && !failed) {
            failed = !maildir_event_take(&events, &e);
            if (!failed)
                take_event(&e);
        }
    }
    mem_free(p);
    if (!empty)
        lose_all();
}

/* What is told of those that were marked until now is nobody's. */
static void forget_all(void)
{
    size_t at = 0;
    for (struct watched *w; (w = map_next(&watch.by_inode, &at));) {
        maildir_hints_free(&w->hints);
        mem_free(w);
    }
    map_fini(&watch.by_inode);
    map_fini(&watch.by_place);
    map_init(&watch.by_inode);
    map_init(&watch.by_place);
    if (watch.group >= 0 && fanotify_mark(watch.group, FAN_MARK_FLUSH, 0, AT_FDCWD, NULL) == 0)
        drain();
}

/* ---- marks */

static void give_up(const char *what)
{
    int failed = errno;
    log_info("maildir", "the kernel does not tell of new messages: %s: %s", what, strerror(failed));
    watch.most = 0;
    errno = failed;
}

static bool open_group(void)
{
    if (watch.group < 0 && watch.most) {
        watch.group = fanotify_init(INIT, O_RDONLY | O_CLOEXEC);
        if (watch.group < 0)
            give_up("fanotify_init");
    }
    return watch.group >= 0 && watch.most;
}

static bool is_marked(const struct maildir_box *m)
{
    bool marked = true;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        marked = marked && fanotify_mark(watch.group, FAN_MARK_REMOVE, NEVER, m->sub[i], NULL) == 0;
    return marked;
}

static bool mark(const struct maildir_box *m)
{
    if (fanotify_mark(watch.group, FAN_MARK_ADD, MASK, m->sub[MAILDIR_NEW], NULL) == 0) {
        if (fanotify_mark(watch.group, FAN_MARK_ADD, MASK, m->sub[MAILDIR_CUR], NULL) == 0)
            return true;
        int failed = errno;
        (void)fanotify_mark(watch.group, FAN_MARK_REMOVE, MASK, m->sub[MAILDIR_NEW], NULL);
        errno = failed;
    }
    if (errno == ENOSPC) /* no more marks for this uid: these are all that it can have */
        watch.most = (unsigned)watch.by_inode.count;
    else if (errno == ENOSYS || errno == EPERM || errno == EINVAL)
        give_up("fanotify_mark");
    return false;
}

/* Every change of them goes through this kernel. */
static bool is_local(const struct statfs *fs)
{
    static const uint32_t known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, F2FS_SUPER_MAGIC};
    bool local = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        local = local || (uint32_t)fs->f_type == known[i];
    return local;
}

static bool learn_place(int dir, struct place *p)
{
    struct statfs fs;
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + HANDLE_MOST];
    } handle = {.head = {.handle_bytes = HANDLE_MOST}};
    int mount;
    _Static_assert(sizeof fs.f_fsid == 8 && sizeof(struct file_handle) == 8, "as events have them");
    if (fstatfs(dir, &fs) < 0 || !is_local(&fs) || name_to_handle_at(dir, "", &handle.head, &mount, AT_EMPTY_PATH) < 0)
        return false;
    p->n = sizeof fs.f_fsid + sizeof handle.head + handle.head.handle_bytes;
    memcpy(p->octets, &fs.f_fsid, sizeof fs.f_fsid);
    memcpy(p->octets + sizeof fs.f_fsid, &handle, p->n - sizeof fs.f_fsid);
    return true;
}

static void add(const struct maildir_box *m, uint64_t device, const uint64_t inode[MAILDIR_DIRS])
{
    struct watched *w = mem_alloc(sizeof *w), *other;
    *w = (struct watched){.device = device, .inode = {inode[MAILDIR_NEW], inode[MAILDIR_CUR]}};
    bool known = inode[MAILDIR_NEW] != inode[MAILDIR_CUR];
    for (int i = 0; known && i < MAILDIR_DIRS; i++)
        known = learn_place(m->sub[i], &w->place[i]);
    for (int i = 0; known && i < MAILDIR_DIRS; i++)
        if ((other = map_get(&watch.by_place, sum_of(w->place[i].octets, w->place[i].n))))
            forget(other); /* whose it was before */
    if (known && watch.by_inode.count >= watch.most)
        forget_all();
    if (!known || !mark(m)) {
        watch.refused = known && errno == ENOSPC ? watch.refused : device;
        mem_free(w);
        return;
    }
    map_put(&watch.by_inode, inode_key(w->device, w->inode), w);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        map_put(&watch.by_place, sum_of(w->place[i].octets, w->place[i].n), w);
}

/* ---- what others call */

void maildir_watch_most(unsigned most)
{
    pthread_mutex_lock(&watch.lock);
    forget_all();
    if (watch.group >= 0)
        close(watch.group);
    watch.group = -1;
    watch.refused = 0;
    watch.most = most;
    pthread_mutex_unlock(&watch.lock);
}

bool maildir_watch_begin(const struct maildir_box *m)
{
    struct stat st[MAILDIR_DIRS];
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (fstat(m->sub[i], &st[i]) < 0)
            return false;
    const uint64_t device = st[MAILDIR_NEW].st_dev, inode[] = {st[MAILDIR_NEW].st_ino, st[MAILDIR_CUR].st_ino};
    struct watched *w = NULL;
    pthread_mutex_lock(&watch.lock);
    if (device == st[MAILDIR_CUR].st_dev && device != watch.refused && open_group()) {
        drain();
        w = find(device, inode);
        if (w && !is_marked(m))
            forget(w);
        if (!find(device, inode))
            add(m, device, inode);
        w = find(device, inode);
    }
    if (w) {
        maildir_hints_free(&w->hints);
        w->index = 0;
    }
    pthread_mutex_unlock(&watch.lock);
    return w;
}

void maildir_watch_settled(const struct maildir_state state[MAILDIR_DIRS], uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&watch.lock);
    struct watched *w = find_state(state);
    if (w && w->index == from)
        w->index = to;
    pthread_mutex_unlock(&watch.lock);
}

bool maildir_watch_knows(const struct maildir_state state[MAILDIR_DIRS], uint64_t index)
{
    pthread_mutex_lock(&watch.lock);
    const struct watched *w = find_state(state);
    bool knows = w && index && w->index == index;
    pthread_mutex_unlock(&watch.lock);
    return knows;
}

bool maildir_watch_may(const struct maildir_state state[MAILDIR_DIRS])
{
    pthread_mutex_lock(&watch.lock);
    bool may = watch.most && state[MAILDIR_NEW].device != watch.refused;
    pthread_mutex_unlock(&watch.lock);
    return may;
}

/* Whoever has stamped this directory has queued his event after it. From its end, where the file system can say where that is: there
 * nothing is read. */
static bool pass_lock(int dir)
{
    struct dirent64 one;
    (void)lseek(dir, 0, SEEK_END);
    return getdents64(dir, &one, sizeof one) >= 0 || errno == EINVAL;
}

bool maildir_watch_hints(const struct maildir_box *m, uint64_t index, struct maildir_hints *h)
{
    *h = (struct maildir_hints){0};
    if (!pass_lock(m->sub[MAILDIR_NEW]) || !pass_lock(m->sub[MAILDIR_CUR]))
        return false;
    pthread_mutex_lock(&watch.lock);
    struct watched *w = find_state(m->state);
    bool known = w && index && w->index == index && watch.group >= 0;
    if (known) {
        drain();
        known = is_marked(m);
        *h = w->hints;
        w->hints = (struct maildir_hints){0};
        w->index = 0;
    }
    pthread_mutex_unlock(&watch.lock);
    return known && !h->lost;
}
