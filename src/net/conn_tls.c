/* conn_tls: a conn becomes TLS, at once or by STLS. Door only. */
#include <assert.h>

#include "net/conn_impl.h"

/* ---- bytes through a tls_stream */

static enum conn_io io_of(struct conn *c, enum tls_result r, const struct err *err)
{
    switch (r) {
    case TLS_OK:
        return CONN_IO_OK;
    case TLS_WANT_READ:
    case TLS_WANT_WRITE:
        return CONN_IO_AGAIN;
    case TLS_CLOSED:
        return CONN_IO_EOF;
    case TLS_FAILED:
        break;
    }
    conn_set_trouble(c, err->text);
    return err->kind == ERR_TEMP ? CONN_IO_RESET : CONN_IO_TLS;
}

static enum conn_io stream_read(struct conn *c, void *p, size_t n, size_t *got)
{
    struct err err = {0};
    return io_of(c, tls_read(c->tls, p, n, got, &err), &err);
}

static enum conn_io stream_write(struct conn *c, const void *p, size_t n, size_t *took)
{
    struct err err = {0};
    enum tls_result r;
    *took = 0;
    do {
        size_t left = n - *took, room = left > CONN_PIECE ? tls_room(c->tls) : left, part = 0;
        r = tls_write(c->tls, (const char *)p + *took, left < room ? left : room, &part, &err);
        *took += part;
    } while (r == TLS_OK && *took < n && !tls_unsent(c->tls));
    return r == TLS_OK && tls_unsent(c->tls) ? CONN_IO_AGAIN : io_of(c, r, &err);
}

static size_t stream_unsent(const struct conn *c)
{
    return tls_unsent(c->tls);
}

static bool stream_pending(const struct conn *c)
{
    return tls_pending(c->tls);
}

/* An end is told by bytes here (close_notify), so they must be read: into a buffer aside. */
static void stream_watch(struct conn *c)
{
    conn_pull(c, &c->ahead);
}

static void stream_bye(struct conn *c)
{
    (void)tls_bye(c->tls); /* a broken socket shows when it is written to or read */
}

static void stream_free(struct conn *c)
{
    tls_stream_free(c->tls);
    c->tls = NULL;
}

static const struct conn_stream stream = {stream_read,  stream_write, stream_unsent, stream_pending,
                                          stream_watch, stream_bye,   stream_free};

/* ---- the handshake. What the owner adds meanwhile waits; if he gives up, it is never sent in the clear. */

static enum conn_io no_read(struct conn *c, void *p, size_t n, size_t *got)
{
    return CONN_IO_AGAIN;
}

static enum conn_io throw_away(struct conn *c, const void *p, size_t n, size_t *took)
{
    struct err err = {0};
    size_t none;
    *took = n;
    return io_of(c, tls_write(c->tls, "", 0, &none, &err), &err);
}

static bool not_pending(const struct conn *c)
{
    return false;
}

static void nothing(struct conn *c)
{
}

static const struct conn_stream unready = {no_read, throw_away, stream_unsent, not_pending,
                                           nothing, nothing,    stream_free};

static void handshake_ready(struct conn *c, bool readable, bool writable)
{
    struct err err = {0};
    enum conn_io io = CONN_IO_OK;
    size_t before = tls_unsent(c->tls), none;
    if (writable)
        io = io_of(c, tls_write(c->tls, "", 0, &none, &err), &err);
    if (io != CONN_IO_AGAIN && io != CONN_IO_OK) {
        conn_set_io_end(c, io);
        return;
    }
    enum tls_result r = tls_handshake(c->tls, &err);
    c->blocked = tls_unsent(c->tls) > 0;
    conn_note_progress(c, tls_unsent(c->tls) < before);
    switch (io = io_of(c, r, &err)) {
    case CONN_IO_OK:
        c->secured = true;
        break;
    case CONN_IO_AGAIN:
        break;
    case CONN_IO_TLS:
        conn_linger(c, CONN_TLS); /* the alert is to arrive */
        break;
    case CONN_IO_EOF:
    case CONN_IO_RESET:
        conn_set_io_end(c, io);
        break;
    }
}

static bool handshake_go_on(struct conn *c)
{
    if (!c->secured)
        return false;
    c->secured = false;
    c->stream = &stream;
    c->stage = &conn_stage_open;
    c->ev->secure(c->arg);
    return true;
}

static void handshake_wants(const struct conn *c, bool *read, bool *write)
{
    *read = true;
    *write = tls_unsent(c->tls) > 0;
}

static const struct conn_stage stage_handshake = {handshake_ready, handshake_go_on, handshake_wants};

/* ---- the answer to STLS is sent first (RFC 2595 §4), in the clear */

static size_t none_unsent(const struct conn *c)
{
    return 0;
}

static void forget_context(struct conn *c)
{
    tls_context_free(c->tls_context);
    c->tls_context = NULL;
}

static const struct conn_stream answering = {no_read, conn_plain_write, none_unsent,   not_pending,
                                             nothing, nothing,          forget_context};

static void begin(struct conn *c)
{
    c->tls = tls_accept_new(c->tls_context, c->fd);
    tls_budget(c->tls, c->in.budget);
    if (!c->bytes_out) /* nobody has been greeted yet */
        tls_greets(c->tls);
    forget_context(c);
    c->stream = &unready;
    c->stage = &stage_handshake;
    c->drained = false;
}

static void answer_ready(struct conn *c, bool readable, bool writable)
{
    if (writable)
        conn_push(c);
}

static bool answer_go_on(struct conn *c)
{
    if (conn_waits_to_send(c))
        return false;
    begin(c);
    return true;
}

static void answer_wants(const struct conn *c, bool *read, bool *write)
{
    *write = conn_waits_to_send(c);
}

static const struct conn_stage stage_answer = {answer_ready, answer_go_on, answer_wants};

void conn_start_tls(struct conn *c, struct tls_context *context)
{
    if (c->stage != &conn_stage_open)
        return; /* it ends already */
    assert(!c->tls);
    buf_wipe(&c->in);
    buf_wipe(&c->ahead);
    c->unseen = c->drained = c->paused = c->eof = false;
    c->tls_context = tls_context_ref(context);
    c->stream = &answering;
    c->stage = &stage_answer;
    if (!conn_waits_to_send(c))
        begin(c);
    conn_changed(c, false);
}
