/* out: where messages go: a Maildir, a mailbox of the server on this machine, LMTP, SMTP, a command: many ways, one
 * face. `bustia deliver`, `bustia import` and the collector stand on it.
 *
 * A message is given in pieces, so that its size costs no memory; several may be open at once, and are committed
 * together, so that they share their durability. Where a destination can be asked (`keys`), one key committed twice is
 * one message. */
#ifndef POST_OUT_H
#define POST_OUT_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum { OUT_ID = 256 };

struct out;
struct out_draft;

struct out_about {
    const char *key; /* store_about's, or NULL */
    bool ask_first;  /* with `key`: no room is told by commit, and only if the key is not there already */
    bool *had;       /* lives until commit, which makes it true if the key was met, where one can ask; or NULL */
    const char *uid; /* what it is called where it comes from, or NULL: only told on */
    int64_t time;    /* when it came, s since 1970; 0: now */
    bool wire;       /* in lines that end with CRLF, as it came over the network; false: as stored, kept to the octet */
    uint64_t size;   /* about how many octets; 0: not known */
};

struct out_ops {
    int (*begin)(struct out *o, const struct out_about *about, struct out_draft **d, struct err *err);
    int (*write)(struct out_draft *d, struct span in, struct err *err);
    void (*commit)(struct out_draft **d, unsigned n, struct err *errs, char (*ids)[OUT_ID]);
    void (*abort)(struct out_draft *d);
    void (*close)(struct out *o);
};

struct out {
    const struct out_ops *ops;
    bool keys;         /* it can be asked: a key committed twice is one message */
    unsigned together; /* the most drafts that may be open at once; 1: one after another */
};

/* Begins a draft. -1: ERR_TEMP, ERR_PERM, ERR_LIMIT (no room), ERR_GONE (nobody there), ERR_INPUT (it will never be
 * taken). */
static inline int out_begin(struct out *o, const struct out_about *about, struct out_draft **d, struct err *err)
{
    return o->ops->begin(o, about, d, err);
}
/* After a failure only abort is of use. */
static inline int out_write(struct out *o, struct out_draft *d, struct span in, struct err *err)
{
    return o->ops->write(d, in, err);
}
/* Commits n drafts and frees them. errs[i].kind: ERR_NONE: it is there, durably as far as the destination says so, and
 * ids[i] (may be NULL) what it is called there; ERR_UNKNOWN: it may be there; else as for out_begin, and it is not
 * there. */
static inline void out_commit(struct out *o, struct out_draft **d, unsigned n, struct err *errs, char (*ids)[OUT_ID])
{
    o->ops->commit(d, n, errs, ids);
}
static inline void out_abort(struct out *o, struct out_draft *d) /* nothing stays */
{
    o->ops->abort(d);
}
static inline void out_close(struct out *o) /* NULL is allowed */
{
    if (o)
        o->ops->close(o);
}

#endif
