/* memory: a mailbox in memory, for tests; fails and sleeps on request.
 *
 * `memory:/path?key=value,…` below a root; the words: messages=N (made up), sleep=MS (each call), fail=CALL
 * (open list body read remove), unknown (remove answers ERR_UNKNOWN). Reachable only where the configuration
 * says `allow_memory_store = yes`. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

extern const struct store_ops store_memory;

#endif
