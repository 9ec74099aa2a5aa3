/* chan: see the header. Every role has at least one, to the master. Messages may carry passwords on their way to auth,
 * so every copy that is made here is wiped. */
#include "net/chan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/chan_queue.h"

enum {
    BATCH = 64,              /* messages read for one wake-up: other sources have their turn */
    AT_ONCE = 8,             /* by one call */
    QUEUE_MAX = 16 << 20,    /* bytes that wait for a peer that does not read */
    SOCKET_BUFFER = 1 << 20, /* some hundred messages, the kernel's own cost included */
    RETRY_MS = 10            /* the kernel lacks something that has no event */
};

struct chan {
    struct loop *loop;
    struct loop_fd *source;
    struct loop_timer *timer; /* made when first needed: a retry, or `closed` without an event of the socket */
    const struct chan_events *ev;
    void *arg;
    int fd;
    unsigned held; /* frames below us that still use this struct */
    bool dead;     /* chan_free was called meanwhile */
    bool lost;     /* `closed` is due, or was called */
    bool told;
    struct chan_queue queue;
};

/* ---- one message in or out of a socket */

union control { /* aligned for the kernel's header, with room for one descriptor */
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int))];
};

/* 0, or an errno value. */
static int put(int sock, const void *p, size_t n, int fd, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)p, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control;
    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = &control;
        m.msg_controllen = sizeof control.room;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        *h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    ssize_t sent;
    do
        sent = sendmsg(sock, &m, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

/* Keeps the first descriptor of a message; more than one is against the rules. */
static bool take_descriptors(struct msghdr *m, int *fd)
{
    bool good = true;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int got;
            memcpy(&got, CMSG_DATA(h) + i * sizeof got, sizeof got);
            if (*fd < 0) {
                *fd = got;
                continue;
            }
            close(got);
            good = false;
        }
    }
    return good;
}

/* Where messages go: a buffer and room for one descriptor each. */
static void prepare(struct mmsghdr *m, unsigned n, struct iovec *iov, union control *control)
{
    for (unsigned i = 0; i < n; i++)
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &iov[i], .msg_iovlen = 1, .msg_control = &control[i],
                                            .msg_controllen = sizeof control[i].room}};
}

/* How many messages came, at most `most`; -1: errno says. A peer that ended with messages of ours unread leaves ECONNRESET once,
 * before what it sent itself. */
static int receive(int sock, struct mmsghdr *m, unsigned most, int flags)
{
    int got;
    do
        got = recvmmsg(sock, m, most, flags | MSG_CMSG_CLOEXEC, NULL);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    return got;
}

