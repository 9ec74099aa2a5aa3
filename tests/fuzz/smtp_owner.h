/* smtp_owner: an owner of smtp_server for the fuzz targets, whose decisions follow from the input. */
#ifndef TESTS_FUZZ_SMTP_OWNER_H
#define TESTS_FUZZ_SMTP_OWNER_H

#include "wire/smtp_server.h"

struct smtp_owner {
    struct smtp_offer offer;
    struct smtp_server m;
    struct buf in, out;
    struct buf said;    /* the replies */
    struct buf story;   /* replies and wants, and the messages that were to be delivered, in order */
    struct buf message; /* that comes in */
    unsigned chance;    /* the decisions, one after the other */
    bool in_transaction, over;
};

/* data[0]: what is offered, data[1]: the decisions, then what the client says, in pieces of `piece`. */
void smtp_owner_play(struct smtp_owner *o, const uint8_t *data, size_t size, size_t piece, size_t room);
void smtp_owner_compare(const struct smtp_owner *a, const struct smtp_owner *b);
void smtp_owner_end(struct smtp_owner *o);

#endif
