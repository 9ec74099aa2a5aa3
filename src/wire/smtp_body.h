/* smtp_body: the octets of a message as they come in (RFC 5321 §4.5.2 for DATA, RFC 3030 for BDAT).
 *
 * Only CRLF.CRLF ends DATA, and only a dot that follows CRLF is taken out. Everything else is data: lone CR, NUL and
 * 8-bit octets; a bare LF too, which ends nothing and is noted. Works on runs between line ends, never byte by byte,
 * and gives out parts of what came in. The header is looked at on its way: its octets and its Received fields.
 *
 * Holds no bytes and does no I/O. Runs in the door. */
#ifndef WIRE_SMTP_BODY_H
#define WIRE_SMTP_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct smtp_body {
    int at;                 /* enum in smtp_body.c: what the last octets were */
    bool ended;             /* CRLF.CRLF has gone by */
    bool bare_lf;           /* an LF without CR before it was seen */
    uint64_t octets;        /* of the message so far */
    bool in_header;         /* the empty line has not come yet */
    uint64_t header_octets; /* the empty line included */
    unsigned received;      /* Received fields */
    /* private */
    unsigned matched;     /* octets at the head of this line that spell "Received:" */
    uint64_t line_octets; /* of this line of the header */
};

void smtp_body_init(struct smtp_body *b);

/* DATA: takes some octets off `in` and returns how many. *run: what of the message was found, empty where only a dot or
 * the end went by; it is part of `in`, or a constant of this module. At least one octet is taken or found. Once
 * b->ended nothing more is to be given. */
size_t smtp_body_data(struct smtp_body *b, struct span in, struct span *run);

/* BDAT: all of `in` is data. */
void smtp_body_chunk(struct smtp_body *b, struct span in);

#endif
