/* peer_help: a server of POP3 or SMTP that plays a script, in a thread of its own, on loopback. */
#ifndef TESTS_PEER_HELP_H
#define TESTS_PEER_HELP_H

#include <stdbool.h>
#include <stddef.h>

/* A line each:
 *   S text     says the text and CRLF        W text    says the text alone, with CRLF for "|" and LF for "~"
 *   C text     awaits this line; a "*" at the end stands for anything
 *   T          TLS, as the server            A MECH    the server's half of SASL (user "anna", password "secret"), with
 *                                                      POP3's words
 *   N n text   says the line n times         D ms text says octet by octet, with pauses, until the client has gone
 *   P ms       does nothing for so long
 *   E          closes (TLS: close_notify)    R         closes without it
 *   O          closes, and awaits another connection
 * Behind the script's end it only listens, until the client has gone. */
struct peer;

struct peer *peer_start(const char *script);
unsigned peer_port(const struct peer *p);
/* PEM files of the certificate, which is issued by itself and for "localhost", and of its key. */
const char *peer_cert(void);
const char *peer_key(void);
/* Waits for its end. What the client said, line by line; NULL: not what the script awaits, which is printed. Good until
 * the next. */
const char *peer_end(struct peer *p);

#endif
