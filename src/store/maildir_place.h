/* maildir_place: what the kernel calls a directory when it tells of it (maildir_event.h): its file system and its
 * handle there. */
#ifndef STORE_MAILDIR_PLACE_H
#define STORE_MAILDIR_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { MAILDIR_HANDLE_MOST = 40 }; /* octets of a handle; those of the file systems that are watched have up to 20 */

struct maildir_place {
    char octets[8 + 8 + MAILDIR_HANDLE_MOST]; /* as an event has it: file system; the handle's length, kind, octets */
    size_t n;
};

/* Of an open directory. Waits for its file system, which may be one that does not answer. false: errno, EXDEV where not
 * every change goes through this kernel. */
bool maildir_place_learn(int dir, struct maildir_place *p);
/* For a table of them. */
uint64_t maildir_place_key(const struct maildir_place *p);
bool maildir_place_is(const struct maildir_place *p, struct span octets);

#endif
