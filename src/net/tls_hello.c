/* tls_hello: what a client announces at the beginning of a handshake, before OpenSSL reserves room for it: 175 kB for the longest
 * ClientHello there can be. Runs in the door, over records in the clear.
 *
 * Only what begins a flight is looked at: where a ClientHello may stand (the second follows a HelloRetryRequest, RFC 8446 §4.1.4). A
 * header that is cut in pieces, empty records and warnings before it are refused, as no client sends them and they would hide its length. */
#include "net/tls_impl.h"

enum { HELLO_MAX = 16 * 1024, RECORD_HEADER = 5, MESSAGE_HEADER = 4 };

/* false: refused. May set `known`: the rest is for OpenSSL to judge. */
static bool look(struct tls_hello *h, bool first)
{
    const unsigned char *p = h->head;
    unsigned length = (unsigned)p[3] << 8 | p[4];
    switch (p[0]) {
    case SSL3_RT_HANDSHAKE:
        if (h->have < RECORD_HEADER + MESSAGE_HEADER)
            return length >= MESSAGE_HEADER;
        h->known = true;
        return p[5] != SSL3_MT_CLIENT_HELLO || (p[6] << 16 | p[7] << 8 | p[8]) <= HELLO_MAX;
    case SSL3_RT_ALERT:
        if (first || length != 2)
            return false;
        h->known = h->have == RECORD_HEADER + 2;
        return !h->known || p[5] != SSL3_AL_WARNING || p[6] == SSL_AD_CLOSE_NOTIFY;
    case SSL3_RT_CHANGE_CIPHER_SPEC: /* before a second hello (RFC 8446 §D.4) */
    case SSL3_RT_APPLICATION_DATA:   /* encrypted already; or early data, which is never wanted */
        if (first || length == 0)
            return false;
        h->skip = length;
        h->have = 0;
        return true;
    default: /* no TLS */
        h->known = true;
        return true;
    }
}

bool tls_hello_allowed(struct tls_hello *h, bool first, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n && !h->known;) {
        if (h->skip) {
            size_t skipped = h->skip < n - i ? h->skip : n - i;
            h->skip -= skipped;
            i += skipped;
            continue;
        }
        h->head[h->have++] = p[i++];
        if (h->have >= RECORD_HEADER && !look(h, first))
            return false;
    }
    return true;
}
