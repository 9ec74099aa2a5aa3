/* tls: OpenSSL contexts and streams, the one place that names OpenSSL. TLS 1.2 and above, ALPN "pop3" (RFC 8314, RFC 7301). */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stddef.h>

#include "base/err.h"
#include "base/span.h"

struct tls_context;
struct tls_stream;

/* From descriptors of a PEM chain and its key (read from their start, not closed). Errors are worded for an administrator:
 * unreadable, not PEM, key does not fit the certificate. */
int tls_context_new(struct tls_context **c, int cert_fd, int key_fd, const char *alpn, struct err *err);
/* Streams made before keep the context they were made with. Counted: the last stream ends it. */
void tls_context_free(struct tls_context *c);
/* Seconds until the certificate expires (negative: it has). */
long long tls_context_expires(const struct tls_context *c);

enum tls_result { TLS_OK, TLS_WANT_READ, TLS_WANT_WRITE, TLS_CLOSED, TLS_FAILED };

/* A server's stream over a non-blocking socket, which stays the caller's. */
struct tls_stream *tls_accept_new(struct tls_context *c, int fd);
enum tls_result tls_handshake(struct tls_stream *s, struct err *err);
enum tls_result tls_read(struct tls_stream *s, void *p, size_t n, size_t *got, struct err *err);
/* Partial writes are possible; after WANT_* the same bytes must come again (they may have moved). */
enum tls_result tls_write(struct tls_stream *s, const void *p, size_t n, size_t *took, struct err *err);
bool tls_pending(const struct tls_stream *s);  /* bytes wait inside, the socket may not become readable */
enum tls_result tls_bye(struct tls_stream *s); /* close_notify, once */
const char *tls_version(const struct tls_stream *s); /* "TLSv1.3" */
const char *tls_cipher(const struct tls_stream *s);
void tls_stream_free(struct tls_stream *s);

#endif
