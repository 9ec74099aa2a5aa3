/* listing: see the header. The hash is a polynomial over a secret point modulo 2^61 - 1: two uids meet by chance, never
 * by choice. */
#include "fetch/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

enum { ROOM = 256 /* slots at the beginning; a power of two */ };
static const uint64_t prime = (1ULL << 61) - 1;

void listing_init(struct listing *l)
{
    *l = (struct listing){.room = ROOM};
    arena_init(&l->arena);
    l->slots = mem_alloc(ROOM * sizeof(void *));
    digest_random(l->key, sizeof l->key);
    l->key[0] %= prime;
}

void listing_fini(struct listing *l)
{
    arena_fini(&l->arena);
    mem_free(l->slots);
    mem_free(l->rows);
}

/* ---- the table */

static uint64_t multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;
    uint64_t sum = (uint64_t)(p & prime) + (uint64_t)(p >> 61);
    return sum >= prime ? sum - prime : sum;
}

static uint64_t hash_of(const struct listing *l, struct span uid)
{
    uint64_t h = uid.n;
    for (size_t i = 0; i < uid.n; i += 7) { /* seven octets stay below the prime */
        uint64_t word = 0;
        memcpy(&word, uid.p + i, uid.n - i < 7 ? uid.n - i : 7);
        h = multiply(h + (word & ((1ULL << 56) - 1)), l->key[0]);
    }
    return h ^ h >> 29 ^ l->key[1];
}

static bool is_row(const struct plan_row *row, struct span uid)
{
    return strncmp(row->uid, uid.p, uid.n) == 0 && row->uid[uid.n] == '\0';
}

/* Where a uid stands, or would. */
static size_t slot_of(const struct listing *l, struct span uid)
{
    size_t at = (size_t)hash_of(l, uid) & (l->room - 1);
    while (l->slots[at] && !is_row(l->slots[at], uid))
        at = (at + 1) & (l->room - 1);
    return at;
}

static void grow(struct listing *l)
{
    struct plan_row **old = l->slots;
    size_t room = l->room;
    l->room *= 2;
    l->slots = mem_alloc(l->room * sizeof(void *));
    for (size_t i = 0; i < room; i++)
        if (old[i])
            l->slots[slot_of(l, span_of(old[i]->uid))] = old[i];
    mem_free(old);
}

static struct plan_row *new_row(struct listing *l, struct span uid)
{
    struct plan_row *row = arena_alloc(&l->arena, sizeof *row + uid.n + 1);
    char *copy = (char *)(row + 1);
    if (uid.n)
        memcpy(copy, uid.p, uid.n);
    row->uid = copy;
    return row;
}

/* The row of a uid, made if need be. */
static struct plan_row *row_of(struct listing *l, struct span uid)
{
    size_t at = slot_of(l, uid);
    if (l->slots[at])
        return l->slots[at];
    if (++l->used > l->room / 4 * 3) {
        grow(l);
        at = slot_of(l, uid);
    }
    return l->slots[at] = new_row(l, uid);
}

struct plan_row *listing_find(const struct listing *l, struct span uid)
{
    return l->slots[slot_of(l, uid)];
}

struct plan_row *listing_next(const struct listing *l, size_t *at)
{
    while (*at < l->room)
        if (l->slots[(*at)++])
            return l->slots[*at - 1];
    return NULL;
}

/* ---- what is known, and what is listed */

static uint16_t small(unsigned n)
{
    return (uint16_t)(n < UINT16_MAX ? n : UINT16_MAX);
}

void listing_known(struct listing *l, const struct seen_row *known)
{
    struct plan_row *row = row_of(l, span_of(known->uid));
    row->size = known->size;
    row->first = known->first;
    row->failures = small(known->failures);
    row->turn = small(known->turn);
    row->state = (uint8_t)known->state;
    row->whole = known->whole;
    row->was_gone = known->gone != 0;
}

static void add_row(struct listing *l, struct plan_row *row, unsigned msg)
{
    if (l->count == l->rows_room) {
        l->rows_room = l->rows_room ? l->rows_room * 2 : 64;
        l->rows = mem_resize(l->rows, l->rows_room * sizeof(void *));
    }
    row->msg = msg;
    l->unsorted = l->unsorted || (l->count && l->rows[l->count - 1]->msg >= msg);
    l->rows[l->count++] = row;
}

