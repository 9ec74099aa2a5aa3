/* tls: OpenSSL contexts and streams, the one place that names OpenSSL. TLS 1.2 and above, ALPN "pop3" (RFC 8314, RFC 7301).
 *
 * A stream gathers the records it makes and gives them to the socket in one piece: the largest single gain on a download. What
 * the socket does not take it keeps; so tls_write takes bytes only when nothing is kept. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/span.h"

enum { TLS_PIECE = 128 * 1024 }; /* the most that tls_write takes at once */

struct tls_context;
struct tls_stream;

/* Loads everything that OpenSSL would else open files for, or ask the system for, later on: to be called before the process gives
 * up its rights. Contexts may then be made behind its walls. */
void tls_init(void);

/* From descriptors of a PEM chain and its key (read from their start, not closed). Errors are worded for an administrator:
 * unreadable, not PEM, key does not fit the certificate. */
int tls_context_new(struct tls_context **c, int cert_fd, int key_fd, const char *alpn, struct err *err);
/* A further certificate, for whoever asks for one of its names (SNI, RFC 6066 §3); where two are for one name the first, or as the client
 * can use their keys. Before any stream. */
int tls_context_add(struct tls_context *c, int cert_fd, int key_fd, struct err *err);
enum { TLS_HOST_MAX = 255 };
/* Of certificate i, counted from 0: a name that an earlier one with a key of the same kind has too. false: none. */
bool tls_context_clash(const struct tls_context *c, unsigned i, unsigned *with, char name[TLS_HOST_MAX + 1]);
bool tls_context_has_name(const struct tls_context *c, unsigned i); /* of a host */
/* Clients are asked for a certificate that was issued by one of these (PEM, read from its start, not closed). One that is shown and
 * not to be believed ends the handshake; without one a client is served as before. Before any stream. */
int tls_context_ask(struct tls_context *c, int ca_fd, struct err *err);
/* Streams made before keep the context they were made with. Counted: the last stream ends it. */
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_free(struct tls_context *c);
/* Seconds until the first of the certificates expires (negative: it has). */
long long tls_context_expires(const struct tls_context *c);

/* FAILED: err's kind is ERR_TEMP if the socket broke, else ERR_INPUT. */
enum tls_result { TLS_OK, TLS_WANT_READ, TLS_WANT_WRITE, TLS_CLOSED, TLS_FAILED };

/* A server's stream over a non-blocking socket, which stays the caller's. */
struct tls_stream *tls_accept_new(struct tls_context *c, int fd);
/* What the stream keeps counts here; when it is used up, the stream takes small pieces. */
void tls_budget(struct tls_stream *s, struct budget *budget);
/* Before the handshake: tls_write will be called as soon as it is done, and the ticket (RFC 8446 §4.6.1) goes with that, not in a piece of
 * its own, for which the client would be woken. */
void tls_greets(struct tls_stream *s);
enum tls_result tls_handshake(struct tls_stream *s, struct err *err);
enum tls_result tls_read(struct tls_stream *s, void *p, size_t n, size_t *got, struct err *err);
/* n may be 0: sends what is kept. OK: *took (n, at most TLS_PIECE) are on their way or kept; WANT_WRITE: nothing was taken, something is
 * still kept. */
enum tls_result tls_write(struct tls_stream *s, const void *p, size_t n, size_t *took, struct err *err);
void tls_last(struct tls_stream *s); /* the next tls_write is the last one: close_notify goes with it */
size_t tls_unsent(const struct tls_stream *s); /* bytes that are kept */
/* How many bytes are worth giving to tls_write now: 0 while something is kept, else as many as the socket seems to have room for,
 * at least one record. Of the first 16 kB the socket is not asked: they find room, or are kept. */
size_t tls_room(const struct tls_stream *s);
bool tls_pending(const struct tls_stream *s);  /* bytes wait inside, the socket may not become readable */
enum tls_result tls_bye(struct tls_stream *s); /* close_notify, once */
const char *tls_version(const struct tls_stream *s); /* "TLSv1.3" */
const char *tls_cipher(const struct tls_stream *s);

/* What the two ends of this connection have alike, and nobody who sits between them with a connection to each (RFC 5056). */
enum { TLS_BINDING_MAX = 64 };
struct tls_binding {
    const char *kind; /* "tls-exporter" (RFC 9266) with TLS 1.3, "tls-unique" (RFC 5929) with TLS 1.2 */
    size_t n;
    unsigned char octets[TLS_BINDING_MAX];
};
/* After the handshake. false: there is none, as with TLS 1.2 without the extended master secret (RFC 7627), where two connections can
 * be made to have the same. */
bool tls_binding(const struct tls_stream *s, struct tls_binding *b);
bool tls_binds(const struct tls_stream *s); /* whether there is one, which costs nothing: to compute it is a part of a handshake */

enum { TLS_NAME_MAX = 249 };
bool tls_asks(const struct tls_stream *s); /* the client for a certificate */
/* The common name of the certificate that the client has shown, believed now as at the handshake. false: there is none, or it has no
 * single one that could be a user's. */
bool tls_client_name(const struct tls_stream *s, char out[TLS_NAME_MAX + 1]);

void tls_stream_free(struct tls_stream *s);

#endif
