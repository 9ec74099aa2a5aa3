/* open: "maildir:/srv/mail/anna" to a back-end. Alone, so that back-ends and contract form no circle. */
#ifndef STORE_OPEN_H
#define STORE_OPEN_H

#include "store/store.h"

/* `where` is SCHEME:PATH; the path must be absolute, without "." and "..", and lie below one of the roots
 * (longest match). Opened beneath that root, no symbolic link followed. ERR_PERM: outside, unknown scheme. */
int store_open(struct store **s, const struct store_root *roots, unsigned n_roots, const char *where,
               enum store_mode mode, struct err *err);

/* For a process whose mailboxes are opened again and again: of so many large ones at most it lets the kernel tell it what comes
 * between two sessions. None before this is said. */
void store_watch(unsigned most);

/* The checks of store_open without opening: master and worker both refuse by it. *root is the index of the
 * matching root (may be NULL). */
int store_where_check(const struct store_root *roots, unsigned n_roots, const char *where, unsigned *root,
                      struct err *err);

#endif
