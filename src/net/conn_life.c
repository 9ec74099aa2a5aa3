/* conn_life: how a conn begins and ends, what is due and when; calls the owner. Door, worker and control role. */
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn_impl.h"

enum { ROUNDS = 8 }; /* handlers called for one wake-up: other sources have their turn */

static const char *const end_texts[] = {
    [CONN_EOF] = "eof",         [CONN_RESET] = "reset", [CONN_TIMEOUT] = "timeout",
    [CONN_STALLED] = "stalled", [CONN_TLS] = "tls",     [CONN_DONE] = "done",
};

const char *conn_end_text(enum conn_end end)
{
    return end_texts[end];
}

/* ---- what is due, and when */

void conn_set_end(struct conn *c, enum conn_end end)
{
    if (c->end_due == CONN_NO_END)
        c->end_due = (signed char)end;
}

void conn_set_io_end(struct conn *c, enum conn_io io)
{
    /* Who has said his last word and then breaks off has simply left. A relay that breaks off after it has taken nothing for so long
     * has seen no progress either. */
    if (io == CONN_IO_RESET && conn_relay_is_stalled(c, clock_ms()))
        conn_set_end(c, CONN_STALLED);
    else if (io == CONN_IO_EOF || (io == CONN_IO_RESET && c->eof))
        conn_set_end(c, CONN_EOF);
    else
        conn_set_end(c, io == CONN_IO_TLS ? CONN_TLS : CONN_RESET);
}

void conn_set_trouble(struct conn *c, const char *text)
{
    if (!c->trouble)
        c->trouble = mem_copy_text(text);
}

const char *conn_trouble(const struct conn *c)
{
    return c->trouble ? c->trouble : "";
}

static void on_timer(void *arg);

/* One timer serves all; it is set only when something is due earlier than it would fire, so that a deadline renewed
 * with every command costs nothing. */
static void arm(struct conn *c)
{
    uint64_t due = c->deadline_at;
    if (c->look_at && (!due || c->look_at < due))
        due = c->look_at;
    if (c->probe_at && (!due || c->probe_at < due))
        due = c->probe_at;
    if (c->flush_at && (!due || c->flush_at < due))
        due = c->flush_at;
    if (c->kick)
        due = 1;
    if (!due || (c->armed_at && c->armed_at <= due))
        return;
    uint64_t now = clock_ms();
    if (!c->timer)
        c->timer = loop_timer_new(c->loop, on_timer, c);
    loop_timer_set(c->timer, c->kick ? 0 : due > now ? due - now : 1);
    c->armed_at = due;
}

void conn_hold(struct conn *c)
{
    c->held++;
}

void conn_release(struct conn *c)
{
    if (c->held == 1 && !c->dead)
        conn_settle(c);
    if (--c->held == 0 && c->dead)
        mem_free(c);
}

/* Nothing happens: another process has the socket; or it has ended, and the owner takes his time to free the conn. */
static void idle_ready(struct conn *c, bool readable, bool writable)
{
}

static bool idle_go_on(struct conn *c)
{
    return false;
}

static void idle_wants(const struct conn *c, bool *read, bool *write)
{
}

static const struct conn_stage stage_over = {idle_ready, idle_go_on, idle_wants};
const struct conn_stage conn_stage_lent = {idle_ready, idle_go_on, idle_wants};

static void end(struct conn *c)
{
    c->stage = &stage_over;
    c->deadline_at = c->look_at = c->probe_at = c->flush_at = 0;
    loop_fd_free(c->source); /* the descriptor may be closed elsewhere before the owner frees us */
    c->source = NULL;
    bool whole = !c->said_bye && !c->out.len && (!c->relay || c->relay->whole);
    if (c->relay)
        c->relay->stop(c);
    if (whole && (c->end_due == CONN_EOF || c->end_due == CONN_TIMEOUT))
        c->stream->bye(c); /* a TLS client is to know that nothing was cut off */
    c->ev->ended(c->arg, (enum conn_end)c->end_due);
}

