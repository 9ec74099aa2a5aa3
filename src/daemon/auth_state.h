/* What the files of auth share. Private to them. */
#ifndef DAEMON_AUTH_STATE_H
#define DAEMON_AUTH_STATE_H

#include "base/map.h"
#include "base/mem.h"
#include "daemon/crowd.h"
#include "daemon/limit.h"
#include "daemon/limit_delay.h"
#include "daemon/start.h"
#include "net/sock.h"
#include "user/sasl.h"
#include "user/users_terms.h"

enum { AUTH_IDLE_CHECK_MS = 1000 }; /* how often idle mail processes are looked at */

struct auth_door {
    struct auth *auth;
    uint64_t generation;
    struct chan *chan;
    unsigned routes; /* its recipients that wait for deliver processes */
    struct auth_door *next;
};

struct auth_worker {
    struct auth *auth;
    uint32_t number, uid, gid;
    bool single, retiring;
    bool hired;          /* by this auth: nothing ran in it before */
    unsigned sessions;   /* expected and running */
    uint64_t idle_since; /* ms, while sessions = 0 */
    struct chan *chan;
    struct auth_worker *next;
};

enum auth_step {
    AUTH_CHECK,   /* a thread checks the password */
    AUTH_SASL,    /* an exchange */
    AUTH_FAILED,  /* the answer waits for its tick */
    AUTH_WAIT,    /* shown; another session has the maildrop */
    AUTH_NEED,    /* shown; a mail process is being started */
    AUTH_RUNNING  /* a mail process expects it or has it */
};

struct auth_session {
    struct talk_id id;
    enum auth_step step;
    char *user;
    char *app;                   /* the label of the app password that was shown, or NULL */
    char address[SOCK_NAME_MAX];
    uint32_t flags;              /* TALK_TLS … */
    uint32_t term, delay;        /* his EXPIRE as it travels, his LOGIN-DELAY in seconds */
    uint64_t owners[2];          /* auth_limit.c: his user and his address, while it is counted */
    uint64_t started;            /* ms: of this try; of the log-in when running */
    struct sasl_session *sasl;
    struct crowd_member exchange; /* while there is one */
    bool *abandoned;             /* AUTH_CHECK: to be set when nobody waits for the answer any more */
    struct auth_worker *worker;  /* AUTH_RUNNING */
    struct auth_box *box;        /* whose maildrop it has or waits for; NULL: none, or it is given back */
    struct auth_session *beside; /* the next of this box */
    struct auth_shown *shown;    /* AUTH_WAIT, AUTH_NEED: what he has shown (auth_again.c) */
    uint32_t need;               /* AUTH_NEED: which: who is refused may come again by the same id */
    uint64_t wait_until;         /* ms: so long it may wait for the lock */
    uint32_t read, deleted;      /* as its mail process said last */
    bool charged, counted;       /* auth_limit.c: this try; this session */
};

struct auth_failure { /* an answer that waits for its tick */
    struct talk_id id;
    uint64_t due;
    enum err_kind kind;
};

/* A password that waits for its check (auth_queue.c). */
struct auth_queued {
    struct crowd_member member;
    struct loop_call *call;
    const struct auth_session *session; /* while not abandoned */
    uint64_t key;   /* its address */
    bool abandoned; /* nobody waits for the answer any more */
    bool (*answer)(struct auth_queued *q);  /* true: what is remembered by now has answered him, and freed it */
    void (*drop)(struct auth_queued *q);    /* frees it */
    void (*put_off)(struct auth_queued *q, bool slowly); /* the same, and tells him that it is: at once, or as one who has failed */
};
enum auth_line { AUTH_KNOWN, AUTH_STRANGE, AUTH_SUSPECT, AUTH_LINES };

struct auth_limit;
struct auth_remembered;

