/* maildir_table: see the header. */
#include "store/maildir_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sum.h"

enum {
    SPARE = 8, /* flags that a name may get before its place must change */
    FIRST_ROOM = 16,
    NAMES = 4096, /* the least by which their room grows: more than one needs */
    FEW = 8       /* searches that are cheaper than a hash of all */
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
    mem_free(t->order);
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
    return (uint32_t)((sum_of(base.p, base.n) ^ inode) * 0x9e3779b97f4a7c15ULL >> 32);
}

/* A slot is a hash and, in its lower half, the entry's number + 1: the table grows, and most is found, without a look at names. */
static void put_slot(struct maildir_table *t, uint32_t h, unsigned number)
{
    uint32_t at = h & t->mask;
    while (t->slots[at])
        at = (at + 1) & t->mask;
    t->slots[at] = (uint64_t)h << 32 | (number + 1);
}

static void put_entry(struct maildir_table *t, unsigned number)
{
    const struct maildir_entry *e = &t->entries[number];
    put_slot(t, hash(maildir_table_base(t, e), e->inode), number);
}

/* At least twice as many slots as entries. */
static void index_entries(struct maildir_table *t)
{
    size_t slots = 2 * FIRST_ROOM;
    while (slots < 2 * ((size_t)t->count + 1))
        slots *= 2;
    t->slots = mem_alloc(slots * sizeof *t->slots);
    t->mask = (unsigned)(slots - 1);
    for (unsigned i = 0; i < t->count; i++)
        put_entry(t, i);
}

static void grow_index(struct maildir_table *t)
{
    uint64_t *slots = t->slots;
    size_t n = (size_t)t->mask + 1;
    t->slots = mem_alloc(2 * n * sizeof *slots);
    t->mask = (unsigned)(2 * n - 1);
    for (size_t i = 0; i < n; i++)
        if (slots[i])
            put_slot(t, (uint32_t)(slots[i] >> 32), (uint32_t)slots[i] - 1);
    mem_free(slots);
}

void maildir_table_forget(struct maildir_table *t)
{
    mem_free(t->slots);
    mem_free(t->order);
    t->slots = NULL;
    t->order = NULL;
    t->order_n = 0;
    t->looked = 0;
}

static bool is(const struct maildir_table *t, const struct maildir_entry *e, struct span base, uint64_t inode)
{
    return e->inode == inode && span_equal(maildir_table_base(t, e), base);
}

long maildir_table_find(struct maildir_table *t, struct span base, uint64_t inode)
{
    if (!t->slots && t->looked++ < FEW) {
        for (unsigned i = 0; i < t->count; i++)
            if (is(t, &t->entries[i], base, inode))
                return i;
        return MAILDIR_NONE;
    }
    if (!t->slots)
        index_entries(t);
    uint32_t h = hash(base, inode), at = h & t->mask;
    for (uint64_t slot; (slot = t->slots[at]); at = (at + 1) & t->mask)
        if (slot >> 32 == h && is(t, &t->entries[(uint32_t)slot - 1], base, inode))
            return (long)(uint32_t)slot - 1;
    return MAILDIR_NONE;
}

/* ---- reading again */

/* Where it comes in the order; at the end if that is not known. */
static uint32_t rank(const struct maildir_table *t, const struct maildir_entry *e)
{
    return e->place < t->count ? e->place : t->count;
}

/* By places; of several with one place the youngest comes first: the others were told theirs before it came between. From now on
 * a place is one in this order. */
void maildir_table_walk(struct maildir_table *t)
{
    mem_free(t->order);
    t->order_n = t->count;
    t->order = mem_resize(NULL, (t->order_n + 1) * sizeof *t->order);
    uint32_t *ends = mem_alloc((t->order_n + 2) * sizeof *ends);
    for (unsigned i = 0; i < t->count; i++)
        ends[rank(t, &t->entries[i]) + 1]++;
    for (unsigned i = 1; i <= t->order_n; i++)
        ends[i] += ends[i - 1];
    for (unsigned i = t->count; i-- > 0;) {
        uint32_t place = ends[rank(t, &t->entries[i])]++;
        t->order[place] = i;
        t->entries[i].place = place;
    }
    mem_free(ends);
    t->next = 0;
    t->missed = UINT32_MAX;
    t->walked = 0;
    t->reading = (uint16_t)(t->reading % UINT16_MAX + 1);
}

static bool is_here(const struct maildir_table *t, unsigned at, enum maildir_dir dir, const char *name, uint64_t inode)
{
    if (at >= t->order_n)
        return false;
    const struct maildir_entry *e = &t->entries[t->order[at]];
    return e->inode == inode && e->dir == dir && !e->odd && strcmp(maildir_table_name(t, e), name) == 0;
}

