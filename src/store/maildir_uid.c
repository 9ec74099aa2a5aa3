/* maildir_uid: see the header. */
#include "store/maildir_uid.h"

#include <string.h>

#include "base/mem.h"
#include "store/store.h"

/* The uids given so far: an open hash of message numbers + 1, at most half full. */
struct given {
    uint32_t *slots;
    uint32_t mask;
};

static uint32_t hash(const char *uid)
{
    uint32_t h = 2166136261u;
    for (; *uid; uid++)
        h = (h ^ (unsigned char)*uid) * 16777619u;
    return h ^ h >> 16;
}

/* The slot of this uid: empty when nobody has it. */
static uint32_t *slot_of(const struct given *g, const struct drop *drop, const char *uid)
{
    uint32_t at = hash(uid) & g->mask;
    while (g->slots[at] && strcmp(drop->messages[g->slots[at] - 1].uid, uid) != 0)
        at = (at + 1) & g->mask;
    return &g->slots[at];
}

/* Who has the same uid has the same head of the name, so the same time. */
static bool has_neighbour(const struct maildir_table *t, unsigned i)
{
    const struct maildir_entry *e = &t->entries[i];
    return (i > 0 && e[-1].time == e->time) || (i + 1 < t->count && e[1].time == e->time);
}

void maildir_number(const struct maildir_table *t, struct drop *drop)
{
    size_t slots = 64;
    while (slots < 2 * (size_t)t->count)
        slots *= 2;
    struct given given = {mem_alloc(slots * sizeof(uint32_t)), (uint32_t)(slots - 1)};
    for (unsigned i = 0; i < t->count; i++) {
        const struct maildir_entry *e = &t->entries[i];
        struct span base = maildir_table_base(t, e);
        char uid[71];
        store_uid(base, uid);
        uint32_t *slot = has_neighbour(t, i) ? slot_of(&given, drop, uid) : NULL;
        if (slot && *slot)
            store_uid_second(base, e->inode, uid);
        else if (slot)
            *slot = i + 1;
        unsigned msg = drop_add(drop, e->octets, span_of(uid));
        drop->messages[msg].eight_bit = e->eight_bit;
        drop->eight_bit = drop->eight_bit || e->eight_bit;
    }
    mem_free(given.slots);
    drop_trim(drop);
}

enum { COMPARED = 1000 };

static bool is_only(const struct maildir_table *t, unsigned i, const char *uid, unsigned *compared)
{
    const struct maildir_entry *e = &t->entries[i];
    while (i-- && t->entries[i].time == e->time) {
        char other[71];
        store_uid(maildir_table_base(t, &t->entries[i]), other);
        if (++*compared > COMPARED || strcmp(other, uid) == 0)
            return false;
    }
    return true;
}

bool maildir_number_last(const struct maildir_table *t, unsigned first, struct drop *drop)
{
    unsigned compared = 0;
    for (unsigned i = first; i < t->count; i++) {
        char uid[71];
        store_uid(maildir_table_base(t, &t->entries[i]), uid);
        if (!is_only(t, i, uid, &compared))
            return false;
        drop_add(drop, t->entries[i].octets, span_of(uid));
    }
    return true;
}
