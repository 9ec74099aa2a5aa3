/* link_move: bytes both ways, with few calls of the system. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/link_impl.h"

enum { LARGE = 64 * 1024 };

/* ---- what came */

static bool ended(struct link *l)
{
    l->closed = true;
    link_end(l, NULL, ERR_TEMP, "the server ended the connection");
    return false;
}

/* false: nothing came, or it is over. There is room. */
static bool receive_clear(struct link *l)
{
    size_t room = 0;
    char *p = buf_reserve(&l->in, LARGE, &room);
    ssize_t n;
    do
        n = recv(l->fd, p, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    l->ready = n > 0 && (size_t)n == room;
    if (n > 0) {
        buf_commit(&l->in, (size_t)n);
        l->read += (size_t)n;
        return true;
    }
    if (n == 0)
        return ended(l);
    if (errno != EAGAIN)
        link_end(l, NULL, ERR_TEMP, "the connection broke: %s", strerror(errno));
    return false;
}

/* All that has come, record by record. */
static bool receive_tls(struct link *l)
{
    size_t room = 0, all = 0, got = 0;
    struct err why = {0};
    enum tls_result r = TLS_OK;
    l->ready = false;
    do {
        char *p = buf_reserve(&l->in, LARGE, &room);
        if (!p)
            break;
        r = tls_client_read(l->tls, p, room, &got, &why);
        buf_commit(&l->in, got);
        all += got;
    } while (r == TLS_OK && all < LARGE && tls_client_pending(l->tls));
    l->read += all;
    if (r == TLS_CLOSED)
        ended(l);
    else if (r == TLS_FAILED)
        link_end(l, NULL, why.kind, "%s", why.text);
    return all > 0;
}

/* ---- what goes */

/* It breaks; but the server may have said why. */
static bool broken(struct link *l, const char *text)
{
    bool came = false;
    while (!l->over && buf_room(&l->in) && (l->tls ? receive_tls(l) : receive_clear(l)))
        came = true;
    if (!l->over)
        link_end(l, NULL, ERR_TEMP, "%s", text);
    return came;
}

static void sent(struct link *l, size_t n)
{
    mem_wipe(l->out.mem + l->out.start, n); /* it may be a password */
    buf_take(&l->out, n);
    l->sent += n;
}

static bool send_clear(struct link *l)
{
    struct span out = buf_span(&l->out);
    ssize_t n;
    do
        n = send(l->fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        sent(l, (size_t)n);
    else if (errno != EAGAIN) {
        char text[ERR_TEXT];
        struct err why = {0};
        err_set(&why, ERR_TEMP, "the connection broke: %s", strerror(errno));
        strcpy(text, why.text);
        return broken(l, text);
    }
    return n > 0;
}

static bool send_tls(struct link *l)
{
    struct span out = buf_span(&l->out);
    struct err why = {0};
    size_t took = 0, unsent = tls_client_unsent(l->tls);
    enum tls_result r = tls_client_write(l->tls, out.p, out.n, &took, &why);
    bool moved = took > 0 || tls_client_unsent(l->tls) < unsent;
    if (took)
        sent(l, took);
    if (r == TLS_FAILED || r == TLS_CLOSED)
        return broken(l, r == TLS_FAILED ? why.text : "the server ended the connection") || moved;
    return moved;
}

/* ---- both */

static bool to_send(const struct link *l)
{
    return l->out.len || (l->tls && tls_client_unsent(l->tls));
}

/* false: nothing moved. `look`: something may have come. */
static bool move(struct link *l, bool look)
{
    bool moved = false;
    if (to_send(l))
        moved = l->tls ? send_tls(l) : send_clear(l);
    if (look && !l->over && buf_room(&l->in))
        moved |= l->tls ? receive_tls(l) : receive_clear(l);
    return moved;
}

/* ---- a server that is never silent and never done, an octet at a time */

enum { SLOW_SILENCES = 10, SLOW_OCTETS = 4096 };

struct pace {
    unsigned long long began, read, sent;
};

/* Something moved, or the link is over. What is asked and answered in turns may take its time. */
static int keep_pace(struct link *l, const struct pace *before, struct err *err)
{
    unsigned long long in = l->read - before->read, out = l->sent - before->sent;
    bool turned = l->slow_out ? in > 0 : out > 0;
    if (turned || l->slow_octets >= SLOW_OCTETS)
        l->slow_ms = l->slow_octets = 0;
    if (turned)
        l->slow_out = !l->slow_out;
    l->slow_octets += l->slow_out ? out : in;
    l->slow_ms += clock_ms() - before->began;
    if (!l->to.silence_ms || l->over || l->slow_octets >= SLOW_OCTETS ||
        l->slow_ms < (unsigned long long)SLOW_SILENCES * l->to.silence_ms)
        return 0;
    return link_end(l, err, ERR_TEMP, "the server %s %llu octets in %llu s", l->slow_out ? "took" : "gave",
                    l->slow_octets, l->slow_ms / 1000);
}

static int silent(struct link *l, struct err *err)
{
    char what[120];
    snprintf(what, sizeof what, "the server does not go on: nothing in %u s%s", (l->to.silence_ms + 999) / 1000,
             l->read || l->tls ? "" : "; it may await TLS from the beginning");
    return link_late(l, err, what);
}

int link_move(struct link *l, struct err *err)
{
    const struct pace before = {clock_ms(), l->read, l->sent};
    uint64_t until = link_after(l->to.silence_ms);
    bool look = l->ready || (l->tls && tls_client_pending(l->tls));
    if (!l->over && link_past(l, 0))
        return link_late(l, err, "");
    for (bool waited = false; !l->over; waited = true) {
        if (move(l, look))
            return keep_pace(l, &before, err);
        if (l->over)
            break;
        short events = (short)((to_send(l) ? POLLOUT : 0) | (buf_room(&l->in) ? POLLIN : 0));
        if (!events)
            return err_set(err, ERR_LIMIT, "nothing is to be sent, and there is no room for what comes");
        short what = waited && link_past(l, until) ? 0 : link_poll(l, events, until);
        if (!what)
            return silent(l, err);
        look = what & ~POLLOUT;
    }
    return err_set(err, l->why.kind, "%s", l->why.text);
}

int link_push(struct link *l, struct err *err)
{
    while (to_send(l))
        if (link_move(l, err) < 0)
            return -1;
    return l->over ? err_set(err, l->why.kind, "%s", l->why.text) : 0;
}
