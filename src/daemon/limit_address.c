/* limit_address: see the header. Door, auth. */
#include "daemon/limit_address.h"

#include <arpa/inet.h>
#include <string.h>

/* No network of the Internet begins so: ff00::/8 is multicast (RFC 4291 §2.7), from which nobody comes. */
#define V4_KEYS 0xff00000000000000u

bool limit_address(const char *address, uint64_t *key)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, address, &v4) == 1) {
        *key = V4_KEYS | ntohl(v4.s_addr);
        return true;
    }
    if (inet_pton(AF_INET6, address, &v6) != 1)
        return false;
    *key = 0;
    for (int i = 0; i < 8; i++)
        *key = *key << 8 | v6.s6_addr[i];
    return true;
}
