/* mail_end: calls of the loop for a session, and how it ends: UPDATE, the lock given back, the line in the log. Mail process. */
#include "daemon/mail_session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/mail_scratch.h"

/* ---- trouble, which takes 250 octets: not of each session that idles */

struct err *mail_err(struct mail_session *s)
{
    if (!s->trouble)
        s->trouble = mem_alloc(sizeof *s->trouble);
    return s->trouble;
}

void mail_forget_err(struct mail_session *s)
{
    mem_free(s->trouble);
    s->trouble = NULL;
}

/* ---- calls */

void mail_call(struct mail_session *s, void (*work)(struct loop_call *), void (*done)(struct loop_call *))
{
    s->busy = true;
    if (s->conn)
        conn_occupy(s->conn, true); /* who closes his half still gets this answer, and those to what he sent behind it */
    bool sends = s->step == STEP_BODY || s->step == STEP_SEND || s->step == STEP_LISTING;
    if (sends)
        loop_timer_start(s->mail->rest, MAIL_REST_MS);
    s->call = (struct loop_call){work, done, s, NULL, sends, s->step == STEP_COMMIT && s->drop.deleted};
    loop_call(s->mail->loop, &s->call);
}

struct mail_session *mail_back(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->busy = false;
    if (s->conn)
        conn_occupy(s->conn, false);
    if (!s->gone)
        return s;
    mail_cleanup(s);
    return NULL;
}

void mail_then(struct loop_call *call, void (*next)(struct mail_session *s))
{
    struct mail_session *s = mail_back(call);
    if (!s)
        return;
    struct conn *c = s->conn;
    conn_hold(c);
    next(s);
    conn_release(c); /* s may be gone */
}

/* ---- the end */

static void log_session(const struct mail_session *s)
{
    uint64_t ms = clock_ms() - s->started;
    log_info("session", "user=%s addr=%s tls=%s read=%u deleted=%u octets=%llu time=%llu.%03u end=%s",
             log_quote_text(s->expected->user), talk_word(s->expected->address), *s->tls ? talk_word(s->tls) : "no", s->pop3.count.read, s->deleted,
             (unsigned long long)s->octets, (unsigned long long)(ms / 1000), (unsigned)(ms % 1000), s->how ? s->how : "?");
}

static void close_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    mail_keep(s);
    s->store->ops->close(s->store);
}

static void close_done(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->store = NULL;
    s->busy = false;
    mail_cleanup(s);
}

/* Everything that is left of it, in the order in which others may rely on it: the lock first. */
void mail_cleanup(struct mail_session *s)
{
    struct mail *m = s->mail;
    s->gone = true;
    conn_free(s->conn);
    s->conn = NULL;
    mail_body_close(s);
    if (s->store) {
        mail_call(s, close_work, close_done);
        return;
    }
    if (s->how)
        log_session(s);
    loop_timer_free(s->again);
    mail_forget_err(s);
    mail_scratch_give(s->chunk);
    pop3_server_fini(&s->pop3);
    drop_fini(&s->drop);
    struct talk_id id = s->id;
    bool began = !s->early;
    if (!began)
        mail_early_free(s->early);
    mail_expected_free(s->expected);
    map_take(&m->sessions, talk_key(id));
    mem_free(s);
    (void)mem_ended(&m->tide, m->sessions.count);
    mail_session_over(m, id, began);
}

/* Ends it now, without another word. */
void mail_end(struct mail_session *s, const char *how)
{
    if (!s->how)
        s->how = how;
    s->gone = true;
    if (!s->busy)
        mail_cleanup(s);
}

static void unlocked(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->store = NULL;
    s = mail_back(call);
    if (s)
        mail_unlocked(s);
}

/* The last words leave as fast as the client reads; the lock does not wait for him. */
void mail_finish(struct mail_session *s, const char *how)
{
    if (!s->how)
        s->how = how;
    s->step = STEP_END;
    conn_deadline(s->conn, 0);
    conn_finish(s->conn);
    if (s->store)
        mail_call(s, close_work, unlocked);
}

/* ---- UPDATE (RFC 1939 §6): remove, unlock, and only then the answer */

static void commit_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->left = 0;
    mail_keep(s);
    s->result = s->drop.deleted ? s->store->ops->remove(s->store, &s->drop, &s->left, mail_err(s)) : 0;
    s->store->ops->close(s->store);
    s->store = NULL;
}

static void commit_done(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    bool ok = s->result == 0;
    s->deleted = s->drop.deleted - (unsigned)(ok ? 0 : s->left);
    metric_add(METRIC_DELETED, s->deleted);
    s->how = ok ? "quit" : "quit-failed";
    if (!ok)
        log_error("update", "user=%s %zu of %u messages may remain: %s", log_quote_text(s->expected->user), s->left,
                  s->drop.deleted, mail_err(s)->text);
    s = mail_back(call);
    if (!s)
        return;
    mail_unlocked(s);
    pop3_server_committed(&s->pop3, ok ? ERR_NONE : mail_err(s)->kind, s->left, conn_out(s->conn));
    mail_drive(s);
}

void mail_update(struct mail_session *s)
{
    s->step = STEP_COMMIT;
    mail_call(s, commit_work, commit_done);
}
