/* ends: from lines that end with CRLF to lines that end with LF, in pieces of any size. A CR that an LF follows is left
 * out, unless a CR stands before it: a line whose last octet is a CR keeps its CRLF, and so reads as what came. Any
 * other octet stays: a lone CR, NUL, 8-bit. Holds no octets and does no I/O; works on runs, never byte by byte. */
#ifndef STORE_ENDS_H
#define STORE_ENDS_H

#include "base/span.h"

struct ends {
    bool cr;    /* the last octet was a CR, not written yet: what follows decides */
    bool twice; /* and the one before it too */
};

/* Takes from *in, which becomes what is left, and writes to out[0..room). Returns how many; all of *in is taken when it
 * is less than room. Begins with a zeroed struct. */
size_t ends_strip(struct ends *e, struct span *in, char *out, size_t room);
/* The message ends: 1 if a CR was waiting, then it is out[0]; else 0. */
size_t ends_finish(struct ends *e, char out[1]);

#endif
