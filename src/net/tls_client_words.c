/* tls_client_words: why a server is not believed, for a person who can do something about it. What a certificate says
 * is a stranger's text: it is escaped, and has its length. */
#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "net/tls_client_impl.h"

enum { WORD = 80, NAMES = 100 };

void tls_client_hex(const unsigned char digest[TLS_DIGEST], char out[2 * TLS_DIGEST + 1])
{
    for (size_t i = 0; i < TLS_DIGEST; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* ---- parts of a certificate */

/* As much of it as has room; a character that is cut is escaped, then. */
static struct span cut(struct span s, size_t most)
{
    return (struct span){s.p, s.n < most ? s.n : most};
}

static void add_name(char out[NAMES], unsigned *more, struct span name)
{
    size_t n = strlen(out);
    const char *text = log_escape(cut(name, WORD));
    if (*more || (n && n + 2 + strlen(text) >= NAMES))
        ++*more;
    else
        snprintf(out + n, NAMES - n, "%s%s", n ? ", " : "", text);
}

static struct span text_of(const ASN1_STRING *s)
{
    return (struct span){(const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)};
}

static void add_address(char out[NAMES], unsigned *more, const ASN1_STRING *ip)
{
    char text[INET6_ADDRSTRLEN];
    int n = ASN1_STRING_length(ip);
    if ((n == 4 || n == 16) && inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof text))
        add_name(out, more, span_of(text));
}

/* Of the old kind, where there are none of the new (RFC 6125 §6.4.4). */
static void add_common_names(char out[NAMES], unsigned *more, const X509_NAME *subject)
{
    for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;)
        add_name(out, more, text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i))));
}

/* "mail.example.net, pop.example.net and 3 more" */
static void names_of(X509 *cert, char out[NAMES + 24])
{
    unsigned more = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    *out = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add_name(out, &more, text_of(name->d.dNSName));
        else if (name->type == GEN_IPADD)
            add_address(out, &more, name->d.iPAddress);
    }
    GENERAL_NAMES_free(names);
    if (!*out)
        add_common_names(out, &more, X509_get_subject_name(cert));
    size_t n = strlen(out);
    if (!n)
        strcpy(out, "no name at all");
    else if (more)
        snprintf(out + n, NAMES + 24 - n, " and %u more", more);
}

/* "O = Example, CN = Example's Root", in quotes. */
static const char *who(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long n = 0;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_SEP_CPLUS_SPC | XN_FLAG_FN_SN | ASN1_STRFLGS_UTF8_CONVERT) >= 0)
        n = BIO_get_mem_data(bio, &text);
    const char *quoted = log_quote(cut((struct span){text, n > 0 ? (size_t)n : 0}, WORD));
    BIO_free(bio);
    return quoted;
}

static void day_of(const ASN1_TIME *time, char out[16])
{
    struct tm t;
    if (ASN1_TIME_to_tm(time, &t) == 1)
        snprintf(out, 16, "%04u-%02u-%02u", (unsigned)(t.tm_year + 1900) % 10000, (unsigned)(t.tm_mon + 1) % 100,
                 (unsigned)t.tm_mday % 100);
    else
        strcpy(out, "no day");
}

/* ---- sentences */

static void explain_name(struct tls_client *s, X509 *cert)
{
    char names[NAMES + 24];
    names_of(cert, names);
    err_set(&s->why, ERR_AUTH, "the certificate is for %s, not %.80s", names, s->name);
}

/* `when`: "expired on" or "is not valid before". */
static void explain_time(struct tls_client *s, X509_STORE_CTX *chain, X509 *cert, const char *when,
                         const ASN1_TIME *time)
{
    char day[16];
    day_of(time, day);
    if (X509_STORE_CTX_get_error_depth(chain) == 0)
        err_set(&s->why, ERR_AUTH, "the certificate %s %s", when, day);
    else
        err_set(&s->why, ERR_AUTH, "the certificate of the issuer %s %s %s", who(X509_get_subject_name(cert)), when,
                day);
}

static void explain_issuer(struct tls_client *s, X509 *cert, const char *more)
{
    err_set(&s->why, ERR_AUTH, "the certificate was issued by %s, whom nobody here knows%s",
            who(X509_get_issuer_name(cert)), more);
}

void tls_client_explain(struct tls_client *s, X509_STORE_CTX *chain, int code)
{
    char hex[2 * TLS_DIGEST + 1] = "none";
    X509 *cert = X509_STORE_CTX_get_current_cert(chain);
    X509 *leaf = X509_STORE_CTX_get0_cert(chain);
    if (!cert)
        cert = leaf;
    if (s->shown)
        tls_client_hex(s->digest, hex);
    switch (cert ? code : X509_V_ERR_UNSPECIFIED) {
    case X509_V_ERR_APPLICATION_VERIFICATION:
        err_set(&s->why, ERR_AUTH, "the certificate is not the pinned one; its fingerprint is %s", hex);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        explain_name(s, leaf);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        err_set(&s->why, ERR_AUTH, "the certificate was issued by nobody but itself; its fingerprint is %s", hex);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        explain_issuer(s, cert, "");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        explain_issuer(s, cert, ", and the server does not show who vouches for it");
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        explain_time(s, chain, cert, "expired on", X509_get0_notAfter(cert));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        explain_time(s, chain, cert, "is not valid before", X509_get0_notBefore(cert));
        break;
    default:
        err_set(&s->why, ERR_AUTH, "the certificate is not valid: %s", X509_verify_cert_error_string(code));
    }
}
