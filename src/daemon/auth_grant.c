/* auth_grant: which mail process gets a session, and the road there: EXPECT to the mail process first, then GRANTED to the door.
 *
 * A mail process serves one uid and gid; with mail_sessions = 1 each session gets a process of its own, which Landlock holds to that
 * one maildrop. Whoever has none waits until the master has started it. */
#include "daemon/auth_state.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

static const uint64_t SECOND = 1000;

enum {
    SESSION_FILES = 6, /* descriptors of a session: its client; its maildrop, the index, new, cur; the message that is being sent */
    OTHER_FILES = 64,  /* channels and the log */
    COUNTED_FILES = 16 /* messages that each thread which counts has open at once */
};

/* A mail process that has been asked for, and who waits for it. */
struct auth_need {
    uint32_t token, uid, gid;
    bool single;
    struct talk_id *waiting;
    unsigned count;
    struct auth_need *next;
};

/* ---- sessions of a worker */

static void hold(struct auth *a, struct auth_session *s, struct auth_worker *w)
{
    s->worker = w;
    s->step = AUTH_RUNNING;
    s->started = clock_ms();
    auth_hold(a, s);
}

static void send_there(struct auth *a, struct auth_session *s, struct auth_worker *w, const char *where)
{
    uint64_t now = clock_ms();
    uint32_t wait = s->wait_until > now ? (uint32_t)(s->wait_until - now) : 0;
    hold(a, s, w);
    auth_seen_note(a, s->user, s->app ? s->app : "", s->address);
    /* In this order: the mail process must know before the door can come to it. */
    talk_send(w->chan, &(struct talk){.type = TALK_EXPECT,
                                      .id = s->id,
                                      .num = {w->uid, w->gid, s->term, wait, a->terms.delay_most ? s->delay + 1 : 0},
                                      .text = {span_of(s->user), span_of(where), span_of(s->address)},
                                      .fd = -1});
    auth_say(a, &(struct talk){.type = TALK_GRANTED, .id = s->id, .num = {w->number}, .fd = -1});
}

/* ---- needs */

static struct auth_need *need_new(struct auth *a, const struct user *u, bool single)
{
    struct auth_need *n = mem_alloc(sizeof *n);
    *n = (struct auth_need){.token = ++a->tokens, .uid = u->uid, .gid = u->gid, .single = single, .next = a->needs};
    a->needs = n;
    talk_send(a->start.master, &(struct talk){.type = TALK_NEED,
                                        .num = {n->token, n->uid, n->gid, single ? TALK_FOR_SINGLE : 0},
                                        .text = {span_of(u->where)},
                                        .fd = -1});
    return n;
}

static struct auth_need *need_take(struct auth *a, uint32_t token)
{
    struct auth_need **at = &a->needs;
    while (*at && (*at)->token != token)
        at = &(*at)->next;
    struct auth_need *n = *at;
    if (n)
        *at = n->next;
    return n;
}

static void need_free(struct auth_need *n)
{
    mem_free(n->waiting);
    mem_free(n);
}

/* Whom a mail process has no descriptors for goes to another. */
static uint64_t most_sessions(const struct auth *a)
{
    return a->start.conf.mail_sessions < a->sessions_fit ? a->start.conf.mail_sessions : a->sessions_fit;
}

static struct auth_need *need_for(struct auth *a, const struct user *u)
{
    bool single = a->start.conf.mail_sessions == 1;
    for (struct auth_need *n = a->needs; n && !single; n = n->next)
        if (n->uid == u->uid && n->gid == u->gid && !n->single && n->count < most_sessions(a))
            return n;
    return need_new(a, u, single);
}

static void wait_for(struct auth *a, struct auth_need *n, struct auth_session *s, const struct user *u)
{
    n->waiting = mem_resize(n->waiting, (n->count + 1) * sizeof *n->waiting);
    n->waiting[n->count++] = s->id;
    auth_begin_wait(a, s, u);
    s->need = n->token;
    s->step = AUTH_NEED;
}

/* NULL: not any more. */
static struct auth_session *waits_for(struct auth *a, const struct auth_need *n, unsigned i)
{
    struct auth_session *s = auth_find(a, n->waiting[i]);
    return s && s->step == AUTH_NEED && s->need == n->token ? s : NULL;
}

static struct auth_worker *worker_for(struct auth *a, const struct user *u)
{
    if (a->start.conf.mail_sessions == 1)
        return NULL;
    for (struct auth_worker *w = a->workers; w; w = w->next)
        if (w->uid == u->uid && w->gid == u->gid && !w->single && !w->retiring &&
            w->sessions < most_sessions(a))
            return w;
    return NULL;
}

