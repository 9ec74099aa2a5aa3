/* tls_context: certificates, keys, and what a handshake may agree on. Made in the door, of descriptors that the master
 * opened. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_impl.h"

enum { PEM_MAX = 1 << 20 };

void tls_init(void)
{
    unsigned char seed[16];
    OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_LOAD_CONFIG, NULL);
    (void)RAND_bytes(seed, sizeof seed);
    (void)RAND_priv_bytes(seed, sizeof seed);
    SSL_CTX_free(SSL_CTX_new(TLS_server_method())); /* fetches every algorithm */
    ERR_clear_error();
}

void tls_word(struct err *err, enum err_kind kind, const char *prefix)
{
    unsigned long e = ERR_peek_error();
    int reason = ERR_GET_REASON(e);
    const char *text = ERR_reason_error_string(e);
    if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
        err_set(err, kind, "%s: the peer says: %s", prefix, SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else
        err_set(err, kind, "%s: %s", prefix, text ? text : "failed");
    ERR_clear_error();
}

/* ---- certificate and key */

/* All of a file, to be wiped: it may be the key. */
static char *read_all(int fd, size_t *n, const char *what, struct err *err)
{
    char *p = mem_resize(NULL, PEM_MAX);
    ssize_t got = 0;
    *n = 0;
    while (*n < PEM_MAX && (got = pread(fd, p + *n, PEM_MAX - *n, (off_t)*n)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        *n += (size_t)got;
    }
    if (got == 0 && *n > 0)
        return p;
    if (got < 0)
        err_set(err, ERR_CONFIG, "%s cannot be read: %s", what, strerror(errno));
    else
        err_set(err, ERR_CONFIG, "%s is %s", what, *n ? "too long" : "empty");
    mem_wipe(p, *n);
    mem_free(p);
    return NULL;
}

static BIO *bio_of(char *p, size_t n)
{
    BIO *bio = BIO_new_mem_buf(p, (int)n);
    if (!bio)
        abort(); /* out of memory */
    return bio;
}

static bool at_end_of_pem(void)
{
    unsigned long e = ERR_peek_last_error();
    bool end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    if (end)
        ERR_clear_error();
    return end;
}

static void note_expiry(struct tls_context *c, const X509 *cert)
{
    struct tm when;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &when) == 1)
        c->expires = timegm(&when);
}

static int use_chain(struct tls_context *c, BIO *pem, struct err *err)
{
    X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    if (!cert && at_end_of_pem())
        return err_set(err, ERR_CONFIG, "the certificate file holds no certificate in PEM form");
    int used = cert ? SSL_CTX_use_certificate(c->ssl, cert) : 0;
    if (used)
        note_expiry(c, cert);
    X509_free(cert);
    while (used && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL)))
        if (!(used = (int)SSL_CTX_add0_chain_cert(c->ssl, cert)))
            X509_free(cert);
    if (used && at_end_of_pem())
        return 0;
    tls_word(err, ERR_CONFIG, "the certificate file cannot be used");
    return -1;
}

static int no_passphrase(char *room, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static int use_key(struct tls_context *c, BIO *pem, struct err *err)
{
    static const char mark[] = "PRIVATE KEY-----";
    char *text;
    long n = BIO_get_mem_data(pem, &text);
    if (!memmem(text, (size_t)n, mark, sizeof mark - 1))
        return err_set(err, ERR_CONFIG, "the key file holds no private key in PEM form");
    bool asked = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, &asked);
    if (!key && asked) {
        ERR_clear_error();
        return err_set(err, ERR_CONFIG, "the key is encrypted; a server needs one without a passphrase");
    }
    if (key && X509_check_private_key(SSL_CTX_get0_certificate(c->ssl), key) != 1) {
        ERR_clear_error();
        EVP_PKEY_free(key);
        return err_set(err, ERR_CONFIG, "the key does not fit the (first) certificate");
    }
    int used = key ? SSL_CTX_use_PrivateKey(c->ssl, key) : 0;
    EVP_PKEY_free(key);
    if (used)
        return 0;
    tls_word(err, ERR_CONFIG, "the key cannot be used");
    return -1;
}

