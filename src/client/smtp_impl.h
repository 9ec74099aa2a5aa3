/* smtp_impl: what the files of smtp share; nobody else includes it. */
#ifndef CLIENT_SMTP_IMPL_H
#define CLIENT_SMTP_IMPL_H

#include "client/smtp.h"

enum { SMTP_PIECE = 16 * 1024 };

struct smtp_session {
    struct smtp_client machine;
    struct link *link;
    const struct smtp_to *to;
    unsigned long long ends_at; /* of clock_ms, as `to` says; 0: never */
    bool over;                  /* nothing more can be said, not even QUIT */
    struct span waiting;        /* of `piece`, not yet encoded */
    char piece[SMTP_PIECE];
};

/* Moves the link until the machine wants something else than INPUT and ROOM; with BODY the link is not moved. -1: the
 * session is over. */
int smtp_next(struct smtp_session *s, enum smtp_client_want *want, struct err *err);
/* The session is over: "HOST: " and why. Returns -1. */
int smtp_end(struct smtp_session *s, struct err *err, enum err_kind kind, const char *text);
/* From now on the connection lasts at most so many times as long as the server may be silent; 0: as long as `to` says.
 * A server that is never silent and never done is given up by it. */
void smtp_end_after(struct smtp_session *s, unsigned silences);

/* At WANT_MAIL: until the server has said yes to who we are. */
int smtp_log_in(struct smtp_session *s, struct err *err);

#endif
