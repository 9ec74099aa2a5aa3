/* tls_cert: a server's certificate with what leads to its issuer and its key, out of two files in PEM. For net/tls_context. */
#ifndef NET_TLS_CERT_H
#define NET_TLS_CERT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/err.h"

struct tls_cert {
    X509 *cert;
    STACK_OF(X509) *chain; /* without it */
    EVP_PKEY *key;
};

/* From descriptors (read from their start, not closed). Errors are worded for an administrator. */
int tls_cert_read(struct tls_cert *c, int cert_fd, int key_fd, struct err *err);
void tls_cert_free(struct tls_cert *c);

/* Is it for `host`? Exactly: one of its names is that; else one with a "*" may stand for it (RFC 6125 §6.4). */
bool tls_cert_is_for(const struct tls_cert *c, const char *host, bool exactly);
/* A name that both have in them; false: none. */
bool tls_cert_same_name(const struct tls_cert *a, const struct tls_cert *b, char *name, size_t room);
bool tls_cert_has_name(const struct tls_cert *c);

/* All of a file, to be wiped: it may be the key. NULL: it cannot be read. */
char *tls_file_read(int fd, size_t *n, const char *what, struct err *err);
BIO *tls_bio_of(char *p, size_t n);
/* The last call found no further object in the text; that is no error. */
bool tls_at_end_of_pem(void);

#endif
