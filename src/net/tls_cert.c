/* tls_cert: see the header. Master, door and checks. */
#include "net/tls_cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/tls_impl.h"

enum { PEM_MAX = 1 << 20 };

/* ---- files */

char *tls_file_read(int fd, size_t *n, const char *what, struct err *err)
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

BIO *tls_bio_of(char *p, size_t n)
{
    BIO *bio = BIO_new_mem_buf(p, (int)n);
    if (!bio)
        abort(); /* out of memory */
    return bio;
}

bool tls_at_end_of_pem(void)
{
    unsigned long e = ERR_peek_last_error();
    bool end = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
    if (end)
        ERR_clear_error();
    return end;
}

static int read_chain(struct tls_cert *c, BIO *pem, struct err *err)
{
    X509 *next;
    c->cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);
    if (!c->cert && tls_at_end_of_pem())
        return err_set(err, ERR_CONFIG, "the certificate file holds no certificate in PEM form");
    c->chain = sk_X509_new_null();
    bool good = c->cert && c->chain;
    while (good && (next = PEM_read_bio_X509(pem, NULL, NULL, NULL)))
        if (!(good = sk_X509_push(c->chain, next) > 0))
            X509_free(next);
    if (good && tls_at_end_of_pem())
        return 0;
    tls_word(err, ERR_CONFIG, "the certificate file cannot be used");
    return -1;
}

static int no_passphrase(char *room, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

static int read_key(struct tls_cert *c, BIO *pem, struct err *err)
{
    static const char mark[] = "PRIVATE KEY-----";
    char *text;
    long n = BIO_get_mem_data(pem, &text);
    if (!memmem(text, (size_t)n, mark, sizeof mark - 1))
        return err_set(err, ERR_CONFIG, "the key file holds no private key in PEM form");
    bool asked = false;
    c->key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, &asked);
    if (!c->key && asked) {
        ERR_clear_error();
        return err_set(err, ERR_CONFIG, "the key is encrypted; a server needs one without a passphrase");
    }
    if (!c->key) {
        tls_word(err, ERR_CONFIG, "the key cannot be used");
        return -1;
    }
    if (X509_check_private_key(c->cert, c->key) == 1)
        return 0;
    ERR_clear_error();
    return err_set(err, ERR_CONFIG, "the key does not fit the (first) certificate");
}

static int read_file(struct tls_cert *c, int fd, const char *what, int (*read)(struct tls_cert *, BIO *, struct err *),
                     struct err *err)
{
    size_t n;
    char *text = tls_file_read(fd, &n, what, err);
    if (!text)
        return -1;
    BIO *pem = tls_bio_of(text, n);
    int failed = read(c, pem, err);
    BIO_free(pem);
    mem_wipe(text, n);
    mem_free(text);
    return failed;
}

int tls_cert_read(struct tls_cert *c, int cert_fd, int key_fd, struct err *err)
{
    *c = (struct tls_cert){0};
    if (read_file(c, cert_fd, "the certificate file", read_chain, err) == 0 &&
        read_file(c, key_fd, "the key file", read_key, err) == 0)
        return 0;
    tls_cert_free(c);
    return -1;
}

void tls_cert_free(struct tls_cert *c)
{
    X509_free(c->cert);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    *c = (struct tls_cert){0};
}

/* ---- names */

bool tls_cert_is_for(const struct tls_cert *c, const char *host, bool exactly)
{
    unsigned flags = exactly ? X509_CHECK_FLAG_NO_WILDCARDS : X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    bool is = X509_check_host(c->cert, host, 0, flags, NULL) == 1;
    ERR_clear_error();
    return is;
}

/* Calls fn with each name of a host in it until one is true. The subject's common name is one only where there is no other. */
static bool each_name(const struct tls_cert *c, bool (*fn)(const char *name, size_t n, void *arg), void *arg)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->cert, NID_subject_alt_name, NULL, NULL);
    bool any = false, found = false;
    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_DNS)
            continue;
        any = true;
        found = fn((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text), arg);
    }
    GENERAL_NAMES_free(names);
    char common[256];
    int n = any ? -1 : X509_NAME_get_text_by_NID(X509_get_subject_name(c->cert), NID_commonName, common, sizeof common);
    if (n > 0)
        found = fn(common, (size_t)n, arg);
    ERR_clear_error();
    return found;
}

static bool is_name(const char *name, size_t n, void *arg)
{
    return n > 0;
}

bool tls_cert_has_name(const struct tls_cert *c)
{
    return each_name(c, is_name, NULL);
}

struct search {
    const char *name;
    size_t n;
};

static bool equals(const char *name, size_t n, void *arg)
{
    const struct search *s = arg;
    return n == s->n && strncasecmp(name, s->name, n) == 0;
}

struct shared {
    const struct tls_cert *other;
    char *found;
    size_t room;
};

static bool is_in_other(const char *name, size_t n, void *arg)
{
    const struct shared *s = arg;
    struct search wanted = {name, n};
    if (n >= s->room || !each_name(s->other, equals, &wanted))
        return false;
    memcpy(s->found, name, n);
    s->found[n] = '\0';
    return true;
}

bool tls_cert_same_name(const struct tls_cert *a, const struct tls_cert *b, char *name, size_t room)
{
    struct shared shared = {a, name, room};
    return each_name(b, is_in_other, &shared);
}
