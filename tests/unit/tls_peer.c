/* tls_peer: see the header. */
#include "tls_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* What a test cannot go on without. */
#define MUST(condition) ((condition) ? (void)0 : abort())

enum { PATIENCE_S = 60 };

/* ---- certificates */

static void add_extension(X509 *cert, const X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, (X509 *)issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    MUST(e && X509_add_ext(cert, e, -1));
    X509_EXTENSION_free(e);
}

static void add_raw_name(X509 *cert, const char *raw)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    MUST(names && name && text && ASN1_STRING_set(text, raw, -1));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    MUST(sk_GENERAL_NAME_push(names, name) && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1);
    GENERAL_NAMES_free(names);
}

static int pem_file(BIO *bio, char name[PEER_FILE])
{
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    int fd = memfd_create("pem", MFD_CLOEXEC);
    MUST(fd >= 0 && write(fd, p, (size_t)n) == n);
    snprintf(name, PEER_FILE, "/proc/self/fd/%d", fd);
    BIO_free(bio);
    return fd;
}

static void write_files(struct identity *id)
{
    unsigned char digest[32];
    unsigned n;
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(PEM_write_bio_X509(bio, id->cert));
    id->cert_fd = pem_file(bio, id->cert_file);
    bio = BIO_new(BIO_s_mem());
    MUST(PEM_write_bio_PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL));
    id->key_fd = pem_file(bio, id->key_file);
    MUST(X509_digest(id->cert, EVP_sha256(), digest, &n) && n == sizeof digest);
    for (unsigned i = 0; i < n; i++)
        snprintf(id->fingerprint + 2 * i, 3, "%02x", digest[i]);
}

void identity_make(struct identity *id, struct identity_as as)
{
    static _Atomic long serial = 1;
    id->key = EVP_EC_gen("P-256");
    X509 *cert = id->cert = X509_new();
    MUST(id->key && cert && X509_set_version(cert, X509_VERSION_3));
    const X509 *issuer = as.issuer ? as.issuer->cert : cert;
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), as.from_s ? as.from_s : as.until_s < 0 ? as.until_s - 3600 : -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), as.until_s ? as.until_s : 86400);
    X509_set_pubkey(cert, id->key);
    if (as.name)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)as.name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    if (as.authority)
        add_extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
    if (as.names)
        add_extension(cert, issuer, NID_subject_alt_name, as.names);
    if (as.raw)
        add_raw_name(cert, as.raw);
    MUST(X509_sign(cert, as.issuer ? as.issuer->key : id->key, EVP_sha256()) > 0);
    write_files(id);
}

void identity_free(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    close(id->cert_fd);
    close(id->key_fd);
}

/* ---- the server */

static socklen_t address_of(const struct peer *p, struct sockaddr_storage *room)
{
    memset(room, 0, sizeof *room);
    if (p->path) {
        struct sockaddr_un *un = (struct sockaddr_un *)room;
        un->sun_family = AF_UNIX;
        MUST(strlen(p->path) < sizeof un->sun_path);
        strcpy(un->sun_path, p->path);
        return sizeof *un;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)room;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof *in;
}

void peer_listen(struct peer *p)
{
    struct sockaddr_storage a;
    socklen_t n = address_of(p, &a);
    p->fd = -1;
    p->listener = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(p->listener, (struct sockaddr *)&a, n) == 0 && listen(p->listener, 8) == 0);
    MUST(getsockname(p->listener, (struct sockaddr *)&a, &n) == 0);
    if (!p->path)
        p->port = ntohs(((struct sockaddr_in *)&a)->sin_port);
}

static void be_patient(int fd)
{
    struct timeval t = {.tv_sec = PATIENCE_S};
    MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t) == 0);
}

/* OpenSSL's own way to a socket raises SIGPIPE: blocked in this thread, it does nothing. */
static void no_sigpipe(void)
{
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipes, NULL);
}

