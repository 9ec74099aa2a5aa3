/* maildir_draft: a message on its way into a Maildir. Written in tmp/ and synced there, then renamed into new/ and the
 * directory synced: what bears a name in new/ is whole, and what is vouched for outlives a power cut. */
#ifndef STORE_MAILDIR_DRAFT_H
#define STORE_MAILDIR_DRAFT_H

#include "store/ends.h"
#include "store/maildir_scan.h"
#include "store/store.h"

/* What has become of it in a commit. */
enum maildir_fate {
    MAILDIR_WAITING,  /* still in tmp/ */
    MAILDIR_PLACED,   /* in new/ */
    MAILDIR_HAD,      /* not needed: its key is there already */
    MAILDIR_DISCARDED /* its err says why */
};

struct store_draft {
    struct maildir_box *box;
    int fd;     /* in tmp/, until it is ready */
    bool ready; /* synced and closed */
    bool strip; /* CRLF becomes LF */
    bool only_known; /* it goes no further than to the question whether its key is there */
    struct ends ends;
    char *buf; /* what is not written yet, until it is ready */
    size_t n;
    struct store_count count; /* of what is stored */
    char *uid;                /* the owner's, or NULL: what it is called */
    bool *had;                /* the owner's, or NULL: its key was met */
    enum maildir_fate fate;
    char key[MAILDIR_KEY + 1]; /* empty: none */
    char name[MAILDIR_MADE];   /* in tmp/, and the first part of that in new/ */
};

/* The store's begin, write, start, ready, abort (maildir_draft.c) and commit (maildir_commit.c). */
int maildir_draft_begin(struct maildir_box *m, const struct store_about *about, struct store_draft **d,
                        struct err *err);
int maildir_draft_write(struct store_draft *d, struct span in, struct err *err);
int maildir_draft_start(struct store_draft *d, struct err *err);
int maildir_draft_ready(struct store_draft *d, struct err *err);
void maildir_draft_abort(struct store_draft *d);
unsigned maildir_draft_commit(struct store_draft **d, unsigned n, struct err *errs);

/* Removes what deliveries left in tmp/: regular files that nobody has touched for 36 hours before `now` (s since
 * 1970). */
int maildir_sweep(struct maildir_box *m, int64_t now, struct err *err);

#endif
