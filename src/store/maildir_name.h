/* maildir_name: what a file's name in new/ or cur/ says. The names come from whoever delivers.
 *
 * A name is BASE or BASE:FLAGS; programs change the flags at will and never the base. The base ends at the
 * *first* colon, so that no change of flags can alter it. It mostly begins with the time of delivery in
 * decimal seconds. What may follow a comma (S=, W=) are other programs' hints and is never believed. */
#ifndef STORE_MAILDIR_NAME_H
#define STORE_MAILDIR_NAME_H

#include "base/span.h"

enum { MAILDIR_NAME_MAX = 255 };

enum maildir_name_kind {
    MAILDIR_NAME_MESSAGE,
    MAILDIR_NAME_HIDDEN, /* begins with a dot: not a message by convention, passed over silently */
    MAILDIR_NAME_LONG    /* longer than a name can be here */
};

struct maildir_name {
    struct span base;
    uint64_t time; /* the digits at its head; 0 without, the largest number when there are too many */
};

/* Fills *n for every kind but MAILDIR_NAME_LONG. */
enum maildir_name_kind maildir_name_read(struct span name, struct maildir_name *n);

/* What a name that is made here says. One made for a key bears its digest instead of the pid and the host, so
 * that it is short enough to be a uid (RFC 1939 §7) like the others. */
struct maildir_stamp {
    int64_t seconds;       /* since 1970: other programs list by it */
    unsigned microseconds; /* the order within a second */
    unsigned pid;
    uint64_t random;
    const char *key; /* 32 hexadecimal digits, or NULL */
};
enum { MAILDIR_MADE = 96, MAILDIR_KEY = 32 };
/* Writes it with a NUL. Returns its length. Sizes may be put behind it, after a comma. */
size_t maildir_name_make(const struct maildir_stamp *t, char out[MAILDIR_MADE]);
/* The key in a name that was made for one; empty in any other. */
struct span maildir_name_key(struct span name);

/* Order of messages: by time, then bytewise by base. <0, 0, >0. */
int maildir_name_compare(const struct maildir_name *a, const struct maildir_name *b);

#endif
