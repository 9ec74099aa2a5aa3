/* mail_scratch: memory for pieces of messages on their way, warm from the piece before. Mail process.
 *
 * Fresh memory is dear: 128 kB of it cost some thirty page faults, more than to read and send what goes there. So a few blocks are kept
 * between uses, and the one that was used last is used next. A block belongs to a step of work, and is given back at the end of it:
 * a session that waits, for its client or for its turn, has none. So there are never more of them than threads, and a few; and none where
 * nothing has left for some seconds. */
#ifndef DAEMON_MAIL_SCRATCH_H
#define DAEMON_MAIL_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

enum {
    MAIL_PIECE = 131072,                /* what is read of a message at once */
    MAIL_SCRATCH = MAIL_PIECE + 16384   /* octets of a block: most pieces fit, too, with CRLF in place of LF */
};

/* From any thread. */
char *mail_scratch_take(void);
void mail_scratch_give(char *block); /* NULL is allowed */
bool mail_scratch_rest(void); /* gives back what is kept, if none was taken since it was called last; true: call it again, later */

#endif
