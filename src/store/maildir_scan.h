/* maildir_scan: reads new/ and cur/ while other programs deliver and rename in them.
 *
 * Passes over them (maildir_pass.h) are made until one counts, and what they saw is united; `met` in the table says who was not in
 * the last one. Where a program renames for ever none will ever count, and that must neither close the maildrop nor hide a
 * message: after several passes, the last of which met nothing that the others had missed, the union is taken as it is. */
#ifndef STORE_MAILDIR_SCAN_H
#define STORE_MAILDIR_SCAN_H

#include "store/maildir_box.h"

/* Some file systems invent the inode numbers that readdir tells, so whoever keeps them asks for each. BELIEVE: the first
 * is asked for, and when readdir was right the others are believed (`believed`): who opens the files sees whether
 * each was. */
enum maildir_how { MAILDIR_ASK, MAILDIR_BELIEVE };

/* Adds to the table all that is in the two directories; what is no regular file is marked odd. A table that was filled from
 * elsewhere (in order, `sorted` saying so) is brought up to date: maildir_table_news says how. */
int maildir_scan(struct maildir_box *m, enum maildir_how how, struct err *err);

/* Shows the name of each entry of the two directories that may be a file, in passes until one counts or enough were
 * made, or until `see` says that it has seen enough. A name may be shown more than once. */
typedef bool maildir_name_fn(enum maildir_dir dir, const char *name, void *arg);
int maildir_each_name(struct maildir_box *m, maildir_name_fn *see, void *arg, struct err *err);

/* Looks for every entry that is marked `wanted` under whatever name it has by now. `met` is called the moment one
 * is seen: true ends the search for it, false says that it has moved again. After it an entry that is
 * still wanted was not to be had: `seen` says that it is there all the same, else it is not there. */
typedef bool maildir_met_fn(struct maildir_box *m, struct maildir_entry *e, void *arg);
int maildir_search(struct maildir_box *m, maildir_met_fn *met, void *arg, struct err *err);

#endif
