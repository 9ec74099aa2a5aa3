/* tls_client_impl: what the files of tls_client share; nobody else includes it. */
#ifndef NET_TLS_CLIENT_IMPL_H
#define NET_TLS_CLIENT_IMPL_H

#include <openssl/ssl.h>

#include "net/tls_client.h"

enum { TLS_DIGEST = 32 }; /* octets of a SHA-256 */

struct tls_client {
    SSL *ssl;
    BIO_METHOD *bio;
    struct buf kept; /* records for the socket */
    char *name;      /* of the server, without the dot of the root */
    int fd;
    int read_errno; /* how the socket broke, each way */
    int write_errno;
    unsigned reads; /* of the call that runs */
    struct err why; /* why the server is not believed; ERR_NONE: nothing against it */
    unsigned char pin[TLS_DIGEST], digest[TLS_DIGEST]; /* the one believed; the one the server showed */
    bool pinned, shown, eof, secure, failed, more;
    bool all_issuers; /* the system's file of issuers was read, too */
};

/* tls_client_rules: a context as the rules say. NULL, and ERR_CONFIG. */
SSL_CTX *tls_client_context(struct tls_client *s, const struct tls_client_rules *rules, struct err *err);

/* tls_client_believe: OpenSSL asks whether the chain of a server is believed: 1, or 0 with s->why. */
int tls_client_believe(X509_STORE_CTX *chain, void *s);

/* tls_client_words: a sentence about a certificate that is not believed, in s->why. `code` of X509_verify_cert. */
void tls_client_explain(struct tls_client *s, X509_STORE_CTX *chain, int code);
void tls_client_hex(const unsigned char digest[TLS_DIGEST], char out[2 * TLS_DIGEST + 1]);

#endif
