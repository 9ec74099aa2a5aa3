/* mail_body: a message on its way to the client, for RETR and TOP, pulled by the client's own reading. Mail process. */
#include "daemon/mail_session.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "daemon/mail_scratch.h"

enum {
    TOP_HEAD = 4096,  /* what is read of a message at first, of which a header and so many lines are wanted, */
    TOP_LINE = 80,
    TOP_GROWS = 2,    /* and so many times as much then, and then again */
    SMALL = 8192,     /* a message whose wire form waits for that of the next */
    HEAD_MOST = 1024, /* of what stands before a piece, and goes with it */
    ROOM_LEAST = 512
};

void mail_body_close(struct mail_session *s)
{
    mail_file_end(s);
    if (s->body.close)
        s->body.close(&s->body);
    s->body = (struct store_body){.fd = -1};
}

/* ---- a piece on its way */

static void note_sent(struct mail_session *s, size_t took, size_t wrote)
{
    s->at += took;
    s->octets += wrote;
    metric_add(METRIC_SENT, wrote);
}

/* Was that all of it? Then how it ends goes to p, which has room for it. */
static size_t end_of_it(struct mail_session *s, size_t took, char *p)
{
    s->finished = s->dot.done || s->at + took == s->body.size;
    return s->finished ? dot_finish(&s->dot, p) : 0;
}

/* A small answer, which goes with others. */
static bool gather(struct mail_session *s, struct span in)
{
    struct buf *out = conn_out(s->conn);
    size_t most = 2 * in.n + DOT_END, room, wrote;
    if (in.n > SMALL || buf_room(out) < most)
        return false;
    char *to = buf_reserve(out, most, &room);
    size_t took = dot_encode(&s->dot, in, to, room - DOT_END, &wrote);
    buf_commit(out, wrote + end_of_it(s, took, to + wrote));
    note_sent(s, took, wrote);
    return true;
}

/* Encodes into `wire`, behind the first `head` octets, which are there, and sends from there. What the socket does not take waits in
 * conn_out; of what there is no room for it is as though it had not been encoded. Returns how much of `in` is done with. */
static size_t send_some(struct mail_session *s, struct span in, char *wire, size_t head)
{
    struct buf *out = conn_out(s->conn);
    struct dot before = s->dot;
    size_t wrote, took = dot_encode(&s->dot, in, wire + head, MAIL_SCRATCH - head - DOT_END, &wrote);
    size_t all = head + wrote + end_of_it(s, took, wire + head + wrote);
    size_t sent = conn_send(s->conn, (struct span){wire, all}), room = buf_room(out);
    if (all - sent > room) {
        s->dot = before;
        s->finished = false;
        took = dot_encode(&s->dot, in, wire + head, sent + room - head, &wrote);
        all = head + wrote;
    }
    buf_add(out, wire + sent, all - sent);
    note_sent(s, took, wrote);
    return took;
}

static void send_piece(struct mail_session *s, struct span in)
{
    struct buf *out = conn_out(s->conn);
    if ((s->pop3.top || (s->at == 0 && s->body.size <= SMALL)) && gather(s, in))
        return;
    if (out->len > HEAD_MOST)
        conn_flush(s->conn);
    char *wire = mail_scratch_take();
    size_t head = out->len, took = 1;
    while (head <= HEAD_MOST && took && in.n && !s->finished) {
        memcpy(wire, buf_span(out).p, head);
        buf_take(out, head);
        took = send_some(s, in, wire, head);
        in = span_from(in, took);
        head = out->len;
        if (head) /* it waits for the socket */
            break;
    }
    mail_scratch_give(wire);
}

static void read_piece(struct mail_session *s)
{
    uint64_t left = s->body.size - s->at;
    size_t n = left < s->chunk_want ? (size_t)left : s->chunk_want;
    s->chunk = mail_scratch_take();
    s->chunk_got = mail_body_read(&s->body, s->at, s->chunk, n, mail_err(s));
}

static void read_work(struct loop_call *call)
{
    read_piece(call->arg);
}

/* It must never look like a whole message. */
void mail_body_broken(struct mail_session *s, uint64_t at, const char *why)
{
    log_error("body", "user=%s message=%u ends %llu octets early: %s", log_quote_text(s->expected->user), s->pop3.msg + 1,
              (unsigned long long)(s->body.size - at), why);
    mail_end(s, "broken-message");
}

/* What has been read is sent, and then more of it. */
static void go_on(struct mail_session *s)
{
    long got = s->chunk_got;
    if (got > 0 && s->at == 0)
        metric_took(METRIC_RETRIEVE_TIME, clock_us() - s->wanted);
    if (got > 0)
        send_piece(s, (struct span){s->chunk, (size_t)got});
    mail_scratch_give(s->chunk);
    s->chunk = NULL;
    if (got > 0)
        mail_body_more(s);
    else
        mail_body_broken(s, s->at, got < 0 ? mail_err(s)->text : "it has shrunk");
}

