/* secret_line: a line on its way to a server that nobody else is to see, and that may be longer than there is room for: a password, or
 * what SASL says (a token may have 64 kB). It leaves in pieces, and is wiped and freed with the last of them. The queue it goes to is the
 * caller's, and is to be one that wipes (buf's `secret`). */
#ifndef WIRE_SECRET_LINE_H
#define WIRE_SECRET_LINE_H

#include "base/buf.h"

struct secret_line {
    char *p; /* NULL: there is none */
    size_t n, sent;
};

/* `head`, `tail` and CRLF. What was there is wiped. */
void secret_line_set(struct secret_line *l, const char *head, struct span tail);
/* The same with `tail` in base64 (RFC 5034 §4, RFC 4954 §4); `empty_is` is said where it has no octet: "=" behind a command, else "". */
void secret_line_set_base64(struct secret_line *l, const char *head, struct span tail, const char *empty_is);
/* Adds what there is room for. true: nothing is left. */
bool secret_line_send(struct secret_line *l, struct buf *out);
void secret_line_end(struct secret_line *l); /* wipes and frees */

#endif
