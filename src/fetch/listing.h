/* listing: what a server lists, compared with what is known: one table of rows by their uids. Bounded: about 100 octets
 * a message. */
#ifndef FETCH_LISTING_H
#define FETCH_LISTING_H

#include "base/mem.h"
#include "base/span.h"
#include "fetch/plan.h"

struct listing {
    struct arena arena;      /* of rows and uids */
    struct plan_row **slots; /* by uid, open addressing */
    size_t room, used;
    struct plan_row **rows; /* what is listed, in the order of its numbers once listing_ready was called */
    unsigned count, rows_room;
    unsigned ready; /* how many of them listing_ready has seen */
    bool unsorted, twice;
    uint64_t key[2]; /* of the hash: a server does not know it, and cannot choose uids that meet */
};

void listing_init(struct listing *l);
void listing_fini(struct listing *l);

/* ---- what is known, before the listing */
void listing_known(struct listing *l, const struct seen_row *row);

/* ---- as the server lists it. `uid` empty: none that can be used. Beyond 70 octets nothing comes from
 * wire/pop3_client. */
void listing_uid(struct listing *l, unsigned msg, struct span uid);
/* All rows have come, or some more: they are put into order. -1: ERR_INPUT: a number came twice. */
int listing_ready(struct listing *l, struct err *err);
/* LIST's row, after listing_ready; one that UIDL did not list is added, without uid. */
void listing_size(struct listing *l, unsigned msg, uint64_t size);

/* ---- afterwards */
struct plan_row *listing_find(const struct listing *l, struct span uid); /* NULL: neither known nor listed */
/* The content of rows[at], which has no uid, has this digest: its uid is made of it. If a row of this uid is known and
 * not listed yet, that is the message from now on. Copies in one listing are "=HEX", "=HEX.2" …; NULL: there are
 * LISTING_COPIES of it. */
enum { LISTING_COPIES = 1000 };
struct plan_row *listing_name(struct listing *l, unsigned at, const unsigned char sha256[32]);
/* rows[at], which has no uid, is the message of this row. */
void listing_is(struct listing *l, unsigned at, struct plan_row *row);
/* The row of a uid that was made of this content, and that nothing listed has: the message was known before its server
 * gave it a uid of its own. NULL: none. */
struct plan_row *listing_content(const struct listing *l, const unsigned char sha256[32]);
/* Walks all rows, also those that are not listed (msg = 0): *at begins at 0; NULL at the end. Rows without uid are not
 * among them. */
struct plan_row *listing_next(const struct listing *l, size_t *at);

#endif
