/* dest_mailbox: the user of the server whose mailbox is a destination. */
#ifndef DEST_MAILBOX_H
#define DEST_MAILBOX_H

#include "base/conf.h"
#include "dest.h"

/* Changes him. A test's `own` is the struct conf. */
void dest_mailbox_person(const struct dest_test *t, uint64_t octets, uint64_t messages, bool disabled);

#endif
