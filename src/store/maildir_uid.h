/* maildir_uid: what the messages are called towards the client (RFC 1939 §7).
 *
 * The name up to the first comma or colon, if that can be a uid. Of several files that would bear the same,
 * the first in the order of the table keeps it, the others get a digest of their whole base name and inode.
 * (The order compares base names: flags come and go, and must not decide who is who. Files with the same
 * uid have the same time, so that it is the name and then the inode that decide.) Nothing else enters:
 * neither the order in which a directory is read nor anything remembered. */
#ifndef STORE_MAILDIR_UID_H
#define STORE_MAILDIR_UID_H

#include "base/drop.h"
#include "store/maildir_table.h"

/* Adds every entry of the sorted table to the empty drop, in order. */
void maildir_number(const struct maildir_table *t, struct drop *drop);

/* Adds only those from `first` on, which come after all the others. false: they, or too many, would have to be compared with the
 * others. */
bool maildir_number_last(const struct maildir_table *t, unsigned first, struct drop *drop);

#endif
