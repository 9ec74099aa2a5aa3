/* tls_client_stream: the client's end of one TLS connection. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "net/tls_client_impl.h"
#include "net/tls_impl.h"

enum {
    READS = 8,         /* of the socket in one call, however little of it was for us: the caller has a deadline */
    PIECE = 64 * 1024, /* the most that is taken at once */
    KEPT = 2 * PIECE
};

/* ---- what is to be sent: records are gathered, and what the socket does not take is kept. OpenSSL never has to wait
 * with half a record: an answer to the server's new keys (RFC 8446 §4.6.3), due in the middle of it, would be an error
 * to it. */

static void flush(struct tls_client *s)
{
    while (s->kept.len && !s->write_errno) {
        struct span out = buf_span(&s->kept);
        ssize_t n = send(s->fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            buf_take(&s->kept, (size_t)n);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            s->write_errno = errno;
    }
}

/* ---- OpenSSL's way to the socket: its own would raise SIGPIPE */

static int bio_write(BIO *bio, const char *p, size_t n, size_t *took)
{
    struct tls_client *s = BIO_get_data(bio);
    *took = 0;
    if (!s->write_errno && !buf_add(&s->kept, p, n))
        s->write_errno = ENOBUFS; /* the server makes us answer, and does not read */
    if (s->write_errno)
        return 0;
    *took = n;
    return 1;
}

static int bio_read(BIO *bio, char *p, size_t n, size_t *got)
{
    struct tls_client *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (s->eof || s->read_errno)
        return 0;
    if (s->reads++ == READS) { /* the socket stays readable */
        BIO_set_retry_read(bio);
        return 0;
    }
    ssize_t r;
    do
        r = recv(s->fd, p, n, MSG_DONTWAIT);
    while (r < 0 && errno == EINTR);
    if (r > 0)
        *got = (size_t)r;
    else if (r == 0)
        s->eof = true;
    else if (errno == EAGAIN)
        BIO_set_retry_read(bio);
    else
        s->read_errno = errno;
    return r > 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *p)
{
    struct tls_client *s = BIO_get_data(bio);
    if (command == BIO_CTRL_EOF)
        return s->eof;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO *new_bio(struct tls_client *s)
{
    s->bio = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bustia client");
    if (!s->bio || !BIO_meth_set_write_ex(s->bio, bio_write) || !BIO_meth_set_read_ex(s->bio, bio_read) ||
        !BIO_meth_set_ctrl(s->bio, bio_ctrl))
        abort(); /* out of memory */
    BIO *bio = BIO_new(s->bio);
    if (!bio)
        abort();
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- life */

/* Whom the certificate must name; SNI is for names alone (RFC 6066 §3). */
static int expect(struct tls_client *s, struct err *err)
{
    unsigned char address[16];
    bool ip = inet_pton(AF_INET, s->name, address) == 1 || inet_pton(AF_INET6, s->name, address) == 1;
    SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (*s->name && (ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), s->name)
                        : SSL_set_tlsext_host_name(s->ssl, s->name) == 1 && SSL_set1_host(s->ssl, s->name)))
        return 0;
    ERR_clear_error();
    return err_set(err, ERR_CONFIG, "no certificate can be for such a name");
}

static char *without_root(const char *name)
{
    size_t n = strlen(name);
    return mem_copy(name, n && name[n - 1] == '.' ? n - 1 : n);
}

int tls_client_new(struct tls_client **made, int fd, const char *name, const struct tls_client_rules *rules,
                   struct err *err)
{
    struct tls_client *s = mem_alloc(sizeof *s);
    *s = (struct tls_client){.fd = fd, .name = without_root(name)};
    buf_init(&s->kept, KEPT, NULL);
    *made = NULL;
    SSL_CTX *ctx = tls_client_context(s, rules, err);
    s->ssl = ctx ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx); /* the stream has it */
    if (ctx && !s->ssl)
        abort(); /* out of memory */
    if (!s->ssl || expect(s, err) < 0) {
        tls_client_free(s);
        return -1;
    }
    BIO *bio = new_bio(s);
    SSL_set_app_data(s->ssl, s);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_connect_state(s->ssl);
    *made = s;
    return 0;
}

void tls_client_free(struct tls_client *s)
{
    if (!s)
        return;
    SSL_free(s->ssl);
    ERR_clear_error();
    BIO_meth_free(s->bio);
    buf_fini(&s->kept);
    mem_free(s->name);
    mem_free(s);
}

