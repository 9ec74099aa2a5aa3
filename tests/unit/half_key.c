/* half_key: see the header. */
#include "half_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

enum { SECRET = 32, KEY = 16, IV = 12, TAG = 16, HEAD = 5 };

static unsigned char secrets[2][SECRET]; /* the server's, the client's */

static void note(const SSL *ssl, const char *line)
{
    bool client = strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0;
    if (!client && strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24) != 0)
        return;
    const char *hex = strrchr(line, ' ') + 1;
    for (unsigned i = 0; i < SECRET; i++) {
        unsigned octet = 0;
        sscanf(hex + (size_t)2 * i, "%2x", &octet);
        secrets[client][i] = (unsigned char)octet;
    }
}

void half_key_watch(SSL_CTX *ctx)
{
    SSL_CTX_set_keylog_callback(ctx, note);
    assert_int_equal(SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256"), 1);
}

/* HKDF-Expand-Label (RFC 8446 §7.1). */
static void expand(const unsigned char *secret, const char *label, unsigned char *out, size_t n)
{
    unsigned char info[64] = {0, (unsigned char)n};
    size_t length = 3 + (size_t)snprintf((char *)info + 3, sizeof info - 3, "tls13 %s", label) + 1;
    info[2] = (unsigned char)(length - 4);
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    char digest[] = "SHA256";
    OSSL_PARAM with[] = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                         OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, SECRET),
                         OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, length),
                         OSSL_PARAM_construct_end()};
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *k = EVP_KDF_CTX_new(kdf);
    assert_int_equal(EVP_KDF_derive(k, out, n, with), 1);
    EVP_KDF_CTX_free(k);
    EVP_KDF_free(kdf);
}

void half_key_send(int fd, bool client, unsigned records)
{
    static const unsigned char plain[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1,
                                          SSL3_RT_HANDSHAKE}; /* its octet is missing; the type */
    unsigned char key[KEY], iv[IV],
        out[HEAD + sizeof plain + TAG] = {SSL3_RT_APPLICATION_DATA, 3, 3, 0, sizeof plain + TAG};
    int n;
    expand(secrets[client], "key", key, sizeof key);
    expand(secrets[client], "iv", iv, sizeof iv);
    iv[IV - 1] ^= (unsigned char)records;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, out, HEAD), 1);
    assert_int_equal(EVP_EncryptUpdate(c, out + HEAD, &n, plain, sizeof plain), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, out + HEAD + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, out + HEAD + sizeof plain), 1);
    EVP_CIPHER_CTX_free(c);
    assert_int_equal(send(fd, out, sizeof out, MSG_NOSIGNAL), sizeof out);
}
