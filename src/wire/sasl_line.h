/* sasl_line: what the clients of POP3 (RFC 5034) and SMTP (RFC 4954) share of SASL: the words of a mechanism list, the
 * command that begins an exchange, challenges. */
#ifndef WIRE_SASL_LINE_H
#define WIRE_SASL_LINE_H

#include "wire/secret_line.h"

/* Those of `words` that are names of mechanisms (RFC 4422 §3.1: 1 to 20 of A-Z, 0-9, "-", "_") are put into `list`,
 * upper case, a space between; what has no room is left out. */
void sasl_line_mechanisms(char *list, size_t size, struct span words);

/* "AUTH mechanism" into `now`. `initial` (p = NULL: none) goes with it, or, where the line would have more than `max`
 * octets or `own_line` is asked for, into `later`: to be said once the server asks for it. false: that is no name of a
 * mechanism. */
bool sasl_line_begin(struct secret_line *now, struct secret_line *later, const char *mechanism, struct span initial,
                     size_t max, bool own_line);

/* Decodes a challenge where it stands. false: it is not base64. */
bool sasl_line_challenge(struct span *text);

#endif
