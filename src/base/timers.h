/* timers: which of many times comes first. A heap: for the loop, whose connections have a timer each. */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdint.h>

/* Part of whoever waits; zeroes at first. */
struct timers_entry {
    uint64_t at;    /* while it is in */
    unsigned place; /* in the heap, from 1 on; 0: it is not in */
};

struct timers { /* zeroes at first */
    struct timers_entry **heap;
    unsigned n, room;
};

void timers_set(struct timers *t, struct timers_entry *e, uint64_t at); /* puts it in, or moves it */
void timers_take(struct timers *t, struct timers_entry *e);             /* who is not in may be taken too */
struct timers_entry *timers_first(const struct timers *t);              /* NULL: nobody waits */
void timers_fini(struct timers *t);

#endif
