/* out_mailbox: the mailbox of a user of the server on this machine. `bustia deliver` and `bustia import` stand on it,
 * too. */
#ifndef POST_OUT_MAILBOX_H
#define POST_OUT_MAILBOX_H

#include "base/conf.h"
#include "post/out.h"

/* Root: finds the user in the database and opens his mailbox in a process that has taken its ids; it knows keys. So
 * does who owns both the database and the mailbox (a server for one person, without root). Anyone else hands over by
 * LMTP to the configuration's first such listener (a unix socket before others), where the server knows the user;
 * `sender`: the envelope's, "" = <>. (*o)->keys says which way it is. -1: ERR_GONE: no such user; ERR_PERM: he is
 * disabled; ERR_INPUT: he cannot be served; ERR_CONFIG, ERR_TEMP. */
int out_mailbox(struct out **o, const struct conf *c, const char *user, const char *sender, struct err *err);

#endif
