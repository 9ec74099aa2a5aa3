/* mail_pop3: a logged-in session over a store: opens and locks the maildrop, says +OK, serves, commits at QUIT, ends.
 *
 * Everything that may block (the store, the disk) is a call of the loop: it stalls only its own session. While a call runs
 * (`busy`) nothing else of the session is touched; what happens meanwhile is looked at when it is done. */
#include "daemon/mail_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/open.h"
#include "wire/dot.h"
#include "wire/pop3_server.h"

enum step {
    STEP_OPEN,   /* the maildrop is being opened; the client has had no word yet */
    STEP_TALK,   /* the machine reads commands */
    STEP_BODY,   /* a message is being opened */
    STEP_SEND,   /* a message leaves */
    STEP_COMMIT, /* UPDATE */
    STEP_END     /* the last bytes leave */
};

enum { IN_MAX = 20480, OUT_MAX = 131072, CHUNK = 65536, ROOM_LEAST = 512 };

struct mail_session {
    struct mail *mail;
    struct talk_id id;
    struct mail_expected *expected;
    struct mail_early *early; /* until the conn has taken its descriptor */
    uint32_t flags;
    char tls[16];
    struct conn *conn;
    enum step step;
    bool busy, gone, kicked;
    struct loop_call call;
    struct pop3_server pop3;
    struct drop drop;
    struct store *store;
    struct store_body body;
    struct dot dot;
    uint64_t at; /* in the body */
    char *chunk; /* while a piece is being read */
    size_t chunk_room;
    long chunk_got;
    int result;
    struct err err;
    size_t left;
    uint64_t started, line_started;
    uint64_t octets; /* sent of messages */
    unsigned deleted;
    const char *how; /* how it ended */
};

static void drive(struct mail_session *s);
static void cleanup(struct mail_session *s);

/* ---- calls */

static void run(struct mail_session *s, void (*work)(struct loop_call *), void (*done)(struct loop_call *))
{
    s->busy = true;
    s->call = (struct loop_call){work, done, s, NULL};
    loop_call(s->mail->loop, &s->call);
}

/* The session of a call that is done; NULL when it went away meanwhile and has been cleaned up. */
static struct mail_session *back(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->busy = false;
    if (!s->gone)
        return s;
    cleanup(s);
    return NULL;
}

/* ---- the end */

static void log_session(const struct mail_session *s)
{
    log_info("session", "user=%s addr=%s tls=%s read=%u deleted=%u octets=%llu time=%.3f end=%s",
             log_quote_text(s->expected->user), s->expected->address, *s->tls ? s->tls : "no", s->pop3.count.read, s->deleted,
             (unsigned long long)s->octets, (double)(clock_ms() - s->started) / 1000, s->how ? s->how : "?");
}

static void close_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->store->ops->close(s->store);
}

static void close_done(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->store = NULL;
    s->busy = false;
    cleanup(s);
}

static void close_body(struct mail_session *s)
{
    if (s->body.close)
        s->body.close(&s->body);
    s->body = (struct store_body){.fd = -1};
}

/* Everything that is left of it, in the order in which others may rely on it: the lock first. */
static void cleanup(struct mail_session *s)
{
    struct mail *m = s->mail;
    s->gone = true;
    conn_free(s->conn);
    s->conn = NULL;
    close_body(s);
    if (s->store) {
        run(s, close_work, close_done);
        return;
    }
    if (s->how)
        log_session(s);
    mem_free(s->chunk);
    pop3_server_fini(&s->pop3);
    drop_fini(&s->drop);
    if (s->early)
        mail_early_free(s->early);
    mail_expected_free(s->expected);
    mail_session_over(m, s->id);
    mem_free(s);
}

/* Ends it now, without another word. */
static void end(struct mail_session *s, const char *how)
{
    if (!s->how)
        s->how = how;
    s->gone = true;
    if (!s->busy)
        cleanup(s);
}

static void unlocked(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->store = NULL;
    (void)back(call);
}

/* The last words leave as fast as the client reads; the lock does not wait for him. */
static void finish(struct mail_session *s, const char *how)
{
    if (!s->how)
        s->how = how;
    s->step = STEP_END;
    conn_deadline(s->conn, 0);
    conn_finish(s->conn);
    if (s->store)
        run(s, close_work, unlocked);
}

/* ---- bodies */

static void send_more(struct mail_session *s);

/* A piece of the message; at most what there is room for. */
static void read_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    struct store_body *b = &s->body;
    uint64_t left = b->size - s->at;
    size_t n = left < s->chunk_room ? (size_t)left : s->chunk_room;
    if (b->fd < 0) {
        s->chunk_got = b->read(b, s->at, s->chunk, n, &s->err);
        return;
    }
    do
        s->chunk_got = pread(b->fd, s->chunk, n, (off_t)(b->offset + s->at));
    while (s->chunk_got < 0 && errno == EINTR);
    if (s->chunk_got < 0)
        err_set(&s->err, ERR_TEMP, "read: %s", strerror(errno));
}

