/* tls_impl: what tls_context.c, tls_stream.c and tls_binding.c share; nobody else includes it. */
#ifndef NET_TLS_IMPL_H
#define NET_TLS_IMPL_H

#include <openssl/ssl.h>

#include "net/tls.h"

enum {
    TLS_RECORD = 16384,
    TLS_RECORD_COST = 256, /* what a record adds at most, header, nonce, padding and tag */
    TLS_GATHER = (TLS_PIECE / TLS_RECORD + 1) * (TLS_RECORD + TLS_RECORD_COST)
};

struct tls_context {
    SSL_CTX *ssl;
    struct tls_cert *certs; /* the first is for whoever asks for no name that is here */
    BIO_METHOD *bio; /* how streams reach their sockets; made by the first */
    unsigned n_certs, refs;
    unsigned char alpn[32]; /* as on the wire: length and name */
    unsigned alpn_len;
    long long expires; /* seconds since 1970 */
    /* Records on their way into the socket. All streams share it: it is empty whenever no call of tls_* runs. */
    size_t gathered;
    unsigned char *gather; /* TLS_GATHER bytes */
};

/* The beginning of a flight of the client's, in the clear. */
struct tls_hello {
    unsigned char head[9]; /* of a record and of the message in it */
    unsigned have;
    size_t skip;
    bool known;
};
/* Looks at what came; `first`: nothing of ours has been sent yet. false: it is not to be served. */
bool tls_hello_allowed(struct tls_hello *h, bool first, const unsigned char *p, size_t n);

/* NULL before the handshake is done. */
SSL *tls_stream_secure(const struct tls_stream *s);

/* "tls: what OpenSSL says", of the first error in its queue. */
void tls_word(struct err *err, enum err_kind kind, const char *prefix);

#endif
