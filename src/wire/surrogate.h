/* surrogate: what a client gets that has not said UTF8 of a message whose header has octets above 0x7F (RFC 6856 §4): the message of
 * RFC 6858, with a header of ASCII alone. The body is not touched. A machine without I/O that holds no octets: it reads each field
 * from its first octet on, as often as it must, and goes by where it is, so that thousands of clients that read slowly cost nothing.
 *
 * The owner gives it pieces of the message from `at` on, until `done`; from `at` on all that is left (the empty line, the body) is
 * sent as it is. A piece is at least SURROGATE_PIECE octets, or all there is. Written lines end with CRLF, others as they did.
 *
 *   From, To, Cc, …     an address with octets above 0x7F becomes invalid@internationalized-address.invalid, with what it was as
 *                       its name; a name, or a comment, becomes encoded-words (§2.1)
 *   Subject             encoded-words (§2.3)
 *   Content-Type, -Disposition   without the parameters that are not ASCII (§2.2)
 *   any other           is left out (§2.4), and so is one of those above that is not well formed or longer than SURROGATE_FIELD,
 *                       or that comes when SURROGATE_WORK octets of others have been rewritten: it is done again at each log-in,
 *                       for a header whose size a stranger chose; of From, which must be there (RFC 5322 §3.6), the invalid
 *                       address stays
 *
 * A field that is ASCII passes as it is, however long. */
#ifndef WIRE_SURROGATE_H
#define WIRE_SURROGATE_H

#include "base/buf.h"

enum {
    SURROGATE_FIELD = 32768,               /* octets of a field that is rewritten */
    SURROGATE_PIECE = SURROGATE_FIELD + 2, /* enough to see where one ends */
    SURROGATE_WRITTEN = 131072,            /* octets of what stands for it */
    SURROGATE_WORK = 8 * SURROGATE_FIELD   /* octets of all fields that are rewritten, in a header */
};

struct surrogate {
    uint64_t at;   /* in the message: where the next piece is to begin */
    bool done;     /* the header is through */
    /* private */
    bool pending;  /* (SCAN) the last octet was a line's end */
    bool eight;    /* (SCAN) an octet above 0x7F was seen */
    bool from;     /* (SCAN, STAND) it is From */
    int step;
    uint64_t skip; /* octets written already of what stands for the field at `at` */
    uint64_t begin, end; /* of a field that is longer than a piece */
    size_t work;   /* octets of fields that have been rewritten */
};

void surrogate_init(struct surrogate *s);

/* Takes `in`, which begins at s->at and, if `last`, ends where the message does. Writes to out[0..room), room > 0, and says how much.
 * To be called again until s->done; not every call writes. */
void surrogate_feed(struct surrogate *s, struct span in, bool last, char *out, size_t room, size_t *wrote);

/* One field, its line end included: adds what stands for it to `out`, with its line end. false: nothing stands for it; then `out`
 * may have been added to. surrogate_field.c. */
bool surrogate_field(struct span field, struct buf *out);
bool surrogate_is_from(struct span field);
extern const char surrogate_from[]; /* the whole field, where it says nothing */

#endif
