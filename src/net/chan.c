/* chan: see the header. Every role has at least one, to the master. Messages may carry passwords on their way to auth,
 * so every copy that is made here is wiped. */
#include "net/chan.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

enum {
    BATCH = 64,              /* messages read for one wake-up: other sources have their turn */
    QUEUE_MAX = 16 << 20,    /* bytes that wait for a peer that does not read */
    SOCKET_BUFFER = 1 << 20, /* some hundred messages, the kernel's own cost included */
    RETRY_MS = 10            /* the kernel lacks something that has no event */
};

struct queued {
    struct queued *next;
    size_t n;
    int fd;
    char bytes[];
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
    struct queued *first, **last;
    size_t queued;
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

/* 1: a message; 0: the peer is gone; -1: errno says (EBADMSG: the message breaks the rules). */
static int get(int sock, void *p, size_t room, size_t *n, int *fd, int flags)
{
    struct iovec iov = {p, room};
    union control control;
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    *fd = -1;
    ssize_t got;
    /* A peer that ended with messages of ours unread leaves ECONNRESET once, before what it sent itself. */
    do
        got = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0)
        return -1;
    bool good = take_descriptors(&m, fd) && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (m.msg_flags & MSG_CTRUNC && !(m.msg_flags & MSG_TRUNC) && *fd < 0 && got > 0) {
        *n = (size_t)got;
        *fd = CHAN_FD_LOST;
        return 1;
    }
    if (good && got > 0) {
        *n = (size_t)got;
        return 1;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = EBADMSG;
    return good ? 0 : -1;
}

/* ---- the queue of what did not fit */

static void queue_add(struct chan *c, const void *p, size_t n, int fd)
{
    struct queued *q = mem_alloc(sizeof *q + n);
    q->n = n;
    q->fd = fd;
    memcpy(q->bytes, p, n);
    *c->last = q;
    c->last = &q->next;
    c->queued += n;
}

static void queue_drop_first(struct chan *c)
{
    struct queued *q = c->first;
    c->first = q->next;
    if (!c->first)
        c->last = &c->first;
    c->queued -= q->n;
    if (q->fd >= 0)
        close(q->fd);
    mem_wipe(q->bytes, q->n);
    mem_free(q);
}

static void queue_drop_all(struct chan *c)
{
    while (c->first)
        queue_drop_first(c);
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
    while (c->first) {
        struct queued *q = c->first;
        switch (try_send(c, q->bytes, q->n, q->fd)) {
        case SENT:
            queue_drop_first(c);
            break;
        case LATER:
            return;
        case GONE:
            queue_drop_all(c);
            break;
        case NEVER:
            lose(c);
            return;
        }
    }
    loop_fd_want(c->source, true, false);
}

static void receive_batch(struct chan *c)
{
    char *room = mem_resize(NULL, CHAN_MAX);
    for (unsigned i = 0; i < BATCH && !c->dead && !c->lost; i++) {
        size_t n = 0;
        int fd;
        int got = get(c->fd, room, CHAN_MAX, &n, &fd, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            c->lost = true;
            break;
        }
        c->ev->message(c->arg, room, n, fd);
        mem_wipe(room, n);
    }
    mem_free(room);
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
    c->last = &c->first;
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
    queue_drop_all(c);
    release(c);
}

int chan_send(struct chan *c, const void *p, size_t n, int fd)
{
    assert(n > 0 && n <= CHAN_MAX); /* an empty message would look like the end */
    if (c->lost) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    enum sent sent = c->first ? LATER : try_send(c, p, n, fd);
    if (sent == LATER && c->queued + n <= QUEUE_MAX) {
        queue_add(c, p, n, fd);
        return 0;
    }
    if (fd >= 0)
        close(fd);
    if (sent == LATER || sent == NEVER)
        lose(c);
    return sent == SENT ? 0 : -1;
}

/* ---- without a loop */

int chan_pair(int fds[2], struct err *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return err_set(err, ERR_TEMP, "socketpair: %s", strerror(errno));
    int size = SOCKET_BUFFER;
    for (int i = 0; i < 2; i++) {
        /* Beyond the system's ceiling as root, up to it else; smaller buffers only mean that queues are used sooner. */
        if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
            (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        if (setsockopt(fds[i], SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
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
