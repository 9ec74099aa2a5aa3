/* limit_delay: see the header. */
#include "daemon/limit_delay.h"

#include <stddef.h>

#include "base/mem.h"

enum { EARLY = 4 /* a log-in may come a 4th of a delay too early */ };

struct limit_delay_place {
    uint64_t user;
    uint64_t due; /* ms; in the past: as if nobody were here */
};

static struct limit_delay_place *set_of(const struct limit_delay *l, uint64_t user)
{
    return &l->places[user % LIMIT_DELAY_SETS * LIMIT_DELAY_WAYS];
}

static struct limit_delay_place *find(const struct limit_delay *l, uint64_t user)
{
    if (!l->places)
        return NULL;
    struct limit_delay_place *set = set_of(l, user);
    for (unsigned i = 0; i < LIMIT_DELAY_WAYS; i++)
        if (set[i].due && set[i].user == user)
            return &set[i];
    return NULL;
}

/* The place that is due first, or free. */
static struct limit_delay_place *oldest(struct limit_delay_place set[LIMIT_DELAY_WAYS])
{
    struct limit_delay_place *least = set;
    for (unsigned i = 1; i < LIMIT_DELAY_WAYS; i++)
        if (set[i].due < least->due)
            least = &set[i];
    return least;
}

/* A delay never leads further ahead than itself and what may be too early: so it was longer when he came last. */
static bool is_of_more(const struct limit_delay_place *p, uint64_t delay, uint64_t now)
{
    return p->due > now + delay + delay / EARLY;
}

bool limit_delay_would(const struct limit_delay *l, uint64_t user, uint64_t delay, uint64_t now)
{
    const struct limit_delay_place *p = find(l, user);
    return !delay || !p || now + delay / EARLY >= p->due || is_of_more(p, delay, now);
}

bool limit_delay_enter(struct limit_delay *l, uint64_t user, uint64_t delay, uint64_t now)
{
    if (!delay)
        return true;
    if (!limit_delay_would(l, user, delay, now))
        return false;
    if (!l->places)
        l->places = mem_alloc(sizeof *l->places * LIMIT_DELAY_USERS);
    struct limit_delay_place *p = find(l, user);
    uint64_t from = p && p->due > now && !is_of_more(p, delay, now) ? p->due : now;
    p = p ? p : oldest(set_of(l, user));
    *p = (struct limit_delay_place){user, from + delay};
    return true;
}

void limit_delay_back(struct limit_delay *l, uint64_t user, uint64_t delay)
{
    struct limit_delay_place *p = find(l, user);
    if (p && delay)
        p->due = p->due > delay ? p->due - delay : 0;
}

void limit_delay_fini(struct limit_delay *l)
{
    mem_free(l->places);
    l->places = NULL;
}
