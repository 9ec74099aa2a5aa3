/* conn_end: the end of a connection in good order. A close with unread input makes the kernel send a reset and forget what it has not
 * sent yet; so what still comes is thrown away until the peer closes, too (RFC 1122 §4.2.2.13). The time for that counts only once the
 * peer's system has acknowledged everything: until then the write stall says how long he may take. */
#include <sys/socket.h>

#include "base/clock.h"
#include "net/conn_impl.h"

enum { PIECES = 16 }; /* read and thrown away for one wake-up */

/* Raw bytes, also under TLS: nobody is interested in them any more. */
static enum conn_io discard(struct conn *c)
{
    char piece[CONN_PIECE];
    size_t got;
    enum conn_io io = CONN_IO_OK;
    for (unsigned i = 0; i < PIECES && io == CONN_IO_OK; i++)
        io = conn_plain_read(c, piece, sizeof piece, &got);
    return io;
}

/* ---- all is sent and the socket shut down: the peer's turn to close */

/* Who talks on would be answered with a reset once the socket is closed, and may not have read his answers yet: he has longer. */
static void heard(struct conn *c)
{
    uint64_t now = clock_ms();
    if (c->deadline_at && now < c->moved_at + c->write_stall_ms)
        c->deadline_at = now + CONN_LINGER_MS;
}

static void linger_ready(struct conn *c, bool readable, bool writable)
{
    if (!readable)
        return;
    enum conn_io io = discard(c);
    if (io == CONN_IO_EOF || io == CONN_IO_RESET)
        conn_set_end(c, (enum conn_end)c->end_later);
    else
        heard(c);
}

static bool linger_go_on(struct conn *c)
{
    return false;
}

static void linger_wants(const struct conn *c, bool *read, bool *write)
{
    *read = true;
}

static const struct conn_stage stage_linger = {linger_ready, linger_go_on, linger_wants};

/* A socketpair keeps what it has taken when its writer closes, and where that is little the relay takes it without waiting for its
 * client: to hear that it has would be a wake-up more. Of who was sent much the rest in the pair goes on counting as a session. Who takes nothing keeps
 * his connection at the door until the write stall, as one among `connections`: for that time nobody counts it as his. */
static bool needs_no_answer(const struct conn *c)
{
    return c->marked && c->bytes_out <= CONN_PIECE;
}

void conn_linger(struct conn *c, enum conn_end end)
{
    c->end_later = (signed char)end;
    c->stage = &stage_linger;
    c->lingers = true;
    c->deadline_at = 0;
    if (needs_no_answer(c) || shutdown(c->fd, SHUT_WR) < 0 || c->eof)
        conn_set_end(c, end);
    else
        conn_look_after_end(c);
}

/* ---- something is still to be sent */

static void finish_ready(struct conn *c, bool readable, bool writable)
{
    if (writable)
        conn_push(c);
    enum conn_io io = readable ? discard(c) : CONN_IO_AGAIN;
    c->eof |= io == CONN_IO_EOF;
    if (io == CONN_IO_RESET)
        conn_set_end(c, conn_waits_to_send(c) ? CONN_RESET : CONN_DONE);
}

static bool finish_go_on(struct conn *c)
{
    if (conn_waits_to_send(c))
        return false;
    if (!c->said_bye) {
        c->said_bye = true;
        c->stream->bye(c);
        conn_push(c);
    } else {
        conn_linger(c, (enum conn_end)c->end_later);
    }
    return true;
}

static void finish_wants(const struct conn *c, bool *read, bool *write)
{
    *read = !c->eof;
    *write = conn_waits_to_send(c);
}

static const struct conn_stage stage_finish = {finish_ready, finish_go_on, finish_wants};

/* The socket may have no room for the last word, and he who reads slowly would take his answers for cut off. The deadline that runs stays:
 * until then he is as anybody who is served. */
void conn_answered(struct conn *c)
{
    c->said_bye = true;
    c->stream->bye(c);
    conn_push(c);
    if (!conn_waits_to_send(c)) {
        conn_set_end(c, CONN_EOF);
        return;
    }
    c->end_later = CONN_EOF;
    c->stage = &stage_finish;
}

void conn_finish(struct conn *c)
{
    if (c->end_due != CONN_NO_END || c->end_later != CONN_NO_END)
        return; /* it ends already */
    if (c->stage == &conn_stage_lent)
        conn_join_loop(c);
    if (c->relay) {
        c->said_bye = !c->relay->whole; /* what was cut off must not look whole */
        c->relay->stop(c);
    }
    c->end_later = CONN_DONE;
    c->deadline_at = 0;
    c->unseen = c->drained = false;
    buf_wipe(&c->in);
    c->stage = &stage_finish;
    if (!c->blocked)
        conn_push(c);
    conn_changed(c, true);
}
