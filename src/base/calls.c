/* calls: see the header. How leadership changes hands without costing the calls that are short:
 *
 * `mark` is even while the leader does the loop's work and odd while it is inside a call; no value comes twice. The
 * watcher looks at it now and then. If it finds the same odd value for longer than the takeover time, it makes it even
 * by compare-and-swap and leads. The leader ends its call by the same compare-and-swap: whoever succeeds leads. The
 * call itself costs a clock and three atomic operations. With nothing to do for a while the watcher parks, and the
 * leader wakes it before its next call; so an idle process does not wake up at all. */
#include "base/calls.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    STACK = 256 * 1024,
    ROUND_US = 10 * 1000,   /* how long calls are run until the loop looks at its descriptors again, */
    HASTY_US = 250,         /* and how long those that are in haste and have been added by calls meanwhile */
    LINGER = 4,             /* takeover times without a call until the watcher parks */
    RETRY_US = 1000 * 1000, /* how soon a thread is asked for again after the system refused one */
};

enum watcher { NOBODY, COMING, AWAKE, PARKED };

struct calls {
    int wake_fd;
    /* the leader's alone */
    struct call_queue queued;
    unsigned threads_max;
    uint64_t takeover_us;
    void (*serve)(void *arg);
    void *serve_arg;
    /* the leader's and the watcher's */
    _Atomic uint64_t mark;
    _Atomic uint64_t begun_us; /* when the call of `mark` began */
    _Atomic enum watcher watcher;
    _Atomic bool back; /* `finished` is not empty */
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t to_watcher, to_spares;
    struct call_queue finished; /* work is over, done is not yet called */
    struct call_queue waiting;  /* for the first thread that comes back */
    pthread_t *threads;
    unsigned alive;  /* threads started */
    unsigned away;   /* threads inside calls that do not lead */
    unsigned spares; /* threads that neither lead, watch nor call */
    uint64_t retry_us;
    bool stopped;
};

void call_queue_add(struct call_queue *q, struct loop_call *call)
{
    call->next = NULL;
    if (q->last)
        q->last->next = call;
    else
        q->first = call;
    q->last = call;
    q->count++;
}

struct loop_call *call_queue_take(struct call_queue *q)
{
    struct loop_call *call = q->first;
    if (!call)
        return NULL;
    q->first = call->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    call->next = NULL;
    return call;
}

struct calls *calls_new(void)
{
    struct calls *c = mem_alloc(sizeof *c);
    c->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->wake_fd < 0) {
        log_error("loop", "eventfd: %s", strerror(errno));
        abort();
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->to_watcher, &monotonic);
    pthread_cond_init(&c->to_spares, NULL);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void join_all(struct calls *c)
{
    for (unsigned i = 0; i < c->alive; i++)
        pthread_join(c->threads[i], NULL);
    c->alive = 0;
}

void calls_free(struct calls *c)
{
    calls_stop(c);
    join_all(c);
    mem_free(c->threads);
    pthread_cond_destroy(&c->to_watcher);
    pthread_cond_destroy(&c->to_spares);
    pthread_mutex_destroy(&c->lock);
    close(c->wake_fd);
    mem_free(c);
}

void calls_threads(struct calls *c, unsigned threads, unsigned takeover_ms, void (*serve)(void *arg), void *arg)
{
    assert(c->alive == 0);
    c->threads_max = threads;
    c->takeover_us = (uint64_t)takeover_ms * 1000;
    c->serve = serve;
    c->serve_arg = arg;
    c->threads = mem_resize(c->threads, threads * sizeof *c->threads);
    /* The leader frees what another thread allocated and they seldom meet: one arena is enough and smaller. */
    mallopt(M_ARENA_MAX, 1);
}

int calls_wake_fd(const struct calls *c)
{
    return c->wake_fd;
}

void calls_woken(struct calls *c)
{
    eventfd_t n;
    (void)eventfd_read(c->wake_fd, &n);
}

