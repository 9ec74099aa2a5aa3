/* mail_list: a maildrop of which only the totals are in memory: loaded when a message of it is needed, listed from text that the store
 * keeps, and what was found out about it written down. Mail process.
 *
 * Nothing of a listing is held but the piece that is on its way, and no piece is fetched before there is room for it. */
#include "daemon/mail_session.h"

#include <string.h>

#include "base/log.h"
#include "daemon/mail_scratch.h"

enum {
    HEAD = 1024 + POP3_REPLY_MAX, /* of what stands before a piece, and goes with it */
    FINAL_DOT = 3,
    TEXT_MOST = MAIL_SCRATCH - HEAD - FINAL_DOT
};

/* ---- totals */

/* Sizes are those of surrogates. */
static bool differs(const struct mail_session *s)
{
    return s->downgrade && s->drop.eight_bit;
}

int mail_list(struct mail_session *s)
{
    const struct store_ops *ops = s->store->ops;
    struct drop *d = &s->drop;
    if (ops->list(s->store, d, mail_err(s)) < 0)
        return -1;
    s->to_keep = ops->keep;
    if (!differs(s))
        return 0;
    if (!drop_loaded(d) && d->downgraded) {
        s->stored = d->octets;
        d->octets = d->downgraded;
        return 0;
    }
    if (!drop_loaded(d) && ops->load(s->store, d, mail_err(s)) < 0)
        return -1;
    mail_surrogate_sizes(s);
    return 0;
}

/* ---- all messages */

static void load_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    struct drop *d = &s->drop;
    uint64_t told = d->octets;
    if (differs(s))
        d->octets = s->stored;
    s->result = s->store->ops->load(s->store, d, mail_err(s));
    if (s->result < 0 || !differs(s))
        return;
    mail_surrogate_sizes(s);
    if (d->octets != told)
        s->result = err_set(mail_err(s), ERR_TEMP, "what is sent of the messages has not the size that was told");
}

static void loaded(struct mail_session *s)
{
    s->step = STEP_TALK;
    if (s->result < 0) {
        log_error("load", "user=%s %s", log_quote_text(s->expected->user), mail_err(s)->text);
        pop3_server_abort(&s->pop3, ERR_TEMP, SAY_NO_MAILDROP, conn_out(s->conn));
        mail_finish(s, "unreadable");
        return;
    }
    pop3_server_loaded(&s->pop3);
    mail_drive(s);
}

static void load_there(struct mail_session *s)
{
    s->to_keep = s->store->ops->keep; /* it may have been counted anew */
    loaded(s);
}

static void load_done(struct loop_call *call)
{
    mail_then(call, load_there);
}

/* A session that needs no disk does not wait in line behind those that do. Surrogates may have to be measured, from the messages. */
static bool at_hand(const struct mail_session *s)
{
    return s->store->ops->at_hand && s->store->ops->at_hand(s->store) && !differs(s);
}

void mail_load(struct mail_session *s)
{
    s->line_started = 0;
    s->step = STEP_LOAD;
    if (at_hand(s)) {
        s->call.arg = s;
        load_work(&s->call);
        loaded(s);
    } else {
        mail_call(s, load_work, load_done);
    }
}

/* ---- LIST and UIDL from text */

static long text_next(struct mail_session *s, char *p, size_t n)
{
    enum store_text which = s->pop3.uidl ? STORE_UIDL : STORE_LIST;
    long got = s->store->ops->text(s->store, which, s->text_at, p, n, mail_err(s));
    s->text_at += got > 0 ? (uint64_t)got : 0;
    return got;
}

/* A store gives its text in order. What it has given and there was no room for is read again from the beginning: that happens only
 * if others have taken the room meanwhile. */
static int text_seek(struct mail_session *s, char *p, size_t n)
{
    if (s->text_at > s->at)
        s->text_at = 0;
    while (s->text_at < s->at) {
        uint64_t before = s->at - s->text_at;
        if (text_next(s, p, before < n ? (size_t)before : n) <= 0)
            return err_set(mail_err(s), ERR_TEMP, "what was given before is not to be had again");
    }
    return 0;
}

