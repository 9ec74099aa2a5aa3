/* tls_client_believe: whether a server is the one that is meant, asked in the middle of the handshake: before anything
 * of ours is sent. */
#include <openssl/x509v3.h>
#include <string.h>

#include "net/tls_client_impl.h"

int tls_client_believe(X509_STORE_CTX *chain, void *arg)
{
    struct tls_client *s = arg;
    unsigned n = 0;
    X509 *cert = X509_STORE_CTX_get0_cert(chain);
    s->shown = cert && X509_digest(cert, EVP_sha256(), s->digest, &n) == 1 && n == TLS_DIGEST;
    if (s->pinned) {
        if (s->shown && memcmp(s->digest, s->pin, TLS_DIGEST) == 0)
            return 1;
        X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
        tls_client_explain(s, chain, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    if (s->shown && X509_verify_cert(chain) == 1)
        return 1;
    int code = X509_STORE_CTX_get_error(chain);
    if (code == X509_V_OK)
        X509_STORE_CTX_set_error(chain, code = X509_V_ERR_UNSPECIFIED);
    tls_client_explain(s, chain, code);
    return 0;
}
