/* chan: one message and at most one descriptor over a SOCK_SEQPACKET socketpair; the kernel keeps the frames.
 * Between our own processes. What is in a message is the owner's affair. */
#ifndef NET_CHAN_H
#define NET_CHAN_H

#include <stddef.h>

#include "base/err.h"
#include "base/loop.h"

enum { CHAN_MAX = 65536 }; /* bytes of the largest message */

/* A pair of close-on-exec SEQPACKET sockets with buffers that hold some hundred messages. */
int chan_pair(int fds[2], struct err *err);

struct chan;
/* `message`: fd = -1 or a descriptor that is now the handler's. May free the chan. `closed`: the peer is gone (or sent a message
 * too long, or more than one descriptor); called once, the handler frees the chan. */
struct chan_events {
    void (*message)(void *arg, const void *p, size_t n, int fd);
    void (*closed)(void *arg);
};
/* In place of a descriptor that came while this process had no room for one. The message is whole. */
enum { CHAN_FD_LOST = -2 };

struct chan *chan_new(struct loop *l, int fd, const struct chan_events *ev, void *arg); /* takes fd over */
void chan_free(struct chan *c); /* closes; NULL is allowed; safe inside its own handlers */

/* Sends, or keeps what does not fit in a queue (at most 16 MB: beyond it the peer counts as gone: -1). `fd` (or -1) is passed
 * as a copy and closed here in any case. Never blocks. */
int chan_send(struct chan *c, const void *p, size_t n, int fd);
/* The same, but `fd` stays the caller's. -1 also where it would have to be kept and there is no descriptor for it. */
int chan_lend(struct chan *c, const void *p, size_t n, int fd);

/* Blocking, for the start of a role and for tools: one message, *fd as above. 1, or 0 at the end, or -1. */
int chan_receive(int sock, void *p, size_t room, size_t *n, int *fd, struct err *err);
int chan_send_now(int sock, const void *p, size_t n, int fd, struct err *err); /* fd stays the caller's */

#endif
