/* out_smtp: to a server by SMTP or LMTP. It cannot be asked what it has: when the answer to the final dot does not
 * come, a message may be there or not. */
#ifndef POST_OUT_SMTP_H
#define POST_OUT_SMTP_H

#include "base/accounts.h"
#include "post/out.h"

struct out_smtp_to {
    const char *host; /* a name, an address, or the absolute path of a unix socket */
    unsigned port;
    enum account_tls tls;
    const char *from, *to; /* the envelope; from: "" = <> */
    const char *ca;        /* issuers that are believed, or NULL: the system's */
    bool lmtp;
};

/* Copies `to`, and connects, so that what cannot be reached is known before any message is fetched for it. Messages
 * wait in files (post/spool.h), go one after another over one connection when they are committed, and no connection is
 * kept while nothing goes. -1: ERR_CONFIG, ERR_PERM: the server is not believed; ERR_TEMP. */
int out_smtp(struct out **o, const struct out_smtp_to *to, struct err *err);

#endif
