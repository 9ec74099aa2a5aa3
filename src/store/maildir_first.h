/* maildir_first: since when each message has been in a maildrop, as far as this server knows: for expiry. A file kept
 * beside the messages, written whole and put in place by one rename:
 *
 *     bustia-first v1
 *     SECONDS INODE UID          since 1970, when it was first recorded; one line for each message
 *     …
 *     end COUNT SHA256           of all lines before
 *
 * It can only ever make messages live longer. What is not in it counts from now; so does every message if the file is not
 * exactly what was written (a digest shows it), belongs to another user, or is missing. A time in the future counts as
 * now. A uid alone does not say which message it is: of two files that would bear the same one bears a digest, until the
 * other is gone (maildir_uid.h). So its inode stands beside it, and a message that was copied counts as a new one. */
#ifndef STORE_MAILDIR_FIRST_H
#define STORE_MAILDIR_FIRST_H

#include "base/span.h"

#define MAILDIR_FIRST "bustia-first"

struct maildir_first {
    int64_t time;
    uint64_t inode;
    struct span uid; /* in the text that was read */
};

struct maildir_firsts {
    struct maildir_first *rows; /* read: in order of inode and uid */
    size_t count;
};

/* false: it is no record. The rows borrow from the text; free them with mem_free in either case. */
bool maildir_firsts_read(struct span text, struct maildir_firsts *f);
/* The row of this message, or NULL. */
const struct maildir_first *maildir_firsts_find(const struct maildir_firsts *f, uint64_t inode, struct span uid);
/* The text for these rows, in whatever order. Free with mem_free. */
char *maildir_firsts_text(const struct maildir_firsts *f, size_t *n);

#endif
