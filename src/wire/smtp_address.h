/* smtp_address: a path of MAIL and RCPT (RFC 5321 §4.1.2, 6531 §3.3) taken apart. */
#ifndef WIRE_SMTP_ADDRESS_H
#define WIRE_SMTP_ADDRESS_H

#include <stdbool.h>

#include "base/span.h"

enum { SMTP_LOCAL_MAX = 64 * 4, SMTP_DOMAIN_MAX = 255 };

struct smtp_address {
    char local[SMTP_LOCAL_MAX + 1];   /* quoted-string undone: its meaning, not its spelling */
    char domain[SMTP_DOMAIN_MAX + 1]; /* "" = bare, or <> if local is empty too; an address literal with its brackets */
    bool utf8;                        /* has octets above 0x7F */
};

/* Takes "<…>" off the front of *in. A source route ("@a,@b:") is skipped, as RFC 5321 §4.1.2 demands. false: not one.
 * Never has a NUL, CR, LF or other control octet in it. */
bool smtp_address_take(struct span *in, struct smtp_address *a);

/* As it is written in a header or reply, with quotes where they are needed, without "<>". Returns its length, at most
 * SMTP_ADDRESS_TEXT - 1; always ends with NUL. */
enum { SMTP_ADDRESS_TEXT = 2 * SMTP_LOCAL_MAX + SMTP_DOMAIN_MAX + 4 };
size_t smtp_address_text(const struct smtp_address *a, char out[SMTP_ADDRESS_TEXT]);

#endif
