/* chan_queue: the messages of a channel that wait for a peer which does not read. Private to chan.c. What leaves it is
 * wiped: it may have been a password. */
#ifndef NET_CHAN_QUEUE_H
#define NET_CHAN_QUEUE_H

#include <stddef.h>

struct chan_queued {
    struct chan_queued *next;
    size_t n;
    int fd; /* or -1; the queue's */
    char bytes[];
};

struct chan_queue {
    struct chan_queued *first, **last;
    size_t octets;
};

void chan_queue_init(struct chan_queue *q);
/* Copies the message and takes fd over. */
void chan_queue_add(struct chan_queue *q, const void *p, size_t n, int fd);
void chan_queue_drop_first(struct chan_queue *q); /* there is one */
void chan_queue_drop_all(struct chan_queue *q);

#endif
