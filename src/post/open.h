/* open: an account's `deliver` to a destination. Alone, so that destinations and contract form no circle. */
#ifndef POST_OPEN_H
#define POST_OPEN_H

#include "base/accounts.h"
#include "post/out.h"

/* `account->deliver`:
 *   maildir:PATH   made if its parent folder is there; "~/" is the home folder. Opened as who runs this
 *   mailbox:USER   a user of the server on this machine: root opens his mailbox in a process that has taken its uid
 *                  (the server's configuration, `conf_file`, names users_db), and so does who owns both; anyone else
 *                  hands over by LMTP, which cannot be asked
 *   lmtp:HOST:PORT, lmtp:/SOCKET, smtp:HOST[:PORT]
 *                  to deliver_to, from deliver_from; SMTP's port is 25, or 465 with deliver_tls = implicit
 *   command:WORDS  run by sh -c with the message on its standard input, in lines that end with LF; 0 is yes, 65 and
 *                  76 no to it for ever, anything else no for now. BUSTIA_ACCOUNT, BUSTIA_UID and BUSTIA_SIZE are in its
 *                  environment
 * -1: ERR_CONFIG, ERR_GONE: no such user; ERR_PERM, ERR_INPUT: he cannot be served; ERR_TEMP. */
int out_open(struct out **o, const struct account *a, const char *conf_file, struct err *err);

#endif
