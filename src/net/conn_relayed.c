/* conn_relayed: a socketpair whose other end is a relay (conn_relay.c) in another process. Mail process.
 *
 * A process that dies closes its sockets as one does that has done its work. So an end in good order is marked: by one byte more, which
 * bears a descriptor as nothing else does. Unlike a shutdown the mark cannot be made by the kernel, and unlike a message on another
 * channel it stands in its place among the bytes. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "net/conn_impl.h"

static enum conn_io send_mark(struct conn *c)
{
    union { /* aligned for the kernel's header */
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {"", 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    control.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof c->fd)};
    memcpy(CMSG_DATA(&control.head), &c->fd, sizeof c->fd); /* any would do; this one is there */
    ssize_t r;
    do
        r = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno == EAGAIN)
        return CONN_IO_AGAIN;
    /* Also when the system has no room for descriptors on their way: then the client is not told that all was well. */
    c->mark_due = false;
    c->marked = true;
    return CONN_IO_OK;
}

static enum conn_io relayed_write(struct conn *c, const void *p, size_t n, size_t *took)
{
    enum conn_io io = conn_plain_write(c, p, n, took);
    return io == CONN_IO_OK && c->mark_due ? send_mark(c) : io;
}

static size_t relayed_unsent(const struct conn *c)
{
    return c->mark_due;
}

static void relayed_bye(struct conn *c)
{
    c->mark_due = !c->marked;
    if (c->mark_due && !c->out.len)
        (void)send_mark(c);
}

static bool not_pending(const struct conn *c)
{
    return false;
}

static void nothing(struct conn *c)
{
}

static const struct conn_stream relayed = {conn_plain_read, relayed_write, relayed_unsent, not_pending,
                                           nothing,         relayed_bye,   nothing};

void conn_relayed(struct conn *c)
{
    c->relayed = true;
    c->stream = &relayed;
}
