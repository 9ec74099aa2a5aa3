/* deliver: see the header. Its life, and the channels to auth, doors and the master. Linked with neither TLS nor SQL;
 * sees the mail roots and nothing else. */
#include "daemon/deliver.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/deliver_state.h"

enum { IDLE_CHECK_MS = 1000 };

void deliver_say(struct deliver *d, const struct talk *t)
{
    for (struct deliver_door *door = d->doors; door; door = door->next)
        if (door->generation == t->id.door) {
            talk_send(door->chan, t);
            return;
        }
}

/* ---- the end: by the master's word, or by auth's when nothing has come for a while */

static void end_if_done(struct deliver *d)
{
    if (d->stopping && d->live == 0)
        loop_stop(d->loop);
}

void deliver_letter_over(struct deliver *d)
{
    if (d->live)
        return;
    d->idle_since = clock_ms();
    loop_timer_set(d->idle, IDLE_CHECK_MS);
    end_if_done(d);
}

/* Offers auth to end. auth knows whether more is on its way, and only then says RETIRE. */
static void on_idle(void *arg)
{
    struct deliver *d = arg;
    uint64_t now = clock_ms();
    if (d->live || !d->auths)
        return; /* what ends later, or the next auth, sets the timer again */
    if (now - d->idle_since >= d->start.conf.mail_idle) {
        struct talk idle = {.type = TALK_IDLE, .fd = -1};
        talk_set_wide(idle.num, d->auths->admits);
        talk_send(d->auths->chan, &idle);
        d->idle_since = now;
    }
    loop_timer_set(d->idle, IDLE_CHECK_MS);
}

static void on_sweep(void *arg)
{
    deliver_sweep(arg);
}

/* ---- auth */

static void auth_closed(void *arg)
{
    struct deliver_auth *auth = arg;
    struct deliver_auth **at = &auth->deliver->auths;
    while (*at != auth)
        at = &(*at)->next;
    *at = auth->next;
    chan_free(auth->chan);
    mem_free(auth);
}

static void auth_message(void *arg, const void *p, size_t n, int fd)
{
    struct deliver_auth *auth = arg;
    struct deliver *d = auth->deliver;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_AUTH, ROLE_DELIVER, &t) < 0)
        auth_closed(auth);
    else if (t.type == TALK_ADMIT) {
        auth->admits++;
        deliver_admit(d, &t);
    } else if (auth == d->auths) {
        d->stopping = true;
        end_if_done(d);
    }
}

static const struct chan_events auth_events = {auth_message, auth_closed};

/* What the old one has said, and has not been read yet, holds: doors know of it. Its channel ends by itself. */
static void take_auth(struct deliver *d, int fd)
{
    struct deliver_auth *auth = mem_alloc(sizeof *auth);
    *auth = (struct deliver_auth){.deliver = d, .next = d->auths};
    d->auths = auth;
    auth->chan = chan_new(d->loop, fd, &auth_events, auth);
    d->idle_since = clock_ms();
    loop_timer_set(d->idle, IDLE_CHECK_MS);
}

/* ---- doors */

static void door_closed(void *arg)
{
    struct deliver_door *door = arg;
    struct deliver *d = door->deliver;
    struct deliver_door **at = &d->doors;
    uint64_t generation = door->generation;
    while (*at != door)
        at = &(*at)->next;
    *at = door->next;
    chan_free(door->chan);
    mem_free(door);
    deliver_forget_door(d, generation);
}

static void door_message(void *arg, const void *p, size_t n, int fd)
{
    struct deliver_door *door = arg;
    struct deliver *d = door->deliver;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_DOOR, ROLE_DELIVER, &t) < 0) {
        door_closed(door);
        return;
    }
    if (t.id.door != door->generation ||
        t.id.n >> TALK_COUNTER_BITS) { /* it speaks for another: it is not itself any more */
        if (t.fd >= 0)
            close(t.fd);
        door_closed(door);
        return;
    }
    if (t.type == TALK_MESSAGE)
        deliver_message(d, &t);
    else if (t.type == TALK_DELIVER)
        deliver_ask(d, &t);
    else if (t.type == TALK_COMMIT)
        deliver_commit(d, &t);
    else
        deliver_forget(d, t.id);
}

static const struct chan_events door_events = {door_message, door_closed};

static void take_door(struct deliver *d, const struct talk *t)
{
    struct deliver_door *door = mem_alloc(sizeof *door);
    *door = (struct deliver_door){.deliver = d, .generation = t->id.door, .next = d->doors};
    d->doors = door;
    door->chan = chan_new(d->loop, t->fd, &door_events, door);
}

/* ---- master */

static void stop(void *arg)
{
    struct deliver *d = arg;
    d->stopping = true;
    end_if_done(d);
}

static bool master_says(void *arg, const struct talk *t)
{
    struct deliver *d = arg;
    if (t->type == TALK_DOOR)
        take_door(d, t);
    else if (t->type == TALK_AUTH)
        take_auth(d, t->fd);
    else
        return false;
    return true;
}

static const struct start_events master_events = {.says = master_says, .stop = stop};

/* ---- start */

static void keep(void *arg, const struct talk *t)
{
    struct deliver *d = arg;
    if (t->type == TALK_ROOT && d->n_roots < CONF_ROOTS)
        d->roots[d->n_roots++] = (struct store_root){.path = mem_copy(t->text[0].p, t->text[0].n),
                                                     .fd = t->fd,
                                                     .memory = d->start.conf.allow_memory_store,
                                                     .wire_ends = d->start.conf.line_ends == CONF_LINES_WIRE};
    else if (t->fd >= 0)
        close(t->fd);
}

int deliver_run(void)
{
    struct deliver *d = mem_alloc(sizeof *d);
    struct jail_path paths[CONF_ROOTS];
    signal(SIGPIPE, SIG_IGN);
    start_role(&d->start, ROLE_DELIVER, keep, d);
    for (unsigned i = 0; i < d->n_roots; i++)
        paths[i] = (struct jail_path){d->roots[i].fd, JAIL_DELIVERIES};
    start_seal(&d->start, start_empty_root(&d->start), paths, d->n_roots);
    d->loop = loop_new();
    d->pool = pool_new(d->loop, (unsigned)d->start.conf.deliver_threads, INT_MAX);
    d->sweep = loop_timer_new(d->loop, on_sweep, d);
    d->idle = loop_timer_new(d->loop, on_idle, d);
    d->idle_since = clock_ms();
    start_listen(&d->start, d->loop, &master_events, d);
    loop_run(d->loop);
    pool_free(d->pool); /* a sweep may still run */
    return EXIT_SUCCESS;
}
