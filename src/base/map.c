/* map: open addressing with linear probing; removal shifts back, so there are no tombstones. */
#include "base/map.h"

#include <assert.h>

#include "base/mem.h"

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

static size_t home(const struct map *m, uint64_t key)
{
    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (m->room - 1);
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_fini(struct map *m)
{
    mem_free(m->slots);
    map_init(m);
}

/* The slot of a key, or the free one where it would be; m->room > 0. */
static struct map_slot *find(const struct map *m, uint64_t key)
{
    size_t i = home(m, key);
    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & (m->room - 1);
    return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
    return m->room ? find(m, key)->value : NULL;
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->room = old.room ? old.room * 2 : 16;
    m->slots = mem_alloc(m->room * sizeof *m->slots);
    for (size_t i = 0; i < old.room; i++)
        if (old.slots[i].value)
            *find(m, old.slots[i].key) = old.slots[i];
    mem_free(old.slots);
}

void map_put(struct map *m, uint64_t key, void *value)
{
    if ((m->count + 1) * 4 > m->room * 3)
        grow(m);
    assert(m->room); /* grown from nothing at the first */
    struct map_slot *s = find(m, key);
    if (!s->value)
        m->count++;
    *s = (struct map_slot){key, value};
}

void *map_take(struct map *m, uint64_t key)
{
    struct map_slot *s = m->room ? find(m, key) : NULL;
    if (!s || !s->value)
        return NULL;
    void *value = s->value;
    size_t hole = (size_t)(s - m->slots), mask = m->room - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t from_home = (i - home(m, m->slots[i].key)) & mask;
        if (from_home >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole].value = NULL;
    m->count--;
    return value;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->room) {
        void *value = m->slots[(*at)++].value;
        if (value)
            return value;
    }
    return NULL;
}

void map_each(struct map *m, void (*fn)(void *value, void *arg), void *arg)
{
    size_t n = 0;
    uint64_t *keys = mem_alloc((m->count + 1) * sizeof *keys);
    for (size_t i = 0; i < m->room; i++)
        if (m->slots[i].value)
            keys[n++] = m->slots[i].key;
    for (size_t i = 0; i < n; i++) {
        void *value = map_get(m, keys[i]);
        if (value)
            fn(value, arg);
    }
    mem_free(keys);
}
