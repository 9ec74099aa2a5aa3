/* loop: descriptors, timers and signals of one process, over libevent's core (the one place that names
 * it), and blocking calls that stall only who asked for them.
 *
 * Handlers never run inside libevent: it only says what is ready, and the handlers run after it has
 * returned. So any handler may free any source, and a *call* (see below) that lasts can be left behind
 * while another thread goes on with the loop. At any moment one thread runs handlers. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop_call.h"

struct loop *loop_new(void);
void loop_free(struct loop *l); /* the caller's sources are freed before; waits for calls that are inside `work` */
/* Until loop_stop. Returns in the thread that called it: if that one is inside a call, once the call is over. Then it may be
 * called again; what was asked for and not run yet runs then. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* from a handler */

/* For the one module beside this that names the library (daemon/metrics): what it adds runs inside libevent. */
struct event_base;
struct event_base *loop_event_base(struct loop *l);

/* ---- descriptors. Level-triggered. The descriptor stays the caller's: free the source, then close. */
struct loop_fd;
typedef void loop_fd_fn(void *arg, bool readable, bool writable);
struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg); /* wants nothing yet */
void loop_fd_want(struct loop_fd *s, bool read, bool write); /* cheap when nothing changes */
void loop_fd_free(struct loop_fd *s); /* NULL is allowed; its handler is not called again */

/* ---- timers, monotonic. One shot. */
struct loop_timer;
typedef void loop_timer_fn(void *arg);
struct loop_timer *loop_timer_new(struct loop *l, loop_timer_fn *fn, void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t ms); /* from now; replaces what was set */
void loop_timer_start(struct loop_timer *t, uint64_t ms); /* the same where none is set; what is set is not put off */
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL is allowed */

/* ---- signals: the handler proper only sets a flag; `fn` runs as any other handler. Lives as long as l. */
typedef void loop_signal_fn(void *arg, int signo);
void loop_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg);

/* ---- calls: plain blocking code, run by the loop's own thread after the handler that asked for it has
 * returned. If `work` lasts longer than the takeover time, or says that it is slow, another thread takes the
 * loop over and the rest goes on. `done` always runs as a handler, never while `work` runs. `work` may touch only what
 * belongs to its call. The struct is the caller's and must live until `done`. */
void loop_call(struct loop *l, struct loop_call *c);

/* Lets up to `threads` further threads take over (they are started when needed, with small stacks); when
 * all of them are held up, calls wait in line for the first that returns and the loop itself never
 * blocks. Without this, a call simply runs. `takeover_ms`: 50 in the daemon. */
void loop_threads(struct loop *l, unsigned threads, unsigned takeover_ms);

/* ---- a bounded pool of threads for dear computations (password hashes). */
struct pool;
struct pool *pool_new(struct loop *l, unsigned threads, unsigned waiting_max);
/* false: `waiting_max` are waiting already; nothing was done. Else work runs in a thread, done in the loop. */
bool pool_call(struct pool *p, struct loop_call *c);
unsigned pool_waiting(const struct pool *p);
void pool_free(struct pool *p); /* waits for what runs; what waits is not run, its done is not called */

#endif
