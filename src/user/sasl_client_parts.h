/* sasl_client_parts: what the files of sasl_client share, and nobody else sees.
 *
 *   sasl_client_exchange.c  which mechanism, and the exchange; PLAIN, LOGIN and EXTERNAL
 *   sasl_client_keyed.c     what does not show the password: SCRAM and CRAM-MD5, through libgsasl
 *   sasl_client_token.c     OAUTHBEARER and XOAUTH2 */
#ifndef USER_SASL_CLIENT_PARTS_H
#define USER_SASL_CLIENT_PARTS_H

#include <gsasl.h>

#include "user/sasl_client.h"

/* One step of a mechanism. `in`: p = NULL where the client begins. -1: err says why, *out as sasl_client_step's. */
typedef int sasl_client_step_fn(struct sasl_client *c, struct span in, struct span *out, struct err *err);

struct sasl_client_row {
    const char *name;
    sasl_client_step_fn *step;
    int (*check)(struct sasl_client *c,
                 struct err *err); /* is what it needs there and well formed? Also starts libgsasl */
    bool (*has)(const struct sasl_client_who *who);
    bool begins;   /* the client speaks first */
    bool shows;    /* a secret, to whoever reads along */
    bool asked;    /* only for who names it */
    bool nameless; /* the user may be empty */
};

struct sasl_client {
    const struct sasl_client_row *row;
    const struct sasl_client_who *who;
    Gsasl *gsasl;
    Gsasl_session *session;
    struct span first; /* the initial response, in `out` */
    char *out;         /* of n octets, until the next step */
    size_t n;
    unsigned steps; /* that were taken */
    bool waits;     /* the initial response was not asked for yet */
    bool whole;     /* at its end, and the server has shown what it was to show */
    bool over;      /* no step may follow */
};

/* A fresh *out of n octets, owned by `c`; the last one is wiped. */
char *sasl_client_room(struct sasl_client *c, size_t n, struct span *out);
/* Neither empty nor with a control octet in it. */
bool sasl_client_sound(struct span text);

sasl_client_step_fn sasl_client_step_scram, sasl_client_step_cram;
int sasl_client_check_keyed(struct sasl_client *c, struct err *err);
void sasl_client_end_keyed(struct sasl_client *c);

sasl_client_step_fn sasl_client_step_oauthbearer, sasl_client_step_xoauth2;
int sasl_client_check_token(struct sasl_client *c, struct err *err);

#endif
