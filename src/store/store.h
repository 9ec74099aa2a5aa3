/* store: what a mailbox is, whatever keeps it. One contract, one test suite for all back-ends
 * (tests/store/contract.c). Every call may block; a store is used by one thread at a time.
 *
 * Wire form: CRLF throughout, a final CRLF, no line that begins with a dot. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "base/drop.h"
#include "base/err.h"
#include "base/span.h"

enum store_mode {
    STORE_EXCLUSIVE, /* locked against every other session until store_close (RFC 1939 §4) */
    STORE_DELIVER    /* to add messages; needs no lock */
};

struct store {
    const struct store_ops *ops;
};

/* One message's octets. Either a descriptor and a range (so that sendfile stays possible), or a reader. */
struct store_body {
    int fd;              /* -1: use read */
    uint64_t offset;     /* of the first octet in fd */
    uint64_t size;       /* octets as stored */
    bool wire;           /* already in wire form */
    uint64_t octets;     /* in wire form, what STAT and LIST said; 0 octets of a TOP are not counted here */
    void *state;         /* the reader's */
    /* Fills p with up to n octets from `at`. Returns how many; 0 only at the end of the message; -1 with err. */
    long (*read)(struct store_body *b, uint64_t at, char *p, size_t n, struct err *err);
    void (*close)(struct store_body *b);
};

struct store_draft; /* a message that is being delivered */

/* Where a back-end may look: a directory that the configuration names as a mail root. Opened by the master
 * (or by the tool). The store is a path below it. */
struct store_root {
    const char *path; /* "/srv/mail", no slash at its end */
    int fd;           /* O_PATH or O_RDONLY directory */
    bool memory;      /* `memory:` stores may be named below it (allow_memory_store: for tests) */
};

struct store_ops {
    const char *scheme; /* "maildir" */

    /* Opens what `path` (relative, below root->fd) names. STORE_EXCLUSIVE: takes the lock before anything is
     * read; held by another: ERR_BUSY. Does not scan. A maildrop that does not exist yet is created when its
     * parent directory exists and permits it, else ERR_TEMP (the mail may be on a disk that is
     * not mounted). */
    int (*open)(struct store **s, const struct store_root *root, const char *path, enum store_mode mode,
                struct err *err);

    /* Fills an empty drop: numbers, octets in wire form, uids. What is strange is logged and passed over. */
    int (*list)(struct store *s, struct drop *drop, struct err *err);

    /* Opens message `msg` of the drop that list filled. ERR_GONE: not there any more; ERR_TEMP: cannot be read
     * now, or is not what was listed. On success b->close must be called. */
    int (*body)(struct store *s, unsigned msg, struct store_body *b, struct err *err);

    /* Removes, durably, every message that is marked in drop. 0: all are gone. -1: *left says how many of the
     * marked may still be there; ERR_UNKNOWN: it cannot be told for all of them. */
    int (*remove)(struct store *s, const struct drop *drop, size_t *left, struct err *err);

    /* A delivery; NULL where a back-end cannot. One key committed twice = one message;
     * NULL = a fresh one. commit: 0 = durable; ERR_UNKNOWN = perhaps. abort frees; so does commit. */
    int (*begin)(struct store *s, const char *key, struct store_draft **d, struct err *err);
    int (*write)(struct store_draft *d, struct span in, struct err *err);
    int (*commit)(struct store_draft *d, struct err *err);
    void (*abort)(struct store_draft *d);

    /* Unlocks and frees. */
    void (*close)(struct store *s);
};

/* ---- helpers every back-end needs */

/* Octets in wire form (RFC 1939 §11), counted in pieces: each lone LF becomes CRLF, an unended last line gets CRLF. */
struct store_count {
    uint64_t size, octets; /* as stored; in wire form so far */
    uint64_t lone;         /* line feeds without a CR before them */
    bool saw_cr, open_line;
    bool dot;              /* a line begins with one */
};
void store_count_add(struct store_count *c, struct span in); /* begins with a zeroed struct */
uint64_t store_count_octets(const struct store_count *c);    /* with the CRLF that an unended last line gets */
bool store_count_wire(const struct store_count *c);          /* it is stored in wire form */

/* The uid of a base name: itself up to the first ',' or ':' if that is 1..70 of 0x21-0x7E, else a digest that
 * begins with ':' (so that it never equals a plain one). out: 71 bytes. */
void store_uid(struct span base, char out[71]);
/* The digest for the second and later files with the same uid: of whole base name and inode. */
void store_uid_second(struct span base, uint64_t inode, char out[71]);

#endif
