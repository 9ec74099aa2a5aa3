/* maildir_count: the messages of a listing are opened and read, each once.
 *
 * What is found out of a file is true of what it was when it was opened. A later change shows in its change time, for
 * which the listing keeps it (`ctime`), unless that was too fresh then: within the grain of the clock two changes may bear the
 * same time. Such a file has the ctime 0, is looked at once more after the reading, and is to be counted again by whoever
 * would rely on it. */
#ifndef STORE_MAILDIR_COUNT_H
#define STORE_MAILDIR_COUNT_H

#include "store/maildir_scan.h"

enum maildir_outcome {
    MAILDIR_HAVE,  /* the descriptor is that of the message */
    MAILDIR_MOVED, /* its name stands for something else now */
    MAILDIR_GONE,  /* its inode is no message any more */
    MAILDIR_FAILED /* errno says why */
};

/* Opens it under the name it was last seen with. */
enum maildir_outcome maildir_message_open(struct maildir_box *m, const struct maildir_entry *e, int *fd, struct stat *st);

enum { MAILDIR_PIECE = 128 * 1024 }; /* one read of a file that is counted */

/* Reads the whole file, by pieces of MAILDIR_PIECE, which `piece` has room for, and fills what the entry says of its
 * content. `began`: a tick before it was opened (maildir_tick). NULL: it is counted; else why it cannot be served. */
const char *maildir_count_file(struct maildir_entry *e, int fd, const struct stat *st, int64_t began, char *piece);

/* The same of one that nobody has met yet: whatever bears its name, if it is a file, and its inode with it. false: a scan
 * is to find out what it is. */
bool maildir_count_unseen(struct maildir_box *m, struct maildir_entry *e, int64_t began, char *piece);

/* Counts every entry of the table that is neither counted nor odd, under whatever name it has by now; who is not to be had is
 * gone or odd after it. 1: readdir was believed (MAILDIR_BELIEVE) where it was wrong, and the listing must begin anew. */
int maildir_count_all(struct maildir_box *m, struct err *err);

#endif
