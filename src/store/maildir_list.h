/* maildir_list: what is in a maildrop: told by the index beside it as long as that is true, else found out. The store's list,
 * load, text and keep. */
#ifndef STORE_MAILDIR_LIST_H
#define STORE_MAILDIR_LIST_H

#include "store/maildir_index.h"

struct maildir {
    struct store store;
    struct maildir_box box;
    struct maildir_index index;
    uint64_t settled; /* the sum of the index that was written last, of which the kernel's hints are now; 0: none was */
    int64_t listed; /* when list began (ns since 1970) */
    bool told;      /* list has told what the index says, and nothing has contradicted it */
    bool wrong;     /* but it was found to be wrong after that, and nothing is kept */
    bool scanned;   /* the table is what a scan has met */
    struct maildir_news found; /* then: how what it has met differs from the index */
    bool strange;   /* which met what is no message now, and may become one without a trace in its directory */
    bool news;      /* there is something to keep */
};

static inline struct maildir *maildir_of(struct store *s)
{
    return (struct maildir *)s;
}

int maildir_list(struct store *s, struct drop *drop, struct err *err);
bool maildir_at_hand(struct store *s);
int maildir_load(struct store *s, struct drop *drop, struct err *err);
long maildir_text(struct store *s, enum store_text which, uint64_t at, char *p, size_t n, struct err *err);
int maildir_keep(struct store *s, const struct drop *drop, struct err *err);

/* This message is not there any more. If its directory is as it was when the index told of it, that has told of one that was not
 * there: it goes. */
void maildir_doubt(struct maildir *m, const struct maildir_entry *e);

#endif
