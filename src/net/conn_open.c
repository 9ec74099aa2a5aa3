/* conn_open: the stages in which a conn talks: bytes in, bytes out, plain sockets, pausing and lending. */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn_impl.h"

/* ---- plain sockets */

enum conn_io conn_plain_read(struct conn *c, void *p, size_t n, size_t *got)
{
    ssize_t r;
    do
        r = recv(c->fd, p, n, MSG_DONTWAIT);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN ? CONN_IO_AGAIN : CONN_IO_RESET;
    *got = (size_t)r;
    return r == 0 ? CONN_IO_EOF : CONN_IO_OK;
}

enum conn_io conn_plain_write(struct conn *c, const void *p, size_t n, size_t *took)
{
    ssize_t r;
    if (n == 0)
        return CONN_IO_OK;
    do
        r = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN ? CONN_IO_AGAIN : CONN_IO_RESET;
    *took = (size_t)r;
    return *took < n ? CONN_IO_AGAIN : CONN_IO_OK;
}

static size_t plain_unsent(const struct conn *c)
{
    return 0;
}

static bool plain_pending(const struct conn *c)
{
    return false;
}

/* Bytes stay in the socket, so that it can still be handed over with them; what comes behind them is seen when they are
 * read. */
static void plain_watch(struct conn *c)
{
    char byte;
    ssize_t r = recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    if (r > 0)
        c->watch = false;
    else if (r == 0)
        c->eof = true;
    else if (errno != EAGAIN && errno != EINTR)
        conn_set_io_end(c, CONN_IO_RESET);
}

static void plain_nothing(struct conn *c)
{
}

const struct conn_stream conn_plain = {conn_plain_read, conn_plain_write, plain_unsent, plain_pending,
                                       plain_watch,     plain_nothing,    plain_nothing};

/* ---- output */

bool conn_waits_to_send(const struct conn *c)
{
    return c->out.len || c->awaited || c->stream->unsent(c);
}

/* What the socket takes of it now; the rest is the caller's. */
static size_t push(struct conn *c, struct span s)
{
    size_t before = c->stream->unsent(c), took = 0;
    enum conn_io io = c->stream->write(c, s.p, s.n, &took);
    c->bytes_out += took;
    if (io != CONN_IO_OK && io != CONN_IO_AGAIN) {
        conn_set_io_end(c, io);
        return took;
    }
    c->blocked = io == CONN_IO_AGAIN;
    conn_note_progress(c, took || c->stream->unsent(c) < before);
    return took;
}

void conn_note_read(struct conn *c, size_t before)
{
    if (c->stream->unsent(c) == before)
        return;
    c->blocked = conn_waits_to_send(c);
    conn_note_progress(c, c->stream->unsent(c) < before);
    c->drained |= !c->blocked; /* as in conn_push, which nothing calls then */
}

void conn_push(struct conn *c)
{
    c->flush_at = 0;
    if (!conn_waits_to_send(c))
        return;
    c->awaited = false;
    buf_take(&c->out, push(c, buf_span(&c->out)));
    if (!c->blocked && c->end_due == CONN_NO_END)
        c->drained = true;
}

static bool may_send(const struct conn *c)
{
    return c->stage == &conn_stage_open && !c->blocked && c->end_due == CONN_NO_END;
}

void conn_flush(struct conn *c)
{
    if (!may_send(c))
        return;
    conn_push(c);
    conn_changed(c, c->drained || c->end_due != CONN_NO_END);
}

void conn_flush_soon(struct conn *c)
{
    if (!may_send(c) || !c->out.len || c->flush_at)
        return;
    c->flush_at = clock_ms() + CONN_SOON_MS;
    conn_changed(c, false);
}

bool conn_is_blocked(const struct conn *c)
{
    return c->blocked;
}

size_t conn_send(struct conn *c, struct span s)
{
    if (!may_send(c) || conn_waits_to_send(c))
        return 0;
    c->flush_at = 0; /* of what has left with what came behind it */
    size_t took = push(c, s);
    c->awaited = c->blocked;
    conn_changed(c, c->end_due != CONN_NO_END);
    return took;
}

