/* tls_client_rules: what a server must show before it is believed, and what we show it. Runs in whoever connects to a
 * server. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "net/tls_client_impl.h"
#include "net/tls_impl.h"

enum { READ_BUFFER = 64 * 1024 }; /* records that one call of the socket may bring */

static bool given(const char *text)
{
    return text && *text;
}

/* ---- the pin */

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_pin(const char *text, unsigned char out[TLS_DIGEST])
{
    size_t n = 0;
    for (; *text && n < 2 * (size_t)TLS_DIGEST; text++) {
        if (*text == ':' && n && n % 2 == 0 && text[-1] != ':')
            continue;
        int value = digit(*text);
        if (value < 0)
            return false;
        out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] | value : value << 4);
        n++;
    }
    return !*text && n == 2 * (size_t)TLS_DIGEST;
}

static int use_pin(struct tls_client *s, const char *fingerprint, struct err *err)
{
    if (!given(fingerprint))
        return 0;
    if (!read_pin(fingerprint, s->pin))
        return err_set(err, ERR_CONFIG, "the fingerprint is no SHA-256 in 64 hexadecimal digits");
    s->pinned = true;
    return 0;
}

/* ---- files */

/* OpenSSL has no words for what open says. */
static int readable(const char *what, const char *file, struct err *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_CONFIG, "%s %s cannot be read: %s", what, log_quote_text(file), strerror(errno));
    close(fd);
    return 0;
}

static int unusable(const char *what, const char *file, struct err *err)
{
    struct err prefix = {0};
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (reason == PEM_R_NO_START_LINE || reason == ERR_R_UNSUPPORTED) {
        ERR_clear_error();
        return err_set(err, ERR_CONFIG, "%s %s holds nothing of that kind in PEM form", what, log_quote_text(file));
    }
    err_set(&prefix, ERR_CONFIG, "%s %s cannot be used", what, log_quote_text(file));
    tls_word(err, ERR_CONFIG, prefix.text);
    return -1;
}

static int no_passphrase(char *room, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static int use_certificate(SSL_CTX *ctx, const struct tls_client_rules *rules, struct err *err)
{
    static const char cert[] = "the file of our certificate", key[] = "the file of our key";
    bool asked = false;
    if (!given(rules->cert))
        return 0;
    const char *key_file = given(rules->key) ? rules->key : rules->cert;
    if (readable(cert, rules->cert, err) || readable(key, key_file, err))
        return -1;
    if (SSL_CTX_use_certificate_chain_file(ctx, rules->cert) != 1)
        return unusable(cert, rules->cert, err);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
    int used = SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (asked) {
        ERR_clear_error();
        return err_set(err, ERR_CONFIG, "%s %s is encrypted: it must be without a passphrase", key,
                       log_quote_text(key_file));
    }
    return used == 1 ? 0 : unusable(key, key_file, err);
}

/* ---- issuers */

/* Most systems keep the issuers twice: in a folder where each is found by its name, and in one file that takes 40 ms to
 * read, which is read only when the folder does not help. */
static int find_issuer(X509 **issuer, X509_STORE_CTX *chain, X509 *cert)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_client *s = SSL_get_app_data(ssl);
    int found = X509_STORE_CTX_get1_issuer(issuer, chain, cert);
    if (found != 0 || s->all_issuers)
        return found;
    s->all_issuers = true;
    (void)SSL_CTX_set_default_verify_file(SSL_get_SSL_CTX(ssl));
    return X509_STORE_CTX_get1_issuer(issuer, chain, cert);
}

static int use_issuers(SSL_CTX *ctx, const char *ca, struct err *err)
{
    static const char what[] = "the file of issuers";
    if (!given(ca)) {
        (void)SSL_CTX_set_default_verify_dir(ctx);
        X509_STORE_set_get_issuer(SSL_CTX_get_cert_store(ctx), find_issuer);
        return 0;
    }
    if (readable(what, ca, err))
        return -1;
    if (SSL_CTX_load_verify_file(ctx, ca) != 1)
        return unusable(what, ca, err);
    /* Who names an issuer means that one, also if another stands above it. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    return 0;
}

/* ---- all of it */

/* As on the wire: length and name. 0: done. */
static int use_alpn(SSL_CTX *ctx, const char *alpn)
{
    char wire[32];
    size_t n = given(alpn) ? strlen(alpn) : 0;
    if (n == 0 || n + 1 >= sizeof wire)
        return 0;
    snprintf(wire, sizeof wire, "%c%s", (char)n, alpn);
    return SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)wire, (unsigned)n + 1);
}

SSL_CTX *tls_client_context(struct tls_client *s, const struct tls_client_rules *rules, struct err *err)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || use_alpn(ctx, rules->alpn) != 0) {
        tls_word(err, ERR_PERM, "OpenSSL cannot start");
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* Not SSL_OP_IGNORE_UNEXPECTED_EOF: a message that is cut short must not pass for whole. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, tls_client_believe, s);
    if (use_pin(s, rules->fingerprint, err) || (!s->pinned && use_issuers(ctx, rules->ca, err)) ||
        use_certificate(ctx, rules, err)) {
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return NULL;
    }
    ERR_clear_error();
    return ctx;
}
