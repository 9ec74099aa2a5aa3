/* maildir_commit: drafts become messages. Deliver processes and the tool. The order that must not change: the record
 * grows, then the renames, then one fsync of new/ for all, then the answer. Up to the rename a crash leaves a file in
 * tmp/ that nobody sees; from then on the message is whole. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/maildir_draft.h"
#include "store/maildir_open.h"
#include "store/maildir_kept.h"

struct batch {
    struct maildir_box *box;
    struct store_draft **drafts;
    struct err *errs;
    unsigned n;
    struct store_draft **keyed; /* those with a key, sorted by it */
    unsigned n_keyed, missing;  /* how many there are, and how many of them were not met yet */
    bool had[MAILDIR_DIRS];     /* keys were met there */
};

static void discard(struct batch *b, unsigned i, const struct err *why)
{
    b->drafts[i]->fate = MAILDIR_DISCARDED;
    b->errs[i] = *why;
}

/* ---- keys */

static int compare(const void *left, const void *right)
{
    const struct store_draft *const *a = left, *const *b = right;
    return memcmp((*a)->key, (*b)->key, MAILDIR_KEY);
}

/* The first in the sorted list whose key is not less. */
static unsigned lower_bound(const struct batch *b, const char *key)
{
    unsigned low = 0, high = b->n_keyed;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (memcmp(b->keyed[middle]->key, key, MAILDIR_KEY) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* maildir_name_fn */
static bool meet_key(enum maildir_dir dir, const char *name, void *arg)
{
    struct batch *b = arg;
    struct span key = maildir_name_key(span_of(name));
    if (!key.n)
        return false;
    for (unsigned i = lower_bound(b, key.p); i < b->n_keyed && memcmp(b->keyed[i]->key, key.p, MAILDIR_KEY) == 0; i++) {
        if (b->keyed[i]->fate != MAILDIR_WAITING)
            continue;
        b->keyed[i]->fate = MAILDIR_HAD;
        if (b->keyed[i]->uid)
            store_uid(span_of(name), b->keyed[i]->uid);
        b->had[dir] = true;
        b->missing--;
    }
    return b->missing == 0;
}

static void look_for_keys(struct batch *b)
{
    struct err err;
    b->keyed = mem_alloc(b->n * sizeof(struct store_draft *));
    for (unsigned i = 0; i < b->n; i++)
        if (b->drafts[i]->key[0])
            b->keyed[b->n_keyed++] = b->drafts[i];
    b->missing = b->n_keyed;
    if (b->n_keyed) {
        qsort(b->keyed, b->n_keyed, sizeof(struct store_draft *), compare);
        bool failed = maildir_each_name(b->box, meet_key, b, &err) < 0;
        for (unsigned i = 0; failed && i < b->n; i++)
            if (b->drafts[i]->key[0] && b->drafts[i]->fate == MAILDIR_WAITING)
                discard(b, i, &err);
    }
    mem_free(b->keyed);
}

static void drop_unknown(struct batch *b)
{
    struct err err;
    err_set(&err, ERR_GONE, "no message has this key");
    for (unsigned i = 0; i < b->n; i++)
        if (b->drafts[i]->only_known && b->drafts[i]->fate == MAILDIR_WAITING)
            discard(b, i, &err);
}

/* The one of this batch, already placed, that has the key of the i-th; NULL: none. */
static const struct store_draft *had_before(const struct batch *b, unsigned i)
{
    for (unsigned k = 0; b->drafts[i]->key[0] && k < i; k++)
        if (b->drafts[k]->fate == MAILDIR_PLACED && strcmp(b->drafts[k]->key, b->drafts[i]->key) == 0)
            return b->drafts[k];
    return NULL;
}

/* ---- placing */

/* Where the file system cannot rename without replacing: a second name never replaces either. */
static int link_into_new(const struct maildir_box *m, const char *from, const char *to)
{
    if (linkat(m->tmp, from, m->sub[MAILDIR_NEW], to, 0) < 0)
        return -1;
    (void)unlinkat(m->tmp, from, 0); /* what stays is swept one day */
    return 0;
}

static int move_into_new(const struct maildir_box *m, const char *from, const char *to)
{
    if (renameat2(m->tmp, from, m->sub[MAILDIR_NEW], to, RENAME_NOREPLACE) == 0)
        return 0;
    return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? link_into_new(m, from, to) : -1;
}

static int place(struct store_draft *d, struct err *err)
{
    struct maildir_box *m = d->box;
    char name[MAILDIR_NAME_MAX + 1];
    snprintf(name, sizeof name, "%s,S=%" PRIu64 ",W=%" PRIu64, d->name, d->count.size, store_count_octets(&d->count));
    int moved = move_into_new(m, d->name, name);
    if (moved < 0 && errno == ENOENT) {
        if (maildir_box_new_again(m, err) < 0)
            return -1;
        moved = move_into_new(m, d->name, name);
    }
    if (moved < 0)
        return err_set(err, ERR_TEMP, "%s/new/%s: rename: %s", m->where, name, strerror(errno));
    d->fate = MAILDIR_PLACED;
    return 0;
}

static void place_all(struct batch *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct err err;
        struct store_draft *d = b->drafts[i];
        if (d->fate != MAILDIR_WAITING)
            continue;
        const struct store_draft *before = had_before(b, i);
        if (before) {
            d->fate = MAILDIR_HAD;
            b->had[MAILDIR_NEW] = true;
        } else if (place(d, &err) < 0) {
            discard(b, i, &err);
            continue;
        }
        if (d->uid)
            store_uid(span_of(before ? before->name : d->name), d->uid);
    }
}

/* ---- the record */

static void add_those(const struct batch *b, enum maildir_fate fate, struct maildir_record *r)
{
    for (unsigned i = 0; i < b->n; i++) {
        if (b->drafts[i]->fate != fate)
            continue;
        r->octets += b->drafts[i]->count.size;
        r->messages++;
    }
}

/* Where there is no record none is begun: who wants to know will count. One that cannot be read cannot be kept. */
static void place_and_record(struct batch *b)
{
    struct maildir_record before = {0}, expected, now;
    bool recorded = maildir_record_load(b->box, &before);
    if (!recorded && errno != ENOENT)
        maildir_record_drop(b->box);
    expected = now = before;
    if (recorded) {
        add_those(b, MAILDIR_WAITING, &expected);
        if (expected.messages != before.messages)
            maildir_record_store(b->box, &expected);
    }
    place_all(b);
    if (recorded) {
        add_those(b, MAILDIR_PLACED, &now);
        if (now.messages != expected.messages)
            maildir_record_store(b->box, &now);
    }
}

/* ---- durable */

static bool any(const struct batch *b, enum maildir_fate fate)
{
    for (unsigned i = 0; i < b->n; i++)
        if (b->drafts[i]->fate == fate)
            return true;
    return false;
}

/* What was met there may be another's work, not durable yet. */
static void sync_all(struct batch *b)
{
    struct maildir_box *m = b->box;
    bool unsure = m->unsure && any(b, MAILDIR_HAD); /* a second fsync would say that all is well */
    const bool need[MAILDIR_DIRS] = {b->had[MAILDIR_NEW] || any(b, MAILDIR_PLACED), b->had[MAILDIR_CUR]};
    struct err err;
    err_set(&err, ERR_UNKNOWN, "%s: an earlier fsync failed; the message may be there", m->where);
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        if (!need[i] || fsync(m->sub[i]) == 0)
            continue;
        err_set(&err, ERR_UNKNOWN, "%s/%s: fsync: %s; the message may be there", m->where, maildir_dir_name(i),
                strerror(errno));
        unsure = m->unsure = true;
    }
    for (unsigned i = 0; i < b->n; i++) {
        bool had = b->drafts[i]->fate == MAILDIR_HAD, placed = b->drafts[i]->fate == MAILDIR_PLACED;
        if (unsure && (had || placed))
            b->errs[i] = err;
    }
}

static unsigned finish(struct batch *b)
{
    unsigned durable = 0;
    for (unsigned i = 0; i < b->n; i++) {
        struct store_draft *d = b->drafts[i];
        durable += b->errs[i].kind == ERR_NONE;
        if (d->had)
            *d->had = d->fate == MAILDIR_HAD;
        if (d->fate != MAILDIR_PLACED)
            maildir_draft_abort(d);
        else
            mem_free(d);
    }
    return durable;
}

unsigned maildir_draft_commit(struct store_draft **d, unsigned n, struct err *errs)
{
    if (n == 0)
        return 0;
    struct batch b = {.box = d[0]->box, .drafts = d, .errs = errs, .n = n};
    struct err err;
    for (unsigned i = 0; i < n; i++) {
        assert(d[i]->ready && d[i]->box == b.box);
        errs[i] = (struct err){0};
    }
    if (maildir_lock(b.box, &err) < 0) {
        for (unsigned i = 0; i < n; i++)
            discard(&b, i, &err);
        return finish(&b);
    }
    look_for_keys(&b);
    drop_unknown(&b);
    place_and_record(&b);
    maildir_unlock(b.box);
    sync_all(&b);
    return finish(&b);
}
