/* loop: see the header. Every role runs one.
 *
 * libevent's callbacks only put a source on the list of what is ready. Its changelist is not used: with it, a
 * descriptor leaves epoll after its owner has closed it. Instead, what the sources want is compared with what epoll
 * knows once a round, before sleeping: reading that is stopped and resumed meanwhile costs nothing, and freeing a
 * source takes its descriptor out at once. Locking is off: only the leader touches the base. */
#include "base/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/calls.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/timers.h"

/* Part of each source. */
struct ready {
    TAILQ_ENTRY(ready) link;
    void (*run)(struct ready *);
    bool listed;
};
TAILQ_HEAD(ready_list, ready);
TAILQ_HEAD(changed_list, loop_fd);

struct loop_fd {
    struct ready ready; /* first: the list knows sources by it */
    TAILQ_ENTRY(loop_fd) link;
    struct loop *loop;
    loop_fd_fn *fn;
    void *arg;
    struct event event;
    int fd;
    short wants, known, happened; /* EV_READ, EV_WRITE: the owner; epoll; since the handler ran */
    bool changed;                 /* is on the list of what may differ */
};

struct loop_timer {
    struct ready ready;
    struct loop *loop;
    loop_timer_fn *fn;
    void *arg;
    struct timers_entry armed; /* in the loop's timers: never later than `due` */
    uint64_t due;              /* 0: not set */
};

struct signal_source {
    struct ready ready;
    struct signal_source *next;
    struct loop *loop;
    loop_signal_fn *fn;
    void *arg;
    struct event event;
    int signo;
};

struct loop {
    struct event_base *base;
    struct ready_list ready;
    struct changed_list changed;
    struct signal_source *signals;
    struct calls *calls;
    struct event wake;
    struct timers timers;
    struct event alarm;
    uint64_t alarm_at; /* when libevent will wake us for a timer at the latest; 0: it will not */
    bool stop;
};

static void set_ready(struct loop *l, struct ready *r)
{
    if (r->listed)
        return;
    r->listed = true;
    TAILQ_INSERT_TAIL(&l->ready, r, link);
}

static void unset_ready(struct loop *l, struct ready *r)
{
    if (!r->listed)
        return;
    r->listed = false;
    TAILQ_REMOVE(&l->ready, r, link);
}

/* ---- the loop */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    calls_woken(l->calls);
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    struct loop *l = arg;
    l->alarm_at = 0;
}

static void on_message(int severity, const char *text)
{
    if (severity >= EVENT_LOG_WARN)
        log_warning("libevent", "text=%s", log_quote_text(text));
}

static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (!config)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct loop *loop_new(void)
{
    struct loop *l = mem_alloc(sizeof *l);
    TAILQ_INIT(&l->ready);
    TAILQ_INIT(&l->changed);
    event_set_log_callback(on_message);
    l->base = base_new();
    l->calls = calls_new();
    if (!l->base || event_assign(&l->wake, l->base, calls_wake_fd(l->calls), EV_READ | EV_PERSIST, on_wake, l) < 0 ||
        event_add(&l->wake, NULL) < 0) {
        log_error("loop", "libevent cannot start: %s", strerror(errno));
        abort();
    }
    event_assign(&l->alarm, l->base, -1, 0, on_alarm, l);
    return l;
}

void loop_free(struct loop *l)
{
    calls_stop(l->calls);
    event_del(&l->wake);
    event_del(&l->alarm);
    timers_fini(&l->timers);
    for (struct signal_source *s; (s = l->signals);) {
        l->signals = s->next;
        event_del(&s->event);
        mem_free(s);
    }
    calls_free(l->calls);
    event_base_free(l->base);
    mem_free(l);
}

struct calls *loop_calls(struct loop *l)
{
    return l->calls;
}

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
    struct loop_fd *s = arg;
    s->happened |= what;
    set_ready(s->loop, &s->ready);
}

/* Tells epoll what the sources want now. */
static void apply_changes(struct loop *l)
{
    for (struct loop_fd *s; (s = TAILQ_FIRST(&l->changed));) {
        TAILQ_REMOVE(&l->changed, s, link);
        s->changed = false;
        if (s->wants == s->known)
            continue;
        if (s->known)
            event_del(&s->event);
        s->known = s->wants;
        if (!s->wants)
            continue;
        event_assign(&s->event, l->base, s->fd, s->wants | EV_PERSIST, on_fd, s);
        if (event_add(&s->event, NULL) < 0) {
            s->known = 0; /* its owner's timer will end it */
            log_error("loop", "descriptor %d cannot be watched: %s", s->fd, strerror(errno));
        }
    }
}

static struct loop_timer *timer_of(struct timers_entry *e)
{
    return (struct loop_timer *)((char *)e - offsetof(struct loop_timer, armed));
}

/* Timers whose time has come are ready; for the next one libevent will wake us. One event serves all: each of its own
 * would be half of what a timer holds. */
static void look_at_timers(struct loop *l)
{
    struct timers_entry *e = timers_first(&l->timers);
    if (!e)
        return;
    uint64_t now = clock_ms();
    for (; e && e->at <= now; e = timers_first(&l->timers)) {
        timers_take(&l->timers, e);
        set_ready(l, &timer_of(e)->ready);
    }
    if (!e || (l->alarm_at && l->alarm_at <= e->at))
        return;
    uint64_t ms = e->at - now;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    l->alarm_at = e->at;
    event_add(&l->alarm, &tv);
}

