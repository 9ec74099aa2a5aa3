/* maildir_watch: see the header. Mail processes. Calls beside the store's own: fanotify_init, fanotify_mark (no path is
 * ever given), lseek, read, and those of maildir_place.
 *
 * Each mark is one of a pair in the table: where that cannot be, because two maildrops share a directory or a mark
 * cannot be taken away, all marks go, and it begins anew. An event of a mark of which nobody keeps account would say
 * that something is missed, to everybody and for ever. */
#include "store/maildir_watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sum.h"
#include "store/maildir_event.h"
#include "store/maildir_place.h"

#define INIT (FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC)
#define MASK (MAILDIR_HINTS_COMES | FAN_DELETE | FAN_MOVED_FROM | FAN_ONDIR)
#define NEVER FAN_OPEN /* no mark has it: taking it away only tells whether there is one */

enum {
    PIECE = 32 * 1024, /* of the queue at once, */
    PIECES_MOST = 256, /* and so many of them: more than a queue has, as it comes from the kernel */
    REFUSED_MOST = 8
};

struct watched {
    uint64_t device, inode[MAILDIR_DIRS];
    struct maildir_place place[MAILDIR_DIRS];
    uint64_t index; /* of which the hints are; 0: of what the owner of this turn has seen */
    uint64_t turn;
    struct maildir_hints hints;
};

static struct {
    pthread_mutex_t lock; /* nothing that waits for a file system is done under it */
    int group;            /* -1: not needed so far */
    unsigned most;
    uint64_t refused[REFUSED_MOST]; /* devices that are not watched; 0: no more of them */
    unsigned refusals;
    uint64_t turns;
    struct map by_inode, by_place; /* struct watched; the second has each twice */
    struct trouble {
        const char *what; /* NULL: none that was not told */
        uint64_t device;  /* 0: on all */
        int error;
    } trouble;
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER, .group = -1};

/* ---- the table */

static void lose_all(void)
{
    size_t at = 0;
    for (struct watched *w; (w = map_next(&watch.by_inode, &at));)
        maildir_hints_lose(&w->hints);
}

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

/* Both its marks are gone, or are those of who comes in its place. */
static void forget(struct watched *w)
{
    map_take(&watch.by_inode, inode_key(w->device, w->inode));
    for (int i = 0; i < MAILDIR_DIRS; i++)
        map_take(&watch.by_place, maildir_place_key(&w->place[i]));
    maildir_hints_free(&w->hints);
    mem_free(w);
}

static void put(struct watched *w)
{
    map_put(&watch.by_inode, inode_key(w->device, w->inode), w);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        map_put(&watch.by_place, maildir_place_key(&w->place[i]), w);
}

/* One of its places is another's; or its key, as chance may have it. */
static bool meets_another(const struct watched *w)
{
    bool meets = map_get(&watch.by_inode, inode_key(w->device, w->inode));
    for (int i = 0; i < MAILDIR_DIRS; i++)
        meets = meets || map_get(&watch.by_place, maildir_place_key(&w->place[i]));
    return meets;
}

/* ---- the queue */

struct heard {
    bool all;   /* that has happened, as far as is told */
    bool stray; /* of a place that is not in the table */
};

static void take_event(const struct maildir_event *e, struct heard *heard)
{
    struct watched *w = e->where.n ? map_get(&watch.by_place, sum_of(e->where.p, e->where.n)) : NULL;
    for (int i = 0; w && i < MAILDIR_DIRS; i++)
        if (maildir_place_is(&w->place[i], e->where)) {
            maildir_hints_add(&w->hints, i, e);
            return;
        }
    heard->all = false; /* a full queue, for one */
    heard->stray = heard->stray || e->where.n;
}

/* All that is in it. */
static struct heard read_queue(void)
{
    char *p = mem_resize(NULL, PIECE);
    struct heard heard = {.all = true};
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
                take_event(&e, &heard);
        }
    }
    mem_free(p);
    heard.all = heard.all && empty;
    return heard;
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
        (void)read_queue();
}

/* Gives each the hints that are his. After it one who was watched may not be. */
static void drain(void)
{
    struct heard heard = read_queue();
    if (heard.stray)
        forget_all();
    else if (!heard.all)
        lose_all();
}

/* ---- marks */

static bool is_refused(uint64_t device)
{
    for (unsigned i = 0; i < REFUSED_MOST; i++)
        if (device && watch.refused[i] == device)
            return true;
    return false;
}

static void close_group(void)
{
    forget_all();
    if (watch.group >= 0)
        close(watch.group);
    watch.group = -1;
}

/* What no time mends is not tried again: of this kernel; of this file system. All else, as too many marks or rights that
 * are missing, is of this maildrop and of now. */
static void fail(const char *what, uint64_t device, int error)
{
    if (error == ENOSYS || error == EPERM || error == EINVAL) {
        close_group();
        watch.most = 0;
        watch.trouble = (struct trouble){.what = what, .error = error};
    } else if (error == EXDEV || error == EOPNOTSUPP || error == ENODEV || error == EOVERFLOW) {
        if (watch.refusals < REFUSED_MOST) /* later one may be refused again that has been told of */
            watch.trouble = (struct trouble){what, device, error};
        watch.refused[watch.refusals++ % REFUSED_MOST] = device;
    }
}

static bool open_group(uint64_t device)
{
    if (watch.group < 0 && watch.most) {
        watch.group = fanotify_init(INIT, O_RDONLY | O_CLOEXEC);
        if (watch.group < 0)
            fail("fanotify_init", device, errno);
    }
    return watch.group >= 0;
}

