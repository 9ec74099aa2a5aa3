/* mail_body: a message on its way to the client, for RETR and TOP, pulled by the client's own reading. Mail process. */
#include "daemon/mail_session.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

enum { CHUNK = 65536, ROOM_LEAST = 512 };

void mail_body_close(struct mail_session *s)
{
    if (s->body.close)
        s->body.close(&s->body);
    s->body = (struct store_body){.fd = -1};
}

/* A piece of the message; at most what there is room for. */
static void read_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    struct store_body *b = &s->body;
    uint64_t left = b->size - s->at;
    size_t n = left < s->chunk_room ? (size_t)left : s->chunk_room;
    s->chunk_got = mail_body_read(b, s->at, s->chunk, n, &s->err);
}

static void encode(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    size_t room, wrote, before = out->len;
    char *to = buf_reserve(out, MAIL_OUT_MAX, &room);
    if (to) {
        s->at += dot_encode(&s->dot, (struct span){s->chunk, (size_t)s->chunk_got}, to, room, &wrote);
        buf_commit(out, wrote);
    }
    s->octets += out->len - before;
    metric_add(METRIC_SENT, out->len - before);
}

/* It must never look like a whole message. */
void mail_body_broken(struct mail_session *s, uint64_t at, const char *why)
{
    log_error("body", "user=%s message=%u ends %llu octets early: %s", log_quote_text(s->expected->user), s->pop3.msg + 1,
              (unsigned long long)(s->body.size - at), why);
    mail_end(s, "broken-message");
}

static void read_done(struct loop_call *call)
{
    struct mail_session *s = mail_back(call);
    if (!s)
        return;
    if (s->chunk_got > 0 && s->at == 0)
        metric_took(METRIC_RETRIEVE_TIME, clock_us() - s->wanted);
    if (s->chunk_got > 0)
        encode(s);
    mem_free(s->chunk);
    s->chunk = NULL;
    if (s->chunk_got > 0) {
        mail_body_more(s);
        return;
    }
    mail_body_broken(s, s->at, s->chunk_got < 0 ? s->err.text : "it has shrunk");
}

static void body_end(struct mail_session *s)
{
    char tail[5];
    buf_add(conn_out(s->conn), tail, dot_finish(&s->dot, tail));
    mail_body_close(s);
    if (!s->pop3.top)
        metric_add(METRIC_RETRIEVED, 1);
    pop3_server_body_end(&s->pop3);
    s->step = STEP_TALK;
    conn_flush(s->conn);
    mail_drive(s);
}

/* Pulled by the client's own reading: no piece is fetched before there is room for it. */
void mail_body_more(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    bool whole = s->dot.done || (!s->heading && s->at == s->body.size);
    if (buf_room(out) < ROOM_LEAST) {
        conn_flush(s->conn);
        if (buf_room(out) < ROOM_LEAST)
            return; /* on_drained */
    }
    if (whole) {
        body_end(s);
        return;
    }
    if (s->heading) {
        mail_surrogate_more(s);
        return;
    }
    size_t room = buf_room(out);
    s->chunk_room = room < CHUNK ? room : CHUNK;
    s->chunk = mem_resize(NULL, s->chunk_room);
    mail_call(s, read_work, read_done);
}

static void body_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->result = s->store->ops->body(s->store, s->pop3.msg, &s->body, &s->err);
    s->heading = s->result == 0 && mail_surrogate_stands(s, s->pop3.msg);
    /* Not what the log-in counted: it may have been unable to. */
    if (s->heading && (s->result = mail_surrogate_measure(&s->body, &s->body.octets, &s->err)) < 0)
        mail_body_close(s);
}

static void body_done(struct loop_call *call)
{
    struct mail_session *s = mail_back(call);
    if (!s)
        return;
    if (s->result < 0) {
        s->body = (struct store_body){.fd = -1};
        if (s->err.kind != ERR_GONE)
            log_error("body", "user=%s message=%u: %s", log_quote_text(s->expected->user), s->pop3.msg + 1, s->err.text);
        pop3_server_body_failed(&s->pop3, s->err.kind, conn_out(s->conn));
        s->step = STEP_TALK;
        conn_flush(s->conn);
        mail_drive(s);
        return;
    }
    bool wire = s->body.wire && !s->heading;
    if (s->pop3.top)
        dot_init_top(&s->dot, wire, s->pop3.top_lines);
    else
        dot_init(&s->dot, wire);
    surrogate_init(&s->surrogate);
    pop3_server_body_begin(&s->pop3, s->body.octets, conn_out(s->conn));
    s->at = 0;
    s->step = STEP_SEND;
    mail_body_more(s);
}

void mail_body_begin(struct mail_session *s)
{
    s->line_started = 0;
    s->wanted = clock_us();
    s->step = STEP_BODY;
    mail_call(s, body_work, body_done);
}
