/* tls_client: the client's half of TLS 1.2 and above over a socket that does not block, beside net/tls (the two that name OpenSSL). A
 * server is believed when a known issuer vouches for its name (RFC 6125, RFC 8314 §5), or when its certificate is the pinned one. */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include <stddef.h>

#include "base/err.h"
#include "net/tls.h"

struct tls_client_rules {
    const char *ca;          /* PEM file of issuers instead of the system's; NULL or "": the system's */
    const char *fingerprint; /* SHA-256 of the server's certificate, 64 hexadecimal digits, ":" between allowed: only that one is
                                believed, whoever issued it and whatever its name; NULL or "": issuers and names count */
    const char *cert, *key;  /* PEM files of our own certificate, for SASL EXTERNAL; NULL or "": none */
    const char *alpn;        /* "pop3"; NULL: none */
};

struct tls_client; /* one connection's stream */

/* A stream over `fd`, which stays the caller's and does not block. `name`: a host name, or an address. ERR_CONFIG: a file of the
 * rules cannot be used. */
int tls_client_new(struct tls_client **s, int fd, const char *name, const struct tls_client_rules *rules, struct err *err);

/* Until OK or FAILED. ERR_TEMP: the socket broke; ERR_AUTH: the server is not believed, in words a person can act on ("the
 * certificate is for mail.example.net, not pop.example.org", "… was issued by nobody known here", "… expired on …", "… is not the
 * pinned one; its fingerprint is …"); ERR_INPUT: no TLS. */
enum tls_result tls_client_handshake(struct tls_client *s, struct err *err);
/* OK: *got > 0. CLOSED: close_notify came. An end without it is FAILED with ERR_TEMP: something may be missing. */
enum tls_result tls_client_read(struct tls_client *s, void *p, size_t n, size_t *got, struct err *err);
/* n may be 0: sends what is kept. OK: *took (n, at most 64 kB) are on their way or kept; WANT_WRITE: nothing was taken, something is still
 * kept. */
enum tls_result tls_client_write(struct tls_client *s, const void *p, size_t n, size_t *took, struct err *err);
size_t tls_client_unsent(const struct tls_client *s); /* bytes that are kept: after reading, too (an answer to new keys) */
bool tls_client_pending(const struct tls_client *s); /* bytes wait inside: the socket may not become readable */
void tls_client_bye(struct tls_client *s);           /* close_notify, if it can be sent at once */
const char *tls_client_version(const struct tls_client *s); /* "TLSv1.3" */
void tls_client_fingerprint(const struct tls_client *s, char out[65]); /* of the server's certificate; "" before the handshake */
void tls_client_free(struct tls_client *s); /* NULL is allowed */

#endif