static bool is_marked(const struct maildir_box *m)
{
    bool marked = true;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        marked = marked && fanotify_mark(watch.group, FAN_MARK_REMOVE, NEVER, m->sub[i], NULL) == 0;
    return marked;
}

/* Those of m, which nobody else in the table has. */
static void unmark(const struct maildir_box *m)
{
    bool left = false;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        left = left || (fanotify_mark(watch.group, FAN_MARK_REMOVE, MASK, m->sub[i], NULL) < 0 && errno != ENOENT);
    if (left)
        forget_all();
}

static bool mark(const struct maildir_box *m)
{
    bool marked = true;
    for (int i = 0; i < MAILDIR_DIRS; i++)
        marked = marked && fanotify_mark(watch.group, FAN_MARK_ADD, MASK, m->sub[i], NULL) == 0;
    if (marked)
        return true;
    int failed = errno;
    unmark(m);
    errno = failed;
    return false;
}

static struct watched *add(const struct maildir_box *m, const struct watched *seen)
{
    if (meets_another(seen) || watch.by_inode.count >= watch.most)
        forget_all();
    if (!mark(m)) {
        fail("fanotify_mark", seen->device, errno);
        return NULL;
    }
    struct watched *w = mem_alloc(sizeof *w);
    *w = *seen;
    put(w);
    return w;
}

/* ---- what others call */

void maildir_watch_most(unsigned most)
{
    pthread_mutex_lock(&watch.lock);
    close_group();
    memset(watch.refused, 0, sizeof watch.refused);
    watch.refusals = 0;
    watch.most = most;
    pthread_mutex_unlock(&watch.lock);
}

static bool may(uint64_t device)
{
    pthread_mutex_lock(&watch.lock);
    bool allowed = watch.most && !is_refused(device);
    pthread_mutex_unlock(&watch.lock);
    return allowed;
}

/* All that may wait for the file system. */
static bool look(const struct maildir_box *m, struct watched *w)
{
    struct stat st[MAILDIR_DIRS];
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        if (fstat(m->sub[i], &st[i]) < 0)
            return false;
        w->inode[i] = st[i].st_ino;
    }
    w->device = st[MAILDIR_NEW].st_dev;
    bool known = w->device == st[MAILDIR_CUR].st_dev && w->inode[MAILDIR_NEW] != w->inode[MAILDIR_CUR];
    known = known && may(w->device);
    for (int i = 0; known && i < MAILDIR_DIRS; i++)
        if (!maildir_place_learn(m->sub[i], &w->place[i])) {
            int failed = errno;
            known = false;
            pthread_mutex_lock(&watch.lock);
            fail("name_to_handle_at", w->device, failed);
            pthread_mutex_unlock(&watch.lock);
        }
    return known;
}

/* From now on its hints are m's. */
static void take_turn(struct watched *w, struct maildir_box *m)
{
    w->hints = (struct maildir_hints){0};
    w->index = 0;
    w->turn = m->turn = ++watch.turns;
}

static struct watched *begin(struct maildir_box *m, const struct watched *seen)
{
    drain();
    struct watched *w = find(seen->device, seen->inode);
    if (w && !is_marked(m)) {
        forget(w);
        w = NULL;
    }
    return w ? w : add(m, seen);
}

bool maildir_watch_begin(struct maildir_box *m)
{
    struct watched seen = {0}, *w = NULL;
    bool seen_well = look(m, &seen);
    pthread_mutex_lock(&watch.lock);
    if (seen_well && open_group(seen.device))
        w = begin(m, &seen);
    if (w) {
        maildir_hints_free(&w->hints);
        take_turn(w, m);
    }
    struct trouble trouble = watch.trouble;
    watch.trouble = (struct trouble){0};
    pthread_mutex_unlock(&watch.lock);
    if (trouble.what && trouble.device)
        log_info("maildir", "the kernel does not tell of new messages on device %u:%u: %s: %s", major(trouble.device), minor(trouble.device),
                 trouble.what, strerror(trouble.error));
    else if (trouble.what)
        log_info("maildir", "the kernel does not tell of new messages: %s: %s", trouble.what, strerror(trouble.error));
    return w;
}

void maildir_watch_settled(const struct maildir_box *m, const struct maildir_state state[MAILDIR_DIRS], uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&watch.lock);
    struct watched *w = find_state(state);
    if (w && w->index == from && (from || w->turn == m->turn))
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
    return may(state[MAILDIR_NEW].device);
}

/* Whoever has stamped this directory has queued his event after it. From its end, where the file system can say where that is: there
 * nothing is read. */
static bool pass_lock(int dir)
{
    struct dirent64 one;
    (void)lseek(dir, 0, SEEK_END);
    return getdents64(dir, &one, sizeof one) >= 0 || errno == EINVAL;
}

bool maildir_watch_hints(struct maildir_box *m, uint64_t index, struct maildir_hints *h)
{
    bool known = false;
    *h = (struct maildir_hints){0};
    if (!maildir_watch_knows(m->state, index) || !pass_lock(m->sub[MAILDIR_NEW]) || !pass_lock(m->sub[MAILDIR_CUR]))
        return false;
    pthread_mutex_lock(&watch.lock);
    if (watch.group >= 0)
        drain();
    struct watched *w = find_state(m->state);
    if (w && index && w->index == index) {
        known = is_marked(m);
        *h = w->hints;
        take_turn(w, m);
    }
    pthread_mutex_unlock(&watch.lock);
    return known && !h->lost;
}
