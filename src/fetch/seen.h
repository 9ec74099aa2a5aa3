/* seen: what an account's messages have become: a SQLite file per account, STATE_FOLDER/ACCOUNT.db; the only SQL of the collector.
 *
 * A row per message, known by the server's uid: seen -> fetched (SHA-256 of its octets) -> delivered (its id at the destination) ->
 * deleted. Each step is durable before the next begins to the outside: a message is asked to be deleted only once its row says
 * delivered. A row outlives its message by SEEN_KEEP_DAYS: a uid that comes back is then compared by its content, because some
 * servers lose their list for an hour, and some give a uid to a second message. */
#ifndef FETCH_SEEN_H
#define FETCH_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { SEEN_UID = 72 /* octets of a uid with its NUL */, SEEN_KEEP_DAYS = 30 };

enum seen_state {
    SEEN_NEW,         /* no row */
    SEEN_SEEN,        /* listed, not fetched: failed, or too large until now */
    SEEN_FETCHED,     /* handed to a destination that cannot be asked, and whether it arrived was not noted: it may come twice */
    SEEN_DELIVERED,
    SEEN_HEADERS,     /* delivered with its headers alone (oversize = headers) */
    SEEN_MARKED,      /* never fetched: mark-seen */
    SEEN_QUARANTINED, /* raw in quarantine */
    SEEN_DELETED,     /* delivered, and DELE was asked for: `gone` says whether QUIT was answered, too */
    SEEN_STATES       /* how many */
};
const char *seen_state_text(enum seen_state state); /* "delivered", for a person */

struct seen_row {
    const char *uid;         /* the server's, or "=" and 64 hexadecimal digits of the content's digest, and ".N" for its copies */
    int64_t first;           /* s since 1970: when it was first listed */
    int64_t gone;            /* s since 1970: it was not listed any more, or QUIT was answered after its DELE; 0: neither */
    uint64_t size;           /* octets, 0: not known */
    unsigned failures;
    unsigned turn;           /* how many other messages had this uid before it */
    enum seen_state state;
    bool whole;              /* a person asked for all of it, whatever its size */
};

struct seen;

/* `lock`: for the one process that collects this account: creates the folder (0700) and the file (0600) if need be; ERR_BUSY: another
 * process collects this account now. Else to read: ERR_GONE: nothing was ever collected. ERR_PERM: the file is damaged, or none of
 * ours: it is never begun anew by itself, as that would fetch everything again. ERR_TEMP. */
int seen_open(struct seen **s, const char *state_folder, const char *account, bool lock, struct err *err);
void seen_close(struct seen *s); /* NULL is allowed */

/* Whose rows they are: "anna at pop.example.org". Another one than was noted, where there are rows: ERR_CONFIG, unless `moved`: a person
 * says that it is the same maildrop under a new name. */
int seen_maildrop(struct seen *s, const char *maildrop, bool moved, struct err *err);

/* Calls fn for every row, for the table that a listing is compared with. row->uid lives for the call. */
int seen_each(struct seen *s, void (*fn)(void *arg, const struct seen_row *row), void *arg, struct err *err);

/* All that is known of a message, for people: `bustia list` and `show` over what was collected find it at its destination by its id. */
struct seen_kept {
    struct seen_row row;
    unsigned char sha256[32];
    bool digested;           /* sha256 is known */
    const char *id, *reason; /* at the destination; why it failed or is in quarantine; "": none. They live for the call */
};
/* In the order in which they were first listed. fn returns false to end. */
int seen_show(struct seen *s, bool (*fn)(void *arg, const struct seen_kept *kept), void *arg, struct err *err);
/* One by its uid. ERR_GONE: there is no such row. */
int seen_find(struct seen *s, const char *uid, void (*fn)(void *arg, const struct seen_kept *kept), void *arg, struct err *err);

/* Those of one content, until fn returns false. */
int seen_same(struct seen *s, const unsigned char sha256[32], bool (*fn)(void *arg, const struct seen_row *row), void *arg, struct err *err);

/* A group of changes that becomes durable as one. */
int seen_begin(struct seen *s, struct err *err);
int seen_commit(struct seen *s, struct err *err); /* durable (synchronous = full); after a failure the group is abandoned */
void seen_abandon(struct seen *s);                /* nothing of it stays; without a group nothing happens */

/* Within a group. `sha256`, `id`, `reason` may be NULL: they stay as they are. */
int seen_put(struct seen *s, const struct seen_row *row, const unsigned char sha256[32], const char *id, const char *reason, struct err *err);
int seen_forget(struct seen *s, const char *uid, struct err *err);
int seen_rename(struct seen *s, const char *uid, const char *now, struct err *err); /* what was known by `now` is forgotten */
int seen_forget_gone(struct seen *s, int64_t before, struct err *err); /* all that are gone since earlier than `before` */

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
int seen_board_put(struct seen *s, const struct seen_board *b, struct err *err); /* alone, or within a group */
/* An account's board without more: neither is the state opened if a quiet check has said it, nor locked. As seen_open. */
int seen_board_of(const char *state_folder, const char *account, struct seen_board *b, struct err *err);

/* ---- a check that found nothing to do, and noted nothing: the next one that finds the same needs nothing else */
struct seen_quiet {
    unsigned char listing[32]; /* a digest of what it found */
    int64_t until;             /* s since 1970: then something may be due all the same */
    struct seen_board board;
};
/* Locks as seen_open does, but opens nothing yet. *quiet: q is what the last check said. */
int seen_lock(struct seen **s, const char *state_folder, const char *account, struct seen_quiet *q, bool *quiet, struct err *err);
/* Opens what was only locked; once is enough. Nothing but seen_keep_quiet and seen_close may come before it. */
int seen_ready(struct seen *s, struct err *err);
void seen_keep_quiet(struct seen *s, const struct seen_quiet *q); /* written by seen_close */

#endif
