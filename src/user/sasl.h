/* sasl: the server's half of SASL (RFC 4422, 5034) through libgsasl, the one place that names it.
 *
 * Does no I/O and no dear work: PLAIN and LOGIN only take the password apart, and the caller checks it. */
#ifndef USER_SASL_H
#define USER_SASL_H

#include "base/err.h"
#include "user/users.h"

struct sasl;         /* one per process */
struct sasl_session; /* one per exchange */

/* `mechanisms`: a white-list of "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256"; unknown words: ERR_CONFIG. */
int sasl_new(struct sasl **s, const char *mechanisms, struct err *err);
void sasl_free(struct sasl *s);
bool sasl_has(const struct sasl *s, struct span mechanism);

/* Looks a user up for SCRAM: fills u (freed by sasl) and returns 0, or -1 with ERR_GONE / ERR_TEMP. For ERR_GONE a false
 * salt is made that is always the same for one name, so that the exchange looks the same and fails at its end. */
typedef int sasl_find_fn(void *arg, struct span name, struct user *u, struct err *err);

enum sasl_result {
    SASL_CHALLENGE, /* send *out and await a response */
    SASL_PASSWORD,  /* check user and password (PLAIN, LOGIN): sasl_user, sasl_password */
    SASL_DONE,      /* shown: sasl_user is who he says (SCRAM: after the client has answered the server's signature) */
    SASL_FAILED     /* not shown; err says how (ERR_AUTH, ERR_TEMP) */
};

struct sasl_session *sasl_begin(struct sasl *s, struct span mechanism, sasl_find_fn *find, void *arg, struct err *err);

/* One step; `in` is decoded (no base64). First step without an initial response: in.p = NULL. *out is owned by the session,
 * until the next call. An authorization identity other than the user's own is SASL_FAILED. */
enum sasl_result sasl_step(struct sasl_session *x, struct span in, struct span *out, struct err *err);
const char *sasl_user(const struct sasl_session *x);
const char *sasl_password(const struct sasl_session *x);
void sasl_end(struct sasl_session *x); /* wipes; NULL is allowed */

#endif