void listing_uid(struct listing *l, unsigned msg, struct span uid)
{
    struct plan_row *row = uid.n && *uid.p != '=' ? row_of(l, uid) : NULL; /* "=" begins what is ours */
    if (row && !row->msg) {
        add_row(l, row, msg);
        return;
    }
    struct plan_row *without = new_row(l, row ? uid : (struct span){NULL, 0});
    without->twice = row != NULL;
    add_row(l, without, msg);
    if (row)
        row->twice = l->twice = true;
}

/* What is known of a uid that several have stays, without a message; the first of them is like the others. */
static void set_apart(struct listing *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct plan_row *row = l->rows[i];
        if (!row->twice || listing_find(l, span_of(row->uid)) != row)
            continue;
        l->rows[i] = new_row(l, span_of(row->uid));
        l->rows[i]->msg = row->msg;
        l->rows[i]->twice = true;
        row->msg = 0;
    }
    l->twice = false;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = (*(struct plan_row *const *)a)->msg, y = (*(struct plan_row *const *)b)->msg;
    return x < y ? -1 : x > y;
}

int listing_ready(struct listing *l, struct err *err)
{
    if (l->twice)
        set_apart(l);
    if (l->unsorted)
        qsort(l->rows, l->count, sizeof(void *), by_number);
    for (unsigned i = 1; l->unsorted && i < l->count; i++)
        if (l->rows[i - 1]->msg == l->rows[i]->msg)
            return err_set(err, ERR_INPUT, "the server lists message %u twice", l->rows[i]->msg);
    l->unsorted = false;
    l->ready = l->count;
    return 0;
}

/* What has another size now is another message under its uid, where that may be: after the uid was gone. Of what was
 * left unfetched no digest could tell. */
static void has_another(struct plan_row *row)
{
    if (!row->was_gone || (row->state != SEEN_MARKED && row->state != SEEN_HEADERS))
        return;
    row->state = SEEN_NEW;
    row->turn++;
    row->failures = 0;
    row->first = 0;
    row->whole = false;
}

void listing_size(struct listing *l, unsigned msg, uint64_t size)
{
    unsigned low = 0, high = l->ready;
    if (msg && msg <= l->ready && l->rows[msg - 1]->msg == msg) /* numbers without gaps, as they nearly always are */
        low = high = msg - 1;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (l->rows[middle]->msg < msg)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == l->ready || l->rows[low]->msg != msg) {
        listing_uid(l, msg, (struct span){NULL, 0});
        low = l->count - 1;
    }
    struct plan_row *row = l->rows[low];
    if (row->size && row->size != size)
        has_another(row);
    row->size = size;
}

/* ---- by content */

enum { HEX = 2 * DIGEST_SHA256 };

/* The uid of the copy'th of messages with this content. */
static void content_uid(const unsigned char sha256[DIGEST_SHA256], unsigned copy, char uid[SEEN_UID])
{
    uid[0] = '=';
    digest_hex(sha256, DIGEST_SHA256, uid + 1);
    if (copy > 1)
        snprintf(uid + 1 + HEX, SEEN_UID - 1 - HEX, ".%u", copy);
}

struct plan_row *listing_content(const struct listing *l, const unsigned char sha256[32])
{
    char uid[SEEN_UID];
    struct plan_row *row = NULL;
    for (unsigned copy = 1; copy <= LISTING_COPIES; copy++) {
        content_uid(sha256, copy, uid);
        row = listing_find(l, span_of(uid));
        if (!row || (!row->msg && row->state != SEEN_NEW))
            return row;
    }
    return NULL;
}

void listing_is(struct listing *l, unsigned at, struct plan_row *row)
{
    row->msg = l->rows[at]->msg;
    row->size = l->rows[at]->size;
    row->twice = false;
    l->rows[at] = row;
}

struct plan_row *listing_name(struct listing *l, unsigned at, const unsigned char sha256[32])
{
    char uid[SEEN_UID];
    struct plan_row *row = NULL;
    unsigned copy = 1;
    do
        content_uid(sha256, copy++, uid);
    while ((row = listing_find(l, span_of(uid))) && row->msg && copy <= LISTING_COPIES);
    if (row && row->msg)
        return NULL;
    if (!row)
        row = row_of(l, span_of(uid));
    listing_is(l, at, row);
    return row;
}
