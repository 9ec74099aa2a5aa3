/* door_proxy: connections behind a proxy, until it has said whose they are. Door.
 *
 * The header is looked at in the socket and taken out of it to its last octet, so that what is behind it (a command, the beginning of
 * TLS) stays there for whoever serves the connection. Nobody outside of proxy_networks is listened to. */
#include "daemon/door_state.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/proxy.h"

/* proxy-protocol.txt asks a receiver for three seconds or more. */
enum { HEADER_MS = 5000, PIECE = 512 };
/* Who is turned away has a line in the log, but for a flood of them: so many in so long. */
enum { LINES = 100, LINES_MS = 10000 };

struct door_proxied {
    struct door *door;
    const struct door_listener *from;
    struct loop_fd *source;
    struct loop_timer *timer;
    uint64_t n;
    int fd;
    char address[SOCK_NAME_MAX]; /* the proxy's */
    struct proxy proxy;
};

/* Leaves the descriptor open. */
static void let_go(struct door_proxied *c)
{
    map_take(&c->door->proxied, c->n);
    loop_fd_free(c->source);
    loop_timer_free(c->timer);
    mem_free(c);
}

static void tell(const struct door_proxied *c, struct door_refusals *r, const char *why)
{
    uint64_t now = clock_ms();
    if (now - r->since >= LINES_MS) {
        if (r->count > LINES)
            log_warning("proxy", "not_shown=%u closed", r->count - LINES);
        *r = (struct door_refusals){.since = now};
    }
    if (++r->count <= LINES)
        log_warning("proxy", "service=%s addr=%s closed: %s", conf_service_name(c->from->service), talk_word(c->address), why);
}

static void refuse(struct door_proxied *c, const char *why)
{
    struct door *d = c->door;
    tell(c, &d->refusals, why);
    close(c->fd);
    let_go(c);
    door_rest(d);
}

static void on_timer(void *arg)
{
    struct door_proxied *c = arg;
    refuse(c, c->proxy.have ? "its header did not come to an end" : "it said no header");
}

/* Where the proxy does not know whose it is, the address is its own, as proxy-protocol.txt has it; but that a password may come from
 * the proxy in the clear does not mean that it may come from anybody behind it. */
static void enter(struct door_proxied *c)
{
    const struct door_listener *from = c->from;
    struct door_peer peer = {.unknown = !c->proxy.local && !*c->proxy.address, .tls = c->proxy.tls};
    memcpy(peer.address, *c->proxy.address ? c->proxy.address : c->address, sizeof peer.address);
    int fd = c->fd;
    let_go(c);
    door_enter(from, fd, &peer);
}

/* What was only looked at may be a client's password. */
static ssize_t look(const struct door_proxied *c, unsigned char piece[PIECE])
{
    ssize_t n;
    do
        n = recv(c->fd, piece, PIECE, MSG_PEEK | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n;
}

static void on_readable(void *arg, bool readable, bool writable)
{
    struct door_proxied *c = arg;
    unsigned char piece[PIECE];
    size_t took = 0;
    ssize_t n = look(c, piece);
    (void)readable;
    (void)writable;
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        refuse(c, n == 0 ? "it ended without a header" : strerror(errno));
        return;
    }
    enum proxy_result r = proxy_feed(&c->proxy, piece, (size_t)n, &took);
    mem_wipe(piece, (size_t)n);
    if (recv(c->fd, piece, took, MSG_DONTWAIT) != (ssize_t)took)
        refuse(c, "what it had said cannot be read");
    else if (r == PROXY_BAD)
        refuse(c, c->proxy.why);
    else if (r == PROXY_DONE)
        enter(c);
}

void door_proxy_begin(const struct door_listener *from, int fd, const char *address)
{
    struct door *d = from->door;
    const struct conf *conf = &d->start.conf;
    struct door_proxied *c = mem_alloc(sizeof *c);
    c->door = d;
    c->from = from;
    c->fd = fd;
    c->n = ++d->counter;
    memcpy(c->address, address, sizeof c->address);
    proxy_init(&c->proxy);
    c->source = loop_fd_new(d->loop, fd, on_readable, c);
    c->timer = loop_timer_new(d->loop, on_timer, c);
    map_put(&d->proxied, c->n, c);
    if (!sock_in_networks(address, conf->proxy_networks))
        refuse(c, "it is in none of proxy_networks");
    else {
        loop_fd_want(c->source, true, false);
        loop_timer_set(c->timer, HEADER_MS);
    }
}

static void stop_one(void *value, void *arg)
{
    struct door_proxied *c = value;
    (void)arg;
    close(c->fd);
    let_go(c);
}

void door_proxy_stop(struct door *d)
{
    map_each(&d->proxied, stop_one, NULL);
}
