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

struct leaver {
    struct door *door;
    uint32_t worker;
};

static void let_go(void *value, void *arg)
{
    struct left *left = value;
    const struct leaver *by = arg;
    map_take(&left->holders, by->worker);
    if (left->holders.count)
        return;
    map_take(&by->door->left, left->n);
    message_left(&by->door->messages, left->octets);
    map_fini(&left->holders);
    mem_free(left);
}

void door_left_forgotten(struct door *d, uint32_t worker, uint64_t n)
{
    struct left *left = map_get(&d->left, n);
    if (left)
        let_go(left, &(struct leaver){d, worker});
}

void door_left_worker_gone(struct door *d, uint32_t worker)
{
    map_each(&d->left, let_go, &(struct leaver){d, worker});
}
