/* plan: what is to be done with each message of a listing: fetched, skipped, deleted, and why. Pure: no clock, no I/O. */
#ifndef FETCH_PLAN_H
#define FETCH_PLAN_H

#include "base/accounts.h"
#include "fetch/seen.h"

enum plan_take {
    PLAN_LEAVE,
    PLAN_FETCH,
    PLAN_COMPARE, /* fetched to see whether it is the one that had this uid, or has no uid: delivered if it is another */
    PLAN_HEADERS,
    PLAN_DISCARD /* too large: deleted unseen */
};

enum plan_why {
    PLAN_NEW,
    PLAN_AGAIN,       /* it failed, or whether it arrived is not known */
    PLAN_WHOLE,       /* a person asked for all of it */
    PLAN_NO_UID,      /* only its content can tell whether it is known */
    PLAN_BACK,        /* its uid was gone and is listed again */
    PLAN_KNOWN,
    PLAN_MARKED,
    PLAN_TOO_LARGE,
    PLAN_QUARANTINED,
    PLAN_NOW,         /* of removal: the account says so */
    PLAN_OLD,
    PLAN_NOT_NEWEST,
    PLAN_UNSETTLED,   /* it was to be deleted, and the server never said that it was */
    PLAN_WHYS
};

/* A message of a listing, or (msg = 0) one that was known and is listed no more. Small: a listing may have a million. */
struct plan_row {
    const char *uid;      /* "": this server gives none that can be used */
    uint64_t size;        /* as LIST says: a hint; 0: not known */
    int64_t first;        /* of the seen_row; 0: there is none */
    uint32_t msg;         /* 1-based number on the server */
    uint16_t failures, turn;
    uint8_t state;        /* enum seen_state; SEEN_NEW: no row */
    uint8_t take;         /* enum plan_take */
    uint8_t why;          /* enum plan_why: of take */
    uint8_t remove_why;   /* of remove */
    bool remove : 1;      /* delete it on the server, once it is delivered if it is to be fetched */
    bool whole : 1;       /* a person asked for all of it */
    bool was_gone : 1;    /* seen_row's gone was set */
    bool twice : 1;       /* the server gives its uid to several messages: it is none that can be used */
    bool untold : 1;      /* the collector's: its content is to tell whether it is known, and has not come yet */
    bool tried : 1;       /* the collector's: it was asked for in this session */
    bool asked : 1;       /* the collector's: its DELE stands in the queue, or was sent */
    bool deleted : 1;     /* the collector's: and answered with yes */
};

/* Decides about rows (in the order of their numbers: the newest last). `now`: s since 1970. */
void plan_make(const struct account *a, int64_t now, struct plan_row *const *rows, unsigned count);

/* "fetch: new", "leave: too large, 12.3 MB of at most 10 MB", "delete: first seen 15 days ago" …, in words for a person. */
enum { PLAN_TEXT = 240 };
void plan_text(const struct account *a, int64_t now, const struct plan_row *row, char out[PLAN_TEXT]);

#endif
