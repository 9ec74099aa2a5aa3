/* mailbox_talk: what is said between who has a message for a mailbox and the process that has taken the mailbox's ids:
 * frames, each with the octets that it announces. BEGIN and COMMIT are answered. */
#ifndef POST_MAILBOX_TALK_H
#define POST_MAILBOX_TALK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/store.h"

enum { MAILBOX_SLOTS = 64, MAILBOX_KEY_MAX = 200, MAILBOX_PIECE = 64 * 1024 };

enum mailbox_what {
    MAILBOX_BEGIN, /* n octets of a key; answered with a struct err */
    MAILBOX_WRITE, /* n octets of the message */
    MAILBOX_ABORT,
    MAILBOX_COMMIT /* n octets of slots, a uint32_t each; answered with a struct mailbox_fate for each */
};

struct mailbox_frame {
    uint32_t what, slot, n;
    bool wire, ask_first;
    int64_t time;
    uint64_t size;
};

struct mailbox_fate {
    struct err err;
    char uid[STORE_UID];
    bool had; /* its key was met */
};

/* All of it through a stream socket, whatever signals come. -1: the other side is gone. */
int mailbox_send(int fd, const void *p, size_t n);
int mailbox_receive(int fd, void *p, size_t n);

#endif
