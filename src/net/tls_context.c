/* tls_context: certificates, keys, and what a handshake may agree on. Made in the door, of descriptors that the master
 * opened. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_cert.h"
#include "net/tls_impl.h"

enum { TLS_SUITE_MAX = 40 }; /* of its name, with a colon */

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

/* ---- certificates and keys */

static int use_cert(SSL_CTX *ssl, const struct tls_cert *cert, struct err *err)
{
    if (SSL_CTX_use_cert_and_key(ssl, cert->cert, cert->key, cert->chain, 1) == 1)
        return 0;
    tls_word(err, ERR_CONFIG, "the certificate file cannot be used");
    return -1;
}

/* By a context that is thrown away: one that stands beside others shows only in a handshake whether it can be used. */
static int try_cert(const struct tls_cert *cert, struct err *err)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    int failed = ssl ? use_cert(ssl, cert, err) : err_set(err, ERR_PERM, "OpenSSL cannot start");
    SSL_CTX_free(ssl);
    return failed;
}

static void keep_cert(struct tls_context *c, const struct tls_cert *cert)
{
    struct tm when;
    c->certs = mem_resize(c->certs, (c->n_certs + 1) * sizeof *c->certs);
    c->certs[c->n_certs++] = *cert;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert->cert), &when) == 1 && (c->n_certs == 1 || timegm(&when) < c->expires))
        c->expires = timegm(&when);
}

/* Those that are for this name: the first, and beside it what has a key of another kind (each is a slot of OpenSSL's, which an earlier
 * one keeps). false: none of them. */
static bool use_named(SSL *ssl, const struct tls_context *c, const char *host, bool exactly)
{
    bool found = false;
    for (unsigned i = 0; i < c->n_certs; i++) {
        const struct tls_cert *cert = &c->certs[i];
        if (!tls_cert_is_for(cert, host, exactly))
            continue;
        if (!found)
            SSL_certs_clear(ssl);
        found |= SSL_use_cert_and_key(ssl, cert->cert, cert->key, cert->chain, 0) == 1;
    }
    ERR_clear_error();
    return found;
}

/* Who asks for a name that is nowhere, or for none, gets the first (RFC 6066 §3 lets a server go on). */
static int choose_cert(SSL *ssl, void *arg)
{
    const struct tls_context *c = arg;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (host && !use_named(ssl, c, host, true))
        (void)use_named(ssl, c, host, false);
    return 1;
}

static int use_file(struct tls_context *c, int fd, const char *what,
                    int (*use)(struct tls_context *, BIO *, struct err *), struct err *err)
{
    size_t n;
    char *text = tls_file_read(fd, &n, what, err);
    if (!text)
        return -1;
    BIO *pem = tls_bio_of(text, n);
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
    if (good && tls_at_end_of_pem()) {
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

/* The suite that RFC 8446 §9.1 asks of everybody before that of AES-256, where the system's configuration has no order of its own: SHA-256, which
 * belongs to it, is what processors have instructions for, and a handshake takes some hundred hashes. Nothing is weaker for it: X25519 and a
 * certificate of P-256 are worth 128 bits, whatever stands on them. */
static void prefer(SSL_CTX *ssl)
{
    static const char ours[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    const STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(ssl);
    char has[sizeof ours + TLS_SUITE_MAX] = "";
    for (int i = 0; i < sk_SSL_CIPHER_num(all) && strlen(has) < sizeof ours; i++) {
        const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
        if (SSL_CIPHER_get_kx_nid(c) == NID_kx_any) /* of TLS 1.3 */
            snprintf(has + strlen(has), TLS_SUITE_MAX, "%s%s", *has ? ":" : "", SSL_CIPHER_get_name(c));
    }
    if (strcmp(has, OSSL_default_ciphersuites()) == 0)
        (void)SSL_CTX_set_ciphersuites(ssl, ours);
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
    prefer(c->ssl);
    /* Sessions live in the clients' tickets, not in our memory. */
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(c->ssl, session_id, sizeof session_id - 1);
    SSL_CTX_set_num_tickets(c->ssl, 1);
    SSL_CTX_set_read_ahead(c->ssl, 1); /* a record by one call, not two */
}

/* ---- life */

static int take_cert(struct tls_context *c, int cert_fd, int key_fd, struct err *err)
{
    struct tls_cert cert;
    if (tls_cert_read(&cert, cert_fd, key_fd, err) < 0)
        return -1;
    if (try_cert(&cert, err) < 0) {
        tls_cert_free(&cert);
        return -1;
    }
    keep_cert(c, &cert);
    return 0;
}

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
        if (take_cert(c, cert_fd, key_fd, err) == 0 && use_cert(c->ssl, &c->certs[0], err) == 0) {
            *made = c;
            return 0;
        }
    }
    tls_context_free(c);
    return -1;
}

int tls_context_add(struct tls_context *c, int cert_fd, int key_fd, struct err *err)
{
    if (take_cert(c, cert_fd, key_fd, err) < 0)
        return -1;
    SSL_CTX_set_cert_cb(c->ssl, choose_cert, c);
    return 0;
}

bool tls_context_clash(const struct tls_context *c, unsigned i, unsigned *with, char name[TLS_HOST_MAX + 1])
{
    const struct tls_cert *certs = c->certs;
    for (*with = 0; *with < i; ++*with)
        if (EVP_PKEY_get_base_id(certs[i].key) == EVP_PKEY_get_base_id(certs[*with].key) &&
            tls_cert_same_name(&certs[i], &certs[*with], name, TLS_HOST_MAX + 1))
            return true;
    return false;
}

bool tls_context_has_name(const struct tls_context *c, unsigned i)
{
    return tls_cert_has_name(&c->certs[i]);
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
    for (unsigned i = 0; i < c->n_certs; i++)
        tls_cert_free(&c->certs[i]);
    mem_free(c->certs);
    mem_free(c->gather);
    mem_free(c);
}

long long tls_context_expires(const struct tls_context *c)
{
    return c->expires - (long long)clock_wall().tv_sec;
}
