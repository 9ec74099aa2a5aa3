/* tls_peer: a server for whoever connects to one: certificates of every kind, and a script of the test's in a thread. */
#ifndef TESTS_TLS_PEER_H
#define TESTS_TLS_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { PEER_FILE = 40 };

/* A certificate with its key, and both as PEM files (in memory: names under /proc/self/fd). */
struct identity {
    X509 *cert;
    EVP_PKEY *key;
    int cert_fd, key_fd;
    char cert_file[PEER_FILE], key_file[PEER_FILE];
    char fingerprint[65];
};
struct identity_as {
    const struct identity *issuer; /* NULL: itself */
    const char *name;              /* common name; NULL: none */
    const char *names;             /* as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1"; NULL: none */
    const char *raw;               /* a DNS name, of whatever octets */
    long from_s, until_s;          /* from now; 0: an hour ago, a day from now */
    bool authority;
};
void identity_make(struct identity *id, struct identity_as as);
void identity_free(struct identity *id);

/* One connection after another is given to the script, which speaks with peer_say and so on, all of which wait (not for ever). */
struct peer {
    void (*script)(struct peer *p);
    const struct identity *who;       /* for peer_tls */
    const struct identity *client_ca; /* a client must show a certificate of his */
    const char *path;                 /* of a unix socket; NULL: 127.0.0.1 */
    void *arg;
    int version;      /* the only one; 0: any */
    unsigned accepts; /* how many connections; 0: 1 */
    bool reset;       /* peer_end ends with a reset */
    /* of the server that runs */
    SSL *ssl;
    int listener, fd;
    unsigned port, turn; /* turn: which connection it is, from 0 */
    /* what the handshake showed */
    char name[256], protocol[32], client[256];
    _Atomic bool failed; /* something that the script had to do could not be done */
    pthread_t thread;
};
void peer_listen(struct peer *p);           /* the port is known; nobody accepts yet */
void peer_start(struct peer *p);            /* peer_listen, and the thread */
void peer_start_on(struct peer *p, int fd); /* the thread, over a connection that is there; it is closed at the end */
void peer_join(struct peer *p);

bool peer_tls(struct peer *p); /* the server's half of a handshake */
void peer_say(struct peer *p, const void *text, size_t n);
void peer_say_text(struct peer *p, const char *text);
size_t peer_hear(struct peer *p, void *to, size_t n);  /* what there is; 0: the end */
bool peer_hear_text(struct peer *p, const char *text); /* these octets, no other */
void peer_end(struct peer *p, bool notify);            /* close_notify first; closes */
void peer_until_gone(struct peer *p);                  /* until the client goes */

#endif
