/* limit_address: what counts as one address: an IPv4 address, or the IPv6 network of 64 bits that one customer has to himself. */
#ifndef DAEMON_LIMIT_ADDRESS_H
#define DAEMON_LIMIT_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

/* false: it is no address ("unix"), and has no limit. */
bool limit_address(const char *address, uint64_t *key);

#endif
