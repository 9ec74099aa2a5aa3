/* dot: the line discipline of POP3 bodies (RFC 1939 §3): stored text to wire text, in pieces of any size.
 *
 * Wire form: every line ends with CRLF (a lone LF becomes CRLF; a lone CR, NUL and 8-bit octets pass
 * unchanged), the last line too; a line that begins with a dot gets a second one, from the very first byte
 * of the message; then ".CRLF". Holds no bytes, does no I/O, allocates nothing. The hot loop of the whole
 * program: works on runs between line ends, never byte by byte. */
#ifndef WIRE_DOT_H
#define WIRE_DOT_H

#include <stdint.h>

#include "base/buf.h"

enum { DOT_END = 5 }; /* octets of the longest end of a reply */

struct dot {
    bool at_line_start; /* the next byte begins a line */
    bool saw_cr;        /* the last byte was a CR */
    bool only_cr;       /* and it is all that this line holds */
    bool in_body;       /* past the header's blank line */
    bool limited;       /* TOP */
    bool done;          /* TOP has its lines: what remains is not wanted */
    bool wire;          /* input is already in wire form (no line begins with a dot): copied as it is */
    uint64_t lines_left;
};

/* The whole message (RETR). */
void dot_init(struct dot *d, bool wire);
/* The header, the blank line and `lines` lines of the body (TOP). */
void dot_init_top(struct dot *d, bool wire, uint64_t lines);

/* Encodes from `in` into out[0..room). Returns how many bytes of `in` were taken and *wrote how many were
 * written. Takes less than all when `out` has no room for the next piece, or when d->done. Room for
 * in.n * 2 + 2 always suffices. */
size_t dot_encode(struct dot *d, struct span in, char *out, size_t room, size_t *wrote);

/* What ends the reply: CRLF if the last line has none, then ".CRLF". At most 5 bytes; returns how many. */
size_t dot_finish(struct dot *d, char out[DOT_END]);

#endif