static int use_file(struct tls_context *c, int fd, const char *what,
                    int (*use)(struct tls_context *, BIO *, struct err *), struct err *err)
{
    size_t n;
    char *text = read_all(fd, &n, what, err);
    if (!text)
        return -1;
    BIO *pem = bio_of(text, n);
    int failed = use(c, pem, err);
    BIO_free(pem);
    mem_wipe(text, n);
    mem_free(text);
    return failed;
}

/* A store of its own: what clients are believed by is no part of our chain. */
static int use_issuers(struct tls_context *c, BIO *pem, struct err *err)
{
    X509_STORE *store = X509_STORE_new();
    X509 *cert;
    unsigned n = 0;
    bool good = store && SSL_CTX_set0_verify_cert_store(c->ssl, store); /* frees what was there, and this one later */
    while (good && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
        good = X509_STORE_add_cert(store, cert) == 1 && SSL_CTX_add_client_CA(c->ssl, cert) == 1;
        X509_free(cert);
        n++;
    }
    if (good && at_end_of_pem()) {
        SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER, NULL);
        return n ? 0 : err_set(err, ERR_CONFIG, "the file of clients' issuers holds no certificate in PEM form");
    }
    tls_word(err, ERR_CONFIG, "the file of clients' issuers cannot be used");
    return -1;
}

/* ---- what is agreed on */

/* A client that names protocols, none of them ours, is refused (RFC 7301 §3.2): it was led here by somebody else's
 * answer. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                           unsigned offered_len, void *arg)
{
    struct tls_context *c = arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, c->alpn, c->alpn_len, offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_alpn(struct tls_context *c, const char *alpn)
{
    size_t n = alpn ? strlen(alpn) : 0;
    if (n == 0 || n >= sizeof c->alpn)
        return;
    c->alpn[0] = (unsigned char)n;
    memcpy(c->alpn + 1, alpn, n);
    c->alpn_len = (unsigned)n + 1;
    SSL_CTX_set_alpn_select_cb(c->ssl, choose_protocol, c);
}

/* A client that goes away without close_notify has simply gone: a command counts only with its CRLF, so nothing can be
 * cut short unnoticed, and one that closes only its half can still be answered. */
static void set_rules(struct tls_context *c)
{
    static const unsigned char session_id[] = "bustia";
    SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                    SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c->ssl,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_dh_auto(c->ssl, 1);
    /* Sessions live in the clients' tickets, not in our memory. */
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(c->ssl, session_id, sizeof session_id - 1);
    SSL_CTX_set_num_tickets(c->ssl, 1);
    SSL_CTX_set_read_ahead(c->ssl, 1); /* a record by one call, not two */
}

/* ---- life */

int tls_context_new(struct tls_context **made, int cert_fd, int key_fd, const char *alpn, struct err *err)
{
    struct tls_context *c = mem_alloc(sizeof *c);
    *made = NULL;
    tls_init();
    c->refs = 1;
    c->ssl = SSL_CTX_new(TLS_server_method());
    c->gather = mem_resize(NULL, TLS_GATHER);
    if (!c->ssl) {
        tls_word(err, ERR_PERM, "OpenSSL cannot start");
    } else {
        set_rules(c);
        set_alpn(c, alpn);
        if (use_file(c, cert_fd, "the certificate file", use_chain, err) == 0 &&
            use_file(c, key_fd, "the key file", use_key, err) == 0) {
            *made = c;
            return 0;
        }
    }
    tls_context_free(c);
    return -1;
}

int tls_context_ask(struct tls_context *c, int ca_fd, struct err *err)
{
    return use_file(c, ca_fd, "the file of clients' issuers", use_issuers, err);
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    c->refs++;
    return c;
}

void tls_context_free(struct tls_context *c)
{
    if (!c || --c->refs)
        return;
    SSL_CTX_free(c->ssl);
    BIO_meth_free(c->bio);
    mem_free(c->gather);
    mem_free(c);
}

long long tls_context_expires(const struct tls_context *c)
{
    return c->expires - (long long)clock_wall().tv_sec;
}
