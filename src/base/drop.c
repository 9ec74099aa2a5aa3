/* drop: see the header. Stores fill it, pop3_server reads and marks it. */
#include "base/drop.h"

#include <assert.h>

enum { FIRST_ROOM = 16 };

void drop_init(struct drop *d)
{
    *d = (struct drop){0};
    arena_init(&d->arena);
}

void drop_fini(struct drop *d)
{
    arena_fini(&d->arena);
    mem_free(d->messages);
    drop_init(d);
}

bool drop_loaded(const struct drop *d)
{
    return d->messages || d->count == 0;
}

void drop_tell(struct drop *d, unsigned count, uint64_t octets, bool eight_bit)
{
    assert(!d->messages);
    d->count = count;
    d->octets = octets;
    d->eight_bit = eight_bit;
}

void drop_load(struct drop *d)
{
    assert(!d->messages);
    d->room = d->count;
    d->messages = d->room ? mem_resize(NULL, d->room * sizeof *d->messages) : NULL;
    d->count = 0;
    d->octets = 0;
}

unsigned drop_add(struct drop *d, uint64_t octets, struct span uid)
{
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : FIRST_ROOM;
        d->messages = mem_resize(d->messages, d->room * sizeof *d->messages);
    }
    d->messages[d->count] = (struct drop_message){
        .octets = octets, .uid = arena_copy(&d->arena, uid.p, uid.n), .uid_n = (unsigned char)uid.n};
    d->octets += octets;
    return d->count++;
}

void drop_trim(struct drop *d)
{
    if (!d->messages || d->room == d->count)
        return;
    d->room = d->count;
    d->messages = mem_resize(d->messages, d->room * sizeof *d->messages);
}

bool drop_has(const struct drop *d, unsigned msg)
{
    return msg < d->count && !(d->messages && d->messages[msg].deleted);
}

void drop_resize(struct drop *d, unsigned msg, uint64_t octets)
{
    struct drop_message *m = &d->messages[msg];
    if (!m->deleted)
        d->octets += octets - m->octets;
    m->octets = octets;
}

bool drop_mark(struct drop *d, unsigned msg)
{
    assert(drop_loaded(d));
    if (!drop_has(d, msg))
        return false;
    d->messages[msg].deleted = true;
    d->deleted++;
    d->octets -= d->messages[msg].octets;
    return true;
}

void drop_reset(struct drop *d)
{
    for (unsigned i = 0; d->deleted && i < d->count; i++)
        if (d->messages[i].deleted) {
            d->messages[i].deleted = false;
            d->deleted--;
            d->octets += d->messages[i].octets;
        }
}
