/* memory: a mailbox in memory, for tests; fails and sleeps on request.
 *
 * `memory:/path?key=value,…` below a root; the words: messages=N (made up, when the path is first opened),
 * sleep=MS (each call), fail=CALL (open list load text keep body read remove begin write ready commit used sweep; may
 * stand several times), lazy (list tells totals alone), text (listings are kept as text), text-ends=N (it fails N octets
 * on), unknown (remove removes, commit delivers, and both answer ERR_UNKNOWN), wire (made-up bodies are in wire form),
 * fd (bodies are descriptors, else readers). Reachable only where the configuration says `allow_memory_store = yes`.
 *
 * A mailbox lives as long as the process, under its path, and no other process sees it; the words belong to each
 * opening. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

extern const struct store_ops store_memory;

/* Adds a message to the mailbox of this path ("/srv/mail/anna", root and all, without words). */
void store_memory_put(const char *path, struct span text);
/* Forgets all mailboxes; none may be open. */
void store_memory_forget(void);

#endif