/* The order of a directory is mostly not that of the table: entries and names soon needed are called near beforehand. */
static void approach(const struct maildir_table *t)
{
    enum { NAME = 4, ENTRY = 8 };
    if (t->next + ENTRY >= t->order_n)
        return;
    __builtin_prefetch(&t->entries[t->order[t->next + ENTRY]]);
    __builtin_prefetch(maildir_table_name(t, &t->entries[t->order[t->next + NAME]]));
}

/* The next one; or the one behind it, of which it is to be seen later whether the next is gone, or comes after it. */
long maildir_table_next(struct maildir_table *t, enum maildir_dir dir, const char *name, uint64_t inode)
{
    unsigned at = t->next;
    approach(t);
    if (is_here(t, at, dir, name, inode)) {
        t->next++;
    } else if (is_here(t, t->missed, dir, name, inode)) {
        at = t->missed;
    } else if (is_here(t, at + 1, dir, name, inode)) {
        t->missed = at++;
        t->next += 2;
    } else {
        return MAILDIR_NONE;
    }
    return t->order[at];
}

void maildir_table_meet(struct maildir_table *t, long entry)
{
    struct maildir_entry *e = &t->entries[entry];
    e->place = t->walked++;
    e->met = t->reading;
}

void maildir_table_find_place(struct maildir_table *t, long entry)
{
    uint32_t place = t->entries[entry].place;
    if (place < t->order_n && t->order[place] == (uint32_t)entry)
        t->next = place + 1;
}

/* Its entries stand together: new/ is read first. */
void maildir_table_meet_all(struct maildir_table *t, enum maildir_dir dir)
{
    for (unsigned at = 0; at < t->order_n; at++)
        if (t->entries[t->order[at]].dir == dir) {
            maildir_table_meet(t, t->order[at]);
            t->next = dir == MAILDIR_NEW ? at + 1 : t->next;
        }
}

struct maildir_news maildir_table_news(struct maildir_table *t)
{
    struct maildir_news news = {0};
    for (unsigned i = 0; i < t->count; i++) {
        struct maildir_entry *e = &t->entries[i];
        e->gone = e->gone || !e->met || (t->settled && e->met != t->reading);
        news.fresh += !e->counted && !e->odd;
        news.gone += e->gone;
        news.renamed += e->renamed && !e->gone;
    }
    return news;
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
    if (t->slots && 2 * ((size_t)t->count + 1) > (size_t)t->mask + 1)
        grow_index(t);
    if (t->slots)
        put_entry(t, t->count - 1);
    return (long)t->count - 1;
}

bool maildir_table_rename(struct maildir_table *t, long entry, enum maildir_dir dir, struct span name)
{
    struct maildir_entry *e = &t->entries[entry];
    if (e->dir == dir && span_is(name, maildir_table_name(t, e)))
        return false;
    e->renamed = true;
    e->dir = (uint8_t)dir;
    if (name.n > e->room)
        place_name(t, e, name);
    write_name(t, e, name);
    return true;
}

/* ---- less */

void maildir_table_sift(struct maildir_table *t)
{
    unsigned kept = 0, sorted = 0;
    for (unsigned i = 0; i < t->count; i++)
        if (!t->entries[i].odd && !t->entries[i].gone) {
            sorted += i < t->sorted;
            t->entries[kept++] = t->entries[i];
        }
    t->count = kept;
    t->sorted = sorted;
    maildir_table_forget(t);
}

/* Of those that are left, without the names of the others between them. */
static void pack_names(struct maildir_table *t, size_t needed)
{
    char *names = mem_resize(NULL, needed);
    size_t at = 0;
    for (unsigned i = 0; i < t->count; i++) {
        struct maildir_entry *e = &t->entries[i];
        memcpy(names + at, maildir_table_name(t, e), e->room + 1U);
        e->name = (uint32_t)at;
        at += e->room + 1U;
    }
    mem_free(t->names);
    t->names = names;
    t->names_n = at;
}

static void trim_names(struct maildir_table *t)
{
    size_t needed = 0;
    for (unsigned i = 0; i < t->count; i++)
        needed += t->entries[i].room + 1U;
    if (needed < t->names_n / 2)
        pack_names(t, needed);
    else
        t->names = mem_resize(t->names, t->names_n);
    t->names_room = t->names_n;
}

void maildir_table_trim(struct maildir_table *t)
{
    maildir_table_forget(t);
    if (!t->count) {
        maildir_table_fini(t);
        return;
    }
    if (t->room > t->count)
        t->entries = mem_resize(t->entries, t->count * sizeof *t->entries);
    t->room = t->count;
    trim_names(t);
}