static void encode(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    size_t room, wrote, before = out->len;
    char *to = buf_reserve(out, OUT_MAX, &room);
    if (to) {
        s->at += dot_encode(&s->dot, (struct span){s->chunk, (size_t)s->chunk_got}, to, room, &wrote);
        buf_commit(out, wrote);
    }
    s->octets += out->len - before;
}

static void read_done(struct loop_call *call)
{
    struct mail_session *s = back(call);
    if (!s)
        return;
    if (s->chunk_got > 0)
        encode(s);
    mem_free(s->chunk);
    s->chunk = NULL;
    if (s->chunk_got > 0) {
        send_more(s);
        return;
    }
    /* It has shrunk or cannot be read: what was announced cannot be sent, and must never look like a whole message. */
    log_error("body", "user=%s message=%u ends %llu octets early: %s", log_quote_text(s->expected->user), s->pop3.msg + 1,
              (unsigned long long)(s->body.size - s->at), s->chunk_got < 0 ? s->err.text : "it has shrunk");
    end(s, "broken-message");
}

static void body_end(struct mail_session *s)
{
    char tail[5];
    buf_add(conn_out(s->conn), tail, dot_finish(&s->dot, tail));
    close_body(s);
    pop3_server_body_end(&s->pop3);
    s->step = STEP_TALK;
    conn_flush(s->conn);
    drive(s);
}

/* Pulled by the client's own reading: no piece is fetched before there is room for it. */
static void send_more(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    bool whole = s->dot.done || s->at == s->body.size;
    if (buf_room(out) < ROOM_LEAST) {
        conn_flush(s->conn);
        if (buf_room(out) < ROOM_LEAST)
            return; /* on_drained */
    }
    if (whole) {
        body_end(s);
        return;
    }
    size_t room = buf_room(out);
    s->chunk_room = room < CHUNK ? room : CHUNK;
    s->chunk = mem_resize(NULL, s->chunk_room);
    run(s, read_work, read_done);
}

static void body_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->result = s->store->ops->body(s->store, s->pop3.msg, &s->body, &s->err);
}

static void body_done(struct loop_call *call)
{
    struct mail_session *s = back(call);
    if (!s)
        return;
    if (s->result < 0) {
        s->body = (struct store_body){.fd = -1};
        if (s->err.kind != ERR_GONE)
            log_error("body", "user=%s message=%u: %s", log_quote_text(s->expected->user), s->pop3.msg + 1, s->err.text);
        pop3_server_body_failed(&s->pop3, s->err.kind, conn_out(s->conn));
        s->step = STEP_TALK;
        conn_flush(s->conn);
        drive(s);
        return;
    }
    if (s->pop3.top)
        dot_init_top(&s->dot, s->body.wire, s->pop3.top_lines);
    else
        dot_init(&s->dot, s->body.wire);
    pop3_server_body_begin(&s->pop3, s->body.octets, conn_out(s->conn));
    s->at = 0;
    s->step = STEP_SEND;
    send_more(s);
}

/* ---- UPDATE (RFC 1939 §6): remove, unlock, and only then the answer */

static void commit_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->left = 0;
    s->result = s->drop.deleted ? s->store->ops->remove(s->store, &s->drop, &s->left, &s->err) : 0;
    s->store->ops->close(s->store);
    s->store = NULL;
}

static void commit_done(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    bool ok = s->result == 0;
    s->deleted = s->drop.deleted - (unsigned)(ok ? 0 : s->left);
    s->how = ok ? "quit" : "quit-failed";
    if (!ok)
        log_error("update", "user=%s %zu of %u messages may remain: %s", log_quote_text(s->expected->user), s->left,
                  s->drop.deleted, s->err.text);
    s = back(call);
    if (!s)
        return;
    pop3_server_committed(&s->pop3, ok ? ERR_NONE : s->err.kind, s->left, conn_out(s->conn));
    conn_flush(s->conn);
    drive(s);
}

/* ---- the machine's wants */

static void set_deadline(struct mail_session *s)
{
    const struct conf *c = &s->mail->start.conf;
    uint64_t now = clock_ms();
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
        break;
    case POP3_WANT_ROOM:
        conn_deadline(s->conn, 0); /* the write stall guards it */
        break;
    case POP3_WANT_BODY:
        conn_deadline(s->conn, 0);
        s->line_started = 0;
        s->step = STEP_BODY;
        run(s, body_work, body_done);
        break;
    case POP3_WANT_COMMIT:
        conn_deadline(s->conn, 0);
        s->step = STEP_COMMIT;
        run(s, commit_work, commit_done);
        break;
    case POP3_WANT_AUTH: /* not after the log-in */
    case POP3_WANT_TLS:
    case POP3_WANT_CLOSE:
        finish(s, "quit");
        break;
    }
}

static void drive(struct mail_session *s)
{
    if (s->kicked && s->step == STEP_TALK) {
        pop3_server_abort(&s->pop3, ERR_TEMP, "ended by the administrator", conn_out(s->conn));
        finish(s, "kicked");
        return;
    }
    enum pop3_want want = pop3_server_feed(&s->pop3, conn_in(s->conn), conn_out(s->conn));
    conn_flush(s->conn);
    obey(s, want);
}

