/* half_key: a TLS 1.3 peer that sends the header of a KeyUpdate in a record of its own, which OpenSSL would not do. */
#ifndef TESTS_HALF_KEY_H
#define TESTS_HALF_KEY_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* Before the handshake: notes the secrets of the connections of ctx, and leaves them one suite. */
void half_key_watch(SSL_CTX *ctx);
/* Sends it through fd as the record that follows `records` others of the client's, or of the server's. */
void half_key_send(int fd, bool client, unsigned records);

#endif
