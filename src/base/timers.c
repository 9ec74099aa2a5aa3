/* timers: see the header. */
#include "base/timers.h"

#include "base/mem.h"

enum { FIRST_ROOM = 16 };

static void place(struct timers *t, unsigned i, struct timers_entry *e)
{
    t->heap[i - 1] = e;
    e->place = i;
}

/* Its place is `i` or below it. */
static void sink(struct timers *t, unsigned i, struct timers_entry *e)
{
    for (unsigned next; (next = 2 * i) <= t->n; i = next) {
        if (next < t->n && t->heap[next]->at < t->heap[next - 1]->at)
            next++;
        if (e->at <= t->heap[next - 1]->at)
            break;
        place(t, i, t->heap[next - 1]);
    }
    place(t, i, e);
}

/* Its place is `i` or above it. */
static void rise(struct timers *t, unsigned i, struct timers_entry *e)
{
    for (; i > 1 && e->at < t->heap[i / 2 - 1]->at; i /= 2)
        place(t, i, t->heap[i / 2 - 1]);
    place(t, i, e);
}

static void settle(struct timers *t, unsigned i, struct timers_entry *e)
{
    if (i > 1 && e->at < t->heap[i / 2 - 1]->at)
        rise(t, i, e);
    else
        sink(t, i, e);
}

void timers_set(struct timers *t, struct timers_entry *e, uint64_t at)
{
    if (!e->place && t->n == t->room) {
        t->room = t->room ? 2 * t->room : FIRST_ROOM;
        t->heap = mem_resize(t->heap, t->room * sizeof(void *));
    }
    if (!e->place) {
        t->n++;
        place(t, t->n, e);
    }
    e->at = at;
    settle(t, e->place, e);
}

void timers_take(struct timers *t, struct timers_entry *e)
{
    unsigned i = e->place;
    if (!i)
        return;
    struct timers_entry *last = t->heap[--t->n];
    e->place = 0;
    if (last != e)
        settle(t, i, last);
}

struct timers_entry *timers_first(const struct timers *t)
{
    return t->n ? t->heap[0] : NULL;
}

void timers_fini(struct timers *t)
{
    mem_free(t->heap);
    *t = (struct timers){0};
}
