/* net_help: what the tests of net share: certificates, a TLS client, a loop that ends, open descriptors. */
#ifndef TESTS_NET_HELP_H
#define TESTS_NET_HELP_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

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
/* The same with a peer as far away as a modem's: segments of 1,400 octets, and room for 64 kB. */
void far_pair(int fds[2]);
/* What a worker says to a relay when it ends in good order. */
void end_whole(int fd);
unsigned open_descriptors(void);
/* cmocka's set-up and tear-down of a group: *state is a loop, and at the end as many descriptors are open as at the beginning. */
int loop_begin(void **state);
int loop_finish(void **state);

/* A peer in a thread of its own: sends and receives numbered bytes at the same time, TLS if `ssl` is set (the handshake included).
 * Then, if `close_first`, closes its half (close_notify too) before it reads on to the end. */
struct pump {
    int fd;
    SSL *ssl;
    size_t to_send, to_receive; /* more than to_receive is an error, less too */
    bool close_first;
    unsigned pause_ms; /* before each read */
    bool sends_on;     /* what is still to be sent, also when the peer has closed his half */
    size_t piece;      /* the most that one read takes; 0: as it comes */
    bool whole;        /* close_first as a worker does that ends in good order */
    /* results */
    size_t sent, received;
    bool wrong;  /* other bytes than were expected */
    bool ended;  /* the end was seen, and was in good order */
    bool failed; /* the connection broke */
    bool closed_half;
    _Atomic bool done;
    pthread_t thread;
};
void pump_start(struct pump *p);
void pump_join(struct pump *p);

/* Bytes that tell their place, and their sum. */
void fill(char *p, size_t n, size_t offset);
bool matches(const char *p, size_t n, size_t offset);

#endif