/* ---- what conn says */

static void on_input(void *arg)
{
    struct mail_session *s = arg;
    if (s->step == STEP_TALK && !s->busy)
        drive(s);
}

static void on_drained(void *arg)
{
    struct mail_session *s = arg;
    if (s->busy)
        return;
    if (s->step == STEP_SEND)
        send_more(s);
    else if (s->step == STEP_TALK)
        drive(s);
}

static void on_secure(void *arg)
{
    (void)arg; /* no TLS here */
}

static void on_ended(void *arg, enum conn_end why)
{
    end(arg, conn_end_text(why));
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

/* ---- the beginning */

static void open_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    struct mail *m = s->mail;
    s->result = store_open(&s->store, m->roots, m->n_roots, s->expected->where, STORE_EXCLUSIVE, &s->err);
    if (s->result < 0)
        return;
    s->result = s->store->ops->list(s->store, &s->drop, &s->err);
    if (s->result < 0) { /* unlocked before anybody hears of it */
        s->store->ops->close(s->store);
        s->store = NULL;
    }
}

static void refuse(struct mail_session *s)
{
    struct mail_door *d = mail_door_of(s->mail, s->id.door);
    if (s->err.kind == ERR_BUSY)
        log_info("busy", "user=%s addr=%s the maildrop is in use", log_quote_text(s->expected->user), s->expected->address);
    else
        log_error("open", "user=%s store=%s: %s", log_quote_text(s->expected->user), log_quote_text(s->expected->where),
                  s->err.text);
    if (d)
        talk_send(d->chan, &(struct talk){.type = TALK_REFUSED, .id = s->id, .num = {s->err.kind}, .fd = -1});
    cleanup(s);
}

static void open_done(struct loop_call *call)
{
    struct mail_session *s = back(call);
    if (!s)
        return;
    struct mail *m = s->mail;
    struct mail_door *d = mail_door_of(m, s->id.door);
    if (s->kicked && s->result == 0)
        s->result = err_set(&s->err, ERR_TEMP, "ended by the administrator");
    if (s->result < 0) {
        refuse(s);
        return;
    }
    if (!d) { /* the door has died with its half of the session */
        cleanup(s);
        return;
    }
    /* TAKEN before +OK: were we to die between the two, the client would see a close, never two answers. */
    talk_send(d->chan, &(struct talk){.type = TALK_TAKEN, .id = s->id, .fd = -1});
    struct conn_limits limits = {IN_MAX, OUT_MAX, (unsigned)m->start.conf.write_timeout, &m->budget};
    s->conn = conn_new(m->loop, s->early->fd, &limits, &events, s);
    s->early->fd = -1;
    buf_add(conn_in(s->conn), s->early->unread, s->early->n_unread);
    mail_early_free(s->early);
    s->early = NULL;
    /* What was offered before the log-in is announced after it too (RFC 2449 §5). */
    struct pop3_offer offer = {.implementation = "Bustia-" BUSTIA_VERSION,
                               .sasl = m->start.sasl,
                               .sasl_clear = m->start.sasl_clear,
                               .tls_offered = s->flags & TALK_TLS_OFFERED,
                               .tls_active = s->flags & TALK_TLS,
                               .clear_allowed = s->flags & TALK_CLEAR_ALLOWED};
    s->step = STEP_TALK;
    pop3_server_resume(&s->pop3, &offer, span_of(s->expected->user), &s->drop, conn_out(s->conn));
    drive(s);
}

void mail_pop3_begin(struct mail *m, struct mail_expected *e, struct mail_early *early)
{
    struct mail_session *s = mem_alloc(sizeof *s);
    *s = (struct mail_session){.mail = m, .id = e->id, .expected = e, .early = early, .flags = early->flags,
                               .body = {.fd = -1}, .started = clock_ms()};
    memcpy(s->tls, early->tls, sizeof s->tls);
    drop_init(&s->drop);
    map_put(&m->sessions, mail_key(s->id), s);
    run(s, open_work, open_done);
}

void mail_pop3_kick(struct mail_session *s)
{
    s->kicked = true;
    if (s->step == STEP_OPEN || s->step == STEP_COMMIT || s->step == STEP_END)
        return; /* an UPDATE that has begun is brought to its end */
    if (s->step == STEP_TALK && !s->busy)
        drive(s);
    else
        end(s, "kicked");
}

void mail_pop3_describe(const struct mail_session *s, struct talk *t)
{
    *t = (struct talk){.type = TALK_RUNNING, .id = s->id, .fd = -1};
    t->num[0] = s->flags;
    t->num[1] = (uint32_t)((clock_ms() - s->started) / 1000);
    t->num[2] = s->pop3.count.read;
    t->num[3] = s->step == STEP_OPEN ? 0 : s->drop.deleted; /* while it opens, the drop is another thread's */
    t->text[0] = span_of(s->expected->user);
    t->text[1] = span_of(s->expected->address);
}