/* Leads until loop_stop (true) or until another thread leads (false). */
static bool lead(struct loop *l)
{
    while (!l->stop) {
        apply_changes(l);
        look_at_timers(l);
        bool busy = calls_ready(l->calls) || !TAILQ_EMPTY(&l->ready);
        event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (busy ? EVLOOP_NONBLOCK : 0));
        for (struct ready *r; !l->stop && (r = TAILQ_FIRST(&l->ready));) {
            unset_ready(l, r);
            r->run(r);
        }
        if (!l->stop && !calls_run(l->calls, &l->stop))
            return false;
    }
    return true;
}

static void serve(void *arg)
{
    struct loop *l = arg;
    while (calls_stand_by(l->calls))
        if (lead(l)) {
            calls_stop(l->calls);
            return;
        }
}

struct event_base *loop_event_base(struct loop *l)
{
    return l->base;
}

void loop_run(struct loop *l)
{
    calls_start(l->calls);
    if (lead(l))
        calls_stop(l->calls);
    else
        serve(l);
    l->stop = false;
}

void loop_stop(struct loop *l)
{
    l->stop = true;
}

void loop_call(struct loop *l, struct loop_call *c)
{
    calls_add(l->calls, c);
}

void loop_threads(struct loop *l, unsigned threads, unsigned takeover_ms)
{
    calls_threads(l->calls, threads, takeover_ms, serve, l);
}

/* ---- descriptors */

static void run_fd(struct ready *r)
{
    struct loop_fd *s = (struct loop_fd *)r;
    short what = s->happened & s->wants; /* a handler before this one may have changed what it wants */
    s->happened = 0;
    if (what)
        s->fn(s->arg, what & EV_READ, what & EV_WRITE);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg)
{
    struct loop_fd *s = mem_alloc(sizeof *s);
    *s = (struct loop_fd){.ready.run = run_fd, .loop = l, .fn = fn, .arg = arg, .fd = fd};
    return s;
}

void loop_fd_want(struct loop_fd *s, bool read, bool write)
{
    short wants = (short)((read ? EV_READ : 0) | (write ? EV_WRITE : 0));
    if (s->wants == wants)
        return;
    s->wants = wants;
    if (s->changed)
        return;
    s->changed = true;
    TAILQ_INSERT_TAIL(&s->loop->changed, s, link);
}

void loop_fd_free(struct loop_fd *s)
{
    if (!s)
        return;
    unset_ready(s->loop, &s->ready);
    if (s->changed)
        TAILQ_REMOVE(&s->loop->changed, s, link);
    if (s->known)
        event_del(&s->event);
    mem_free(s);
}

/* ---- timers. A deadline that moves into the future, as most do, costs a clock: it stays where it is among the others;
 * when the old time has come, the rest is waited for. */

static void run_timer(struct ready *r)
{
    struct loop_timer *t = (struct loop_timer *)r;
    if (t->due == 0)
        return;
    uint64_t now = clock_ms();
    if (now < t->due) { /* it was moved */
        timers_set(&t->loop->timers, &t->armed, t->due);
        return;
    }
    t->due = 0;
    t->fn(t->arg);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg)
{
    struct loop_timer *t = mem_alloc(sizeof *t);
    *t = (struct loop_timer){.ready.run = run_timer, .loop = l, .fn = fn, .arg = arg};
    return t;
}

void loop_timer_set(struct loop_timer *t, uint64_t ms)
{
    static const uint64_t forever = UINT64_C(1) << 40;
    uint64_t now = clock_ms();
    t->due = now + (ms < forever ? ms : forever);
    unset_ready(t->loop, &t->ready);
    if (!t->armed.place || t->due < t->armed.at)
        timers_set(&t->loop->timers, &t->armed, t->due);
}

void loop_timer_start(struct loop_timer *t, uint64_t ms)
{
    if (t->due == 0)
        loop_timer_set(t, ms);
}

void loop_timer_stop(struct loop_timer *t)
{
    t->due = 0;
}

void loop_timer_free(struct loop_timer *t)
{
    if (!t)
        return;
    unset_ready(t->loop, &t->ready);
    timers_take(&t->loop->timers, &t->armed);
    mem_free(t);
}

/* ---- signals. libevent's handler proper writes one byte to a socket of its own, which is safe in any thread and at
 * any moment; the rest happens here. */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct signal_source *s = arg;
    set_ready(s->loop, &s->ready);
}

static void run_signal(struct ready *r)
{
    struct signal_source *s = (struct signal_source *)r;
    s->fn(s->arg, s->signo);
}

void loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg)
{
    struct signal_source *s = mem_alloc(sizeof *s);
    *s = (struct signal_source){
        .ready.run = run_signal, .next = l->signals, .loop = l, .fn = fn, .arg = arg, .signo = signo};
    l->signals = s;
    event_assign(&s->event, l->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s);
    if (event_add(&s->event, NULL) < 0)
        log_error("loop", "signal %d cannot be caught: %s", signo, strerror(errno));
}
