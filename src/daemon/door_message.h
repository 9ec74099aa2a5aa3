/* door_message: a message that comes in, in a memory file (memfd_create(2)) that is sealed before any other process gets it, and
 * the ceiling of all that are coming in. Door. */
#ifndef DAEMON_DOOR_MESSAGE_H
#define DAEMON_DOOR_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

/* Of one door: what its messages hold, their buffers counted. */
struct message_room {
    uint64_t used, ceiling;
    uint64_t hollow;   /* of `used`: kept free for messages whose senders said how large they are */
    bool no_exec_seal; /* an old kernel: it knows no MFD_NOEXEC_SEAL */
};

struct message {
    struct message_room *room;
    int fd;           /* -1: none */
    uint64_t size;    /* octets, those that wait in `gather` too */
    uint64_t written; /* octets in the file */
    uint64_t claimed; /* of the room: what it holds, or what is kept free for it */
    uint64_t held, reserved;
    char *gather;     /* small pieces, until they are worth a call */
    size_t gathered, gather_room;
};

void message_init(struct message *m, struct message_room *room); /* holds nothing */

/* Would so many octets more fit just now? */
bool message_fits(const struct message_room *room, uint64_t size);

/* `size`: as the sender says, 0 if he does not. So much is kept free for it, so that what begins can end; but what strangers
 * (`trusted` false) only promise to send takes no more than half of the room. ERR_LIMIT: it does not fit. */
int message_begin(struct message *m, uint64_t size, bool trusted, struct err *err);
/* ERR_LIMIT: the ceiling would be passed, the message is gone; ERR_TEMP: so it is, by another trouble. */
int message_add(struct message *m, struct span piece, struct err *err);
/* All is in the file, and nobody can change it any more (F_SEAL_WRITE, GROW, SHRINK, SEAL). -1: the message is gone. */
int message_seal(struct message *m, struct err *err);
void message_end(struct message *m); /* gives everything back; holds nothing again */

/* The same, but others still have the file: the octets it holds stay counted, and are returned. */
uint64_t message_leave(struct message *m);
void message_left(struct message_room *room, uint64_t octets); /* now nobody has it any more */

#endif
