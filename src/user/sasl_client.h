/* sasl_client: the client's half of SASL (RFC 4422) through libgsasl; OAUTHBEARER (RFC 7628) and XOAUTH2 are ours. Does
 * no I/O. */
#ifndef USER_SASL_CLIENT_H
#define USER_SASL_CLIENT_H

#include "base/err.h"
#include "base/span.h"

struct sasl_client;

struct sasl_client_who {
    const char *user; /* may be empty for EXTERNAL: who the certificate is for */
    struct span password; /* of what needs one; p = NULL: none */
    struct span token;    /* of OAUTHBEARER and XOAUTH2; p = NULL: none */
    const char *host;     /* OAUTHBEARER names them */
    unsigned port;
    bool certificate; /* TLS showed ours: EXTERNAL may be tried */
    bool clear;       /* mechanisms that show a secret (PLAIN, LOGIN, OAUTHBEARER, XOAUTH2) may be used: inside TLS */
};

/* The best of `offered` ("PLAIN SCRAM-SHA-256 …") that is in `allowed` (empty: any), and that `who` has what it needs
 * for: EXTERNAL, then OAUTHBEARER, XOAUTH2 where there is a token, then SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5 (only if
 * `allowed` names it), PLAIN, LOGIN. Those in `tried` (separated by spaces) are passed over. NULL: none.
 * SCRAM comes last with a password that SASLprep does not permit: so it is chosen again once the password is known. */
const char *sasl_client_choose(const char *offered, const char *allowed, const char *tried,
                               const struct sasl_client_who *who);

/* `who` and all of it live until sasl_client_end. */
int sasl_client_new(struct sasl_client **c, const char *mechanism, const struct sasl_client_who *who, struct err *err);
/* Is there something to say before the server does? Then *out is it (may be empty, but has a p). *out is owned by the
 * exchange, until its next call. */
bool sasl_client_initial(struct sasl_client *c, struct span *out);
/* The answer to a challenge, decoded. -1: ERR_AUTH: the server did not show that it knows the password (SCRAM), or said
 * no; ERR_INPUT: no well-formed challenge. After an error of OAUTHBEARER or XOAUTH2 the server's words are in err, and
 * *out is what it waits for. */
int sasl_client_step(struct sasl_client *c, struct span challenge, struct span *out, struct err *err);
/* The server has said yes. -1 (ERR_AUTH): the exchange is not at its end, e.g. its signature has not come: it is not
 * believed. */
int sasl_client_finish(const struct sasl_client *c, struct err *err);
void sasl_client_end(struct sasl_client *c); /* wipes; NULL is allowed */

#endif
