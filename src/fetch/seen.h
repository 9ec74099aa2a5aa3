/* seen: what an account's messages have become: a SQLite file per account, STATE_FOLDER/ACCOUNT.db; the only SQL of the collector.
 *
 * A row per message, known by the server's uid: seen -> fetched (SHA-256 of its octets) -> delivered (its id at the destination) ->
 * deleted. Each step is durable before the next begins to the outside: a message is asked to be deleted only once its row says
 * delivered. A row stays until the server lists its uid no more and (deleted) the server has said yes to QUIT. */
#ifndef FETCH_SEEN_H
#define FETCH_SEEN_H

#include <stdint.h>

#include "base/accounts.h"
#include "base/err.h"
#include "base/span.h"

enum seen_state {
    SEEN_NEW,         /* no row */
    SEEN_SEEN,        /* listed, not fetched: failed, or too large until now */
    SEEN_FETCHED,     /* handed to a destination that cannot be asked, and whether it arrived was not noted: it may come twice */
    SEEN_DELIVERED,
    SEEN_HEADERS,     /* delivered with its headers alone (oversize = headers) */
    SEEN_MARKED,      /* never fetched: mark-seen */
    SEEN_QUARANTINED, /* raw in quarantine */
    SEEN_DELETED      /* DELE was asked for; whether QUIT was answered is not known yet, or it was and the server still lists it */
};

struct seen_row {
    char uid[72];            /* the server's, or "=" and 64 hexadecimal digits of the content's digest, and ".N" for its copies */
    enum seen_state state;
    int64_t first;           /* s since 1970: when it was first listed */
    uint64_t size;           /* octets, 0: not known */
    unsigned failures;
    bool whole;              /* a person asked for all of it, whatever its size */
};

struct seen;

/* Creates the folder (0700) and the file (0600) if need be; ERR_BUSY: another process collects this account now (`lock`); ERR_TEMP. */
int seen_open(struct seen **s, const char *state_folder, const char *account, bool lock, struct err *err);
void seen_close(struct seen *s); /* NULL is allowed */

/* Calls fn for every row; for the map that a listing is compared with. */
int seen_each(struct seen *s, void (*fn)(void *arg, const struct seen_row *row), void *arg, struct err *err);

/* A group of changes that becomes durable as one. */
int seen_begin(struct seen *s, struct err *err);
int seen_commit(struct seen *s, struct err *err); /* durable (synchronous = full) */
void seen_abandon(struct seen *s);

/* Within a group. `id`, `sha256` may be NULL: they stay as they are. */
int seen_put(struct seen *s, const struct seen_row *row, const unsigned char sha256[32], const char *id, const char *reason, struct err *err);
int seen_forget(struct seen *s, const char *uid, struct err *err);

/* ---- what `bustia status` shows, and what a next check goes by */
struct seen_board {
    int64_t checked, succeeded, next;  /* s since 1970; 0: never */
    uint64_t fetched, left, failures;  /* of the last check; messages left on the server; failures in a row */
    int64_t not_before;                /* LOGIN-DELAY: no log-in earlier */
    int64_t told;                      /* when a notice was given of this row of failures; 0: not yet */
    int64_t expires;                   /* s: the server's EXPIRE; -1: none is known */
    char error[240];                   /* in plain words; "": all is well */
};
int seen_board_get(struct seen *s, struct seen_board *b, struct err *err);
int seen_board_put(struct seen *s, const struct seen_board *b, struct err *err);

#endif