static void read_done(struct loop_call *call)
{
    mail_then(call, go_on);
}

/* A header that did not fit: those of one maildrop are much alike, and so much is read at first of the next. */
static void learn(struct mail_session *s)
{
    if (s->at > s->head && s->pop3.top_lines == 0)
        s->head = s->at < SMALL ? (unsigned)s->at : SMALL;
}

static void body_end(struct mail_session *s)
{
    mail_body_close(s);
    if (s->pop3.top)
        learn(s);
    else
        metric_add(METRIC_RETRIEVED, 1);
    pop3_server_body_end(&s->pop3);
    s->step = STEP_TALK;
    mail_drive(s);
}

/* Room for a piece of a surrogate's header, or for how it ends. */
static bool has_room(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    if (buf_room(out) < ROOM_LEAST)
        conn_flush(s->conn);
    return buf_room(out) >= ROOM_LEAST;
}

/* Pulled by the client's own reading: no piece is fetched while another waits for the socket. */
void mail_body_more(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    bool whole = s->dot.done || (!s->heading && s->at == s->body.size);
    if (s->file && !s->finished) {
        mail_file_more(s);
        return;
    }
    if (whole && !s->finished) { /* with the header of a surrogate, or without a piece */
        if (!has_room(s))
            return; /* on_drained */
        char tail[DOT_END];
        buf_add(out, tail, dot_finish(&s->dot, tail));
        s->finished = true;
    }
    if (s->finished) {
        body_end(s);
        return;
    }
    if (s->heading) {
        if (has_room(s))
            mail_surrogate_more(s);
        return;
    }
    bool gathers = s->pop3.top && out->len < MAIL_GATHER;
    if (conn_is_blocked(s->conn) || (out->len > HEAD_MOST && !gathers)) {
        conn_flush(s->conn);
        if (out->len)
            return; /* on_drained */
    }
    if (gathers)
        conn_flush_soon(s->conn);
    s->chunk_want = s->pop3.top && s->chunk_want < MAIL_PIECE / TOP_GROWS ? s->chunk_want * TOP_GROWS : MAIL_PIECE;
    mail_call(s, read_work, read_done);
}

/* Opens it, and reads its first piece. */
static void body_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->result = s->store->ops->body(s->store, s->pop3.msg, &s->body, mail_err(s));
    s->heading = s->result == 0 && s->downgrade && s->body.eight_bit;
    /* Not what the log-in counted: it may have been unable to. */
    if (s->heading && (s->result = mail_surrogate_measure(&s->body, &s->body.octets, mail_err(s))) < 0)
        mail_body_close(s);
    if (s->result == 0 && !s->heading && s->body.size && !mail_file_suits(s))
        read_piece(s);
}

static void body_failed(struct mail_session *s)
{
    s->body = (struct store_body){.fd = -1};
    if (mail_err(s)->kind != ERR_GONE)
        log_error("body", "user=%s message=%u: %s", log_quote_text(s->expected->user), s->pop3.msg + 1, mail_err(s)->text);
    pop3_server_body_failed(&s->pop3, mail_err(s)->kind, conn_out(s->conn));
    s->step = STEP_TALK;
    mail_drive(s);
}

void mail_body_read_on(struct mail_session *s)
{
    mail_file_end(s);
    dot_init(&s->dot, true);
}

static void body_opened(struct mail_session *s)
{
    if (s->result < 0) {
        body_failed(s);
        return;
    }
    bool wire = s->body.wire && !s->heading;
    if (s->pop3.top)
        dot_init_top(&s->dot, wire, s->pop3.top_lines);
    else
        dot_init(&s->dot, wire);
    surrogate_init(&s->surrogate);
    pop3_server_body_begin(&s->pop3, s->body.octets, conn_out(s->conn));
    s->step = STEP_SEND;
    if (s->chunk)
        go_on(s);
    else if (mail_file_suits(s))
        mail_file_begin(s);
    else
        mail_body_more(s);
}

static void body_done(struct loop_call *call)
{
    mail_then(call, body_opened);
}

/* Of the message's size nothing is asked beforehand: what is read at first is made for what is wanted of it. A header that is known to be
 * long does not make so much of it that the answer could not be gathered. */
static size_t first_piece(const struct mail_session *s)
{
    if (!s->pop3.top || s->pop3.top_lines > (MAIL_PIECE - SMALL) / TOP_LINE)
        return MAIL_PIECE;
    size_t body = (size_t)s->pop3.top_lines * TOP_LINE, head = s->head > TOP_HEAD ? s->head : TOP_HEAD;
    if (head + body > SMALL && TOP_HEAD + body <= SMALL)
        return SMALL;
    return head + body;
}

void mail_body_begin(struct mail_session *s)
{
    s->line_started = 0;
    s->wanted = clock_us();
    s->step = STEP_BODY;
    s->at = 0;
    s->finished = false;
    s->chunk_want = first_piece(s);
    mail_call(s, body_work, body_done);
}