/* ---- open: bytes pass both ways */

static bool may_read(const struct conn *c)
{
    if (c->eof || c->paused)
        return false;
    /* Half of the output's ceiling: a peer that does not read is not read from, and an answer still finds room. */
    return buf_room(&c->in) > 0 && c->out.len + c->stream->unsent(c) <= c->out.max / 2;
}

static bool may_watch(const struct conn *c)
{
    return c->paused && c->watch && !c->eof && !c->ahead.len && c->stream->unsent(c) <= c->out.max / 2;
}

bool conn_pull(struct conn *c, struct buf *into)
{
    char piece[CONN_PIECE];
    size_t room = buf_room(into), before = c->stream->unsent(c), got = 0;
    enum conn_io io = c->stream->read(c, piece, room < sizeof piece ? room : sizeof piece, &got);
    conn_note_read(c, before);
    if (io == CONN_IO_OK) {
        buf_add_held(into, piece, got); /* what TLS answered by itself in this read may have used up the budget */
        mem_wipe(piece, got); /* it may be a password */
        c->bytes_in += got;
        return true;
    }
    if (io == CONN_IO_EOF)
        c->eof = true;
    else if (io != CONN_IO_AGAIN)
        conn_set_io_end(c, io);
    return false;
}

/* What was read too early comes first. */
static void pull(struct conn *c)
{
    if (!c->ahead.len) {
        c->unseen |= conn_pull(c, &c->in);
        return;
    }
    struct span first = buf_span(&c->ahead);
    if (first.n > buf_room(&c->in))
        first.n = buf_room(&c->in);
    buf_add_span(&c->in, first);
    buf_take(&c->ahead, first.n);
    buf_release(&c->ahead);
    c->unseen = true;
}

static bool pending(const struct conn *c)
{
    return c->ahead.len || c->stream->pending(c);
}

static void open_ready(struct conn *c, bool readable, bool writable)
{
    if (writable && conn_waits_to_send(c))
        conn_push(c);
    if (!readable || c->end_due != CONN_NO_END)
        return;
    if (may_read(c))
        pull(c);
    else if (may_watch(c))
        c->stream->watch(c);
}

static bool open_go_on(struct conn *c)
{
    if (c->unseen && !c->paused) {
        c->unseen = false;
        c->ev->input(c->arg);
        return true;
    }
    if (c->drained) {
        c->drained = false;
        if (!conn_waits_to_send(c))
            c->ev->drained(c->arg);
        return true;
    }
    if (may_read(c) && pending(c)) {
        pull(c);
        return true;
    }
    /* Who closes his half still gets his answers, also to commands that wait for the owner. */
    if (!c->eof || c->occupied || c->ahead.len || conn_waits_to_send(c) || (c->paused && c->in.len))
        return false;
    conn_answered(c);
    return true;
}

static void open_wants(const struct conn *c, bool *read, bool *write)
{
    *read = may_read(c) || may_watch(c);
    *write = conn_waits_to_send(c) && !c->flush_at;
}

const struct conn_stage conn_stage_open = {open_ready, open_go_on, open_wants};

void conn_pause(struct conn *c, bool watch)
{
    c->paused = true;
    c->watch = watch;
    conn_changed(c, false);
}

void conn_occupy(struct conn *c, bool occupied)
{
    c->occupied = occupied;
    conn_changed(c, c->eof && !occupied);
}

/* ---- lent: another process has the socket */

int conn_lend(struct conn *c)
{
    assert(c->stage == &conn_stage_open && !c->tls && !conn_waits_to_send(c));
    /* Out of the loop before it is passed: a copy elsewhere would keep the registration alive. */
    loop_fd_free(c->source);
    c->source = NULL;
    c->stage = &conn_stage_lent;
    c->drained = c->kick = false;
    return c->fd;
}

void conn_resume(struct conn *c)
{
    if (c->stage == &conn_stage_lent) {
        c->stage = &conn_stage_open;
        conn_join_loop(c);
    }
    c->paused = c->watch = false;
    conn_changed(c, c->unseen || c->eof || pending(c));
}