static void want(struct conn *c)
{
    bool read = false, write = false;
    c->stage->wants(c, &read, &write);
    if (c->source)
        loop_fd_want(c->source, read, write);
}

void conn_settle(struct conn *c)
{
    unsigned rounds = 0;
    c->kick = false;
    while (c->end_due == CONN_NO_END && c->stage->go_on(c)) {
        if (c->dead)
            return;
        if (++rounds == ROUNDS) {
            c->kick = true;
            break;
        }
    }
    if (c->end_due != CONN_NO_END && c->stage != &stage_over) {
        end(c);
        if (c->dead)
            return;
    }
    buf_release(&c->in);
    buf_release(&c->out);
    want(c);
    arm(c);
}

void conn_changed(struct conn *c, bool due)
{
    if (c->held)
        return; /* inside a handler: the frame below settles */
    c->kick |= due;
    want(c);
    arm(c);
}

static void on_ready(void *arg, bool readable, bool writable)
{
    struct conn *c = arg;
    conn_hold(c);
    c->stage->ready(c, readable, writable);
    conn_release(c);
}

void conn_join_loop(struct conn *c)
{
    c->source = loop_fd_new(c->loop, c->fd, on_ready, c);
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    uint64_t now = clock_ms();
    c->armed_at = 0;
    conn_hold(c);
    if (c->deadline_at && now >= c->deadline_at)
        conn_set_end(c, c->end_later != CONN_NO_END ? (enum conn_end)c->end_later : CONN_TIMEOUT);
    if (c->look_at && now >= c->look_at)
        conn_look(c, now);
    if (c->probe_at && now >= c->probe_at)
        conn_probe_look(c, now);
    if (c->flush_at && now >= c->flush_at) {
        c->flush_at = 0;
        conn_flush(c);
    }
    conn_release(c);
}

void conn_deadline(struct conn *c, uint64_t ms)
{
    if (c->stage == &stage_over || c->end_later != CONN_NO_END)
        return; /* the end has its own */
    c->deadline_at = ms ? clock_ms() + ms : 0;
    if (!c->held)
        arm(c);
}

/* ---- life */

struct conn *conn_new(struct loop *l, int fd, const struct conn_limits *limits, const struct conn_events *ev, void *arg)
{
    struct conn *c = mem_alloc(sizeof *c);
    *c = (struct conn){.loop = l,
                       .ev = ev,
                       .arg = arg,
                       .stage = &conn_stage_open,
                       .stream = &conn_plain,
                       .write_stall_ms = limits->write_stall_ms,
                       .fd = fd,
                       .end_due = CONN_NO_END,
                       .end_later = CONN_NO_END};
    buf_init(&c->in, limits->in_max, limits->budget);
    buf_init(&c->ahead, CONN_PIECE, limits->budget);
    c->in.secret = c->ahead.secret = true; /* passwords pass here */
    buf_init(&c->out, limits->out_max, limits->budget);
    conn_join_loop(c);
    loop_fd_want(c->source, true, false);
    return c;
}

void conn_free(struct conn *c)
{
    if (!c)
        return;
    c->held++;
    c->dead = true;
    loop_fd_free(c->source);
    loop_timer_free(c->timer);
    if (c->relay)
        c->relay->stop(c);
    c->stream->free(c);
    close(c->fd);
    buf_wipe(&c->in);
    buf_fini(&c->in);
    buf_wipe(&c->ahead);
    buf_fini(&c->ahead);
    buf_fini(&c->out);
    mem_free(c->trouble);
    if (--c->held == 0)
        mem_free(c);
}

struct buf *conn_in(struct conn *c)
{
    return &c->in;
}

struct buf *conn_out(struct conn *c)
{
    return &c->out;
}

int conn_fd(const struct conn *c)
{
    return c->fd;
}

bool conn_is_tls(const struct conn *c)
{
    return c->tls != NULL;
}

const struct tls_stream *conn_tls(const struct conn *c)
{
    return c->tls;
}

uint64_t conn_bytes_in(const struct conn *c)
{
    return c->bytes_in;
}

uint64_t conn_bytes_out(const struct conn *c)
{
    return c->bytes_out;
}
