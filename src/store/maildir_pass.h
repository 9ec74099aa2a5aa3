/* maildir_pass: one reading of both directories.
 *
 * A directory that changes while it is read may show an entry twice or not at all. So a pass over both
 * counts only if neither has changed since before it: their change times are the same, and such that a
 * second change would not bear the same stamp (maildir_stamp.h). One of them may have changed, if it is so small that the
 * kernel reads it at one blow, under its lock, while the other stood still: then nothing was moved between the two, and the
 * pass shows what was there at the moment of that reading. So who logs in right after a delivery, or looks right after
 * removing something, mostly waits for no tick. But what is read so is not `still`: another change may bear the same stamp, and
 * whoever keeps it must look again. */
#ifndef STORE_MAILDIR_PASS_H
#define STORE_MAILDIR_PASS_H

#include <dirent.h>

#include "store/maildir_box.h"

typedef void maildir_see_fn(struct maildir_box *m, enum maildir_dir dir, const struct dirent64 *d, void *arg);

/* What a pass has found both directories to be. */
struct maildir_view {
    struct maildir_state state[MAILDIR_DIRS]; /* when it began */
    int64_t looked;                           /* when that was, by the clock of stamps */
    bool counts;                              /* all that was there at one moment of it was seen */
    bool still;                               /* they stood still, and each later change will show in their state */
};

/* The n-th in a row (from 1), of which the first wait until a change would show. Those of the box's table that bear the names they
 * had are met in the order of the last one. */
int maildir_pass(struct maildir_box *m, unsigned n, maildir_see_fn *see, void *arg, struct maildir_view *view,
                 struct err *err);

#endif