void calls_add(struct calls *c, struct loop_call *call)
{
    call_queue_add(&c->queued, call);
}

bool calls_ready(const struct calls *c)
{
    return c->queued.first || atomic_load(&c->back);
}

/* ---- threads */

bool calls_thread_start(pthread_t *t, void *(*fn)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* inherited: signals are for the first thread */
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    int error = pthread_create(t, &attr, fn, arg);
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        log_warning("loop", "no further thread: %s", strerror(error));
    return error == 0;
}

static void *thread_main(void *arg)
{
    struct calls *c = arg;
    c->serve(c->serve_arg);
    return NULL;
}

static bool start_thread(struct calls *c, uint64_t now_us)
{
    if (c->alive == c->threads_max || now_us < c->retry_us)
        return false;
    if (calls_thread_start(&c->threads[c->alive], thread_main, c)) {
        c->alive++;
        return true;
    }
    c->retry_us = now_us + RETRY_US;
    return false;
}

enum guard { GUARDED, LATER, ALONE };

/* Sees to it that somebody watches before a call begins. LATER: everybody is away, the call has been put into the line.
 * ALONE: there is no other thread at all and none to be had. */
static enum guard post_watcher(struct calls *c, struct loop_call *call, uint64_t now_us)
{
    enum guard guard = GUARDED;
    pthread_mutex_lock(&c->lock);
    if (c->spares) {
        atomic_store(&c->watcher, COMING);
        pthread_cond_signal(&c->to_spares);
    } else if (start_thread(c, now_us)) {
        atomic_store(&c->watcher, COMING);
    } else if (c->away) {
        call_queue_add(&c->waiting, call);
        guard = LATER;
    } else {
        guard = ALONE;
    }
    pthread_mutex_unlock(&c->lock);
    return guard;
}

static void finish_locked(struct calls *c, struct loop_call *call)
{
    bool first = c->finished.first == NULL;
    call_queue_add(&c->finished, call);
    atomic_store(&c->back, true);
    if (first)
        (void)eventfd_write(c->wake_fd, 1);
}

void calls_finish(struct calls *c, struct loop_call *call)
{
    pthread_mutex_lock(&c->lock);
    finish_locked(c, call);
    pthread_mutex_unlock(&c->lock);
}

static void unpark(struct calls *c)
{
    pthread_mutex_lock(&c->lock);
    pthread_cond_signal(&c->to_watcher);
    pthread_mutex_unlock(&c->lock);
}

/* Runs a call while somebody watches. false: it lasted, and another thread leads now. */
static bool run_guarded(struct calls *c, struct loop_call *call, uint64_t now_us)
{
    uint64_t mark = atomic_load_explicit(&c->mark, memory_order_relaxed) + 1;
    atomic_store_explicit(&c->begun_us, call->slow ? now_us - c->takeover_us : now_us, memory_order_relaxed);
    atomic_store(&c->mark, mark);
    if (call->slow || atomic_load(&c->watcher) ==
        PARKED) /* after the store: watch() does it the other way round, so one of us sees */
        unpark(c);
    call->work(call);
    if (atomic_compare_exchange_strong(&c->mark, &mark, mark + 1)) {
        call->done(call);
        return true;
    }
    pthread_mutex_lock(&c->lock);
    c->away--;
    finish_locked(c, call);
    pthread_mutex_unlock(&c->lock);
    return false;
}

static bool run(struct calls *c, struct loop_call *call, uint64_t now_us)
{
    enum guard guard = c->threads_max ? GUARDED : ALONE;
    if (c->threads_max && atomic_load_explicit(&c->watcher, memory_order_relaxed) == NOBODY)
        guard = post_watcher(c, call, now_us);
    switch (guard) {
    case GUARDED:
        return run_guarded(c, call, now_us);
    case ALONE:
        call->work(call);
        call->done(call);
        return true;
    case LATER:
        return true;
    }
    return true;
}

