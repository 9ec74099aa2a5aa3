/* secret: makes and checks what stands for a password: libcrypt's verifiers (yescrypt for new ones), SCRAM keys.
 * The one place that names libcrypt. The functions may be called from several threads. */
#ifndef USER_SECRET_H
#define USER_SECRET_H

#include "base/err.h"
#include "user/sasl.h"
#include "user/users.h"

enum { SECRET_MAX = SASL_PREPARE_MAX }; /* bytes of a prepared password: libcrypt's own limit */

/* One preparation of passwords for all ways to log in: SASLprep (RFC 4013) where the password permits it, else the
 * bytes as they are. Returns a string to be wiped and freed with secret_free. Contains-NUL: NULL. */
char *secret_prepare(struct span password);
void secret_free(char *text); /* wipes; NULL is allowed */

/* Fills u->verifier, scram1, scram256 (and apop = the password if `apop`, else "") from a prepared password; old ones
 * freed. Where SASLprep does not permit the password, scram1 and scram256 become "". ERR_INPUT: empty or longer than SECRET_MAX. */
int secret_make(struct user *u, const char *prepared, bool apop, struct err *err);

/* Does the password fit the verifier? 20 ms of work, 17 MB. `raw` is what was sent, for imported verifiers that
 * were made of unprepared bytes. ok=false and 0: it does not. -1: the verifier cannot be used (unknown scheme). */
int secret_verify(const char *verifier, const char *prepared, const char *raw, bool *ok, struct err *err);

/* The same work for a name that does not exist: as much as for a wrong password of who has a verifier of ours. */
void secret_verify_nobody(const char *prepared, const char *raw);

/* Is this a verifier that secret_verify can use (a scheme libcrypt knows)? */
bool secret_known(const char *verifier);
/* The same for an import: 0, or -1 with a sentence why not (ERR_INPUT): unknown, cut short, too weak (DES looks at
 * eight characters, NT hashes have no salt) or so dear to check that one log-in could hold up the others. */
int secret_check(const char *verifier, struct err *err);
/* What a verifier is called, for people: "yescrypt", "SHA-512"; "none" for "", "unknown". */
const char *secret_scheme(const char *verifier);

/* 20 characters from a random source in groups of five, easy to read aloud (99 bits); out: 32 bytes. */
void secret_generate(char out[32]);

#endif
