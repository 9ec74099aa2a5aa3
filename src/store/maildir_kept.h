/* maildir_kept: the record (maildir_record.h) where it is kept, beside the messages. */
#ifndef STORE_MAILDIR_KEPT_H
#define STORE_MAILDIR_KEPT_H

#include "store/maildir_record.h"
#include "store/maildir_scan.h"

#define MAILDIR_RECORD "bustia-used"

/* false: there is none; errno is ENOENT when there is nothing at all by this name. */
bool maildir_record_load(const struct maildir_box *m, struct maildir_record *r);
/* Under the lock. What cannot be written is removed, so that nobody believes what stood there; that it can be neither
 * written nor removed is logged once. Never a reason to fail. */
void maildir_record_store(struct maildir_box *m, const struct maildir_record *r);
void maildir_record_drop(struct maildir_box *m);

#endif
