/* map: numbers to pointers, for tables of sessions. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map {
    struct map_slot *slots;
    size_t room, count;
};

void map_init(struct map *m);
void map_fini(struct map *m); /* the values stay the caller's */
void *map_get(const struct map *m, uint64_t key); /* NULL: none */
void map_put(struct map *m, uint64_t key, void *value); /* value != NULL; replaces */
void *map_take(struct map *m, uint64_t key); /* removes and returns it; NULL: none */

/* Walks all values: *at begins at 0; NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *m, size_t *at);

/* Calls fn for each value that is there now, and still is when its turn comes: fn may put and take. */
void map_each(struct map *m, void (*fn)(void *value, void *arg), void *arg);

#endif
