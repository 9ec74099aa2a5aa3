/* maildir_order: see maildir_table.h: the order of messages. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/maildir_table.h"

static int compare(const void *left, const void *right, void *table)
{
    const struct maildir_entry *a = left, *b = right;
    struct maildir_name x = {maildir_table_base(table, a), a->time}, y = {maildir_table_base(table, b), b->time};
    int order = maildir_name_compare(&x, &y);
    return order ? order : (a->inode > b->inode) - (a->inode < b->inode);
}

/* ---- times */

/* Entries are large and lie about; their times stand side by side here. */
struct key {
    uint64_t time;
    struct maildir_entry *entry;
};

/* Sorts by one octet of the time; who have the same stay in their order. */
static void sort_by(const struct key *from, struct key *to, unsigned n, unsigned shift)
{
    uint32_t ends[257] = {0};
    for (unsigned i = 0; i < n; i++)
        ends[(from[i].time >> shift & 0xff) + 1]++;
    for (unsigned i = 1; i < 257; i++)
        ends[i] += ends[i - 1];
    for (unsigned i = 0; i < n; i++)
        to[ends[from[i].time >> shift & 0xff]++] = from[i];
}

/* From the last octet to the first, but those in which they are all the same: of times there are four or so. There is
 * room for twice as many. Returns where they are then. */
static struct key *sort_by_time(struct key *keys, unsigned n)
{
    struct key *from = keys, *to = keys + n;
    uint64_t differ = 0;
    for (unsigned i = 1; i < n; i++)
        differ |= keys[i].time ^ keys[0].time;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 0xff))
            continue;
        sort_by(from, to, n, shift);
        struct key *other = from;
        from = to;
        to = other;
    }
    return from;
}

static int compare_keys(const void *left, const void *right, void *table)
{
    return compare(((const struct key *)left)->entry, ((const struct key *)right)->entry, table);
}

static void sort_equal(struct key *keys, unsigned n, struct maildir_table *t)
{
    for (unsigned i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && keys[end].time == keys[i].time; end++)
            ;
        if (end > i + 1)
            qsort_r(keys + i, end - i, sizeof *keys, compare_keys, t);
    }
}

/* Each entry to the place of its key, in rounds of those that take each other's places. */
static void arrange(struct maildir_entry *e, struct key *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct maildir_entry first = e[i];
        unsigned at = i;
        for (unsigned from; (from = (unsigned)(keys[at].entry - e)) != i; at = from) {
            e[at] = e[from];
            keys[at].entry = &e[at];
        }
        e[at] = first;
        keys[at].entry = &e[at];
    }
}

static void sort(struct maildir_table *t, struct maildir_entry *e, unsigned n)
{
    struct key *keys = mem_resize(NULL, 2 * (size_t)n * sizeof *keys);
    for (unsigned i = 0; i < n; i++)
        keys[i] = (struct key){e[i].time, &e[i]};
    struct key *now = sort_by_time(keys, n);
    sort_equal(now, n, t);
    arrange(e, now, n);
    mem_free(keys);
}

/* ---- runs */

/* Two sorted runs become one, from their ends. */
static void merge(struct maildir_table *t, unsigned first)
{
    unsigned second = t->count - first, at = t->count;
    struct maildir_entry *e = t->entries, *tail = mem_resize(NULL, second * sizeof *e);
    memcpy(tail, e + first, second * sizeof *e);
    while (first && second)
        if (compare(&e[first - 1], &tail[second - 1], t) > 0)
            e[--at] = e[--first];
        else
            e[--at] = tail[--second];
    memcpy(e, tail, second * sizeof *e);
    mem_free(tail);
}

void maildir_table_sort(struct maildir_table *t)
{
    unsigned fresh = t->count - t->sorted;
    struct maildir_entry *tail = fresh ? t->entries + t->sorted : NULL;
    if (fresh > 1)
        sort(t, tail, fresh);
    if (fresh && t->sorted && compare(tail - 1, tail, t) > 0)
        merge(t, t->sorted);
    t->sorted = t->count;
    maildir_table_forget(t);
}