static void run_finished(struct calls *c)
{
    if (!atomic_load(&c->back))
        return;
    pthread_mutex_lock(&c->lock);
    struct call_queue q = c->finished;
    c->finished = (struct call_queue){0};
    atomic_store(&c->back, false);
    pthread_mutex_unlock(&c->lock);
    for (struct loop_call *call; (call = call_queue_take(&q));)
        call->done(call);
}

static bool is_hasty(const struct call_queue *q)
{
    return q->first && q->first->hasty;
}

bool calls_run(struct calls *c, const bool *stop)
{
    run_finished(c);
    unsigned n = c->queued.count;
    if (n == 0)
        return true;
    /* What these add comes after the descriptors; what is in haste is spared asking them, which costs as much as a short call does. */
    uint64_t now_us = clock_us(), until = now_us + ROUND_US, until_hasty = now_us + HASTY_US;
    while (!*stop && (n ? now_us < until : is_hasty(&c->queued) && now_us < until_hasty)) {
        struct loop_call *call = call_queue_take(&c->queued);
        if (!call)
            break;
        n -= n > 0;
        if (!run(c, call, now_us))
            return false;
        now_us = clock_us();
    }
    return true;
}

/* ---- the threads that do not lead; all under the lock */

static void wait_until(struct calls *c, uint64_t us)
{
    struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};
    pthread_cond_timedwait(&c->to_watcher, &c->lock, &t);
}

static void park(struct calls *c, uint64_t seen)
{
    atomic_store(&c->watcher, PARKED);
    while (atomic_load(&c->mark) == seen && !c->stopped)
        pthread_cond_wait(&c->to_watcher, &c->lock);
    atomic_store(&c->watcher, AWAKE);
}

/* Watches until the leader is held up: true, and this thread leads. false: the loop has stopped. */
static bool watch(struct calls *c)
{
    uint64_t seen = 0;
    unsigned quiet = 0;
    atomic_store(&c->watcher, AWAKE);
    while (!c->stopped) {
        uint64_t mark = atomic_load(&c->mark), now = clock_us();
        quiet = mark == seen ? quiet + 1 : 0;
        seen = mark;
        if (mark % 2 == 0 && quiet < LINGER) {
            wait_until(c, now + c->takeover_us);
        } else if (mark % 2 == 0) {
            park(c, seen);
            quiet = 0;
        } else {
            /* Never an earlier call's time: it was stored before the mark. */
            uint64_t due = atomic_load_explicit(&c->begun_us, memory_order_relaxed) + c->takeover_us;
            if (now < due) {
                wait_until(c, due);
            } else if (atomic_compare_exchange_strong(&c->mark, &mark, mark + 1)) {
                c->away++;
                atomic_store(&c->watcher, NOBODY);
                return true;
            }
        }
    }
    return false;
}

static void run_waiting(struct calls *c, struct loop_call *call)
{
    c->away++;
    pthread_mutex_unlock(&c->lock);
    call->work(call);
    pthread_mutex_lock(&c->lock);
    c->away--;
    finish_locked(c, call);
}

bool calls_stand_by(struct calls *c)
{
    bool lead = false;
    pthread_mutex_lock(&c->lock);
    while (!lead && !c->stopped) {
        enum watcher watcher = atomic_load(&c->watcher);
        struct loop_call *call = call_queue_take(&c->waiting);
        if (call) {
            run_waiting(c, call);
        } else if (watcher == NOBODY || watcher == COMING) {
            lead = watch(c);
        } else {
            c->spares++;
            pthread_cond_wait(&c->to_spares, &c->lock);
            c->spares--;
        }
    }
    pthread_mutex_unlock(&c->lock);
    return lead;
}

void calls_stop(struct calls *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopped = true;
    pthread_cond_broadcast(&c->to_watcher);
    pthread_cond_broadcast(&c->to_spares);
    pthread_mutex_unlock(&c->lock);
}

void calls_start(struct calls *c)
{
    if (!c->stopped)
        return;
    join_all(c);
    c->stopped = false;
    atomic_store(&c->watcher, NOBODY);
}
