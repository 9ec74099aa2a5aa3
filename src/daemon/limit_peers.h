/* limit_peers: how many connections an address has, and how many messages it has begun in this minute. limit_address says what
 * counts as one. */
#ifndef DAEMON_LIMIT_PEERS_H
#define DAEMON_LIMIT_PEERS_H

#include <stdbool.h>

#include "base/map.h"

struct limit_peers {
    struct map peers;
    uint64_t swept; /* ms */
};

/* What is no address ("unix") has no limit: true, and nothing is counted. */
bool limit_peers_enter(struct limit_peers *p, const char *address, uint64_t most); /* false: it has so many already */
void limit_peers_leave(struct limit_peers *p, const char *address);                /* after an enter that was true */
bool limit_peers_message(struct limit_peers *p, const char *address, uint64_t most); /* false: so many this minute; 0: no limit */
void limit_peers_fini(struct limit_peers *p);

#endif
