/* tls_stream: one TLS connection over a socket. Runs in the door. */
#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/tls_impl.h"

enum {
    HANDSHAKE_MAX = 64 * 1024, /* bytes from a client before the handshake is done */
    READS = 4, /* of the socket in one call, however little of it was meant for us: other peers have their turn */
    SOCKET_COST = 8 * 1024     /* of the room in a socket's buffer: what the kernel needs beside the bytes */
};

struct tls_stream {
    SSL *ssl;
    struct tls_context *c;
    struct budget *budget;
    char *kept; /* records that the socket did not take */
    size_t kept_start, kept_len, kept_size;
    size_t handshake_bytes;
    size_t taken;   /* of tls_write's octets, up to a record: not yet much */
    unsigned reads; /* of the call that runs */
    int fd;
    int broken; /* errno of the socket */
    struct tls_hello hello;
    bool eof, secure, failed, more, refused, answered, greets, last, dry;
};

/* ---- what the socket did not take */

static void keep(struct tls_stream *s, const void *p, size_t n)
{
    size_t size = s->kept_len + n;
    char *fresh = mem_resize(NULL, size);
    memcpy(fresh, s->kept ? s->kept + s->kept_start : "", s->kept_len);
    memcpy(fresh + s->kept_len, p, n);
    mem_free(s->kept);
    if (s->budget)
        s->budget->used += size - s->kept_size;
    s->kept = fresh;
    s->kept_size = size;
    s->kept_start = 0;
    s->kept_len = size;
}

static void forget_kept(struct tls_stream *s)
{
    if (s->budget)
        s->budget->used -= s->kept_size;
    mem_free(s->kept);
    s->kept = NULL;
    s->kept_size = s->kept_start = s->kept_len = 0;
}

/* How many bytes of these the socket took. */
static size_t give(struct tls_stream *s, const void *p, size_t n)
{
    ssize_t r;
    do
        r = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r < 0 && errno != EAGAIN)
        s->broken = errno;
    return r < 0 ? 0 : (size_t)r;
}

/* Sends what is kept, then what was gathered; keeps the rest. */
static void flush(struct tls_stream *s)
{
    if (s->kept_len && !s->broken) {
        size_t took = give(s, s->kept + s->kept_start, s->kept_len);
        s->kept_start += took;
        s->kept_len -= took;
        if (!s->kept_len)
            forget_kept(s);
    }
    size_t n = s->c->gathered, took = 0;
    s->c->gathered = 0;
    if (!n || s->broken)
        return;
    if (!s->kept_len)
        took = give(s, s->c->gather, n);
    if (took < n)
        keep(s, s->c->gather + took, n - took);
}

/* ---- OpenSSL's way to the socket */

static int bio_write(BIO *bio, const char *p, size_t n, size_t *took)
{
    struct tls_stream *s = BIO_get_data(bio);
    if (!s->answered && n && *p == SSL3_RT_HANDSHAKE) {
        /* The client's next flight is an answer to ours: what he sent with the first would not be looked at. */
        s->answered = true;
        s->hello = (struct tls_hello){0};
        if (SSL_has_pending(s->ssl)) {
            s->refused = true;
            return 0;
        }
    }
    if (n > TLS_GATHER - s->c->gathered)
        flush(s);
    if (n > TLS_GATHER - s->c->gathered) {
        keep(s, p, n);
    } else {
        memcpy(s->c->gather + s->c->gathered, p, n);
        s->c->gathered += n;
    }
    *took = n;
    return 1;
}