struct auth {
    struct start start;
    struct loop *loop;
    struct chan *control;
    struct users *db;
    const char *db_path;
    struct sasl *sasl;
    struct pool *pool;
    struct crowd checks[AUTH_LINES]; /* passwords that wait, by addresses */
    unsigned checking, turns;        /* that are in the pool */
    struct auth_limit *limit;
    struct auth_door *doors;
    struct auth_worker *workers;
    struct auth_need *needs;
    struct auth_deliver *delivers; /* deliver processes; those that may be used: */
    struct map delivers_by_uid;    /* uid and gid → struct auth_deliver */
    struct auth_hire *hires;
    unsigned n_delivers; /* the hired ones too */
    struct limit crowded;
    struct map boxes; /* digest_word(store) → struct auth_box: the maildrops that are in use */
    struct auth_wait *waits;
    struct loop_timer *busy_timer;
    struct auth_route *routes;
    struct auth_ask *asks;
    struct map sessions; /* talk_key(id) → struct auth_session */
    struct mem_tide tide; /* of them */
    unsigned running;
    uint64_t sessions_fit; /* in one mail process, by its descriptors */
    struct crowd exchanges; /* of SASL, by addresses */
    unsigned away, away_told; /* running, and over no connection that a door still holds; as the doors know it */
    uint32_t tokens;
    struct auth_failure *failures;
    size_t n_failures, room_failures;
    struct loop_timer *failure_timer, *idle_timer, *ask_timer;
    struct auth_remembered *remembered; /* in so many sets: */
    unsigned remembered_sets;
    unsigned char remember_key[32];
    struct users_terms terms; /* of all users together; as the doors know it */
    uint64_t terms_version;   /* of the database, when they were looked up */
    struct loop_timer *terms_timer;
    struct limit_delay delays;
    struct map seen; /* who has logged in and is not written down yet (auth_seen.c) */
    uint64_t seen_written;
    struct loop_timer *seen_timer;
    struct pool *aside; /* one thread, for what nobody who logs in waits for */
    bool seen_writing;
    bool terms_known;
    bool stopping;
};

/* auth_terms.c: what is announced before a log-in */
void auth_terms_init(struct auth *a);
void auth_terms_look(struct auth *a); /* the configuration has changed */
void auth_tell_terms(struct auth *a, struct auth_door *d);
uint32_t auth_term(uint32_t days); /* as it travels */

/* auth_seen.c: who logged in last when */
void auth_seen_init(struct auth *a);
void auth_seen_note(struct auth *a, const char *user, const char *app, const char *address); /* app: a label or "" */
void auth_seen_end(struct auth *a); /* writes what is left; may wait */

/* auth_table.c */
struct auth_session *auth_find(const struct auth *a, struct talk_id id);
struct auth_session *auth_add(struct auth *a, struct talk_id id); /* one that exists is dropped first */
void auth_drop(struct auth *a, struct auth_session *s);
uint64_t auth_line_of(const struct auth_session *s); /* its address, as crowd.h has it; all that have none are one */
void auth_exchange_join(struct auth *a, struct auth_session *s);
struct sasl_session *auth_exchange_leave(struct auth *a, struct auth_session *s); /* s->sasl, which is the caller's then; NULL: there is none */
void auth_say(struct auth *a, const struct talk *t); /* to the door t->id names, if it lives */
/* The database, opened again if it was broken; NULL with err. */
struct users *auth_users(struct auth *a, struct err *err);
void auth_hold(struct auth *a, struct auth_session *s);    /* counts a session that begins to run */
void auth_release(struct auth *a, struct auth_session *s); /* counts it down */
void auth_tell_count(struct auth *a, struct auth_door *d);
void auth_end_if_done(struct auth *a); /* the server stops, and neither doors nor workers are left */

/* auth_refuse.c: at the common tick if he has not shown who he is, at once if the trouble is ours */
void auth_refuse(struct auth *a, struct auth_session *s, enum err_kind kind);
void auth_refuse_slowly(struct auth *a, struct auth_session *s, enum err_kind kind); /* at a tick, whatever the trouble is */
void auth_refuse_init(struct auth *a);

