/* What the files of a connection share (door_pop3.c, door_login.c). Private to them. */
#ifndef DAEMON_DOOR_SESSION_H
#define DAEMON_DOOR_SESSION_H

#include "daemon/door_state.h"
#include "wire/pop3_server.h"

enum door_step {
    STEP_TALK,      /* the machine reads commands */
    STEP_HANDSHAKE, /* TLS */
    STEP_AUTH,      /* auth decides */
    STEP_WORKER,    /* granted; the mail process's channel has not come yet */
    STEP_TAKE,      /* the mail process opens the maildrop */
    STEP_RELAY,     /* logged in, over TLS */
    STEP_END        /* the last bytes leave */
};

struct door_session {
    struct door *door;
    uint64_t n;
    struct conn *conn;
    enum door_step step;
    bool implicit_tls, waits_tls; /* counted in tls_waiting */
    bool clear_allowed;
    bool proxy_tls; /* in the clear here, and inside TLS as far as the proxy */
    bool bound, asks; /* its TLS has a channel binding; asks for certificates */
    bool at_auth; /* auth keeps something for it */
    struct door_place place;
    struct pop3_server pop3;
    char *stamp;
    char address[SOCK_NAME_MAX];
    unsigned mechanism;  /* by which he logs in (metric_mechanism) */
    uint64_t asked;      /* us: when auth was asked last */
    uint64_t started, line_started; /* ms; 0: no line has begun */
    uint32_t worker;                /* STEP_WORKER, STEP_TAKE */
    int pair_fd;                    /* STEP_TAKE over TLS: our end */
    const char *how;                /* STEP_END: why, for the log */
};

/* door_pop3.c */
void door_drive(struct door_session *s); /* lets the machine go on, and obeys it */
void door_deadline(struct door_session *s);
void door_stop_one(struct door_session *s); /* the server is stopping: says so, and ends it */
/* Ends the session here, without a further word to the client. `how` NULL: not logged. */
void door_end(struct door_session *s, const char *how);

/* door_login.c */
/* WANT_AUTH. true: refused at once, go on feeding. */
bool door_ask(struct door_session *s);
/* auth keeps something for this session (a check that runs, an exchange, a worker that expects it): no more. */
void door_forget(struct door_session *s);
/* Calls fn for every session in `step` (of this worker, if not 0). Sessions may end meanwhile. */
void door_each(struct door *d, enum door_step step, uint32_t worker, void (*fn)(struct door_session *s, enum err_kind kind),
               enum err_kind kind);

#endif
