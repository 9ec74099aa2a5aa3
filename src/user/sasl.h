/* sasl: the server's half of SASL (RFC 4422, 5034) through libgsasl, the one place that names it.
 *
 * Does no I/O and no dear work: PLAIN and LOGIN only take the password apart, and the caller checks it. */
#ifndef USER_SASL_H
#define USER_SASL_H

#include "base/err.h"
#include "user/users.h"

struct sasl;         /* one per process */
struct sasl_session; /* one per exchange */

/* `mechanisms`: a white-list of "PLAIN LOGIN EXTERNAL CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS"; unknown
 * words: ERR_CONFIG. */
int sasl_new(struct sasl **s, const char *mechanisms, struct err *err);
void sasl_free(struct sasl *s); /* NULL is allowed; after its sessions */
bool sasl_has(const struct sasl *s, struct span mechanism);
bool sasl_shows_password(struct span mechanism); /* to whoever reads along */

/* The name that CRAM-MD5's challenges bear; copied. Without it: localhost. */
void sasl_host(struct sasl *s, const char *host);

/* The key that false salts are made with: the database's (users_key), so that they stay when the process is started
 * again. Without it: a random one. */
void sasl_salt_key(struct sasl *s, const unsigned char key[USERS_KEY]);

/* Looks a user up for SCRAM, CRAM-MD5 and EXTERNAL: fills u (freed by sasl) and returns 0, or -1 with ERR_GONE / ERR_TEMP. For ERR_GONE, and
 * for who has no SCRAM keys, a false salt is made that is always the same for one name, so that the exchange looks the
 * same and fails at its end. Who is disabled is the caller's to refuse, after SASL_DONE. */
typedef int sasl_find_fn(void *arg, struct span name, struct user *u, struct err *err);

enum sasl_result {
    SASL_CHALLENGE, /* send *out and await a response */
    SASL_PASSWORD,  /* check user and password (PLAIN, LOGIN): sasl_user, sasl_password */
    SASL_DONE,      /* shown: sasl_user is who he says (SCRAM: after the client has answered the server's signature) */
    SASL_FAILED     /* not shown; err says how (ERR_AUTH, ERR_TEMP; ERR_INPUT: no well-formed message) */
};

/* NULL with ERR_INPUT: no such mechanism here. */
struct sasl_session *sasl_begin(struct sasl *s, struct span mechanism, sasl_find_fn *find, void *arg, struct err *err);

/* Before the first step: the connection is inside TLS and has this channel binding (RFC 5056): its kind, "tls-exporter" or
 * "tls-unique" (any other is none), and its octets; they are copied. What binds fails without it, and fits this kind alone; what does
 * not is refused to a client that could bind and says that we do not offer it (RFC 5802 §6), if we allow any that binds. */
void sasl_bind(struct sasl_session *x, const char *kind, struct span octets);

/* Before the first step: the client has shown a certificate that is believed and bears this name. EXTERNAL needs it, and lets in
 * nobody but a user of this name to whom it is permitted. */
void sasl_certificate(struct sasl_session *x, struct span name);

/* One step; `in` is decoded (no base64). First step without an initial response: in.p = NULL (an empty initial
 * response, "=", has a p). *out is owned by the session, until the next call. An authorization identity other than the
 * user's own is SASL_FAILED. After PASSWORD, DONE or FAILED every further step is SASL_FAILED. */
enum sasl_result sasl_step(struct sasl_session *x, struct span in, struct span *out, struct err *err);
const char *sasl_user(const struct sasl_session *x);     /* NULL until it is known */
const char *sasl_password(const struct sasl_session *x); /* as sent, not prepared; NULL without one */
void sasl_end(struct sasl_session *x);                   /* wipes; NULL is allowed */

/* ---- what secret needs of libgsasl; may be called from several threads */

enum sasl_hash { SASL_SHA1, SASL_SHA256 };

/* The SASLprep form (RFC 4013) of a text without NUL; NULL if SASLprep does not permit it, nothing would be left, or it
 * has more than SASL_PREPARE_MAX bytes (half of that where it is not ASCII). Free with user_wipe. */
enum { SASL_PREPARE_MAX = 511 };
char *sasl_prepare(struct span text);
/* Does SCRAM take this password, which both its sides prepare (RFC 5802 §2.2)? Another has no keys, and a client cannot use it. */
bool sasl_scram_takes(struct span password);

/* SCRAM's keys (RFC 5802 §3) of a prepared password, under a fresh salt: "iterations:salt64:stored64:server64".
 * NULL with ERR_INPUT: SASLprep does not permit the password, which SCRAM demands of both sides; ERR_TEMP. */
char *sasl_scram_keys(enum sasl_hash hash, const char *prepared, struct err *err);

/* Do the keys fit the password? ERR_CONFIG: they are none. */
int sasl_scram_fits(enum sasl_hash hash, const char *keys, const char *prepared, bool *ok, struct err *err);

#endif