static void refuse_delay(struct auth *a, struct auth_session *s)
{
    log_info("delayed", "user=%s addr=%s", log_quote_text(s->user), talk_word(s->address));
    auth_refuse(a, s, ERR_DELAY);
}

/* Whom his own terms keep out, before he waits for anything or takes anything over; what he has shown is right. POP3 off is answered
 * as a wrong password is, after as long: to who does not know it nothing tells the two apart (RFC 3206 §4). */
static bool terms_refuse(struct auth *a, struct auth_session *s, const struct user *u)
{
    bool early = s->delay && !limit_delay_would(&a->delays, digest_word(span_of(s->user)), s->delay * SECOND, clock_ms());
    if (u->no_pop3) {
        auth_tell_off(u);
        auth_refuse(a, s, ERR_AUTH);
    } else if (early) {
        refuse_delay(a, s);
    }
    return u->no_pop3 || early;
}

/* A log-in that came to nothing does not count for LOGIN-DELAY. */
void auth_delay_back(struct auth *a, const struct auth_session *s)
{
    if (s->delay)
        limit_delay_back(&a->delays, digest_word(span_of(s->user)), s->delay * SECOND);
}

void auth_grant(struct auth *a, struct auth_session *s, const struct user *u)
{
    sasl_end(auth_exchange_leave(a, s));
    if (!s->user)
        s->user = mem_copy_text(u->name);
    s->term = auth_term(user_expire(u, a->start.conf.expire));
    s->delay = user_delay(u, a->start.conf.login_delay);
    if (u->uid == 0 || u->uid < a->start.conf.first_uid) {
        log_error("refused", "user=%s has uid %u, below first_uid", log_quote_text(u->name), u->uid);
        auth_refuse(a, s, ERR_PERM);
        return;
    }
    if (terms_refuse(a, s, u))
        return;
    auth_limit_not_failed(a, s); /* he may leave while he waits */
    if (!auth_must_wait(a, s, u))
        auth_place(a, s, u);
}

void auth_place(struct auth *a, struct auth_session *s, const struct user *u)
{
    if (a->stopping || !a->start.master)
        auth_refuse(a, s, ERR_TEMP);
    else if (a->running >= a->start.conf.connections)
        auth_refuse(a, s, ERR_LIMIT);
    else if (s->delay && !limit_delay_enter(&a->delays, digest_word(span_of(s->user)), s->delay * SECOND, clock_ms()))
        refuse_delay(a, s);
    else if (!auth_limit_enter(a, s)) {
        auth_delay_back(a, s);
        auth_refuse_slowly(a, s, ERR_LIMIT);
    } else {
        struct auth_worker *w = worker_for(a, u);
        if (w)
            send_there(a, s, w, u->where);
        else
            wait_for(a, need_for(a, u), s, u);
    }
}

/* ---- mail processes */

static void worker_message(void *arg, const void *p, size_t n, int fd);
static void worker_closed(void *arg);
static const struct chan_events worker_events = {worker_message, worker_closed};

static void worker_free(struct auth_worker *w)
{
    struct auth *a = w->auth;
    struct auth_worker **at = &a->workers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    chan_free(w->chan);
    mem_free(w);
    auth_end_if_done(a);
}

static void worker_closed(void *arg)
{
    struct auth_worker *w = arg;
    struct auth *a = w->auth;
    struct auth_session *s;
    do { /* the sessions inside have ended with it; a door that has not come to it yet would wait in vain */
        size_t at = 0;
        while ((s = map_next(&a->sessions, &at)) && s->worker != w)
            continue;
        if (s) {
            auth_say(a, &(struct talk){.type = TALK_DENIED, .id = s->id, .num = {ERR_TEMP}, .fd = -1});
            auth_drop(a, s);
        }
    } while (s);
    worker_free(w);
}

/* Whose session it says it is. One of another uid's user is none: a mail process that has been taken over would keep him out of his
 * maildrop, or use up his sessions. */
static bool is_of(struct auth *a, const struct auth_worker *w, const struct talk *t, bool *at_home)
{
    struct user u = {0};
    struct err err;
    struct users *db = auth_users(a, &err);
    *at_home = false;
    if (!db || users_find(db, t->text[0], &u, &err) < 0)
        return true; /* he has been removed meanwhile, or it cannot be known */
    bool his = u.uid == w->uid && u.gid == w->gid;
    *at_home = his && span_is(t->text[2], u.where);
    user_free(&u);
    return his;
}

/* What a mail process says runs in it: asked for `who`, or to an auth that it has outlived the one before. Nothing runs in one that
 * this auth has had started but what it has sent there. */
