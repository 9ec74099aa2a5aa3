/* master_watch: what the service manager that started the server is told: that all is ready, that the configuration is being read
 * again, that the end has come, and, as often as it wants to hear it, that the server is alive (sd_notify(3)). Alive means that the
 * master's loop turns and those of door, auth, control and metrics do: each has answered the same round of PINGs. A mail or deliver
 * process is not among them: one that hangs holds up its own uid, and would not be worth the sessions of all others. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "daemon/master_state.h"
#include "net/notify.h"

/* The master holds the sessions back for so long; then it kills what is left, and that takes a moment. */
enum { END_MS = 10000 };

static bool all_answered(const struct master *m)
{
    for (unsigned i = 0; i < m->n_kept; i++) {
        const struct child *c = master_find(m, m->kept[i].role);
        if (!c || c->answered != m->watch.round)
            return false;
    }
    return true;
}

static void whole(struct master *m)
{
    struct watch *w = &m->watch;
    char text[256];
    w->whole = w->round;
    bool ready = !w->ready || w->reloading;
    w->ready = true;
    w->reloading = false;
    snprintf(text, sizeof text, "%s%s%s%s", ready ? "READY=1\nSTATUS=" : "", ready ? w->status : "", ready ? "\n" : "",
             w->timer ? "WATCHDOG=1" : "");
    if (*text && !m->stopping)
        notify_manager(text);
}

void master_watch_answer(struct master *m, struct child *c, uint32_t round)
{
    c->answered = round;
    if (m->watch.whole != m->watch.round && all_answered(m))
        whole(m);
}

/* It has been started since the round began, and knows all that there is to know. */
void master_watch_fresh(struct master *m, struct child *c)
{
    master_watch_answer(m, c, m->watch.round);
}

/* Answers come in order behind whatever the roles were told before. One that is starting has not said READY yet: it answers by that. */
static void ask(struct master *m)
{
    uint32_t round = ++m->watch.round;
    for (unsigned i = 0; i < m->n_kept; i++) {
        struct child *c = master_find(m, m->kept[i].role);
        if (c && c->answered)
            talk_send(c->chan, &(struct talk){.type = TALK_PING, .num = {round}, .fd = -1});
    }
}

static void on_timer(void *arg)
{
    struct master *m = arg;
    ask(m);
    loop_timer_set(m->watch.timer, notify_watchdog_ms());
}

void master_watch_start(struct master *m)
{
    m->watch = (struct watch){.round = 1, .status = "Serving"};
    if (!notify_watchdog_ms())
        return;
    m->watch.timer = loop_timer_new(m->loop, on_timer, m);
    loop_timer_set(m->watch.timer, notify_watchdog_ms());
}

void master_watch_reload(struct master *m)
{
    char text[80];
    if (!m->watch.ready || m->stopping) /* READY comes with what holds then */
        return;
    m->watch.reloading = true;
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us());
    notify_manager(text);
}

void master_watch_reloaded(struct master *m, const char *status)
{
    m->watch.status = status;
    if (m->watch.reloading)
        ask(m);
}

void master_watch_stop(struct master *m)
{
    char text[120];
    loop_timer_free(m->watch.timer);
    m->watch.timer = NULL;
    snprintf(text, sizeof text, "STOPPING=1\nSTATUS=Running sessions come to their end\nEXTEND_TIMEOUT_USEC=%" PRIu64,
             (m->conf.drain_timeout + END_MS) * 1000);
    notify_manager(text);
}

void master_watch_free(struct master *m)
{
    loop_timer_free(m->watch.timer);
    m->watch.timer = NULL;
}
