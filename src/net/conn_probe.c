/* conn_probe: is a peer still there whose session somebody else waits for? Door and worker.
 *
 * While nothing is on its way to the peer, the kernel asks his system (keepalive): one that has not answered after about 4 s
 * is gone. While something is, the kernel asks nothing and goes on sending, with ever longer pauses: then he is gone whose
 * system has acknowledged nothing for SILENT_MS. (TCP_USER_TIMEOUT would end a peer who is there and takes nothing, too;
 * that is for the write stall to say.) */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/conn_impl.h"

enum {
    PROBING_MS = 6000,
    LOOK_MS = 500,
    SILENT_MS = 3000,
    IDLE_S = 1,  /* how long nothing must have come from him before he is asked */
    EVERY_S = 1, /* so often he is asked then, */
    ASKED = 3    /* and so many times */
};

static void set(const struct conn *c, int level, int name, int value)
{
    (void)setsockopt(c->fd, level, name, &value, sizeof value);
}

/* The pause comes last: being set, it counts from when he was last heard of, which may be long ago. */
static void ask(const struct conn *c)
{
    set(c, IPPROTO_TCP, TCP_KEEPINTVL, EVERY_S);
    set(c, IPPROTO_TCP, TCP_KEEPCNT, ASKED);
    set(c, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(c, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S);
}

/* Has something been on its way to him for SILENT_MS without a sign of life? Any acknowledgement is one. */
static bool is_silent(struct conn *c, const struct tcp_info *info, uint64_t now)
{
    uint64_t heard = now - info->tcpi_last_ack_recv;
    if (!info->tcpi_unacked && !info->tcpi_probes) {
        c->silent_since = 0;
        return false;
    }
    if (!c->silent_since)
        c->silent_since = now;
    if (c->silent_since < heard)
        c->silent_since = heard;
    return now - c->silent_since >= SILENT_MS;
}

void conn_probe(struct conn *c)
{
    struct tcp_info info;
    uint64_t now = clock_ms();
    if (!c->source || !conn_ask_kernel(c, &info))
        return;
    c->probe_until = now + PROBING_MS;
    if (c->probe_at) /* each setting of the pause would be a question more, and three without an answer are enough */
        return;
    c->silent_since = 0;
    ask(c);
    c->probe_at = now;
    conn_changed(c, false);
}

void conn_probe_look(struct conn *c, uint64_t now)
{
    struct tcp_info info;
    if (now >= c->probe_until || !conn_ask_kernel(c, &info)) {
        set(c, SOL_SOCKET, SO_KEEPALIVE, 0);
        c->probe_at = 0;
        return;
    }
    c->probe_at = now + LOOK_MS;
    if (is_silent(c, &info, now))
        conn_set_end(c, CONN_RESET);
}
