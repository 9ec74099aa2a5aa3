/* tls_binding: what a log-in can be bound to (channel binding). Runs in the door. */
#include <openssl/err.h>

#include "net/tls_impl.h"

bool tls_binds(const struct tls_stream *s)
{
    SSL *ssl = tls_stream_secure(s);
    return ssl && (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1);
}

/* Of a resumed connection our Finished is the first, else the client's (RFC 5929 §3.1; we do not renegotiate). */
bool tls_binding(const struct tls_stream *s, struct tls_binding *b)
{
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 §4.2 */
    enum { EXPORTED = 32 };
    *b = (struct tls_binding){0};
    if (!tls_binds(s))
        return false;
    SSL *ssl = tls_stream_secure(s);
    if (SSL_version(ssl) >= TLS1_3_VERSION) {
        b->kind = "tls-exporter";
        if (SSL_export_keying_material(ssl, b->octets, EXPORTED, label, sizeof label - 1, (const unsigned char *)"", 0, 1) == 1)
            b->n = EXPORTED;
        ERR_clear_error();
    } else {
        b->kind = "tls-unique";
        b->n = SSL_session_reused(ssl) ? SSL_get_finished(ssl, b->octets, sizeof b->octets)
                                       : SSL_get_peer_finished(ssl, b->octets, sizeof b->octets);
    }
    return b->n > 0 && b->n <= sizeof b->octets;
}