/* Fills the chunk, and knows whether the text ends with it: so the final dot leaves with the last row. */
static void text_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->chunk = mail_scratch_take();
    char *p = s->chunk + HEAD;
    size_t have = 0;
    long got = text_seek(s, p, s->chunk_want) < 0 ? -1 : 1;
    while (got > 0 && have < s->chunk_want) {
        got = text_next(s, p + have, s->chunk_want - have);
        have += got > 0 ? (size_t)got : 0;
    }
    s->chunk_got = got < 0 ? -1 : (long)have;
    s->finished = got == 0;
}

/* It must never look whole. */
static void text_broken(struct mail_session *s)
{
    log_error("list", "user=%s the listing ends after %llu octets: %s", log_quote_text(s->expected->user),
              (unsigned long long)s->at, mail_err(s)->text);
    mail_end(s, "broken-listing");
}

/* The answers before it, its status line, the chunk and its end leave in one piece. What the socket does not take waits in conn_out;
 * what there is no room for is read again. */
static void text_send(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    if (s->at == 0)
        pop3_server_listing_begin(&s->pop3, out);
    size_t head = out->len, text = (size_t)s->chunk_got, all = head + text;
    char *p = s->chunk + HEAD - head;
    memcpy(p, buf_span(out).p, head);
    buf_take(out, head);
    if (s->finished) {
        memcpy(p + all, ".\r\n", FINAL_DOT);
        all += FINAL_DOT;
    }
    size_t sent = conn_send(s->conn, (struct span){p, all}), room = buf_room(out), kept = all - sent;
    if (kept > room) {
        s->finished = false;
        kept = room < head + text - sent ? room : head + text - sent;
    }
    buf_add(out, p + sent, kept);
    s->at += s->finished ? text : sent + kept - head;
}

static void text_there(struct mail_session *s)
{
    bool there = s->chunk_got > 0 || (s->chunk_got == 0 && s->at > 0);
    if (there)
        text_send(s);
    mail_scratch_give(s->chunk);
    s->chunk = NULL;
    if (there && !s->finished) {
        mail_listing_more(s);
        return;
    }
    if (there)
        pop3_server_listing_end(&s->pop3);
    else if (s->at == 0) /* it may still be written from the messages */
        pop3_server_listing_render(&s->pop3);
    else {
        text_broken(s);
        return;
    }
    s->step = STEP_TALK;
    mail_drive(s);
}

static void text_done(struct loop_call *call)
{
    mail_then(call, text_there);
}

void mail_listing_more(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    if (out->len > HEAD - POP3_REPLY_MAX || conn_is_blocked(s->conn)) {
        conn_flush(s->conn);
        if (out->len)
            return; /* on_drained */
    }
    size_t room = buf_room(out) - POP3_REPLY_MAX - FINAL_DOT;
    s->chunk_want = room < TEXT_MOST ? room : TEXT_MOST;
    mail_call(s, text_work, text_done);
}

void mail_listing_begin(struct mail_session *s)
{
    s->line_started = 0;
    if (!s->store->ops->text || (differs(s) && !s->pop3.uidl)) {
        pop3_server_listing_render(&s->pop3);
        mail_drive(s);
        return;
    }
    s->at = s->text_at = 0;
    s->step = STEP_LISTING;
    mail_listing_more(s);
}

/* ---- what was found out */

void mail_keep(struct mail_session *s)
{
    struct err err;
    if (s->store->ops->keep)
        (void)s->store->ops->keep(s->store, &s->drop, &err); /* the store has logged it */
}

static void keep_work(struct loop_call *call)
{
    mail_keep(call->arg);
}

static void keep_done(struct loop_call *call)
{
    mail_then(call, mail_drive);
}

bool mail_keep_now(struct mail_session *s)
{
    if (!s->to_keep)
        return false;
    s->to_keep = false;
    mail_call(s, keep_work, keep_done);
    return true;
}
