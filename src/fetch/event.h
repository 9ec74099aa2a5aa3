/* event: what a process that collects an account tells the one that shows it: fixed structs over a socketpair
 * (SOCK_SEQPACKET). */
#ifndef FETCH_EVENT_H
#define FETCH_EVENT_H

#include <stdint.h>

#include "base/err.h"

enum event_kind {
    EVENT_STEP,      /* text: "connecting to pop.example.org", "logging in" … */
    EVENT_LISTED,    /* count: messages on the server, of which todo are to be fetched with `bytes` octets */
    EVENT_PROGRESS,  /* at (1-based) of todo, bytes so far of the message, of_bytes (0: not known), all_bytes of this
                        check */
    EVENT_DELIVERED, /* text: its id at the destination */
    EVENT_SKIPPED,
    EVENT_QUARANTINED,
    EVENT_FAILED, /* of one message: text says why */
    EVENT_PLAN,   /* a row of --plan: text */
    EVENT_FOUND,  /* of --test: text */
    EVENT_DONE    /* the end: fetched, deleted, failed, left; err of the account as a whole (ERR_NONE: well) */
};

enum { EVENT_TEXT = 300 };

struct event {
    enum event_kind kind;
    uint32_t count, todo, at, fetched, deleted, failed, left;
    uint64_t bytes, of_bytes, all_bytes;
    struct err err;
    char uid[72];
    char text[EVENT_TEXT]; /* printable: what is foreign is escaped */
};

#endif
