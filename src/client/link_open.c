/* link_open: a link's beginning: connecting, TLS; and its last word. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "client/link_impl.h"
#include "client/link_resolve.h"

enum { QUEUE = 64 * 1024, AGAIN_MS = 20 /* a unix socket's backlog is full: nothing says when there is room */ };

/* ---- connecting */

static void drop(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* What a connect that takes its time came to: 0 or an errno. */
static int outcome(struct link *l, uint64_t until)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (!link_poll(l, POLLOUT, until))
        return ETIMEDOUT;
    return getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 ? errno : error;
}

static bool pause_until(uint64_t until)
{
    uint64_t now = clock_ms();
    if (until && now >= until)
        return false;
    (void)poll(NULL, 0, !until || until - now > AGAIN_MS ? AGAIN_MS : (int)(until - now));
    return true;
}

/* 0 or an errno. */
static int connect_one(struct link *l, const struct sockaddr *to, socklen_t n, uint64_t until)
{
    const int on = 1;
    until = link_nearer(l, until);
    l->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return errno;
    if (to->sa_family != AF_UNIX)
        (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int error;
    do
        error = connect(l->fd, to, n) == 0 ? 0 : errno;
    while (error == EAGAIN && to->sa_family == AF_UNIX && pause_until(until));
    if (error == EINPROGRESS || error == EINTR)
        error = outcome(l, until);
    if (error)
        drop(l);
    return error == EAGAIN ? ETIMEDOUT : error;
}

static int connect_unix(struct link *l, uint64_t until, struct err *err)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(l->to.host);
    if (n >= sizeof a.sun_path)
        return link_end(l, err, ERR_CONFIG, "too long for a socket's name");
    memcpy(a.sun_path, l->to.host, n);
    int error = connect_one(l, (struct sockaddr *)&a, sizeof a, until);
    return error ? link_end(l, err, ERR_TEMP, "no connection: %s", strerror(error)) : 0;
}

/* The time that is left goes in equal parts to the addresses that are left; what one does not need is the others'. */
static int connect_all(struct link *l, const struct addrinfo *list, uint64_t until, struct err *err)
{
    unsigned count = 0, tried = 0;
    int error = ETIMEDOUT;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        count++;
    for (const struct addrinfo *a = list; a; a = a->ai_next, tried++) {
        uint64_t now = clock_ms();
        if (until && now >= until)
            break;
        error = connect_one(l, a->ai_addr, a->ai_addrlen,
                            until ? now + (until - now + count - tried - 1) / (count - tried) : 0);
        if (!error)
            return 0;
    }
    if (count == 1)
        return link_end(l, err, ERR_TEMP, "no connection: %s", strerror(error));
    return link_end(l, err, ERR_TEMP, "no connection to any of its %u addresses: %s", count, strerror(error));
}

static int connect_name(struct link *l, uint64_t until, struct err *err)
{
    struct addrinfo *list;
    struct err why = {0};
    if (!l->to.port || l->to.port > 65535)
        return link_end(l, err, ERR_CONFIG, "a port is a number from 1 to 65535");
    if (!*l->to.host)
        return link_end(l, err, ERR_CONFIG, "no host is named");
    until = link_nearer(l, until);
    if (link_resolve(&list, l->to.host, l->to.port, until, &why) < 0)
        return link_end(l, err, why.kind, "%s", why.text);
    int failed = connect_all(l, list, until, err);
    freeaddrinfo(list);
    return failed;
}

int link_open(struct link **made, const struct link_to *to, struct err *err)
{
    struct link *l = mem_alloc(sizeof *l);
    *l = (struct link){.fd = -1, .to = *to, .ends_at = link_after(to->whole_ms)};
    l->to.host = mem_copy_text(to->host);
    buf_init(&l->in, to->in_max ? to->in_max : QUEUE, NULL);
    buf_init(&l->out, to->out_max ? to->out_max : QUEUE, NULL);
    l->in.secret = l->out.secret = true;
    uint64_t until = link_after(to->connect_ms);
    *made = l;
    if ((*to->host == '/' ? connect_unix : connect_name)(l, until, err) == 0)
        return 0;
    link_close(l);
    *made = NULL;
    return -1;
}

/* ---- TLS */

static int shake_hands(struct link *l, struct err *err)
{
    uint64_t until = link_after(l->to.connect_ms);
    struct err why = {0};
    for (;;) {
        enum tls_result r = tls_client_handshake(l->tls, &why);
        if (r == TLS_OK)
            return 0;
        if (r != TLS_WANT_READ && r != TLS_WANT_WRITE)
            return link_end(l, err, why.kind, "%s", why.text);
        if (link_past(l, until) || !link_poll(l, r == TLS_WANT_READ ? POLLIN : POLLOUT, until))
            return link_late(l, err, "the server does not come to the end of the TLS handshake");
    }
}

int link_start_tls(struct link *l, const struct tls_client_rules *rules, struct err *err)
{
    struct err why = {0};
    if (link_push(l, err) < 0)
        return -1;
    if (l->in.len || l->tls)
        return link_end(l, err, ERR_INPUT, "the server said more before TLS than it was asked");
    if (tls_client_new(&l->tls, l->fd, *l->to.host == '/' ? "localhost" : l->to.host, rules, &why) < 0)
        return link_end(l, err, why.kind, "%s", why.text);
    l->ready = false;
    return shake_hands(l, err);
}

/* ---- the end */

bool link_closed(const struct link *l)
{
    return l->closed;
}

void link_close(struct link *l)
{
    if (!l)
        return;
    if (l->tls)
        tls_client_bye(l->tls);
    tls_client_free(l->tls);
    drop(l);
    buf_fini(&l->in);
    buf_fini(&l->out);
    mem_free((char *)l->to.host);
    mem_free(l);
}
