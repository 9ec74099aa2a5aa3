/* digest: hashes, over nettle. The one place that names it. Uids, content, APOP, what auth remembers. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>

#include "base/span.h"

enum { DIGEST_SHA256 = 32, DIGEST_MD5 = 16 };

/* SHA-256 in pieces. */
struct digest;
struct digest *digest_new(void);
void digest_add(struct digest *d, const void *p, size_t n);
void digest_finish(struct digest *d, unsigned char out[DIGEST_SHA256]); /* frees d */

void digest_sha256(struct span in, unsigned char out[DIGEST_SHA256]);
/* The first octets of it as a number, for keys of maps: nobody chooses texts that share one. */
uint64_t digest_word(struct span in);
void digest_hmac_sha256(struct span key, struct span in, unsigned char out[DIGEST_SHA256]);
/* MD5 of a followed by b: APOP's digest (RFC 1939 §7). */
void digest_md5(struct span a, struct span b, unsigned char out[DIGEST_MD5]);

void digest_hmac_md5(struct span key, struct span in, unsigned char out[DIGEST_MD5]); /* CRAM-MD5's (RFC 2195) */

/* Lower-case hexadecimal; out has 2n+1 bytes. */
void digest_hex(const unsigned char *in, size_t n, char *out);

/* Equal in a time that does not tell where they differ. */
bool digest_same(const void *a, const void *b, size_t n);

/* Random bytes from the kernel; ends the process if there are none. */
void digest_random(void *out, size_t n);

#endif
