/* maildir_open: from a path below a root to an open, locked Maildir.
 *
 * What must be there: the maildrop, with new/ and cur/. Where the maildrop itself is missing it is made, if its
 * parent is there and permits it. Where it is there and empty, or has at least one of new/, cur/ and tmp/, it
 * is (or was about to become) a Maildir, and what is missing of the three is made: restoring from a
 * backup or a version control may have dropped the empty ones. Any other directory is a mistake of
 * the configuration and is not touched. */
#ifndef STORE_MAILDIR_OPEN_H
#define STORE_MAILDIR_OPEN_H

#include "store/maildir_scan.h"
#include "store/store.h"

/* Fills *m. STORE_EXCLUSIVE: flock on the maildrop's own descriptor, before anything is looked at: it needs no
 * file, so it works on a full or read-only disk, and ends with the descriptor whatever becomes of us. STORE_DELIVER:
 * tmp/ too, and no lock. STORE_PRESENT: the lock, and nothing is made. What had to be made is durable. */
int maildir_box_open(struct maildir_box *m, const struct store_root *root, const char *path, enum store_mode mode,
                     struct err *err);
/* The same, but that new/ and cur/ of a STORE_EXCLUSIVE are not opened yet (maildir_box_parts): most sessions never look
 * into them. */
int maildir_box_begin(struct maildir_box *m, const struct store_root *root, const char *path, enum store_mode mode,
                      struct err *err);
void maildir_box_close(struct maildir_box *m);

/* Sees to it that new/ and cur/ are open. */
int maildir_box_parts(struct maildir_box *m, struct err *err);
/* The same of one of them, */
int maildir_box_part(struct maildir_box *m, enum maildir_dir part, struct err *err);
/* which may be closed again; */
void maildir_box_part_close(struct maildir_box *m, enum maildir_dir part);
/* and of tmp/. */
int maildir_box_tmp(struct maildir_box *m, struct err *err);
/* Something was not found: opens tmp/ or new/ anew if it was removed, made again if need be. */
int maildir_box_tmp_again(struct maildir_box *m, struct err *err);
int maildir_box_new_again(struct maildir_box *m, struct err *err);

/* The short lock, of those who deliver and count: waited for, but not for ever; then ERR_TEMP. */
int maildir_lock(struct maildir_box *m, struct err *err);
void maildir_unlock(struct maildir_box *m);

#endif
