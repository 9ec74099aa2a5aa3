/* conn_stall: does the peer still take what is sent to him? Bytes in the socket's buffer, which may be megabytes, are not with him yet:
 * what counts is what his system has acknowledged. Door, worker and control role. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/conn_impl.h"

enum {
    LOOKS = 4,           /* in one write stall: how much later than it passed it may be noticed */
    LINGER_LOOK_MS = 500, /* at most, once all is sent */
    LINGER_FIRST_MS = 20  /* the first time: most peers have closed by then, and need not be looked at */
};

bool conn_ask_kernel(const struct conn *c, struct tcp_info *info)
{
    socklen_t n = sizeof *info;
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, info, &n) == 0 &&
           n >= offsetof(struct tcp_info, tcpi_notsent_bytes) + sizeof info->tcpi_notsent_bytes;
}

static void look_again(struct conn *c, uint64_t now)
{
    uint64_t ms = c->write_stall_ms / LOOKS + 1, left = c->moved_at + c->write_stall_ms - now;
    if (c->write_stall_ms && left < ms)
        ms = left;
    if (c->lingers && (ms > LINGER_LOOK_MS || !c->write_stall_ms))
        ms = LINGER_LOOK_MS;
    c->look_at = now + ms;
}

void conn_note_progress(struct conn *c, bool progress)
{
    struct tcp_info info;
    if (!c->blocked || !c->write_stall_ms) {
        c->look_at = 0;
    } else if (progress || !c->look_at) {
        c->moved_at = clock_ms();
        c->acked = conn_ask_kernel(c, &info) ? info.tcpi_bytes_acked : 0;
        look_again(c, c->moved_at);
    }
}

void conn_look_after_end(struct conn *c)
{
    c->moved_at = clock_ms();
    look_again(c, c->moved_at);
    if (c->look_at > c->moved_at + LINGER_FIRST_MS)
        c->look_at = c->moved_at + LINGER_FIRST_MS;
}

static bool is_stalled(const struct conn *c, uint64_t now, unsigned ms)
{
    return c->look_at && c->write_stall_ms && now >= c->moved_at + ms;
}

/* The relay took a last piece of us after the peer had taken his last of it: its time began before ours. */
bool conn_relay_is_stalled(const struct conn *c, uint64_t now)
{
    return c->relayed && is_stalled(c, now, c->write_stall_ms - c->write_stall_ms / LOOKS);
}

void conn_look(struct conn *c, uint64_t now)
{
    struct tcp_info info;
    if (conn_ask_kernel(c, &info)) {
        if (info.tcpi_bytes_acked != c->acked) {
            c->acked = info.tcpi_bytes_acked;
            c->moved_at = now;
        }
        if (c->lingers && !info.tcpi_unacked && !info.tcpi_notsent_bytes) {
            c->look_at = 0;
            c->moved_at = now;
            c->deadline_at = now + CONN_LINGER_MS;
            return;
        }
    } else if (c->lingers) { /* nothing is on its way: it is with the peer already */
        c->look_at = 0;
        c->moved_at = now;
        c->deadline_at = c->relayed ? 0 : now + CONN_LINGER_MS;
        return;
    }
    if (!is_stalled(c, now, c->write_stall_ms)) {
        look_again(c, now);
    } else if (c->relayed) {
        c->look_at = now + c->write_stall_ms; /* the relay decides; moved_at stays */
    } else {
        conn_set_end(c, CONN_STALLED);
    }
}
