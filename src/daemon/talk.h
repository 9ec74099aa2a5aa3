/* talk: the messages between the processes, one row each: who may say it to whom, with which texts, with a descriptor or not.
 *
 * A message is one frame of a channel: a fixed head (type, session, ten numbers, lengths of four texts), then the texts. What does
 * not fit its row is refused as a whole, and the channel it came from is closed: a role that has been taken over can say only
 * what its row permits. Everything about a log-in goes by the session's id, never by a name that the door chooses; everything about
 * a delivery by the transaction's id, and a target that auth has admitted for it. */
#ifndef DAEMON_TALK_H
#define DAEMON_TALK_H

#include <stdint.h>

#include "base/span.h"
#include "daemon/role.h"
#include "net/chan.h"

/* A session, or a transaction in which a message comes in: the generation of its door (given by master, never given twice) and the
 * door's counter, fresh for each. Never used again. */
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
    TALK_LISTEN,     /* fd; num: service, cleartext allowed, behind a proxy. To door; to control and metrics theirs */
    TALK_CLIENT_CA,  /* fd: PEM issuers of clients' certificates; the next CERTs and KEYs are to ask for them, which else do not */
    TALK_CERT,       /* fd: PEM chain; the key follows. The first of a set is for whoever asks for no other name */
    TALK_KEY,        /* fd: PEM key; num: how many pairs of the set follow. All are taken with the last, or none */
    TALK_METRIC,     /* fd: a page of counters; num: which. To a role its own, to write; to metrics all of them, to read */
    TALK_ROOT,       /* fd: a mail root; text: its path. To mail, deliver */
    TALK_STORE,      /* text: the one store a mail process is for (mail_sessions = 1) */
    TALK_GO,         /* id.door: generation (door); num: uid, gid, whether root, worker (mail, deliver) */
    TALK_STOP,       /* finish what runs, take nothing new; num: ms until the end */
    /* master joins two roles: fd is the channel's end */
    TALK_AUTH,       /* to door, mail, deliver, control */
    TALK_DOOR,       /* to auth, mail, deliver; id.door: generation */
    TALK_WORKER,     /* to auth, door; num: worker, uid, gid, token of the NEED or 0; id.n: TALK_FOR_… */
    TALK_CONTROL,    /* to auth */
    TALK_NO_WORKER,  /* to auth; num: token, kind */
    /* roles to master */
    TALK_READY,      /* text: its walls */
    TALK_LOG_LOST,   /* writing to the log fails */
    TALK_PING,       /* from master; num: a number. PONG is the answer, said by the loop that does all else */
    TALK_PONG,       /* num: that of the PING */
    TALK_NEED,       /* auth; num: token, uid, gid, TALK_FOR_…; text: a store. A mail or deliver process is wanted */
    /* log-in */
    TALK_VERIFY,     /* door → auth; num: how, flags; texts: user or mechanism, secret, address, stamp (APOP) or, when SASL
                        begins inside TLS, for EXTERNAL the name in the client's certificate, for others the channel binding:
                        its kind, a blank, its octets */
    TALK_GONE,       /* door → auth: the client left, or the exchange is cancelled */
    TALK_CHALLENGE,  /* auth → door; text */
    TALK_DENIED,     /* auth → door; num: kind */
    TALK_EXPECT,     /* auth → mail; num: uid, gid, TERM of expiry, ms to wait for the lock, LOGIN-DELAY
                        and one more or 0: it is not announced; texts: user, store, address */
    TALK_GRANTED,    /* auth → door; num: worker */
    TALK_COUNT,      /* auth → door; num: how many sessions have left it. Said when that has changed by a 64th of `connections` */
    TALK_TERMS,      /* auth → door; num: the smallest and the largest TERM of expiry of any user, and LOGIN-DELAY. Before a log-in it is announced;
                        said when a door has come, and when it has changed */
    TALK_TAKE,       /* door → mail; fd: the session; num: flags, language; texts: address, unread bytes, TLS version */
    TALK_TAKEN,      /* mail → door: the lock is held, the session is the worker's */
    TALK_REFUSED,    /* mail → door; num: kind. The door still has its copy */
    TALK_ENDED,      /* mail → auth; num: TALK_NEVER_BEGAN or 0 */
    TALK_YIELD,      /* auth → mail: somebody waits for this session's maildrop; num: TALK_TAKEOVER, or 0: ask the client whether
                        it is still there. The answer, at once or later, is FREED or ENDED */
    TALK_FREED,      /* mail → auth, after YIELD: the maildrop is unlocked. The session may still say good-bye */
    TALK_PROBE,      /* auth → door: is the client of this session, which the door relays, still there? */
    TALK_RUNNING,    /* mail → auth that has just started or asks; num: flags, seconds, read, deleted; texts: user, address,
                        store */
    TALK_REPORT,     /* auth → mail: say RUNNING of each session; num: token */
    TALK_REPORTED,   /* mail → auth: that was all; num: token */
    TALK_END,        /* auth → mail: end this session (kick), or expect it no longer */
    TALK_RETIRE,     /* auth → mail, deliver: end when the last session, the last delivery has ended */
    /* a delivery. "target": a mailbox, by its number in the transaction, from 0. "verdict": enum smtp_verdict. Sizes and quotas are
     * two numbers each, the low half first (talk_wide) */
    TALK_WHOSE,      /* door → auth; num: recipient, size as MAIL said it or 0, how many TARGETs came before in this
                        transaction (the next one's number); texts: local part, domain. GONE: nobody waits any more */
    TALK_TARGET,     /* auth → door, one for each mailbox; num: recipient, target, worker, TALK_WAIT_ROOM or 0, a mark of two
                        numbers: targets that share it are one mailbox */
    TALK_RECIPIENT,  /* auth → door, the last word about it; num: recipient, verdict, how many TARGETs are its own */
    TALK_ADMIT,      /* auth → deliver, before its TARGET; num: target, uid, gid, quota of octets, of messages (0: none), size,
                        TALK_WAIT_ROOM or 0; texts: user, store */
    TALK_ROOM,       /* deliver → door, where TARGET said to wait for it; num: target, verdict */
    TALK_MESSAGE,    /* door → deliver; fd: a sealed memory file; num: size. Once for each worker, before its DELIVERs */
    TALK_DELIVER,    /* door → deliver; num: target, TALK_COMMIT_NOW or 0; text: the trace fields for this mailbox */
    TALK_PREPARED,   /* deliver → door, without COMMIT_NOW; num: target, verdict. All is durable but for the name */
    TALK_COMMIT,     /* door → deliver; num: target */
    TALK_DELIVERED,  /* deliver → door, the last word about a target; num: target, verdict */
    TALK_FORGET,     /* door → deliver: the transaction is over; what was not committed is thrown away. Needed wherever a target of
                        that worker has not come to DELIVERED or a PREPARED that failed; harmless everywhere */
    TALK_FORGOTTEN,  /* deliver → door, to each FORGET: nothing of the transaction is here any more, its message neither */
    TALK_IDLE,       /* deliver → auth; num: how many ADMITs of this auth it has seen. If that is all, RETIRE is the answer */
    /* the operator */
    TALK_WHO,        /* control → auth; num: token */
    TALK_KICK,       /* control → auth; num: token; text: user */
    TALK_TEST,       /* control → auth; num: token; texts: user, password, address, method. `bustia auth test` */
    TALK_TESTED,     /* auth → control; num: token; text: a sentence about it. DONE's count: how many of them keep him out */
    TALK_ROW,        /* auth → control; id: read, deleted; num: token, uid, flags, seconds; texts: user, address */
    TALK_DONE,       /* auth → control; num: token, count */
    TALK_ERRORS,     /* control → master; num: token. The last errors and warnings of all roles */
    TALK_LINES,      /* master → the others; num: token */
    TALK_LINE,       /* they → master; num: token, level, seconds since 1970 (two); text, empty: that was all */
    TALK_LINE_OF,    /* master → control; num: the same, role, pid, of how many others an empty line will come; text */
    /* door to master: its channel to auth has broken, and no other has come; num: how many AUTHs it had */
    TALK_AUTH_LOST,
    TALK_TYPES
};

