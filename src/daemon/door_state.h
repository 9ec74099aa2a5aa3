/* What the files of the door share. Private to them. */
#ifndef DAEMON_DOOR_STATE_H
#define DAEMON_DOOR_STATE_H

#include "base/buf.h"
#include "base/map.h"
#include "daemon/limit.h"
#include "daemon/start.h"
#include "net/conn.h"
#include "net/sock.h"

struct door_listener {
    struct door *door;
    int fd;
    enum conf_service service;
    bool cleartext;
    struct loop_fd *source;
};

struct door_worker { /* a mail process */
    struct door *door;
    uint32_t number;
    struct chan *chan;
};

struct door {
    struct start start;
    struct loop *loop;
    struct chan *auth;          /* NULL while there is none */
    struct map workers;         /* number → struct door_worker */
    struct map sessions;        /* counter → struct door_session */
    uint64_t counter;
    struct door_listener listeners[CONF_LISTENERS];
    unsigned n_listeners;
    struct tls_context *tls;
    int cert_fd;
    struct budget budget;
    unsigned tls_waiting; /* TLS connections that have not logged in */
    bool stopping;
    struct loop_timer *accept_again;
    struct limit crowded; /* connections that were refused */
};

/* door_pop3.c: one connection */
struct door_session;
void door_pop3_begin(struct door *d, int fd, const struct door_listener *from);
void door_pop3_challenge(struct door_session *s, struct span challenge);
void door_pop3_denied(struct door_session *s, enum err_kind kind);
void door_pop3_granted(struct door_session *s, uint32_t worker);
void door_pop3_worker_came(struct door *d, uint32_t worker); /* for sessions that wait for its channel */
void door_pop3_worker_gone(struct door *d, uint32_t worker);
void door_pop3_auth_gone(struct door *d);
void door_pop3_taken(struct door_session *s);
void door_pop3_refused(struct door_session *s, enum err_kind kind);
void door_pop3_stop(struct door *d); /* ends all that have not logged in */

#endif
