/* What the files of the door share. Private to them. */
#ifndef DAEMON_DOOR_STATE_H
#define DAEMON_DOOR_STATE_H

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/crowd.h"
#include "daemon/door_message.h"
#include "daemon/limit.h"
#include "daemon/limit_peers.h"
#include "daemon/start.h"
#include "net/conn.h"
#include "net/sock.h"

struct door_listener {
    struct door *door;
    int fd;
    enum conf_service service;
    bool cleartext, proxy;
    unsigned batch, full; /* so many are accepted at once; how often there were that many */
    struct loop_fd *source;
};

/* Who is at the other end of a connection: as the socket says, or a proxy that is believed. */
struct door_peer {
    char address[SOCK_NAME_MAX];
    bool unknown; /* somebody behind a proxy that does not know him; the address is the proxy's */
    bool tls;     /* his side is TLS, which ends at the proxy */
};

/* What a network may do, whoever is behind a proxy in it and unknown may not. */
static inline bool door_peer_in(const struct door_peer *p, const char *networks)
{
    return !p->unknown && sock_in_networks(p->address, networks);
}

struct door_worker { /* a mail or deliver process */
    struct door *door;
    enum role role;
    uint32_t number;
    struct chan *chan;
};

struct door_refusals { /* at proxies' listeners, since `since` (ms) */
    uint64_t since;
    unsigned count;
};

/* Certificates that are being handed over: until the key comes, until the last pair comes. */
struct door_tls {
    struct tls_context *fresh, *fresh_mail;
    int cert_fd, client_ca_fd;
    unsigned pairs;
    bool wrong; /* one of them cannot be used, so the old ones go on */
};

enum { DOOR_GONE = 64 }; /* workers that are gone and remembered: who names one late need not wait for it */

/* Every connection that has not logged in has a place, in the line of its address; who waits for auth or a mail process, or has begun a
 * message, is busy and is not asked to go. */
struct door_place {
    struct crowd_member all, tls;
    uint64_t since; /* ms */
    bool trusted;
    void (*yield)(void *owner); /* ends its connection */
    void *owner;
};

struct door {
    struct start start;
    struct loop *loop;
    struct chan *auth;          /* NULL while there is none */
    unsigned auths;             /* channels to auth so far */
    struct loop_timer *auth_lost;
    struct map workers;         /* number → struct door_worker */
    struct map sessions;        /* counter → struct door_session */
    struct mem_tide tide;       /* of them */
    struct map receptions;      /* counter → struct reception: connections over which mail comes in */
    struct map proxied;         /* counter → struct door_proxied: connections whose proxy has not said yet whose they are */
    struct map transactions;    /* counter → the reception whose message it is */
    uint64_t counter;
    unsigned away; /* sessions that have left it, as auth said last: they count as connections too */
    char login_delay[TALK_TERM_TEXT + 5]; /* LOGIN-DELAY's; "": nobody has one */
    char expire[TALK_TERM_TEXT + 5]; /* EXPIRE's arguments before a log-in, as auth said last; "": it has not said yet */
    struct door_listener listeners[CONF_LISTENERS];
    unsigned n_listeners;
    struct tls_context *tls, *tls_mail; /* for POP3; for SMTP and LMTP, which have no ALPN */
    struct door_tls certs;
    struct door_refusals refusals;
    unsigned char noise[512]; /* for stamps: drawn from the kernel for many of them at once; wiped when used */
    unsigned noise_left;
    uint64_t files, files_read; /* descriptors it may have; when that was read (ms) */
    struct budget budget;
    unsigned tls_waiting;   /* TLS connections that have not logged in */
    unsigned tls_receiving; /* TLS connections over which mail comes in: they never log in */
    bool stopping;
    struct loop_timer *accept_again;
    int spare_fd; /* closed to turn somebody away when no descriptor is left */
    struct crowd waiting, waiting_tls; /* who has not logged in, by addresses */
    struct limit crowded, pushing, yielded; /* connections that were refused, for all and for one address; that made room */
    struct message_room messages;
    struct map left; /* transaction → a message that deliver processes may still hold (door_left.c) */
    struct limit_peers peers;
    struct limit full, pushy; /* messages that were put off; connections of one address that were refused */
    uint32_t gone[DOOR_GONE]; /* workers, in a ring */
    unsigned n_gone;
};

/* door.c */
void door_rest(struct door *d); /* after the end of a connection: a server that stops may be done */
void door_enter(const struct door_listener *l, int fd, const struct door_peer *peer); /* it is served, or turned away */

/* door_proxy.c: one connection from a proxy, which comes to door_enter or is closed */
void door_proxy_begin(const struct door_listener *from, int fd, const char *address);
void door_proxy_stop(struct door *d);

/* door_tls.c: certificates. true: it was one of its messages, and the descriptor is taken */
void door_tls_init(struct door *d);
bool door_tls_take(struct door *d, const struct talk *t);

/* door_place.c: who may come in, and who makes room */
/* For a connection that has just been accepted as `fd`. false: there is no room for it, which is logged. */
bool door_place_free(struct door *d, enum conf_service service, const char *address, int fd);
void door_place_take(struct door *d, struct door_place *p, const char *address);
void door_place_leave(struct door *d, struct door_place *p); /* it logged in, or ends; harmless if it has none */
void door_place_busy(struct door *d, struct door_place *p, bool busy);

/* TLS costs memory, and has a ceiling of its own (tls_waiting). false: it is reached, and nobody makes room. After `true` the caller
 * counts it. */
bool door_place_tls(struct door *d, struct door_place *p, const char *address);

bool door_place_descriptor(struct door *d); /* no descriptor is left: somebody who waits goes. false: nobody can */

/* door_pop3.c: one connection */
struct door_session;
void door_pop3_begin(const struct door_listener *from, int fd, const struct door_peer *peer);
void door_pop3_challenge(struct door_session *s, struct span challenge);
void door_pop3_denied(struct door_session *s, enum err_kind kind);
void door_pop3_granted(struct door_session *s, uint32_t worker);
void door_pop3_probe(struct door_session *s);
void door_pop3_worker_came(struct door *d, uint32_t worker); /* for sessions that wait for its channel */
void door_pop3_worker_gone(struct door *d, uint32_t worker);
void door_pop3_auth_gone(struct door *d);
void door_pop3_taken(struct door_session *s);
void door_pop3_refused(struct door_session *s, enum err_kind kind);
void door_pop3_stop(struct door *d); /* ends all that have not logged in */

/* door_smtp.c, door_rcpt.c, door_deliver.c: one connection over which mail comes in */
struct reception;
void door_smtp_begin(const struct door_listener *from, int fd, const struct door_peer *peer);
void door_smtp_turn_away(const struct door *d, int fd); /* there are too many; closes it */
void door_smtp_target(struct reception *r, const struct talk *t);
void door_smtp_recipient(struct reception *r, const struct talk *t);
void door_smtp_room(struct reception *r, uint32_t worker, const struct talk *t);
void door_smtp_prepared(struct reception *r, uint32_t worker, const struct talk *t);
void door_smtp_delivered(struct reception *r, uint32_t worker, const struct talk *t);
void door_left_forgotten(struct door *d, uint32_t worker, uint64_t transaction);
void door_left_worker_gone(struct door *d, uint32_t worker);
void door_smtp_worker_came(struct door *d, uint32_t worker);
void door_smtp_worker_gone(struct door *d, uint32_t worker);
void door_smtp_auth_gone(struct door *d);
void door_smtp_stop(struct door *d); /* transactions go on to their end */

#endif
