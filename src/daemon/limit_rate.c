/* limit_rate: see the header. Auth. */
#include "daemon/limit_rate.h"

#include <string.h>

#include "base/mem.h"

enum { FIRST = 64, SETS = 8192, WAYS = 8, US = 1000 };

struct bucket {
    uint64_t owner;
    uint64_t dry; /* us; in the past: free */
};

/* Only as large as its owners need: scattered over all of SETS a thousand of them would touch nearly every page. */
struct limit_rate {
    struct bucket (*sets)[WAYS];
    size_t n; /* of them, a power of two */
};

struct limit_rate *limit_rate_new(void)
{
    struct limit_rate *t = mem_alloc(sizeof *t);
    *t = (struct limit_rate){mem_alloc(FIRST * sizeof *t->sets), FIRST};
    return t;
}

void limit_rate_free(struct limit_rate *t)
{
    if (!t)
        return;
    mem_free(t->sets);
    mem_free(t);
}

/* Of each set those go whose number has one bit more. */
static void grow(struct limit_rate *t)
{
    t->sets = mem_resize(t->sets, 2 * t->n * sizeof *t->sets);
    memset(t->sets + t->n, 0, t->n * sizeof *t->sets);
    for (size_t i = 0; i < t->n; i++)
        for (int way = 0; way < WAYS; way++)
            if (t->sets[i][way].owner & t->n) {
                t->sets[i + t->n][way] = t->sets[i][way];
                t->sets[i][way] = (struct bucket){0};
            }
    t->n *= 2;
}

static uint64_t dry(const struct limit_rate *t, uint64_t owner, uint64_t now)
{
    const struct bucket *set = t->sets[owner & (t->n - 1)];
    for (int i = 0; i < WAYS; i++)
        if (set[i].owner == owner && set[i].dry > now)
            return set[i].dry;
    return now;
}

/* His own, or the one that is dry soonest. Nobody is forgotten as long as the table may grow. */
static struct bucket *place(struct limit_rate *t, uint64_t owner, uint64_t now)
{
    for (;;) {
        struct bucket *set = t->sets[owner & (t->n - 1)], *soonest = set;
        for (int i = 0; i < WAYS; i++) {
            if (set[i].owner == owner)
                return &set[i];
            if (set[i].dry < soonest->dry)
                soonest = &set[i];
        }
        if (soonest->dry <= now || t->n == SETS)
            return soonest;
        grow(t);
    }
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
    *place(t, owner, us) = (struct bucket){owner, then};
    return true;
}

void limit_rate_add(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now)
{
    (void)limit_rate_take(t, owner, most, period, now);
}

void limit_rate_touch(struct limit_rate *t, uint64_t owner, uint64_t period, uint64_t now)
{
    uint64_t us = now * US;
    *place(t, owner, us) = (struct bucket){owner, us + period * US};
}

void limit_rate_give_back(struct limit_rate *t, uint64_t owner, uint64_t most, uint64_t period, uint64_t now)
{
    uint64_t then = dry(t, owner, now * US);
    if (!most || then == now * US)
        return;
    uint64_t one = period * US / most;
    place(t, owner, now * US)->dry = then > one ? then - one : 0;
}

bool limit_rate_dry(const struct limit_rate *t, uint64_t owner, uint64_t now)
{
    return dry(t, owner, now * US) == now * US;
}
