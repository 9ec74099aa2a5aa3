/* sum: see the header. Mail processes. */
#include "base/sum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"

enum { ALIGNED = 64 }; /* what the state wants, and malloc does not give */

struct sum {
    char room[sizeof(XXH3_state_t) + ALIGNED];
};

static XXH3_state_t *state_of(struct sum *s)
{
    return (XXH3_state_t *)(s->room + (ALIGNED - (uintptr_t)s->room % ALIGNED) % ALIGNED);
}

uint64_t sum_of(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

struct sum *sum_new(void)
{
    struct sum *s = mem_alloc(sizeof *s);
    XXH3_64bits_reset(state_of(s));
    return s;
}

void sum_add(struct sum *s, const void *p, size_t n)
{
    XXH3_64bits_update(state_of(s), p, n);
}

uint64_t sum_finish(struct sum *s)
{
    uint64_t sum = XXH3_64bits_digest(state_of(s));
    sum_free(s);
    return sum;
}

void sum_free(struct sum *s)
{
    mem_free(s);
}