/* 1: a message; 0: the peer is gone; -1: the message breaks the rules (EBADMSG). */
static int look_at(struct mmsghdr *received, int *fd)
{
    struct msghdr *m = &received->msg_hdr;
    bool some = received->msg_len > 0;
    *fd = -1;
    bool good = take_descriptors(m, fd) && !(m->msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (m->msg_flags & MSG_CTRUNC && !(m->msg_flags & MSG_TRUNC) && *fd < 0 && some)
        *fd = CHAN_FD_LOST;
    if (*fd == CHAN_FD_LOST || (good && some))
        return 1;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = EBADMSG;
    return good ? 0 : -1;
}

/* One message, as above; -1: errno says. */
static int get(int sock, void *p, size_t room, size_t *n, int *fd, int flags)
{
    struct iovec iov = {p, room};
    union control control;
    struct mmsghdr m;
    prepare(&m, 1, &iov, &control);
    *fd = -1;
    if (receive(sock, &m, 1, flags) < 0)
        return -1;
    *n = m.msg_len;
    return look_at(&m, fd);
}

/* ---- life */

static void release(struct chan *c)
{
    if (--c->held == 0 && c->dead)
        mem_free(c);
}

static void on_timer(void *arg);

static void wake_in(struct chan *c, uint64_t ms)
{
    if (!c->timer)
        c->timer = loop_timer_new(c->loop, on_timer, c);
    loop_timer_set(c->timer, ms);
}

/* The owner hears of it from the loop, never inside a call of his. */
static void lose(struct chan *c)
{
    c->lost = true;
    loop_fd_want(c->source, false, false);
    wake_in(c, 0);
}

static void tell_closed(struct chan *c)
{
    if (c->dead || c->told)
        return;
    c->told = true;
    loop_fd_want(c->source, false, false);
    c->ev->closed(c->arg);
}

enum sent {
    SENT,
    LATER, /* stays ours to send */
    GONE,  /* the socket says so, and will when it is read: what the peer sent before its end comes first */
    NEVER  /* without such an event */
};

static enum sent try_send(struct chan *c, const void *p, size_t n, int fd)
{
    switch (put(c->fd, p, n, fd, MSG_DONTWAIT)) {
    case 0:
        return SENT;
    case EAGAIN:
        loop_fd_want(c->source, true, true);
        return LATER;
    case ENOBUFS:
    case ENOMEM:
    case ETOOMANYREFS: /* descriptors of ours that nobody has received yet */
        loop_fd_want(c->source, true, false);
        wake_in(c, RETRY_MS);
        return LATER;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
        return GONE;
    default:
        return NEVER;
    }
}

static void send_queue(struct chan *c)
{
    while (c->queue.first) {
        const struct chan_queued *q = c->queue.first;
        switch (try_send(c, q->bytes, q->n, q->fd)) {
        case SENT:
            chan_queue_drop_first(&c->queue);
            break;
        case LATER:
            return;
        case GONE:
            chan_queue_drop_all(&c->queue);
            break;
        case NEVER:
            lose(c);
            return;
        }
    }
    loop_fd_want(c->source, true, false);
}

/* Working memory of the one handler that runs: a process has one loop. What no message reaches costs nothing, and nothing of any
 * stays. */
static struct {
    char bytes[AT_ONCE][CHAN_MAX];
    struct iovec iov[AT_ONCE];
    struct mmsghdr m[AT_ONCE];
    union control control[AT_ONCE];
} in;

/* Those behind one that ends the channel are thrown away. */
static void hand_on(struct chan *c, unsigned i)
{
    int fd, got = look_at(&in.m[i], &fd);
    size_t n = in.m[i].msg_len;
    if (c->dead || c->lost) {
        if (fd >= 0)
            close(fd);
    } else if (got > 0) {
        c->ev->message(c->arg, in.bytes[i], n, fd);
    } else {
        c->lost = true;
    }
    mem_wipe(in.bytes[i], n);
}

static void receive_batch(struct chan *c)
{
    int got = AT_ONCE;
    for (unsigned sum = 0; sum < BATCH && got == AT_ONCE && !c->dead && !c->lost; sum += AT_ONCE) {
        for (unsigned i = 0; i < AT_ONCE; i++)
            in.iov[i] = (struct iovec){in.bytes[i], CHAN_MAX};
        prepare(in.m, AT_ONCE, in.iov, in.control);
        got = receive(c->fd, in.m, AT_ONCE, MSG_DONTWAIT);
        c->lost = got < 0 && errno != EAGAIN;
        for (int i = 0; i < got; i++)
            hand_on(c, (unsigned)i);
    }
}

static void on_ready(void *arg, bool readable, bool writable)
{
    struct chan *c = arg;
    c->held++;
    if (writable && !c->lost)
        send_queue(c);
    /* What came before the end is still delivered: a peer that went away on send may have answered first. */
    if (readable && !c->lost)
        receive_batch(c);
    if (c->lost)
        tell_closed(c);
    release(c);
}

static void on_timer(void *arg)
{
    struct chan *c = arg;
    c->held++;
    if (c->lost)
        tell_closed(c);
    else
        send_queue(c);
    release(c);
}

struct chan *chan_new(struct loop *l, int fd, const struct chan_events *ev, void *arg)
{
    struct chan *c = mem_alloc(sizeof *c);
    *c = (struct chan){.loop = l, .ev = ev, .arg = arg, .fd = fd};
    chan_queue_init(&c->queue);
    c->source = loop_fd_new(l, fd, on_ready, c);
    loop_fd_want(c->source, true, false);
    return c;
}

void chan_free(struct chan *c)
{
    if (!c)
        return;
    c->held++;
    c->dead = true;
    loop_fd_free(c->source);
    loop_timer_free(c->timer);
    close(c->fd);
    chan_queue_drop_all(&c->queue);
    release(c);
}

/* A descriptor that is lent waits in the queue as a copy. */
static bool keep(struct chan *c, const void *p, size_t n, int fd, bool lent)
{
    int kept = fd >= 0 && lent ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : fd;
    if (fd >= 0 && kept < 0)
        return false;
    chan_queue_add(&c->queue, p, n, kept);
    return true;
}

static int send_or_keep(struct chan *c, const void *p, size_t n, int fd, bool lent)
{
    assert(n > 0 && n <= CHAN_MAX); /* an empty message would look like the end */
    enum sent sent = c->lost ? GONE : c->queue.first ? LATER : try_send(c, p, n, fd);
    bool fits = c->queue.octets + n <= QUEUE_MAX;
    if (sent == LATER && fits && keep(c, p, n, fd, lent))
        return 0;
    if (fd >= 0 && !lent)
        close(fd);
    if (sent == NEVER || (sent == LATER && !fits))
        lose(c);
    return sent == SENT ? 0 : -1;
}

int chan_send(struct chan *c, const void *p, size_t n, int fd)
{
    return send_or_keep(c, p, n, fd, false);
}

int chan_lend(struct chan *c, const void *p, size_t n, int fd)
{
    return send_or_keep(c, p, n, fd, true);
}

/* ---- without a loop */

int chan_pair(int fds[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return err_set(err, ERR_TEMP, "socketpair: %s", strerror(errno));
    int size = SOCKET_BUFFER;
    for (int i = 0; i < 2; i++) {
        /* Up to the system's ceiling, which nobody behind walls may pass; smaller buffers only mean that queues are used sooner. */
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        (void)setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    return 0;
}

static void wait_for(int sock, short what)
{
    struct pollfd p = {sock, what, 0};
    (void)poll(&p, 1, -1);
}

int chan_receive(int sock, void *p, size_t room, size_t *n, int *fd, struct err *err)
{
    int got;
    while ((got = get(sock, p, room, n, fd, 0)) < 0 && errno == EAGAIN)
        wait_for(sock, POLLIN);
    if (got < 0)
        return err_set(err, ERR_TEMP, "receive on a channel: %s", strerror(errno));
    return got;
}

int chan_send_now(int sock, const void *p, size_t n, int fd, struct err *err)
{
    assert(n > 0 && n <= CHAN_MAX);
    int error;
    while ((error = put(sock, p, n, fd, 0)) == EAGAIN)
        wait_for(sock, POLLOUT);
    return error ? err_set(err, ERR_TEMP, "send on a channel: %s", strerror(error)) : 0;
}
