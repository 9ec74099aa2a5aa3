/* source: where messages are read: a server, what was collected for an account, or a Maildir. Messages are numbered
 * from 0 here and from 1 for people, the newest last; what a source lists stays valid until it is closed. */
#ifndef READER_SOURCE_H
#define READER_SOURCE_H

#include "base/accounts.h"
#include "base/drop.h"
#include "reader/spool.h"

enum {
    SOURCE_HEAD_MAX = 64 * 1024, /* octets of a head for a list, */
    SOURCE_HEAD_ALL = 16 << 20   /* and of one that is asked for by itself */
};

struct source;

struct source_ops {
    /* Adds the head of each of the messages to the spool, with the number of its octets (uint32_t) before it; 0: it
     * could not be had. */
    int (*heads)(struct source *s, const unsigned *msgs, unsigned count, size_t most, struct spool *to,
                 struct err *err);
    /* The whole message. */
    int (*fetch)(struct source *s, unsigned msg, struct spool *to, struct err *err);
    /* Removes those that are marked in s->drop. -1: ERR_UNKNOWN: they may be gone or not; else none is gone, or, as err
     * says, not all. NULL: nothing is removed here. */
    int (*remove)(struct source *s, struct err *err);
    void (*close)(struct source *s); /* says good-bye; nothing is changed by it */
};

struct source {
    const struct source_ops *ops;
    const struct account *account; /* NULL: a folder that was named by itself */
    struct drop drop;              /* octets: 0 where they are not known; uid "" where there is none */
};

/* A server: connects and logs in; may ask for a password at the terminal. */
int source_server(struct source **s, const struct account *a, struct err *err);
/* What was collected for an account and lies in its Maildir still, by the server's uids, in the order in which it was
 * first listed. ERR_CONFIG: it is not delivered into a Maildir; ERR_GONE: nothing was ever collected. */
int source_collected(struct source **s, const struct accounts *all, const struct account *a, struct err *err);
/* A Maildir: opened to read, without a lock; nothing in it changes. */
int source_maildir(struct source **s, const char *path, struct err *err);

#endif
