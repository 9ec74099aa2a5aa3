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
    STORE_DELIVER,   /* to add messages; needs no lock */
    STORE_PRESENT    /* as STORE_EXCLUSIVE, but opening it makes nothing: ERR_GONE where there is no maildrop */
};

enum store_text { STORE_LIST, STORE_UIDL }; /* listings that a back-end may keep as text */

struct store {
    const struct store_ops *ops;
};

/* One message's octets. Either a descriptor and a range (so that sendfile stays possible), or a reader. */
struct store_body {
    int fd;          /* -1: use read */
    uint64_t offset; /* of the first octet in fd */
    uint64_t size;   /* octets as stored */
    bool wire;       /* already in wire form */
    bool eight_bit;  /* its header has octets above 0x7F: also where list, of another content, has said something else */
    uint64_t octets; /* in wire form, what STAT and LIST said; 0 octets of a TOP are not counted here */
    void *state;     /* the reader's */
    /* Fills p with up to n octets from `at`. Returns how many; 0 only at the end of the message; -1 with err. */
    long (*read)(struct store_body *b, uint64_t at, char *p, size_t n, struct err *err);
    void (*close)(struct store_body *b);
};

struct store_draft; /* a message that is being delivered */

enum { STORE_UID = 71 }; /* a uid of at most 70 octets (RFC 1939 §7), and a NUL */

/* What is known of a message before its octets. */
struct store_about {
    const char *key; /* one key committed twice = one message, as long as the first is there; NULL: a fresh one */
    bool only_known; /* nothing is stored: commit says whether its key is there (ERR_NONE) or not (ERR_GONE) */
    bool wire; /* it is written in lines that end with CRLF, as it came by SMTP; false: as stored, kept to the octet */
    bool keep_crlf; /* with `wire`: it is stored with all of its CRLF, for other programs (store_keeps_crlf) */
    int64_t time;   /* s since 1970: when it came, for its place in the list; 0: now */
    char *uid; /* STORE_UID octets that live until commit, which writes there what the message is called (that of the
                  one that is there, if its key was met); NULL: nobody asks */
    bool *had; /* lives until commit, which makes it true if its key was met; NULL: nobody asks */
};

/* How full a mailbox is: messages, and their octets as stored. */
struct store_used {
    uint64_t octets, messages;
    int64_t counted; /* s since 1970: when they were last counted one by one; 0: never */
};

/* Where a back-end may look: a directory that the configuration names as a mail root. Opened by the master
 * (or by the tool). The store is a path below it. */
struct store_root {
    const char *path; /* "/srv/mail", no slash at its end */
    int fd;           /* O_PATH or O_RDONLY directory */
    bool memory;      /* `memory:` stores may be named below it (allow_memory_store: for tests) */
    bool wire_ends;   /* messages are stored with CRLF (maildir_line_ends = wire) */
};

struct store_ops {
    const char *scheme; /* "maildir" */

    /* Opens what `path` (relative, below root->fd) names. STORE_EXCLUSIVE: takes the lock before anything is
     * read; held by another: ERR_BUSY. Does not scan. A maildrop that does not exist yet is created when its
     * parent directory exists and permits it, else ERR_TEMP (the mail may be on a disk that is
     * not mounted). */
    int (*open)(struct store **s, const struct store_root *root, const char *path, enum store_mode mode,
                struct err *err);

    /* Fills an empty drop: numbers, octets in wire form, uids. What is strange is logged and passed over. A back-end that
     * has `load` may only tell how many messages there are, and of how many octets (drop_tell). */
    int (*list)(struct store *s, struct drop *drop, struct err *err);

    /* Fills a drop that list has left not loaded: the same numbers, count and octets as list has told. -1: it cannot, and the
     * session must end. NULL where list always fills it. */
    int (*load)(struct store *s, struct drop *drop, struct err *err);

    /* After list: load would not wait for a disk. Never blocks itself. NULL where it might always. */
    bool (*at_hand)(struct store *s);

    /* Octets of a whole listing from `at` on, as it stands on the wire ("1 120\r\n2 200\r\n…", neither status line nor final
     * dot), of what list has told, whatever was marked since. 0: its end. -1: it is not to be had. NULL where none is kept. */
    long (*text)(struct store *s, enum store_text which, uint64_t at, char *p, size_t n, struct err *err);

    /* Writes down what was found out by list and after it (sizes, `downgraded`), so that it is cheap next time: of the drop only
     * `downgraded` counts, for `octets` may be a surrogate's by now. It may be not loaded: then there is nothing new but what
     * list itself has found. Nobody's session is harmed by a failure,
     * which the back-end logs. NULL where nothing is kept. */
    int (*keep)(struct store *s, const struct drop *drop, struct err *err);

