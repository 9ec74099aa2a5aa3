/* mail_out: where `bustia deliver` and `bustia import` put messages: two ways, one face.
 *
 * Root opens the mailbox itself, in a process that has taken the mailbox's ids before it opens anything below the mail
 * root. Anyone else hands the messages to the server by LMTP. */
#ifndef TOOL_MAIL_OUT_H
#define TOOL_MAIL_OUT_H

#include "base/conf.h"
#include "user/users.h"

struct mail_out_message {
    struct span head; /* trace fields that go before it, lines with LF; may be empty */
    struct span text; /* as it is to be stored */
    const char *key;  /* store_about's, or NULL. By LMTP there are no keys */
    int64_t time;     /* when it came, s since 1970; 0: now */
};

struct mail_out;

struct mail_out_ops {
    void (*put)(struct mail_out *o, const struct mail_out_message *m, unsigned n, struct err *errs);
    void (*end)(struct mail_out *o);
};

struct mail_out {
    const struct mail_out_ops *ops;
};

/* Only root: starts the process. -1: ERR_TEMP, ERR_PERM. */
int mail_out_store(struct mail_out **o, const struct conf *c, const struct user *u, struct err *err);

/* Connects to the configuration's first `lmtp` listener, a unix socket before others. `sender`: the envelope's, "" =
 * <>. Both texts live until the end. -1: ERR_CONFIG: there is none; ERR_TEMP: it does not answer. */
int mail_out_lmtp(struct mail_out **o, const struct conf *c, const char *user, const char *sender, struct err *err);

/* errs[i].kind: ERR_NONE: message i is there, durably; ERR_UNKNOWN: perhaps; ERR_LIMIT: no room (over quota); ERR_GONE:
 * no such user; else it is not there. Several at once share their durability. */
static inline void mail_out_put(struct mail_out *o, const struct mail_out_message *m, unsigned n, struct err *errs)
{
    o->ops->put(o, m, n, errs);
}

/* Frees; NULL is allowed. */
static inline void mail_out_end(struct mail_out *o)
{
    if (o)
        o->ops->end(o);
}

#endif
