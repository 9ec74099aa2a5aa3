/* calls: blocking calls, and the threads that take a loop over while one lasts. Between loop.c, calls.c and
 * pool.c only; everybody else uses base/loop.h.
 *
 * One thread leads: it waits for events and runs handlers and calls. One of the others watches it, the rest stand by.
 * When a call lasts, the watcher becomes the leader; the former leader comes back from its call as one of the others.
 */
#ifndef BASE_CALLS_H
#define BASE_CALLS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/loop_call.h"

struct calls;
struct loop;

struct calls *calls_new(void);
void calls_free(struct calls *c); /* waits for the threads */

/* Becomes readable when the leader must wake up; calls_woken makes it silent again. */
int calls_wake_fd(const struct calls *c);
void calls_woken(struct calls *c);

/* ---- for the leader alone */
void calls_add(struct calls *c, struct loop_call *call);
bool calls_ready(const struct calls *c); /* something to run: do not sleep */
/* Runs what has come back and what is queued, for a bounded time or until *stop. false: another thread leads now, and
 * this one may touch nothing of the loop any more. */
bool calls_run(struct calls *c, const bool *stop);

/* ---- for every thread of the loop */
bool calls_stand_by(struct calls *c); /* true: this thread leads now. false: the loop has stopped */
void calls_stop(struct calls *c);     /* by the leader, as its last act */
void calls_start(struct calls *c);    /* before the first leader begins: ready again after a stop */

/* `serve` is what a new thread runs. */
void calls_threads(struct calls *c, unsigned threads, unsigned takeover_ms, void (*serve)(void *arg), void *arg);

/* From any thread: the leader is to run call->done. */
void calls_finish(struct calls *c, struct loop_call *call);
struct calls *loop_calls(struct loop *l);

/* A thread with a small stack that no signal is delivered to. false: the system has none to give. */
bool calls_thread_start(pthread_t *t, void *(*fn)(void *), void *arg);

/* A queue of calls, in order. */
struct call_queue {
    struct loop_call *first, *last;
    unsigned count;
};
void call_queue_add(struct call_queue *q, struct loop_call *call);
struct loop_call *call_queue_take(struct call_queue *q); /* NULL: empty */

#endif
