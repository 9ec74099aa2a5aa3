/* limit_rate: see the header. Auth. */
#include "daemon/limit_rate.h"

#include "base/mem.h"

enum { SETS = 8192, WAYS = 8, US = 1000 };

struct bucket {
    uint64_t owner;
    uint64_t dry; /* us; in the past: free */
};

struct limit_rate {
    struct bucket buckets[SETS][WAYS];
};

struct limit_rate *limit_rate_new(void)
{
    return mem_alloc(sizeof(struct limit_rate));
}

void limit_rate_free(struct limit_rate *t)
{
    mem_free(t);
}

static uint64_t dry(const struct limit_rate *t, uint64_t owner, uint64_t now)
{
    const struct bucket *set = t->buckets[owner % SETS];
    for (int i = 0; i < WAYS; i++)
        if (set[i].owner == owner && set[i].dry > now)
            return set[i].dry;
    return now;
}

/* His own, or the one that is dry soonest. */
static struct bucket *place(struct limit_rate *t, uint64_t owner)
{
    struct bucket *set = t->buckets[owner % SETS], *soonest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].owner == owner)
            return &set[i];
        if (set[i].dry < soonest->dry)
            soonest = &set[i];
    }
    return soonest;
}

bool limit_rate_full(const struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now)
{
    uint64_t us = now * US;
    return most && dry(t, owner, us) + period * US / most > us + period * US;
}

bool limit_rate_take(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now)
{
    uint64_t us = now * US;
    if (!most)
        return true;
    if (limit_rate_full(t, owner, most, period, now))
        return false;
    uint64_t then = dry(t, owner, us) + period * US / most;
    *place(t, owner) = (struct bucket){owner, then};
    return true;
}

void limit_rate_add(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now)
{
    (void)limit_rate_take(t, owner, most, period, now);
}

void limit_rate_give_back(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now)
{
    uint64_t then = dry(t, owner, now * US);
    if (!most || then == now * US)
        return;
    uint64_t one = period * US / most;
    place(t, owner)->dry = then > one ? then - one : 0;
}

bool limit_rate_dry(const struct limit_rate *t, uint64_t owner, uint64_t now)
{
    return dry(t, owner, now * US) == now * US;
}