/* ---- why not */

/* Of our certificate, said by the server (RFC 5246 §7.2.2, RFC 8446 §6.2). */
static bool about_us(int alert)
{
    return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) || alert == SSL_AD_UNKNOWN_CA ||
           alert == SSL_AD_ACCESS_DENIED || alert == TLS13_AD_CERTIFICATE_REQUIRED;
}

/* OpenSSL's first complaint, in our words where we have better ones. */
static void word(const struct tls_client *s, struct err *err)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0;
    if (about_us(reason - SSL_AD_REASON_OFFSET))
        tls_word(err, ERR_AUTH, "the server does not take our certificate");
    else if (s->secure)
        tls_word(err, ERR_TEMP, "tls");
    else if (reason == SSL_R_WRONG_VERSION_NUMBER)
        err_set(err, ERR_INPUT, "what the server answers is no TLS");
    else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
        err_set(err, ERR_INPUT, "the server has no TLS 1.2 or above");
    else
        tls_word(err, ERR_INPUT, "tls");
}

static enum tls_result fail(struct tls_client *s, int broken, struct err *err)
{
    s->failed = true;
    if (s->why.kind != ERR_NONE)
        err_set(err, s->why.kind, "%s", s->why.text);
    else if (broken)
        err_set(err, ERR_TEMP, "tls: %s", strerror(broken));
    else if (s->eof && s->secure)
        err_set(err, ERR_TEMP, "the connection ended without TLS's own end: something may be missing");
    else if (s->eof)
        err_set(err, ERR_TEMP, "the server ended the connection in the TLS handshake");
    else
        word(s, err);
    ERR_clear_error();
    return TLS_FAILED;
}

/* Why a call of OpenSSL returned `r` <= 0. */
static enum tls_result result(struct tls_client *s, int r, struct err *err)
{
    int what = SSL_get_error(s->ssl, r);
    flush(s); /* also an alert */
    if (what == SSL_ERROR_WANT_READ) {
        s->more = false;
        return TLS_WANT_READ;
    }
    if (what == SSL_ERROR_ZERO_RETURN && s->secure)
        return TLS_CLOSED;
    return fail(s, s->eof ? 0 : s->read_errno ? s->read_errno : s->write_errno, err);
}

/* ---- use */

enum tls_result tls_client_handshake(struct tls_client *s, struct err *err)
{
    ERR_clear_error();
    s->reads = 0;
    flush(s);
    int r = SSL_do_handshake(s->ssl);
    if (r != 1) {
        enum tls_result why = result(s, r, err);
        return why == TLS_WANT_READ && s->kept.len ? TLS_WANT_WRITE : why;
    }
    flush(s);
    s->secure = s->more = true;
    return TLS_OK;
}

enum tls_result tls_client_read(struct tls_client *s, void *p, size_t n, size_t *got, struct err *err)
{
    ERR_clear_error();
    *got = 0;
    s->reads = 0;
    int r = SSL_read_ex(s->ssl, p, n, got);
    if (r != 1)
        return result(s, r, err);
    flush(s);
    s->more = true;
    return TLS_OK;
}

enum tls_result tls_client_write(struct tls_client *s, const void *p, size_t n, size_t *took, struct err *err)
{
    ERR_clear_error();
    *took = 0;
    flush(s);
    if (s->write_errno)
        return fail(s, s->write_errno, err);
    if (s->kept.len)
        return TLS_WANT_WRITE;
    if (n > PIECE)
        n = PIECE;
    while (*took < n) { /* a record at a time */
        size_t part = 0;
        int r = SSL_write_ex(s->ssl, (const char *)p + *took, n - *took, &part);
        if (r != 1)
            return result(s, r, err);
        *took += part;
    }
    flush(s);
    return s->write_errno ? fail(s, s->write_errno, err) : TLS_OK;
}

size_t tls_client_unsent(const struct tls_client *s)
{
    return s->kept.len;
}

bool tls_client_pending(const struct tls_client *s)
{
    return s->more && SSL_has_pending(s->ssl);
}

void tls_client_bye(struct tls_client *s)
{
    if (!s->secure || s->failed || s->write_errno)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
    flush(s);
}

const char *tls_client_version(const struct tls_client *s)
{
    return SSL_get_version(s->ssl);
}

void tls_client_fingerprint(const struct tls_client *s, char out[65])
{
    *out = '\0';
    if (s->shown)
        tls_client_hex(s->digest, out);
}
