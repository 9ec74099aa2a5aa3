/* door_left: messages of transactions that are over, which a deliver process may still hold, because it is slow or hangs on a disk: their
 * memory counts until each of these has said FORGOTTEN or is gone. Door. */
#include "daemon/door_reception.h"

#include "base/mem.h"

struct left {
    uint64_t n, octets;
    struct map holders; /* deliver processes */
};

void door_left_add(struct door *d, struct transaction *m, struct map *holders)
{
    struct left *left = mem_alloc(sizeof *left);
    *left = (struct left){.n = m->n, .octets = message_leave(&m->message), .holders = *holders};
    map_put(&d->left, left->n, left);
}

static void let_go(struct door *d, struct left *left, uint32_t worker)
{
    map_take(&left->holders, worker);
    if (left->holders.count)
        return;
    map_take(&d->left, left->n);
    message_left(&d->messages, left->octets);
    map_fini(&left->holders);
    mem_free(left);
}

void door_left_forgotten(struct door *d, uint32_t worker, uint64_t n)
{
    struct left *left = map_get(&d->left, n);
    if (left)
        let_go(d, left, worker);
}

void door_left_worker_gone(struct door *d, uint32_t worker)
{
    size_t at = 0, n = 0;
    struct left **all = mem_alloc((d->left.count + 1) * sizeof(void *)), *left;
    while ((left = map_next(&d->left, &at)))
        all[n++] = left;
    for (size_t i = 0; i < n; i++)
        let_go(d, all[i], worker);
    mem_free(all);
}
