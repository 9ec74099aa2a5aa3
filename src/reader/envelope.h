/* envelope: from whom and to whom, as SMTP is told (RFC 5321 §3.3); and what became of it. */
#ifndef READER_ENVELOPE_H
#define READER_ENVELOPE_H

#include "client/smtp.h"

enum { ENVELOPE_MAX = 1000 };

struct envelope {
    char *from;
    struct smtp_client_rcpt *rcpts; /* their addresses are ours, each once */
    unsigned count;
    bool utf8; /* an address, or the message's head, has more than ASCII in it */
};

int envelope_add(struct envelope *e, const char *address, struct err *err);
/* Only those that are in `few`, too. ERR_USAGE: there is one in it that was none before. */
int envelope_keep(struct envelope *e, const struct envelope *few, struct err *err);
void envelope_free(struct envelope *e);

#endif
