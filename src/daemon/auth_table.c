/* auth_table: the table of sessions, from the question whether somebody is who he says to the end of his session. */
#include "daemon/auth_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/limit_address.h"

enum { COUNT_PARTS = 64 };

struct auth_session *auth_find(const struct auth *a, struct talk_id id)
{
    struct auth_session *s = map_get(&a->sessions, talk_key(id));
    return s && s->id.door == id.door && s->id.n == id.n ? s : NULL;
}

uint64_t auth_line_of(const struct auth_session *s)
{
    uint64_t key = 0;
    (void)limit_address(s->address, &key);
    return key;
}

void auth_exchange_join(struct auth *a, struct auth_session *s)
{
    s->exchange.owner = s;
    crowd_join(&a->exchanges, auth_line_of(s), &s->exchange);
}

struct sasl_session *auth_exchange_leave(struct auth *a, struct auth_session *s)
{
    struct sasl_session *x = s->sasl;
    s->sasl = NULL;
    crowd_leave(&a->exchanges, &s->exchange);
    return x;
}

void auth_drop(struct auth *a, struct auth_session *s)
{
    map_take(&a->sessions, talk_key(s->id));
    if (s->step == AUTH_NEED) /* no mail process has come for it: whoever left, or was overtaken, has not logged in */
        auth_delay_back(a, s);
    auth_busy_drop(a, s);
    auth_end_wait(s);
    if (s->abandoned)
        *s->abandoned = true;
    sasl_end(auth_exchange_leave(a, s));
    if (s->worker)
        auth_release(a, s);
    if (s->step == AUTH_SASL) /* an exchange that was left has shown nothing */
        auth_limit_not_failed(a, s);
    auth_limit_leave(a, s);
    mem_free(s->user);
    mem_free(s->app);
    mem_free(s);
    (void)mem_ended(&a->tide, a->sessions.count);
}

struct auth_session *auth_add(struct auth *a, struct talk_id id)
{
    struct auth_session *old = map_get(&a->sessions, talk_key(id));
    if (old)
        auth_drop(a, old);
    struct auth_session *s = mem_alloc(sizeof *s);
    s->id = id;
    map_put(&a->sessions, talk_key(id), s);
    return s;
}

void auth_say(struct auth *a, const struct talk *t)
{
    for (struct auth_door *d = a->doors; d; d = d->next)
        if (d->generation == t->id.door) {
            talk_send(d->chan, t);
            return;
        }
}

struct users *auth_users(struct auth *a, struct err *err)
{
    unsigned char key[USERS_KEY];
    if (a->db)
        return a->db;
    if (users_open(&a->db, a->db_path, false, err) < 0)
        return NULL;
    if (users_key(a->db, key, err) == 0)
        sasl_salt_key(a->sasl, key);
    else
        log_error("users", "%s", err->text); /* false salts then last only as long as this process */
    mem_wipe(key, sizeof key);
    return a->db;
}

void auth_tell_count(struct auth *a, struct auth_door *d)
{
    talk_send(d->chan, &(struct talk){.type = TALK_COUNT, .num = {a->away_told}, .fd = -1});
}

/* The doors count these sessions among the connections. Not every one is worth a message. */
static void count_away(struct auth *a, const struct auth_session *s, int by)
{
    if (s->flags & TALK_TLS) /* the door relays it, and counts it itself */
        return;
    a->away += (unsigned)by;
    unsigned off = a->away > a->away_told ? a->away - a->away_told : a->away_told - a->away;
    if (off * COUNT_PARTS < a->start.conf.connections)
        return;
    a->away_told = a->away;
    for (struct auth_door *d = a->doors; d; d = d->next)
        auth_tell_count(a, d);
}

void auth_hold(struct auth *a, struct auth_session *s)
{
    auth_limit_count(a, s);
    s->worker->sessions++;
    a->running++;
    metric_set(METRIC_SESSIONS, a->running);
    count_away(a, s, 1);
}

void auth_release(struct auth *a, struct auth_session *s)
{
    struct auth_worker *w = s->worker;
    s->worker = NULL;
    a->running--;
    metric_set(METRIC_SESSIONS, a->running);
    count_away(a, s, -1);
    if (--w->sessions > 0)
        return;
    w->idle_since = clock_ms();
    loop_timer_start(a->idle_timer, AUTH_IDLE_CHECK_MS);
}

void auth_end_if_done(struct auth *a)
{
    if (a->stopping && !a->workers && !a->delivers && !a->doors)
        loop_stop(a->loop);
}
