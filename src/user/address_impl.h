/* address_impl: how addresses are written in the database. For user/address*.c alone. */
#ifndef USER_ADDRESS_IMPL_H
#define USER_ADDRESS_IMPL_H

#include "user/users_impl.h"

enum { DOMAIN_MAX = 255, ADDRESS_MAX = 64 * 4 + 1 + DOMAIN_MAX }; /* octets; a local part has 64 characters */

struct address_key {
    size_t n; /* 0: longer than any address that is kept */
    char text[ADDRESS_MAX + 1];
};

/* "local@domain", or "local" without a domain, or "@domain". The domain in lower case, always; the local part if
 * `lower`. ASCII only, whatever the locale. */
void address_key(struct address_key *k, struct span local, struct span domain, bool lower);

#endif