static void running(struct auth_worker *w, const struct talk *t)
{
    struct auth *a = w->auth;
    struct auth_session *s = auth_find(a, t->id);
    bool at_home = false;
    if (!s && (w->hired || map_get(&a->sessions, talk_key(t->id)) || !is_of(a, w, t, &at_home))) {
        log_error("running", "user=%s is refused: the mail process %u has none of his", log_quote(t->text[0]), w->number);
        return;
    }
    if (!s) {
        s = auth_add(a, t->id);
        s->user = mem_copy(t->text[0].p, t->text[0].n);
        s->flags = t->num[0];
        snprintf(s->address, sizeof s->address, "%.*s", (int)t->text[1].n, t->text[1].p);
        hold(a, s, w);
        if (at_home)
            auth_busy_runs(a, s, t->text[2]);
        s->started -= (uint64_t)t->num[1] * 1000;
    } else if (s->worker != w)
        return; /* a worker speaks only of what is its own */
    s->read = t->num[2];
    s->deleted = t->num[3];
}

static void worker_message(void *arg, const void *p, size_t n, int fd)
{
    struct auth_worker *w = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_MAIL, ROLE_AUTH, &t) < 0) {
        worker_closed(w);
        return;
    }
    struct auth_session *s = auth_find(w->auth, t.id);
    if (t.type == TALK_RUNNING)
        running(w, &t);
    else if (t.type == TALK_REPORTED)
        auth_who_reported(w->auth, t.num[0]);
    else if (t.type == TALK_FREED && s && s->worker == w)
        auth_busy_freed(w->auth, s);
    else if (t.type == TALK_ENDED && s && s->worker == w) { /* a worker ends only what is its own */
        if (t.num[0] & TALK_NEVER_BEGAN)
            auth_delay_back(w->auth, s);
        auth_drop(w->auth, s);
    }
}

void auth_worker_came(struct auth *a, const struct talk *t)
{
    struct auth_worker *w = mem_alloc(sizeof *w);
    *w = (struct auth_worker){.auth = a, .number = t->num[0], .uid = t->num[1], .gid = t->num[2], .single = t->id.n & TALK_FOR_SINGLE,
                              .hired = t->num[3],
                              .idle_since = clock_ms(), .next = a->workers};
    a->workers = w;
    w->chan = chan_new(a->loop, t->fd, &worker_events, w);
    struct auth_need *n = need_take(a, t->num[3]);
    for (unsigned i = 0; n && i < n->count; i++) {
        struct auth_session *s = waits_for(a, n, i);
        struct user u;
        if (s && auth_still(a, s, &u)) {
            send_there(a, s, w, u.where);
            user_free(&u);
        }
    }
    if (n)
        need_free(n);
    loop_timer_start(a->idle_timer, AUTH_IDLE_CHECK_MS);
}

static void need_denied(struct auth *a, struct auth_need *n, enum err_kind kind)
{
    for (unsigned i = 0; i < n->count; i++) {
        struct auth_session *s = waits_for(a, n, i);
        if (s)
            auth_refuse(a, s, kind);
    }
    need_free(n);
}

void auth_worker_denied(struct auth *a, const struct talk *t)
{
    struct auth_need *n = need_take(a, t->num[0]);
    if (n)
        need_denied(a, n, t->num[1] == ERR_PERM ? ERR_PERM : ERR_TEMP);
}

void auth_needs_end(struct auth *a)
{
    for (struct auth_need *n; (n = a->needs);) {
        a->needs = n->next;
        need_denied(a, n, ERR_TEMP);
    }
}

/* Who has had no session for mail_idle is sent home; one that was for a single session at once. */
static void retire_idle(void *arg)
{
    struct auth *a = arg;
    uint64_t now = clock_ms();
    bool more = false;
    for (struct auth_worker *w = a->workers; w; w = w->next) {
        if (w->sessions || w->retiring)
            continue;
        if (w->single || now - w->idle_since >= a->start.conf.mail_idle) {
            w->retiring = true;
            talk_send(w->chan, &(struct talk){.type = TALK_RETIRE, .fd = -1});
        } else
            more = true;
    }
    if (more)
        loop_timer_start(a->idle_timer, AUTH_IDLE_CHECK_MS);
}

/* Of so many descriptors. Where they are few, half are for sessions: seldom do all threads count at once. */
static uint64_t sessions_that_fit(const struct auth *a, uint64_t files)
{
    uint64_t others = OTHER_FILES + COUNTED_FILES * a->start.conf.store_threads;
    uint64_t left = files - (others < files / 2 ? others : files / 2);
    return left > SESSION_FILES ? left / SESSION_FILES : 1;
}

void auth_grant_init(struct auth *a)
{
    struct rlimit r;
    a->sessions_fit = UINT64_MAX;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) /* mail processes have as many */
        a->sessions_fit = sessions_that_fit(a, r.rlim_cur);
    a->idle_timer = loop_timer_new(a->loop, retire_idle, a);
}
