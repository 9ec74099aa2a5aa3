/* base64: what a SASL exchange is written in (RFC 5034 §4, RFC 4648 §4). Strict: the alphabet alone, whole
 * groups, "=" only as padding, and padded bits that are zero, so that one text has one meaning. */
#ifndef WIRE_BASE64_H
#define WIRE_BASE64_H

#include "base/span.h"

/* Characters for n bytes; no NUL, no line end. */
size_t base64_length(size_t n);

/* Writes base64_length(in.n) characters. Returns how many. */
size_t base64_encode(struct span in, char *out);

/* Writes at most in.n / 4 * 3 bytes and sets *n. false: not base64; out may have been written to. */
bool base64_decode(struct span in, char *out, size_t *n);

#endif
