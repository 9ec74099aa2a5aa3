/* maildir_scan: reads new/ and cur/ while other programs deliver and rename in them.
 *
 * A directory that changes while it is read may show an entry twice or not at all. So a pass over both
 * counts only if neither has changed since before it: their change times are the same, and not so recent
 * that a second change could bear the same stamp. Until then passes are repeated and what they saw is
 * united. Where a program renames for ever no pass will ever count, and that must neither close the
 * maildrop nor hide a message: after several passes, the last of which met nothing that the others had
 * missed, the union is taken as it is. */
#ifndef STORE_MAILDIR_SCAN_H
#define STORE_MAILDIR_SCAN_H

#include <sys/stat.h>

#include "base/err.h"
#include "store/maildir_table.h"

/* What tells whether a directory is as it was. */
struct maildir_state {
    uint64_t device, inode;
    int64_t changed; /* its ctime, in nanoseconds: what no program can set */
};

struct maildir_box {
    char *where;           /* the path, for people */
    int dir;               /* the maildrop itself: bears a session's lock */
    int sub[MAILDIR_DIRS]; /* new/ and cur/, opened once */
    int tmp;               /* tmp/: bears the short lock of those who deliver and count; -1: not needed so far */
    bool unsure;           /* an fsync failed: what it was to make durable cannot be told any more */
    bool told;             /* that the record cannot be kept has been logged */
    bool wire_ends;        /* deliveries keep their CRLF */
    bool as_it_is;         /* while it is being opened: what is missing is not made (STORE_PRESENT) */
    bool still;            /* the scan saw all that was there at `state`, and each later change will show in it */
    unsigned begun;        /* deliveries with a time of their own: their order within a second */
    int64_t looked;        /* when the last pass began, by the wall clock, in nanoseconds */
    struct maildir_state state[MAILDIR_DIRS]; /* when it began */
    struct maildir_state known[MAILDIR_DIRS]; /* whoever fills the table from elsewhere: a directory in this state has in it
                                                 what is in the table, and is not read; a `changed` of 0: nobody knows */
    struct maildir_table table;
};

const char *maildir_dir_name(enum maildir_dir dir); /* "new" */

/* openat2 beneath `dir`, never through a symbolic link, without waiting for anybody. -1: errno. */
int maildir_beneath(int dir, const char *path, int flags);
/* The same, to write a file that is not there yet. */
int maildir_create(int dir, const char *name);
/* The errno says: what this name stands for is not the file that was seen (renamed, replaced, removed). */
bool maildir_moved(int error);

int64_t maildir_ns(struct timespec t);
/* A change at `now` (ns since 1970) or later bears another time than this one, which a file or directory has. */
bool maildir_before(struct timespec changed, int64_t now);

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
