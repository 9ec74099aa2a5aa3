/* mail_pop3: a logged-in session over a store: opens and locks the maildrop, says +OK, serves, commits at QUIT, ends.
 *
 * Everything that may block (the store, the disk) is a call of the loop: it stalls only its own session. While a call runs
 * (`busy`) nothing else of the session is touched; what happens meanwhile is looked at when it is done. */
#include "daemon/mail_session.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/open.h"

/* ---- the machine's wants */

static void set_deadline(struct mail_session *s)
{
    const struct conf *c = &s->mail->start.conf;
    uint64_t now = clock_ms();
    mail_forget_err(s);
    if (!pop3_server_in_line(&s->pop3, conn_in(s->conn))) {
        s->line_started = 0;
        conn_deadline(s->conn, c->idle_timeout);
        return;
    }
    if (!s->line_started)
        s->line_started = now;
    uint64_t at = s->line_started + c->command_timeout;
    conn_deadline(s->conn, at > now ? at - now : 1);
}

static void obey(struct mail_session *s, enum pop3_want want)
{
    switch (want) {
    case POP3_WANT_INPUT:
        set_deadline(s);
        mail_keep_now(s); /* the client has had his answers */
        break;
    case POP3_WANT_ROOM:
        conn_deadline(s->conn, 0); /* the write stall guards it */
        break;
    case POP3_WANT_DROP:
        conn_deadline(s->conn, 0);
        mail_load(s);
        break;
    case POP3_WANT_LISTING:
        conn_deadline(s->conn, 0);
        mail_listing_begin(s);
        break;
    case POP3_WANT_BODY:
        conn_deadline(s->conn, 0);
        mail_body_begin(s);
        break;
    case POP3_WANT_COMMIT:
        conn_deadline(s->conn, 0);
        mail_update(s);
        break;
    case POP3_WANT_CLOSE: /* after QUIT or a kick, which have said how it ends */
    case POP3_WANT_AUTH:  /* not after the log-in */
    case POP3_WANT_TLS:
        mail_finish(s, "closed");
        break;
    }
}

void mail_drive(struct mail_session *s)
{
    if (s->order && s->step == STEP_TALK) {
        pop3_server_abort(&s->pop3, ERR_TEMP, s->order->say, conn_out(s->conn));
        mail_finish(s, s->order->how);
        return;
    }
    struct conn *c = s->conn;
    conn_hold(c); /* what becomes due needs no round of the loop */
    enum pop3_want want = pop3_server_feed(&s->pop3, conn_in(c), conn_out(c));
    s->crowded = want == POP3_WANT_ROOM;
    bool at_hand = want == POP3_WANT_DROP || want == POP3_WANT_LISTING || want == POP3_WANT_BODY;
    if (at_hand && conn_out(c)->len < MAIL_GATHER) /* what is answered next leaves with what is answered */
        conn_flush_soon(c);
    else
        conn_flush(c);
    obey(s, want);
    conn_release(c); /* s may be gone */
}

/* ---- what conn says */

static void on_input(void *arg)
{
    struct mail_session *s = arg;
    if (s->step == STEP_TALK && !s->busy)
        mail_drive(s);
}

static void on_drained(void *arg)
{
    struct mail_session *s = arg;
    if (s->busy)
        return;
    if (s->step == STEP_SEND)
        mail_body_more(s);
    else if (s->step == STEP_LISTING)
        mail_listing_more(s);
    else if (s->step == STEP_TALK && s->crowded)
        mail_drive(s);
    else if (s->step == STEP_TALK) /* the client has had his answers only now */
        set_deadline(s);
}

static void on_secure(void *arg)
{
    (void)arg; /* no TLS here */
}

static void on_ended(void *arg, enum conn_end why)
{
    struct mail_session *s = arg;
    const char *silence = s->line_started ? "slow-command" : "idle";
    mail_end(s, why == CONN_TIMEOUT ? silence : conn_end_text(why));
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

/* ---- the beginning */

static void open_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    struct mail *m = s->mail;
    s->result = store_open(&s->store, m->roots, m->n_roots, s->expected->where, STORE_EXCLUSIVE, mail_err(s));
    if (s->result < 0)
        return;
    s->result = mail_list(s);
    if (s->result < 0) { /* unlocked before anybody hears of it */
        s->store->ops->close(s->store);
        s->store = NULL;
    }
}

void mail_refuse(struct mail_session *s)
{
    if (mail_err(s)->kind == ERR_BUSY)
        log_info("busy", "user=%s addr=%s the maildrop is in use", log_quote_text(s->expected->user),
                 talk_word(s->expected->address));
    else
        log_error("open", "user=%s store=%s: %s", log_quote_text(s->expected->user), log_quote_text(s->expected->where),
                  mail_err(s)->text);
    (void)mail_tell_door(s->mail, &(struct talk){.type = TALK_REFUSED, .id = s->id, .num = {mail_err(s)->kind}, .fd = -1});
    mail_cleanup(s);
}

