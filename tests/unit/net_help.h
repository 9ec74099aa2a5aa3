/* net_help: what the tests of net share: certificates, a TLS client, a loop that ends, open descriptors. */
#ifndef TESTS_NET_HELP_H
#define TESTS_NET_HELP_H

#include <openssl/ssl.h>

#include "base/loop.h"
#include "net/tls.h"

/* A self-signed certificate and its key in memory files. bits: RSA, 0: P-256. The descriptors are the caller's. */
void make_pair(int bits, long valid_s, int *cert_fd, int *key_fd);
int memory_file(const void *p, size_t n);
struct tls_context *make_context(void); /* P-256, ALPN pop3 */

/* A client over fd (which stays the caller's): min/max are versions or 0; alpn on the wire form or NULL. */
SSL *client_new(int fd, int min, int max, const char *alpn);
void client_free(SSL *ssl);

/* Runs the loop until *flag is true or ms have passed: the flag. */
bool run_until(struct loop *l, const bool *flag, unsigned ms);
void run_for(struct loop *l, unsigned ms);

/* Loopback TCP, both ends close-on-exec. bytes: of the socket buffers, 0: the system's. */
void tcp_pair(int fds[2], int bytes);
void unix_pair(int fds[2]);
unsigned open_descriptors(void);

/* Bytes that tell their place, and their sum. */
void fill(char *p, size_t n, size_t offset);
bool matches(const char *p, size_t n, size_t offset);

#endif
