/* sasl_parts: what the files of sasl share, and nobody else sees.
 *
 *   sasl_exchange.c  which mechanisms, and the exchange; PLAIN, LOGIN and EXTERNAL
 *   sasl_scram.c     SCRAM, with and without channel binding, through libgsasl
 *   sasl_cram.c      CRAM-MD5 */
#ifndef USER_SASL_PARTS_H
#define USER_SASL_PARTS_H

#include <gsasl.h>

#include "user/sasl.h"

/* One message. `in`: p = NULL where there is no initial response. */
typedef enum sasl_result sasl_step_fn(struct sasl_session *x, struct span in, struct span *out, struct err *err);

struct sasl_mechanism {
    const char *name;
    sasl_step_fn *step;
    int (*begin)(struct sasl_session *x, struct err *err); /* NULL: nothing to do */
    enum sasl_hash hash;                                   /* SCRAM's */
    bool shows;                                            /* the password, to whoever reads along */
    bool binds;                                            /* to the channel below */
};

enum { SASL_MECHANISMS = 8 };

struct sasl {
    Gsasl *gsasl;
    char *host;
    bool allowed[SASL_MECHANISMS];
    bool binds; /* one of those that are allowed does */
    unsigned char salt_key[USERS_KEY];
};

enum sasl_progress { SASL_FIRST, SASL_SECOND, SASL_THIRD, SASL_OVER };

struct sasl_session {
    const struct sasl *sasl;
    const struct sasl_mechanism *mechanism;
    enum sasl_progress progress;
    char *user, *password;
    sasl_find_fn *find;
    void *arg;
    char *challenge;   /* CRAM-MD5's */
    char *certificate; /* EXTERNAL's: the name in it, or NULL */
    /* SCRAM's */
    Gsasl_session *gsasl;
    char *bound;        /* the kind of the channel's binding, or NULL */
    char *out;          /* libgsasl's, until the next step */
    struct err trouble; /* of find, not for the peer to tell from a wrong password unless it is the server's own */
};

/* SASL_FAILED, and err. */
enum sasl_result sasl_fail(enum err_kind kind, const char *why, struct err *err);
/* Keeps the name: SASL_CHALLENGE, or SASL_FAILED if there is none, or nobody can have it. */
enum sasl_result sasl_take_user(struct sasl_session *x, struct span name, struct err *err);
bool sasl_has_nul(struct span s);

/* sasl_scram.c */
sasl_step_fn sasl_step_scram;
int sasl_begin_scram(struct sasl_session *x, struct err *err);
void sasl_bind_scram(struct sasl_session *x, const char *kind, struct span octets);
int sasl_answer_scram(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property);

/* sasl_cram.c */
sasl_step_fn sasl_step_cram;

#endif