enum { TALK_TLS = 1, TALK_CLEAR_ALLOWED = 2, TALK_HAS_INITIAL = 4, TALK_TLS_OFFERED = 8, TALK_BOUND = 16,
       TALK_ASKS = 32 /* for certificates */, TALK_WAITS = 64 /* of ROW: for its maildrop */, TALK_UTF8 = 128 }; /* flags */
enum { TALK_TAKEOVER = 1 };                           /* of YIELD */
enum { TALK_FOR_SINGLE = 1, TALK_FOR_DELIVERY = 2 };  /* of NEED and WORKER: for one store; a deliver process */
enum { TALK_WAIT_ROOM = 1, TALK_COMMIT_NOW = 1 };     /* of TARGET and ADMIT; of DELIVER */
/* A TERM: how many days messages stay, and one more; 0: for ever, so that what was left out does no harm. */
enum { TALK_FOR_EVER = 0, TALK_LEAVES_NOTHING = 1 };
enum { TALK_NEVER_BEGAN = 1 };                        /* of ENDED: the log-in was refused after all */
enum { TALK_NUMS = 10, TALK_TEXTS = 4 };
enum { TALK_TRACE_MAX = 8192 };                       /* bytes of DELIVER's trace fields */

struct talk {
    enum talk_type type;
    struct talk_id id;
    uint32_t num[TALK_NUMS];
    struct span text[TALK_TEXTS];
    int fd; /* -1: none. Received: the handler's */
    bool lent; /* sent: fd stays the sender's */
};

/* A number of 64 bits in two of a message's, the low half first. */
static inline uint64_t talk_wide(const uint32_t num[2])
{
    return num[0] | (uint64_t)num[1] << 32;
}
static inline void talk_set_wide(uint32_t num[2], uint64_t n)
{
    num[0] = (uint32_t)n;
    num[1] = (uint32_t)(n >> 32);
}

/* Sends; m->fd is closed in any case, or in none if it is lent. -1: the channel is gone (its `closed` will come), or there is no
 * descriptor for one that is lent and would have to wait. */
int talk_send(struct chan *c, const struct talk *m);

/* Takes a frame apart by the row of its type. The texts borrow from p. -1: not a message that `from` may send to `to`; a
 * descriptor that came with it is closed. */
int talk_parse(const void *p, size_t n, int fd, enum role from, enum role to, struct talk *m);

/* For the start of a role and for tests: blocking. */
int talk_send_now(int sock, const struct talk *m);
/* 1, 0 at the end of the channel, -1. `room`: CHAN_MAX bytes that the texts borrow from. */
int talk_receive_now(int sock, char *room, enum role from, enum role to, struct talk *m);

const char *talk_name(enum talk_type type);

/* A TERM as EXPIRE says it (RFC 2449 §6.7): "NEVER", "30". */
enum { TALK_TERM_TEXT = 12 };
void talk_term(uint32_t term, char out[TALK_TERM_TEXT]);

/* A word that another role has passed on, for the log: as it is if it is but letters, digits and .:_- (an address, a version of
 * TLS), else as log_quote has it. */
const char *talk_word(const char *word);

#endif