/* What was offered before the log-in is announced after it too (RFC 2449 §5). */
static struct pop3_offer offer_again(struct mail_session *s)
{
    const struct start *start = &s->mail->start;
    talk_term(s->expected->term, s->expire);
    if (s->expected->delay)
        snprintf(s->login_delay, sizeof s->login_delay, "%u", s->expected->delay - 1);
    return (struct pop3_offer){.implementation = "Bustia-" BUSTIA_VERSION,
                               .sasl = start->sasl,
                               .sasl_clear = start->sasl_clear,
                               .sasl_external = s->flags & TALK_ASKS ? start->sasl_external : "",
                               .sasl_tls = s->flags & TALK_BOUND ? start->sasl_bound : "",
                               .utf8_offered = start->conf.utf8_downgrade,
                               .utf8 = s->flags & TALK_UTF8,
                               .preferred = (enum pop3_language)start->conf.language,
                               .language = pop3_tag_of(s->language)->language,
                               .tls_offered = s->flags & TALK_TLS_OFFERED,
                               .tls_active = s->flags & TALK_TLS,
                               .clear_allowed = s->flags & TALK_CLEAR_ALLOWED,
                               .login_delay = s->login_delay,
                               .expire = s->expire,
                               .expire_read = s->expected->term == TALK_LEAVES_NOTHING};
}

/* The early keeps no descriptor, and stays: until the door has been told the session has not begun. */
static void connect_client(struct mail_session *s)
{
    struct mail *m = s->mail;
    struct conn_limits limits = {MAIL_IN_MAX, MAIL_OUT_MAX, (unsigned)m->start.conf.write_timeout, &m->budget};
    s->conn = conn_new(m->loop, s->early->fd, &limits, &events, s);
    if (s->flags & TALK_TLS)
        conn_relayed(s->conn);
    s->early->fd = -1;
    buf_add(conn_in(s->conn), s->early->unread, s->early->n_unread);
}

static bool tell_taken(struct mail_session *s)
{
    return mail_tell_door(s->mail, &(struct talk){.type = TALK_TAKEN, .id = s->id, .fd = -1});
}

static void begin(struct mail_session *s)
{
    mail_early_free(s->early);
    s->early = NULL;
    metric_add(METRIC_OPENED, 1);
    if (s->asked && !(s->flags & TALK_TLS)) /* somebody came while it was being opened */
        conn_probe(s->conn);
    s->step = STEP_TALK;
    mail_drive(s);
}

/* A door that cannot be told has died with its half of the session, or answers the client itself: nothing that he has said is done.
 *
 * TAKEN before +OK: were we to die between the two, the client would see a close, never two answers. But where the door relays, it looks for +OK
 * behind TAKEN alone: so that is there first, and the door need not be woken twice. */
static void welcome(struct mail_session *s)
{
    bool relayed = s->flags & TALK_TLS, told = !relayed && tell_taken(s);
    if (!relayed && !told) {
        mail_cleanup(s);
        return;
    }
    struct pop3_offer offer = offer_again(s);
    connect_client(s);
    struct conn *c = s->conn;
    conn_hold(c);
    pop3_server_resume(&s->pop3, &offer, span_of(s->expected->user), &s->drop, conn_out(c));
    if (relayed) {
        conn_flush(c);
        told = tell_taken(s);
    }
    if (told)
        begin(s);
    else
        mail_cleanup(s);
    conn_release(c); /* s may be gone */
}

static void open_done(struct loop_call *call)
{
    struct mail_session *s = mail_back(call);
    if (!s)
        return;
    if (s->order && s->result == 0)
        s->result = err_set(mail_err(s), s->order->kind, "%s", s->order->told);
    if (s->result >= 0)
        welcome(s);
    else if (!mail_wait(s))
        mail_refuse(s);
}

void mail_open(struct mail_session *s)
{
    s->step = STEP_OPEN;
    mail_call(s, open_work, open_done);
}

void mail_pop3_begin(struct mail *m, struct mail_expected *e, struct mail_early *early)
{
    struct mail_session *s = mem_alloc(sizeof *s);
    *s = (struct mail_session){.mail = m, .id = e->id, .expected = e, .early = early, .flags = early->flags,
                               .language = early->language, .body = {.fd = -1}, .started = clock_ms()};
    s->downgrade = m->start.conf.utf8_downgrade && !(s->flags & TALK_UTF8);
    memcpy(s->tls, early->tls, sizeof s->tls);
    drop_init(&s->drop);
    map_put(&m->sessions, talk_key(s->id), s);
    if (e->asked)
        mail_pop3_yield(s, e->yields);
    mail_open(s);
}

void mail_obey(struct mail_session *s, const struct mail_order *order)
{
    s->order = order;
    if (s->step == STEP_OPEN || s->step == STEP_COMMIT || s->step == STEP_END)
        return; /* an UPDATE that has begun is brought to its end */
    if (s->step == STEP_WAIT) {
        err_set(mail_err(s), order->kind, "%s", order->told);
        mail_refuse(s);
    } else if (s->step == STEP_TALK) {
        if (!s->busy) /* else when what was found out is written down */
            mail_drive(s);
    } else
        mail_end(s, order->how);
}

void mail_pop3_kick(struct mail_session *s)
{
    static const struct mail_order kick = {ERR_TEMP, SAY_KICKED, "ended by the administrator", "kicked"};
    mail_obey(s, &kick);
}

void mail_pop3_describe(const struct mail_session *s, struct talk *t)
{
    *t = (struct talk){.type = TALK_RUNNING, .id = s->id, .fd = -1};
    t->num[0] = s->flags;
    t->num[1] = (uint32_t)((clock_ms() - s->started) / 1000);
    t->num[2] = s->pop3.count.read;
    t->num[3] = s->step == STEP_OPEN || s->step == STEP_LOAD ? 0 : s->drop.deleted; /* meanwhile the drop is another thread's */
    t->text[0] = span_of(s->expected->user);
    t->text[1] = span_of(s->expected->address);
    t->text[2] = span_of(s->expected->where);
}
