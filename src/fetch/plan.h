/* plan: what is to be done with each message of a listing: fetched, skipped, deleted, and why. Pure: no clock, no I/O. */
#ifndef FETCH_PLAN_H
#define FETCH_PLAN_H

#include "base/accounts.h"
#include "fetch/seen.h"

enum plan_take { PLAN_LEAVE, PLAN_FETCH, PLAN_HEADERS, PLAN_DISCARD /* too large: deleted unseen */ };

enum plan_why {
    PLAN_NEW, PLAN_AGAIN, PLAN_WHOLE, PLAN_KNOWN, PLAN_TOO_LARGE, PLAN_QUARANTINED, PLAN_NOW, PLAN_OLD, PLAN_NOT_NEWEST, PLAN_UNSETTLED,
    PLAN_WHYS
};
const char *plan_why_text(enum plan_why why); /* "new", "too large: 12 MB of at most 10 MB", … in words for a person */

struct plan_row {
    unsigned msg;             /* 1-based number on the server */
    char uid[72];             /* empty: this server gives none that can be used */
    uint64_t size;            /* as LIST says: a hint; 0: not known */
    struct seen_row known;    /* .state SEEN_NEW: none */
    enum plan_take take;
    bool remove;              /* delete it on the server, once it is delivered if it is to be fetched */
    enum plan_why why, remove_why;
};

/* Decides about rows (in the order of their numbers: the newest last). `now`: s since 1970. */
void plan_make(const struct account *a, int64_t now, struct plan_row *rows, unsigned count);

#endif