static int bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
    struct tls_stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (s->eof || s->broken || s->refused)
        return 0;
    /* The socket stays readable. Nobody answers what has not left yet. */
    if (s->dry || s->c->gathered || s->reads++ == READS) {
        BIO_set_retry_read(bio);
        return 0;
    }
    ssize_t r;
    do
        r = recv(s->fd, p, n, MSG_DONTWAIT);
    while (r < 0 && errno == EINTR);
    if (r > 0 && !s->secure) {
        s->refused = !tls_hello_allowed(&s->hello, !s->answered, (unsigned char *)p, (size_t)r) ||
                     s->handshake_bytes > HANDSHAKE_MAX;
        s->handshake_bytes += (size_t)r;
        if (s->refused)
            return 0;
    }
    if (r > 0)
        *got = (size_t)r;
    else if (r == 0)
        s->eof = true;
    else if (errno == EAGAIN)
        BIO_set_retry_read(bio);
    else
        s->broken = errno;
    return r > 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    struct tls_stream *s = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return s->eof;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bustia socket");
    if (m && BIO_meth_set_write_ex(m, bio_write) && BIO_meth_set_read_ex(m, bio_read) && BIO_meth_set_ctrl(m, bio_ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- life */

struct tls_stream *tls_accept_new(struct tls_context *c, int fd)
{
    struct tls_stream *s = mem_alloc(sizeof *s);
    *s = (struct tls_stream){.c = c, .fd = fd, .ssl = SSL_new(c->ssl)};
    if (!c->bio)
        c->bio = bio_method(); /* one for all streams of a context */
    BIO *bio = c->bio ? BIO_new(c->bio) : NULL;
    if (!s->ssl || !bio)
        abort(); /* out of memory */
    c->refs++;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_budget(struct tls_stream *s, struct budget *budget)
{
    assert(!s->kept_size);
    s->budget = budget;
}

void tls_stream_free(struct tls_stream *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    ERR_clear_error();
    forget_kept(s);
    tls_context_free(s->c);
    mem_free(s);
}

void tls_greets(struct tls_stream *s)
{
    s->greets = true;
    (void)SSL_set_num_tickets(s->ssl, 0); /* of TLS 1.3: when the handshake is done, one is asked for */
}

/* ---- use */

static enum tls_result broken(struct tls_stream *s, struct err *err)
{
    s->failed = true;
    err_set(err, ERR_TEMP, "tls: %s", strerror(s->broken));
    return TLS_FAILED;
}

/* Why a call of OpenSSL returned `r` <= 0. */
static enum tls_result result(struct tls_stream *s, int r, struct err *err)
{
    int what = SSL_get_error(s->ssl, r);
    flush(s); /* also an alert */
    s->more = false;
    if (what == SSL_ERROR_WANT_READ && !s->broken)
        return TLS_WANT_READ;
    if (what == SSL_ERROR_ZERO_RETURN)
        return TLS_CLOSED;
    s->failed = true;
    if (s->broken)
        return broken(s, err);
    if (s->refused)
        err_set(err, ERR_INPUT, "tls: the client's handshake is too long, or in pieces");
    else if (!s->eof)
        tls_word(err, ERR_INPUT, "tls");
    ERR_clear_error();
    return s->eof ? TLS_CLOSED : TLS_FAILED;
}

/* OpenSSL writes nothing before it has the rest of a message that it has begun to read: whoever asks it to would turn round and round. No
 * client sends a KeyUpdate, of five octets, in two records. */
static enum tls_result half(struct tls_stream *s, struct err *err)
{
    s->failed = true;
    err_set(err, ERR_INPUT, "tls: half a message of the client's");
    return TLS_FAILED;
}

enum tls_result tls_handshake(struct tls_stream *s, struct err *err)
{
    ERR_clear_error();
    s->reads = 0;
    int r = SSL_do_handshake(s->ssl);
    if (r != 1)
        return result(s, r, err);
    flush(s);
    s->secure = s->more = true;
    if (s->greets && SSL_version(s->ssl) >= TLS1_3_VERSION && SSL_new_session_ticket(s->ssl) != 1)
        ERR_clear_error();
    return TLS_OK;
}

enum tls_result tls_read(struct tls_stream *s, void *p, size_t n, size_t *got, struct err *err)
{
    *got = 0;
    if (s->broken)
        return broken(s, err);
    ERR_clear_error();
    s->reads = 0;
    int r = SSL_read_ex(s->ssl, p, n, got);
    if (r != 1)
        return result(s, r, err);
    flush(s);
    s->more = true;
    return TLS_OK;
}

bool tls_pending(const struct tls_stream *s)
{
    return s->more && SSL_has_pending(s->ssl);
}

/* Once. What is still due of the handshake, a ticket, goes first. */
static void close_notify(struct tls_stream *s)
{
    if (!s->secure || s->failed || SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN)
        return;
    ERR_clear_error();
    if (!SSL_in_init(s->ssl) || SSL_do_handshake(s->ssl) == 1)
        (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void tls_last(struct tls_stream *s)
{
    s->last = true;
}

/* OpenSSL makes both of its buffers to send a ticket, and gives back that for reading (17 kB) only when a read has found nothing: here
 * it does, without asking the socket. */
static void release_input(struct tls_stream *s)
{
    char byte;
    size_t got;
    s->greets = false;
    if (SSL_has_pending(s->ssl))
        return; /* the read that takes it will */
    s->dry = true;
    (void)SSL_peek_ex(s->ssl, &byte, sizeof byte, &got);
    s->dry = false;
    ERR_clear_error();
}

enum tls_result tls_write(struct tls_stream *s, const void *p, size_t n, size_t *took, struct err *err)
{
    *took = 0;
    flush(s);
    if (s->broken)
        return broken(s, err);
    if (s->kept_len)
        return TLS_WANT_WRITE;
    ERR_clear_error();
    if (n > TLS_PIECE)
        n = TLS_PIECE;
    while (*took < n) { /* all of it, however small the client wants his records (RFC 6066 §4): what they cost more is kept */
        size_t part = 0;
        int r = SSL_write_ex(s->ssl, (const char *)p + *took, n - *took, &part);
        if (r != 1) {
            enum tls_result why = result(s, r, err);
            return why == TLS_WANT_READ && s->secure ? half(s, err) : why;
        }
        *took += part;
    }
    if (s->taken < TLS_RECORD)
        s->taken += n;
    if (s->greets && s->secure) /* in the handshake a peek would go on with it */
        release_input(s);
    if (s->last)
        close_notify(s);
    flush(s);
    return s->broken ? broken(s, err) : TLS_OK;
}

size_t tls_unsent(const struct tls_stream *s)
{
    return s->kept_len;
}

size_t tls_room(const struct tls_stream *s)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t n = sizeof info;
    if (s->kept_len)
        return 0;
    if (s->budget && s->budget->used >= s->budget->ceiling)
        return BUF_SMALL;
    if (s->taken < TLS_RECORD) /* short answers: what there is of them finds room, or is no more than is kept in any case */
        return TLS_RECORD;
    if (getsockopt(s->fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0 || n <= SK_MEMINFO_WMEM_QUEUED * sizeof *info)
        return TLS_RECORD;
    size_t queued = info[SK_MEMINFO_WMEM_QUEUED] > info[SK_MEMINFO_WMEM_ALLOC] ? info[SK_MEMINFO_WMEM_QUEUED]
                                                                               : info[SK_MEMINFO_WMEM_ALLOC];
    size_t room = info[SK_MEMINFO_SNDBUF] > queued + SOCKET_COST ? info[SK_MEMINFO_SNDBUF] - queued - SOCKET_COST : 0;
    room = room / (TLS_RECORD + TLS_RECORD_COST) * TLS_RECORD; /* whole records */
    return room < TLS_RECORD ? TLS_RECORD : room > TLS_PIECE ? TLS_PIECE : room;
}

enum tls_result tls_bye(struct tls_stream *s)
{
    close_notify(s);
    flush(s);
    return s->broken ? TLS_FAILED : s->kept_len ? TLS_WANT_WRITE : TLS_OK;
}

const char *tls_version(const struct tls_stream *s)
{
    return SSL_get_version(s->ssl);
}

SSL *tls_stream_secure(const struct tls_stream *s)
{
    return s->secure ? s->ssl : NULL;
}

bool tls_asks(const struct tls_stream *s)
{
    return SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER;
}

static bool name_of(X509 *cert, char out[TLS_NAME_MAX + 1])
{
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    unsigned char *text = NULL;
    int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    bool good = n > 0 && n <= TLS_NAME_MAX && !memchr(text, '\0', (size_t)n);
    if (good) {
        memcpy(out, text, (size_t)n);
        out[n] = '\0';
    }
    OPENSSL_free(text);
    ERR_clear_error();
    return good;
}

/* A resumed connection has the certificate of the one before, which may have expired since. */
bool tls_client_name(const struct tls_stream *s, char out[TLS_NAME_MAX + 1])
{
    X509 *cert = s->secure && tls_asks(s) ? SSL_get0_peer_certificate(s->ssl) : NULL;
    return cert && SSL_get_verify_result(s->ssl) == X509_V_OK && X509_cmp_current_time(X509_get0_notAfter(cert)) > 0 &&
           name_of(cert, out);
}

const char *tls_cipher(const struct tls_stream *s)
{
    const char *name = SSL_get_cipher_name(s->ssl);
    return name ? name : "";
}
