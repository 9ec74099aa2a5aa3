/* talk: the messages between the processes, one row each: who may say it to whom, with which texts, with a descriptor or not.
 *
 * A message is one frame of a channel: a fixed head (type, session, four numbers, lengths of four texts), then the texts. What does
 * not fit its row is refused as a whole, and the channel it came from is closed: a role that has been taken over can say only
 * what its row permits. Everything about a log-in goes by the session's id, never by a name that the door chooses. */
#ifndef DAEMON_TALK_H
#define DAEMON_TALK_H

#include <stdint.h>

#include "base/span.h"
#include "daemon/role.h"
#include "net/chan.h"

/* A session: the generation of its door (given by master, never given twice) and the door's counter. Never used again. */
struct talk_id {
    uint64_t door, n;
};

/* A door would need years for so many sessions. A greater counter is a forgery: the tables' keys hold both numbers in one. */
enum { TALK_COUNTER_BITS = 44 };
uint64_t talk_key(struct talk_id id);

enum talk_type {
    /* master at the start of a role, in this order; GO ends it */
    TALK_LOG,        /* fd; num: kind. Also later, when logs are reopened */
    TALK_CONF,       /* fd: the configuration, re-read (SIGHUP) */
    TALK_LISTEN,     /* fd; num: service, cleartext allowed. To door; to control its unix socket */
    TALK_CERT,       /* fd: PEM chain; the key follows */
    TALK_KEY,        /* fd: PEM key */
    TALK_ROOT,       /* fd: a mail root; text: its path. To mail */
    TALK_STORE,      /* text: the one store a mail process is for (mail_sessions = 1) */
    TALK_GO,         /* id.door: generation (door); num: uid, gid, whether root, worker (mail) */
    TALK_STOP,       /* finish what runs, take nothing new; num: ms until the end */
    /* master joins two roles: fd is the channel's end */
    TALK_AUTH,       /* to door, mail, control */
    TALK_DOOR,       /* to auth, mail; id.door: generation */
    TALK_WORKER,     /* to auth, door; num: worker, uid, gid, token of the NEED or 0 */
    TALK_CONTROL,    /* to auth */
    TALK_NO_WORKER,  /* to auth; num: token, kind */
    /* roles to master */
    TALK_READY,      /* text: its walls */
    TALK_LOG_LOST,   /* writing to the log fails */
    TALK_NEED,       /* auth; num: token, uid, gid, single; text: the store. A mail process is wanted */
    /* log-in */
    TALK_VERIFY,     /* door → auth; num: how, flags; texts: user or mechanism, secret, address, stamp */
    TALK_GONE,       /* door → auth: the client left, or the exchange is cancelled */
    TALK_CHALLENGE,  /* auth → door; text */
    TALK_DENIED,     /* auth → door; num: kind */
    TALK_EXPECT,     /* auth → mail; num: uid, gid; texts: user, store, address */
    TALK_GRANTED,    /* auth → door; num: worker */
    TALK_TAKE,       /* door → mail; fd: the session; num: flags; texts: address, unread bytes, TLS version */
    TALK_TAKEN,      /* mail → door: the lock is held, the session is the worker's */
    TALK_REFUSED,    /* mail → door; num: kind. The door still has its copy */
    TALK_ENDED,      /* mail → auth */
    TALK_RUNNING,    /* mail → auth that has just started or asks; num: flags, seconds, read, deleted; texts: user, address */
    TALK_REPORT,     /* auth → mail: say RUNNING of each session; num: token */
    TALK_REPORTED,   /* mail → auth: that was all; num: token */
    TALK_END,        /* auth → mail: end this session (kick), or expect it no longer */
    TALK_RETIRE,     /* auth → mail: end when the last session has ended */
    /* the operator */
    TALK_WHO,        /* control → auth; num: token */
    TALK_KICK,       /* control → auth; num: token; text: user */
    TALK_ROW,        /* auth → control; id: read, deleted; num: token, uid, flags, seconds; texts: user, address */
    TALK_DONE,       /* auth → control; num: token, count */
    TALK_TYPES
};

enum { TALK_TLS = 1, TALK_CLEAR_ALLOWED = 2, TALK_HAS_INITIAL = 4, TALK_TLS_OFFERED = 8 }; /* flags */
enum { TALK_NUMS = 4, TALK_TEXTS = 4 };

struct talk {
    enum talk_type type;
    struct talk_id id;
    uint32_t num[TALK_NUMS];
    struct span text[TALK_TEXTS];
    int fd; /* -1: none. Received: the handler's */
};

/* Sends; m->fd is closed in any case. -1: the channel is gone (its `closed` will come). */
int talk_send(struct chan *c, const struct talk *m);

/* Takes a frame apart by the row of its type. The texts borrow from p. -1: not a message that `from` may send to `to`; a
 * descriptor that came with it is closed. */
int talk_parse(const void *p, size_t n, int fd, enum role from, enum role to, struct talk *m);

/* For the start of a role and for tests: blocking. */
int talk_send_now(int sock, const struct talk *m);
/* 1, 0 at the end of the channel, -1. `room`: CHAN_MAX bytes that the texts borrow from. */
int talk_receive_now(int sock, char *room, enum role from, enum role to, struct talk *m);

const char *talk_name(enum talk_type type);

#endif
