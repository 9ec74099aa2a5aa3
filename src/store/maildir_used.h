/* maildir_used: how full a maildrop is, and what POP3's UPDATE changes of it. */
#ifndef STORE_MAILDIR_USED_H
#define STORE_MAILDIR_USED_H

#include "store/maildir_kept.h"
#include "store/store.h"

/* The store's `used`. */
int maildir_used(struct maildir_box *m, bool afresh, struct store_used *used, struct err *err);

/* What is gone, taken off the record. `before` is the record as it was before the first of them went (NULL: there was
 * none): if there was a count since then nobody knows whether it saw them, and there will be another one. */
void maildir_used_less(struct maildir_box *m, const struct maildir_record *before, uint64_t octets, uint64_t messages);

#endif
