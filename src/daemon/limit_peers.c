/* limit_peers: see the header. Door. */
#include "daemon/limit_peers.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { MINUTE_MS = 60000 };

struct peer {
    uint64_t key;
    uint64_t connections;
    uint64_t begun, since; /* messages in the minute that began at `since` */
};

/* The table and the key of an address; NULL: it is none. */
static struct map *place(struct limit_peers *p, const char *address, uint64_t *key)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        *key = v4.s_addr;
        return &p->v4;
    }
    if (inet_pton(AF_INET6, address, &v6) != 1)
        return NULL;
    memcpy(key, v6.s6_addr, sizeof *key);
    return &p->v6;
}

static bool idle(const struct peer *q, uint64_t now)
{
    return q->connections == 0 && now - q->since >= MINUTE_MS;
}

static void sweep_map(struct map *m, uint64_t now)
{
    struct map kept;
    size_t at = 0;
    map_init(&kept);
    for (struct peer *q; (q = map_next(m, &at));) {
        if (idle(q, now))
            mem_free(q);
        else
            map_put(&kept, q->key, q);
    }
    map_fini(m);
    *m = kept;
}

/* Once a minute: so what has passed is kept for two at most. */
static void sweep(struct limit_peers *p, uint64_t now)
{
    if (now - p->swept < MINUTE_MS)
        return;
    p->swept = now;
    sweep_map(&p->v4, now);
    sweep_map(&p->v6, now);
}

static struct peer *find(struct limit_peers *p, const char *address, uint64_t now)
{
    uint64_t key;
    struct map *m = place(p, address, &key);
    if (!m)
        return NULL;
    sweep(p, now);
    struct peer *q = map_get(m, key);
    if (!q) {
        q = mem_alloc(sizeof *q);
        *q = (struct peer){.key = key, .since = now};
        map_put(m, key, q);
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
    for (int i = 0; i < 2; i++) {
        struct map *m = i ? &p->v6 : &p->v4;
        size_t at = 0;
        for (struct peer *q; (q = map_next(m, &at));)
            mem_free(q);
        map_fini(m);
    }
}
