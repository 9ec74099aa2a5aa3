/* chan_queue: see the header. */
#include "net/chan_queue.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"

void chan_queue_init(struct chan_queue *q)
{
    *q = (struct chan_queue){0};
    q->last = &q->first;
}

void chan_queue_add(struct chan_queue *q, const void *p, size_t n, int fd)
{
    struct chan_queued *m = mem_alloc(sizeof *m + n);
    m->n = n;
    m->fd = fd;
    memcpy(m->bytes, p, n);
    *q->last = m;
    q->last = &m->next;
    q->octets += n;
}

void chan_queue_drop_first(struct chan_queue *q)
{
    struct chan_queued *m = q->first;
    q->first = m->next;
    if (!q->first)
        q->last = &q->first;
    q->octets -= m->n;
    if (m->fd >= 0)
        close(m->fd);
    mem_wipe(m->bytes, m->n);
    mem_free(m);
}

void chan_queue_drop_all(struct chan_queue *q)
{
    while (q->first)
        chan_queue_drop_first(q);
}
