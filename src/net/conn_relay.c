/* conn_relay: joins a TLS client with the process that serves him. Door only.
 *
 * Towards the client no byte is taken from the socketpair before the TLS stream can take it whole; towards the worker
 * at most conn_in's ceiling is held. So each side is read only as fast as the other one reads. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/conn_impl.h"

enum {
    FAIR = 256 * 1024,       /* bytes moved for one wake-up: other sources have their turn */
    UNSENT_MAX = 2 * TLS_PIECE /* more than a piece from the worker costs */
};

struct relay {
    struct conn_relay head;
    struct loop_fd *source;
    int fd;
    bool ended; /* the worker sends no more */
    bool deaf;  /* the worker reads no more */
    bool shut;  /* the worker knows that the client sends no more */
};

static struct relay *relay_of(const struct conn *c)
{
    return (struct relay *)c->relay;
}

/* ---- worker to client */

/* Working memory of the one handler that runs; nothing stays in it. */
static char scratch[TLS_PIECE];

/* How many bytes came; 0: none now, or none any more. The mark of an end in good order (conn_relayed.c) ends what one call receives;
 * its descriptor, for which there is no room here, is dropped by the kernel, which says so. */
static ssize_t take(struct relay *r, size_t room)
{
    struct iovec iov = {scratch, room};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = recvmsg(r->fd, &m, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    r->head.whole = n > 0 && m.msg_flags & MSG_CTRUNC;
    r->ended = n <= 0 || r->head.whole;
    return n <= 0 ? 0 : n - r->head.whole;
}

static void down(struct conn *c)
{
    struct relay *r = relay_of(c);
    for (size_t moved = 0; moved < FAIR && !r->ended && !c->out.len && c->end_due == CONN_NO_END;) {
        struct err err = {0};
        size_t took, room = tls_room(c->tls);
        if (!room)
            break;
        ssize_t n = take(r, room);
        if (n == 0)
            break;
        if (r->head.whole)
            tls_last(c->tls);
        if (tls_write(c->tls, scratch, (size_t)n, &took, &err) != TLS_OK) {
            conn_set_trouble(c, err.text);
            conn_set_io_end(c, err.kind == ERR_TEMP ? CONN_IO_RESET : CONN_IO_TLS);
            break;
        }
        assert(took == (size_t)n);
        moved += took;
        c->bytes_out += took;
        c->blocked = tls_unsent(c->tls) > 0;
        conn_note_progress(c, true);
        if (took < room)
            break; /* that was all */
    }
}

/* ---- client to worker */

/* How many bytes are done with. */
static size_t give(struct relay *r, const char *p, size_t n)
{
    if (r->deaf)
        return n;
    ssize_t sent = send(r->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0)
        return (size_t)sent;
    r->deaf = errno != EAGAIN && errno != EINTR;
    return r->deaf ? n : 0;
}

static void give_kept(struct relay *r, struct buf *b)
{
    struct span kept = buf_span(b);
    if (kept.n)
        buf_take(b, give(r, kept.p, kept.n));
}

/* TLS answers by itself too, e.g. each try to renegotiate: a client that takes none of it is not read from. */
static bool may_take(const struct conn *c)
{
    return !c->eof && tls_unsent(c->tls) <= UNSENT_MAX && !c->in.len && !c->ahead.len && c->end_due == CONN_NO_END;
}

/* Behind the last octet: the client may have been at his end before there was a relay. */
static void tell_end(const struct conn *c, struct relay *r)
{
    if (!c->eof || c->in.len || c->ahead.len || r->shut)
        return;
    r->shut = true;
    (void)shutdown(r->fd, SHUT_WR);
}

static void up(struct conn *c)
{
    struct relay *r = relay_of(c);
    give_kept(r, &c->ahead);
    if (!c->ahead.len)
        give_kept(r, &c->in);
    for (size_t moved = 0; moved < FAIR && may_take(c);) {
        size_t got = 0, room = buf_room(&c->in), before = tls_unsent(c->tls);
        enum conn_io io = c->stream->read(c, scratch, room < sizeof scratch ? room : sizeof scratch, &got);
        conn_note_read(c, before);
        if (io == CONN_IO_AGAIN)
            break;
        if (io == CONN_IO_EOF)
            c->eof = true;
        else if (io != CONN_IO_OK)
            conn_set_io_end(c, io);
        if (io != CONN_IO_OK)
            break;
        c->bytes_in += got;
        moved += got;
        size_t given = give(r, scratch, got);
        buf_add_held(&c->in, scratch + given, got - given); /* as in conn_pull */
        if (!c->stream->pending(c))
            break;
    }
    tell_end(c, r);
}

/* ---- events */

static void relay_ready(struct conn *c, bool readable, bool writable)
{
    if (writable) {
        conn_push(c);
        down(c);
    }
    if (readable)
        up(c);
}

static void on_pair(void *arg, bool readable, bool writable)
{
    struct conn *c = arg;
    conn_hold(c);
    if (readable)
        down(c);
    if (writable)
        up(c);
    conn_release(c);
}

static bool relay_go_on(struct conn *c)
{
    struct relay *r = relay_of(c);
    tell_end(c, r);
    if (may_take(c) && c->stream->pending(c)) {
        up(c);
        return true;
    }
    if (!r->ended)
        return false;
    /* The rest is sent, then close_notify; not if the worker has died or given up, as what came then may be half a message. */
    enum conn_end end = !r->head.whole ? CONN_RESET : c->eof ? CONN_EOF /* the client was first */ : CONN_DONE;
    conn_finish(c);
    c->end_later = (signed char)end;
    return true;
}

static void relay_wants(const struct conn *c, bool *read, bool *write)
{
    struct relay *r = relay_of(c);
    *read = may_take(c);
    *write = conn_waits_to_send(c);
    loop_fd_want(r->source, !r->ended && !conn_waits_to_send(c), c->in.len || c->ahead.len);
}

static const struct conn_stage stage_relay = {relay_ready, relay_go_on, relay_wants};

static void stop(struct conn *c)
{
    struct relay *r = relay_of(c);
    loop_fd_free(r->source);
    close(r->fd);
    mem_free(r);
    c->relay = NULL;
}

void conn_relay(struct conn *c, int fd)
{
    if (c->stage != &conn_stage_open) { /* it ends already */
        close(fd);
        return;
    }
    assert(c->tls);
    struct relay *r = mem_alloc(sizeof *r);
    *r = (struct relay){.head = {.stop = stop}, .fd = fd};
    r->source = loop_fd_new(c->loop, fd, on_pair, c);
    c->relay = &r->head;
    c->stage = &stage_relay;
    c->deadline_at = 0;
    c->paused = c->unseen = c->drained = false;
    buf_wipe(&c->in);
    down(c); /* the first answer is there already */
    conn_changed(c, true);
}
