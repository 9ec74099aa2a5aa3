/* What the files of the mail process share. Private to them. */
#ifndef DAEMON_MAIL_STATE_H
#define DAEMON_MAIL_STATE_H

#include "base/map.h"
#include "base/mem.h"
#include "daemon/limit.h"
#include "daemon/start.h"
#include "net/conn.h"
#include "net/sock.h"
#include "store/store.h"

struct mail_door {
    struct mail *mail;
    uint64_t generation;
    struct chan *chan;
    struct mail_door *next;
};

/* What auth has said of a session that a door will bring. Valid once, and not for long. */
struct mail_expected {
    struct talk_id id;
    const char *user, *where, *address; /* part of its memory */
    uint32_t term;  /* of expiry (talk.h) */
    uint32_t delay; /* LOGIN-DELAY and one more; 0: none is announced */
    uint64_t until; /* ms */
    uint64_t wait_until; /* ms: so long it may wait for the lock */
    bool asked;  /* auth wants to hear when the maildrop is free */
    bool yields; /* somebody has taken it over already */
};

/* A session that a door has brought before auth's word came (they use different roads). */
struct mail_early {
    struct talk_id id;
    int fd;
    uint32_t flags, language;
    char *unread;
    size_t n_unread;
    char tls[16];
    uint64_t until;
};

struct mail {
    struct start start;
    struct loop *loop;
    struct chan *auth;
    struct mail_door *doors;
    struct store_root roots[CONF_ROOTS];
    unsigned n_roots;
    uint32_t uid, gid; /* this process's, as the system says */
    char *single; /* the one store this process is for, or NULL */
    struct map expected, early, sessions; /* talk_key(id) → … */
    struct mem_tide tide;                 /* of sessions */
    struct budget budget;
    struct loop_timer *sweep;
    struct loop_timer *rest; /* memory for pieces of messages is kept until then (mail_scratch.c) */
    struct limit crowded;
    bool stopping; /* takes nothing new; ends with its last session */
};

enum { MAIL_REST_MS = 2000 };

/* mail_table.c */
struct mail_door *mail_door_of(const struct mail *m, uint64_t generation);
void mail_tell_auth(struct mail *m, const struct talk *t);
bool mail_tell_door(struct mail *m, const struct talk *t); /* that of t->id; false: it has died */
void mail_session_over(struct mail *m, struct talk_id id, bool began); /* tells auth; ends the process if it was the last */
void mail_end_if_done(struct mail *m); /* when it takes nothing new and the last session is over */
void mail_expected_free(struct mail_expected *e);
void mail_early_free(struct mail_early *e); /* closes */

/* mail_pop3.c: a session, from the opening of the maildrop to its end. Takes `e` over, and the early's descriptor and bytes. */
struct mail_session;
void mail_pop3_begin(struct mail *m, struct mail_expected *e, struct mail_early *early);
void mail_pop3_kick(struct mail_session *s);
void mail_pop3_yield(struct mail_session *s, bool takes_over); /* somebody waits for its maildrop */
void mail_pop3_describe(const struct mail_session *s, struct talk *running); /* texts borrow from the session */

/* mail_granted.c: what Landlock is to leave, the roots or the one maildrop, which is made if it is not there yet. How many. */
unsigned mail_granted(const struct mail *m, struct jail_path paths[CONF_ROOTS]);

#endif