    /* Opens message `msg` of the drop that list filled. ERR_GONE: not there any more; ERR_TEMP: cannot be read
     * now, or is not what was listed. On success b->close must be called. */
    int (*body)(struct store *s, unsigned msg, struct store_body *b, struct err *err);

    /* Removes, durably, every message that is marked in drop. 0: all are gone. -1: *left says how many of the
     * marked may still be there; ERR_UNKNOWN: it cannot be told for all of them. */
    int (*remove)(struct store *s, const struct drop *drop, size_t *left, struct err *err);

    /* ---- deliveries (STORE_DELIVER); NULL where a back-end cannot. No message is opened for them. */

    /* Begins a draft. Nothing of it is visible before commit. `about` is not kept. */
    int (*begin)(struct store *s, const struct store_about *about, struct store_draft **d, struct err *err);
    int (*write)(struct store_draft *d, struct span in, struct err *err);
    /* All is written, and goes to the disk from now on, without waiting: what is made ready together is so waited for
     * together. NULL where there is nothing to gain. */
    int (*start)(struct store_draft *d, struct err *err);
    /* All is written and durable but for its name. After a failure (of write, too) only abort is of use. */
    int (*ready)(struct store_draft *d, struct err *err);
    /* Commits n drafts of one open store that are ready, with one directory fsync for all, and frees them.
     * errs[i].kind: ERR_NONE: durable, and counted in the record of what is used, if there is one; ERR_UNKNOWN: it is
     * there, and may not outlive a power cut; else it is not there. Returns how many are durable. */
    unsigned (*commit)(struct store_draft **d, unsigned n, struct err *errs);
    void (*abort)(struct store_draft *d); /* frees; nothing stays */

    /* What is used, from the record kept beside the messages; from a count if there is none, or if `afresh`. Also for
     * STORE_EXCLUSIVE, whose remove keeps the record. */
    int (*used)(struct store *s, bool afresh, struct store_used *used, struct err *err);
    /* Removes what deliveries left in tmp/ longer ago than 36 hours. */
    int (*sweep)(struct store *s, struct err *err);

    /* In place of list, for who asks only which messages there are and since when: fills an empty drop, whose octets are
     * all 0, and *first: for each message, when it was first met by this call (s since 1970), by a record that the
     * back-end keeps; `now` for those that were not met before. The record can only be too late. `now` is rounded up.
     * keep: the record is brought up to date, and forgets who is gone. Free *first with mem_free. 1: all is known, but
     * the record could not be written (err says why); -1: nothing is known. NULL where a back-end keeps no record. */
    int (*ages)(struct store *s, int64_t now, bool keep, struct drop *drop, int64_t **first, struct err *err);

    /* Unlocks and frees. */
    void (*close)(struct store *s);
};

/* ---- helpers every back-end needs */

/* Has `message`, in lines that end with CRLF, a line whose last octet is a CR? "\r\r\n" stays as it is among lines that
 * end with LF (store/ends.h); who has seen all of a message beforehand rather stores it in one form. */
bool store_keeps_crlf(struct span message);

/* Octets in wire form (RFC 1939 §11), counted in pieces: each lone LF becomes CRLF, an unended last line gets CRLF. */
struct store_count {
    uint64_t size, octets; /* as stored; in wire form so far */
    uint64_t lone;         /* line feeds without a CR before them */
    bool saw_cr, open_line;
    bool dot; /* a line begins with one; false where `lone` alone says that it is not in wire form */
    bool eight_bit; /* the header has octets above 0x7F */
    bool body;      /* past the header's empty line, */
    bool in_line, cr; /* for which this looks: its line has begun; all that it has so far is a CR */
};
void store_count_add(struct store_count *c, struct span in); /* begins with a zeroed struct */
uint64_t store_count_octets(const struct store_count *c);    /* with the CRLF that an unended last line gets */
bool store_count_eight_bit(const struct store_count *c);     /* its header has octets above 0x7F */
bool store_count_wire(const struct store_count *c);          /* it is stored in wire form */

/* The uid of a base name: itself up to the first ',' or ':' if that is 1..70 of 0x21-0x7E, else a digest that
 * begins with ':' (so that it never equals a plain one). out: 71 bytes. */
void store_uid(struct span base, char out[71]);
/* The digest for the second and later files with the same uid: of whole base name and inode. */
void store_uid_second(struct span base, uint64_t inode, char out[71]);

#endif
