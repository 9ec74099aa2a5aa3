/* limit_peers: see the header. Door. */
#include "daemon/limit_peers.h"

#include "base/clock.h"
#include "base/mem.h"
#include "daemon/limit_address.h"

enum { MINUTE_MS = 60000 };

struct peer {
    uint64_t key;
    uint64_t connections;
    uint64_t begun, since; /* messages in the minute that began at `since` */
};

static bool idle(const struct peer *q, uint64_t now)
{
    return q->connections == 0 && now - q->since >= MINUTE_MS;
}

/* Once a minute: so what has passed is kept for two at most. */
static void sweep(struct limit_peers *p, uint64_t now)
{
    struct map kept;
    size_t at = 0;
    if (now - p->swept < MINUTE_MS)
        return;
    p->swept = now;
    map_init(&kept);
    for (struct peer *q; (q = map_next(&p->peers, &at));) {
        if (idle(q, now))
            mem_free(q);
        else
            map_put(&kept, q->key, q);
    }
    map_fini(&p->peers);
    p->peers = kept;
}

static struct peer *find(struct limit_peers *p, const char *address, uint64_t now)
{
    uint64_t key;
    if (!limit_address(address, &key))
        return NULL;
    sweep(p, now);
    struct peer *q = map_get(&p->peers, key);
    if (!q) {
        q = mem_alloc(sizeof *q);
        *q = (struct peer){.key = key, .since = now};
        map_put(&p->peers, key, q);
    }
    return q;
}

bool limit_peers_enter(struct limit_peers *p, const char *address, uint64_t most)
{
    struct peer *q = find(p, address, clock_ms());
    if (!q)
        return true;
    if (q->connections >= most)
        return false;
    q->connections++;
    return true;
}

void limit_peers_leave(struct limit_peers *p, const char *address)
{
    struct peer *q = find(p, address, clock_ms());
    if (q && q->connections)
        q->connections--;
}

bool limit_peers_message(struct limit_peers *p, const char *address, uint64_t most)
{
    uint64_t now = clock_ms();
    struct peer *q = most ? find(p, address, now) : NULL;
    if (!q)
        return true;
    if (now - q->since >= MINUTE_MS) {
        q->since = now;
        q->begun = 0;
    }
    if (q->begun >= most)
        return false;
    q->begun++;
    return true;
}

void limit_peers_fini(struct limit_peers *p)
{
    size_t at = 0;
    for (struct peer *q; (q = map_next(&p->peers, &at));)
        mem_free(q);
    map_fini(&p->peers);
}