static void *serve(void *arg)
{
    struct peer *p = arg;
    unsigned times = p->accepts ? p->accepts : 1;
    no_sigpipe();
    for (p->turn = 0; p->turn < times; p->turn++) {
        if (p->listener >= 0)
            p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
        if (p->fd < 0) {
            p->failed = true;
            break;
        }
        be_patient(p->fd);
        p->script(p);
        peer_end(p, true);
    }
    return NULL;
}

void peer_start(struct peer *p)
{
    peer_listen(p);
    be_patient(p->listener);
    MUST(pthread_create(&p->thread, NULL, serve, p) == 0);
}

void peer_start_on(struct peer *p, int fd)
{
    p->listener = -1;
    p->fd = fd;
    MUST(pthread_create(&p->thread, NULL, serve, p) == 0);
}

void peer_join(struct peer *p)
{
    pthread_join(p->thread, NULL);
    if (p->listener >= 0)
        close(p->listener);
}

/* ---- what a script does */

static int take_protocol(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *offered, unsigned room, void *arg)
{
    struct peer *p = arg;
    snprintf(p->protocol, sizeof p->protocol, "%.*s", (int)offered[0], offered + 1);
    *out = offered + 1;
    *n = offered[0];
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context(struct peer *p)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    MUST(ctx && SSL_CTX_use_certificate(ctx, p->who->cert) == 1 && SSL_CTX_use_PrivateKey(ctx, p->who->key) == 1);
    if (p->version) {
        SSL_CTX_set_min_proto_version(ctx, p->version);
        SSL_CTX_set_max_proto_version(ctx, p->version);
        if (p->version < TLS1_2_VERSION)
            SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    }
    SSL_CTX_set_alpn_select_cb(ctx, take_protocol, p);
    if (p->client_ca) {
        MUST(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), p->client_ca->cert) == 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ctx;
}

bool peer_tls(struct peer *p)
{
    SSL_CTX *ctx = context(p);
    p->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    MUST(p->ssl && SSL_set_fd(p->ssl, p->fd));
    bool done = SSL_accept(p->ssl) == 1;
    const char *name = SSL_get_servername(p->ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(p->name, sizeof p->name, "%s", name ? name : "");
    X509 *client = SSL_get0_peer_certificate(p->ssl);
    if (client)
        X509_NAME_get_text_by_NID(X509_get_subject_name(client), NID_commonName, p->client, sizeof p->client);
    ERR_clear_error();
    return done;
}

void peer_say(struct peer *p, const void *text, size_t n)
{
    for (size_t done = 0; done < n;) {
        int part = n - done < 1 << 20 ? (int)(n - done) : 1 << 20;
        ssize_t r = p->ssl ? SSL_write(p->ssl, (const char *)text + done, part)
                           : send(p->fd, (const char *)text + done, (size_t)part, MSG_NOSIGNAL);
        if (r <= 0) {
            p->failed = true;
            ERR_clear_error();
            return;
        }
        done += (size_t)r;
    }
}

void peer_say_text(struct peer *p, const char *text)
{
    peer_say(p, text, strlen(text));
}

size_t peer_hear(struct peer *p, void *to, size_t n)
{
    ssize_t r = p->ssl ? SSL_read(p->ssl, to, (int)n) : recv(p->fd, to, n, 0);
    if (p->ssl)
        ERR_clear_error();
    return r > 0 ? (size_t)r : 0;
}

bool peer_hear_text(struct peer *p, const char *text)
{
    char c;
    for (; *text; text++)
        if (peer_hear(p, &c, 1) != 1 || c != *text) {
            p->failed = true;
            return false;
        }
    return true;
}

void peer_end(struct peer *p, bool notify)
{
    if (p->ssl && notify) {
        SSL_shutdown(p->ssl);
        ERR_clear_error();
    }
    SSL_free(p->ssl);
    p->ssl = NULL;
    if (p->fd < 0)
        return;
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (p->reset)
        (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(p->fd);
    p->fd = -1;
}

void peer_until_gone(struct peer *p)
{
    char room[4096];
    while (recv(p->fd, room, sizeof room, 0) > 0)
        ;
}
