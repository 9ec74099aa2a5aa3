/* drop: a maildrop as a numbered list (RFC 1939 §4-§6): sizes, unique ids, what is marked as deleted.
 * The noun that wire and store share. Messages are numbered from 0 here, from 1 on the wire.
 *
 * Most sessions only ask whether something is new. So a drop may be *not loaded*: how many messages there are, and of how
 * many octets, is known, and nothing of each. Nothing can be marked in it before it is loaded. */
#ifndef BASE_DROP_H
#define BASE_DROP_H

#include <stdint.h>

#include "base/mem.h"
#include "base/span.h"

struct drop_message {
    uint64_t octets; /* in wire form: CRLF throughout, dot-stuffing and terminator not counted (RFC 1939 §11) */
    const char *uid; /* 1..70 of 0x21-0x7E, in the drop's arena (RFC 1939 §7) */
    uint64_t downgraded; /* octets of its surrogate in wire form (RFC 6858); 0: not known */
    unsigned char uid_n; /* octets of uid */
    bool deleted;
    bool read;       /* sent as a whole; RSET does not change it */
    bool eight_bit;  /* its header has octets above 0x7F: not every client can read it (RFC 6856) */
};

struct drop {
    struct arena arena;
    struct drop_message *messages; /* NULL with a count: not loaded */
    unsigned count, room;
    unsigned deleted;        /* how many are marked */
    uint64_t octets;         /* of all that are not marked */
    uint64_t downgraded;     /* of all messages, with surrogates in the place of those that have one; 0: not known */
    bool eight_bit;          /* some message has it; true also of a drop that is not loaded */
};

void drop_init(struct drop *d);
void drop_fini(struct drop *d);

bool drop_loaded(const struct drop *d);
/* So many messages of so many octets are there, and nothing more of them is known yet. */
void drop_tell(struct drop *d, unsigned count, uint64_t octets, bool eight_bit);
/* A drop that is not loaded becomes an empty one, with room for as many messages as it was said to have: drop_add follows. */
void drop_load(struct drop *d);

/* Adds a message; the uid is copied. Returns its number. */
unsigned drop_add(struct drop *d, uint64_t octets, struct span uid);

/* It is whole: gives back the room for more. */
void drop_trim(struct drop *d);

/* It will be sent in another form, of another size. */
void drop_resize(struct drop *d, unsigned msg, uint64_t octets);

bool drop_mark(struct drop *d, unsigned msg); /* false: no such message, or marked already */
void drop_reset(struct drop *d);              /* RSET: no message is marked (RFC 1939 §5) */
bool drop_has(const struct drop *d, unsigned msg); /* it exists and is not marked */

#endif
