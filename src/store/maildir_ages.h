/* maildir_ages: the store's `ages`: which messages there are and since when, without opening any. */
#ifndef STORE_MAILDIR_AGES_H
#define STORE_MAILDIR_AGES_H

#include "base/drop.h"
#include "base/err.h"
#include "store/maildir_scan.h"

int maildir_ages(struct maildir_box *m, int64_t now, bool keep, struct drop *drop, int64_t **first, struct err *err);

#endif
