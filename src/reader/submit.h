/* submit: a message to the SMTP server of an account. */
#ifndef READER_SUBMIT_H
#define READER_SUBMIT_H

#include "base/accounts.h"
#include "reader/envelope.h"
#include "reader/spool.h"

/* Says of each recipient that did not get it why, and leaves in `e` only those. -1: there are some; err says how many,
 * and ERR_UNKNOWN: some may have got it, as the connection ended behind the message. */
int submit(const struct account *a, struct envelope *e, const struct spool *message, struct err *err);

#endif
