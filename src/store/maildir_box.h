/* maildir_box: one Maildir, opened: what all that is done with it shares. */
#ifndef STORE_MAILDIR_BOX_H
#define STORE_MAILDIR_BOX_H

#include <sys/stat.h>

#include "base/err.h"
#include "store/maildir_stamp.h"
#include "store/maildir_table.h"

/* What tells whether a directory is as it was. The ctime does, but for one case: after a power cut btrfs brings back a file that was
 * synced, and not its directory, under its name in that directory, which then has one name more and the ctime of before.
 * Its size tells: there it is the sum of the names' lengths. */
struct maildir_state {
    uint64_t device, inode;
    int64_t changed; /* its ctime, in nanoseconds: what no program can set */
    uint64_t size;
};

struct maildir_box {
    char *where;           /* the path, for people */
    const char *path;      /* the end of it, below the root: */
    int root;              /* lent */
    int dir;               /* the maildrop itself: bears a session's lock */
    int sub[MAILDIR_DIRS]; /* new/ and cur/, opened once */
    int tmp;               /* tmp/: bears the short lock of those who deliver and count; -1: not needed so far */
    bool unsure;           /* an fsync failed: what it was to make durable cannot be told any more */
    bool told;             /* that the record cannot be kept has been logged */
    bool wire_ends;        /* deliveries keep their CRLF */
    bool as_it_is;         /* while it is being opened: what is missing is not made (STORE_PRESENT) */
    bool still;            /* the scan saw all that was there at `state`, and each later change will show in it */
    unsigned foreign;      /* messages that are another uid's, as far as they were met */
    uint64_t turn;         /* of who asks what has happened in new/ and cur/ (maildir_watch.h); 0: never did */
    unsigned begun;        /* deliveries with a time of their own: their order within a second */
    int64_t looked;        /* when the last pass began, by the clock of stamps, in nanoseconds */
    struct maildir_state state[MAILDIR_DIRS]; /* when it began */
    struct maildir_state known[MAILDIR_DIRS]; /* whoever fills the table from elsewhere: a directory in this state has in it
                                                 what is in the table, and is not read; a `changed` of 0: nobody knows */
    struct maildir_table table;
};

const char *maildir_dir_name(enum maildir_dir dir); /* "new" */

struct maildir_state maildir_state_of(const struct stat *st);
/* `then` is known, and nothing has changed since. */
bool maildir_state_same(const struct maildir_state *then, const struct maildir_state *now);

/* openat2 beneath `dir`, never through a symbolic link, without waiting for anybody. -1: errno. */
int maildir_beneath(int dir, const char *path, int flags);
/* The same, to write a file that is not there yet. */
int maildir_create(int dir, const char *name);
/* The errno says: what this name stands for is not the file that was seen (renamed, replaced, removed). */
bool maildir_moved(int error);

#endif
