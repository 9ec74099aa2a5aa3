/* maildir_table: see the header. */
#include "store/maildir_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    SPARE = 8, /* flags that a name may get before its place must change */
    FIRST_ROOM = 16,
    NAMES = 4096 /* the least by which their room grows: more than one needs */
};

void maildir_table_init(struct maildir_table *t)
{
    *t = (struct maildir_table){0};
}

void maildir_table_fini(struct maildir_table *t)
{
    mem_free(t->entries);
    mem_free(t->names);
    mem_free(t->slots);
    maildir_table_init(t);
}

const char *maildir_table_name(const struct maildir_table *t, const struct maildir_entry *e)
{
    return t->names + e->name;
}

struct span maildir_table_base(const struct maildir_table *t, const struct maildir_entry *e)
{
    return (struct span){t->names + e->name, e->base_n};
}

/* ---- finding */

static uint32_t hash(struct span base, uint64_t inode)
{
    uint64_t h = 0xcbf29ce484222325ULL ^ inode;
    for (size_t i = 0; i < base.n; i++)
        h = (h ^ (unsigned char)base.p[i]) * 0x100000001b3ULL;
    h *= 0x9e3779b97f4a7c15ULL;
    return (uint32_t)(h >> 32);
}

static void put_slot(struct maildir_table *t, unsigned number)
{
    const struct maildir_entry *e = &t->entries[number];
    uint32_t at = hash(maildir_table_base(t, e), e->inode) & t->mask;
    while (t->slots[at])
        at = (at + 1) & t->mask;
    t->slots[at] = number + 1;
}

/* At least twice as many slots as entries. */
static void index_entries(struct maildir_table *t)
{
    size_t slots = 2 * FIRST_ROOM;
    while (slots < 2 * ((size_t)t->count + 1))
        slots *= 2;
    mem_free(t->slots);
    t->slots = mem_alloc(slots * sizeof *t->slots);
    t->mask = (unsigned)(slots - 1);
    for (unsigned i = 0; i < t->count; i++)
        put_slot(t, i);
}

static void forget_index(struct maildir_table *t)
{
    mem_free(t->slots);
    t->slots = NULL;
}

long maildir_table_find(struct maildir_table *t, struct span base, uint64_t inode)
{
    if (!t->slots)
        index_entries(t);
    uint32_t at = hash(base, inode) & t->mask;
    for (; t->slots[at]; at = (at + 1) & t->mask) {
        const struct maildir_entry *e = &t->entries[t->slots[at] - 1];
        if (e->inode == inode && span_equal(maildir_table_base(t, e), base))
            return (long)t->slots[at] - 1;
    }
    return MAILDIR_NONE;
}

/* ---- changing */

static void place_name(struct maildir_table *t, struct maildir_entry *e, struct span name)
{
    size_t room = name.n + SPARE < MAILDIR_NAME_MAX ? name.n + SPARE : MAILDIR_NAME_MAX;
    if (t->names_room - t->names_n < room + 1) {
        t->names_room += t->names_room > NAMES ? t->names_room : NAMES; /* it may have been trimmed */
        t->names = mem_resize(t->names, t->names_room);
    }
    assert(t->names_n + room < UINT32_MAX);
    e->name = (uint32_t)t->names_n;
    e->room = (uint8_t)room;
    t->names_n += room + 1;
}

static void write_name(struct maildir_table *t, const struct maildir_entry *e, struct span name)
{
    memcpy(t->names + e->name, name.p, name.n);
    t->names[e->name + name.n] = '\0';
}

long maildir_table_add(struct maildir_table *t, enum maildir_dir dir, struct span name, const struct maildir_name *n,
                       uint64_t inode)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : FIRST_ROOM;
        t->entries = mem_resize(t->entries, t->room * sizeof *t->entries);
    }
    struct maildir_entry *e = &t->entries[t->count];
    *e = (struct maildir_entry){.inode = inode, .time = n->time, .base_n = (uint8_t)n->base.n, .dir = (uint8_t)dir};
    place_name(t, e, name);
    write_name(t, e, name);
    t->count++;
    if (!t->slots || 2 * ((size_t)t->count + 1) > (size_t)t->mask + 1)
        index_entries(t);
    else
        put_slot(t, t->count - 1);
    return (long)t->count - 1;
}

void maildir_table_rename(struct maildir_table *t, long entry, enum maildir_dir dir, struct span name)
{
    struct maildir_entry *e = &t->entries[entry];
    e->dir = (uint8_t)dir;
    if (name.n > e->room)
        place_name(t, e, name);
    write_name(t, e, name);
}

/* ---- order */

static int compare(const void *left, const void *right, void *table)
{
    const struct maildir_entry *a = left, *b = right;
    struct maildir_name x = {maildir_table_base(table, a), a->time}, y = {maildir_table_base(table, b), b->time};
    int order = maildir_name_compare(&x, &y);
    return order ? order : (a->inode > b->inode) - (a->inode < b->inode);
}

void maildir_table_sort(struct maildir_table *t)
{
    if (t->count > 1)
        qsort_r(t->entries, t->count, sizeof *t->entries, compare, t);
    forget_index(t);
}

void maildir_table_sift(struct maildir_table *t)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < t->count; i++)
        if (!t->entries[i].odd && !t->entries[i].gone)
            t->entries[kept++] = t->entries[i];
    t->count = kept;
    forget_index(t);
}

void maildir_table_trim(struct maildir_table *t)
{
    if (!t->count || t->room == t->count)
        return;
    forget_index(t);
    t->room = t->count;
    t->entries = mem_resize(t->entries, t->room * sizeof *t->entries);
    t->names_room = t->names_n;
    t->names = mem_resize(t->names, t->names_room);
}
