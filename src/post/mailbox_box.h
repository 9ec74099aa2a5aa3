/* mailbox_box: the process that has become the owner of a mailbox and writes into it what it is told
 * (post/mailbox_talk.h). */
#ifndef POST_MAILBOX_BOX_H
#define POST_MAILBOX_BOX_H

#include "base/conf.h"
#include "user/users.h"

/* In a child: takes the user's ids before it opens anything below a mail root, keeps no other descriptor than `fd` and
 * those of the standard streams, and serves until the other side is gone. Never returns. */
void mailbox_box_serve(const struct conf *c, const struct user *u, int fd) __attribute__((noreturn));

#endif