/* auth_limit.c: what one address and one user may do. false: it is too much, and was told */
void auth_limit_init(struct auth *a);
bool auth_limit_try(struct auth *a, const struct auth_session *s);         /* at the beginning of each try */
bool auth_limit_check(struct auth *a, struct auth_session *s);             /* as soon as it is known who he would be, and at each step then */
bool auth_limit_may_fail(struct auth *a, const struct auth_session *s);    /* when his password's turn comes: may one more of his address be wrong? */
void auth_limit_failed(struct auth *a, struct auth_session *s);            /* he has not shown it */
void auth_limit_not_failed(struct auth *a, struct auth_session *s);        /* nor has he failed to */
/* Has he shown it from there within a day? If not: has somebody failed there within ten minutes? */
enum auth_line auth_limit_line(const struct auth *a, const struct auth_session *s);
bool auth_limit_enter(struct auth *a, struct auth_session *s);             /* he has shown it: may there be one session more? */
void auth_limit_count(struct auth *a, struct auth_session *s);             /* there is one */
void auth_limit_leave(struct auth *a, struct auth_session *s);             /* harmless if it was not counted */

/* auth_queue.c: whose password is checked next. false: there is no room for it */
bool auth_queue_add(struct auth *a, struct auth_queued *q, const struct auth_session *s);
void auth_queue_done(struct auth *a); /* a check has come back from the pool */

/* auth_check.c: is he who he says? */
void auth_check_begin(struct auth *a, const struct talk *verify);
void auth_check_init(struct auth *a);

/* auth_again.c: what is true of somebody now. Whoever is disabled is nobody (ERR_GONE); to the second, also whose POP3 is off. arg: auth */
int auth_find_enabled(void *arg, struct span name, struct user *u, struct err *err);
int auth_find_able(void *arg, struct span name, struct user *u, struct err *err);
void auth_tell_off(const struct user *u); /* to the log: his POP3 is */
void auth_begin_wait(struct auth *a, struct auth_session *s, const struct user *u); /* he has shown who he is */
void auth_end_wait(struct auth_session *s);                                         /* harmless if he does not */
uint32_t auth_waits_as(const struct auth_session *s);                               /* the uid of who waits */
/* He has waited: may he come in still, to the same place? u: as he is now, the caller's. false: he is answered, and may be gone. */
bool auth_still(struct auth *a, struct auth_session *s, struct user *u);

/* auth_grant.c: which mail process gets him */
void auth_grant(struct auth *a, struct auth_session *s, const struct user *u);
void auth_place(struct auth *a, struct auth_session *s, const struct user *u); /* whose maildrop is free */
void auth_worker_came(struct auth *a, const struct talk *t);
void auth_worker_denied(struct auth *a, const struct talk *t);
void auth_delay_back(struct auth *a, const struct auth_session *s);
void auth_needs_end(struct auth *a); /* no mail process is started any more: whoever waits for one is answered */
void auth_grant_init(struct auth *a);

/* auth_busy.c: maildrops that somebody else has */
bool auth_must_wait(struct auth *a, struct auth_session *s, const struct user *u); /* or was refused; else it has it now */
void auth_busy_runs(struct auth *a, struct auth_session *s, struct span where); /* an earlier auth has granted it */
void auth_busy_freed(struct auth *a, struct auth_session *s);
void auth_busy_drop(struct auth *a, struct auth_session *s);
void auth_busy_end(struct auth *a); /* whoever waits is answered */
void auth_busy_init(struct auth *a);

/* auth_route.c: whose mail an address is, and who delivers it */
void auth_route_begin(struct auth *a, struct auth_door *d, const struct talk *whose);
void auth_route_forget(struct auth *a, struct talk_id id);
void auth_route_door_gone(struct auth *a, uint64_t generation);
void auth_deliver_came(struct auth *a, const struct talk *t);
bool auth_deliver_denied(struct auth *a, uint32_t token); /* false: it was no deliver process that was asked for */
void auth_routes_end(struct auth *a);                     /* none is started any more: whoever waits for one is answered */

/* auth_test.c: `bustia auth test` */
void auth_test(struct auth *a, const struct talk *m);

/* auth_who.c: the operator's questions */
void auth_who_init(struct auth *a);
void auth_take_control(struct auth *a, int fd);
void auth_who_reported(struct auth *a, uint32_t token);

/* auth_remember.c: passwords just verified */
void auth_remember_init(struct auth *a);
bool auth_remembers(struct auth *a, const struct user *u, struct span password);
void auth_remember(struct auth *a, const struct user *u, struct span password);
void auth_remember_shorter(struct auth *a); /* password_remember may be less than it was */

#endif
