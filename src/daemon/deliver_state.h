/* What the files of the deliver process share. Private to them. */
#ifndef DAEMON_DELIVER_STATE_H
#define DAEMON_DELIVER_STATE_H

#include <stdatomic.h>

#include "base/map.h"
#include "daemon/limit.h"
#include "daemon/start.h"
#include "store/store.h"
#include "wire/smtp_server.h"

struct deliver_door {
    struct deliver *deliver;
    uint64_t generation;
    struct chan *chan;
    struct deliver_door *next;
};

struct deliver_auth {
    struct deliver *deliver;
    uint64_t admits; /* that it has sent */
    struct chan *chan;
    struct deliver_auth *next;
};

/* A transaction of a door, as far as it concerns this process: its message, once for all its targets here. */
struct deliver_letter {
    struct deliver *deliver;
    struct talk_id id;
    struct map targets; /* number → struct deliver_target */
    bool arrived;       /* the message is here, or has been refused */
    bool forgotten;     /* not in the table any more: ends when no thread has a target of it */
    const char *text;   /* mapped, for reading only; NULL: none, or refused */
    size_t size;
    _Atomic int keeps_crlf; /* store_keeps_crlf of it: 0 not looked at yet, 1 no, 2 yes */
    uint64_t until;         /* ms: then nobody comes any more */
};

enum deliver_step {
    TARGET_EARLY,    /* a door has asked for it before auth's word came (they use different roads) */
    TARGET_ADMITTED, /* may be delivered, once */
    TARGET_REFUSED,  /* admitted by auth, against the rules of this process */
    TARGET_WAITING,  /* in the queue of its mailbox */
    TARGET_AT_WORK,  /* a thread has it; of the rest of this struct the loop touches only `forgotten` */
    TARGET_PREPARED  /* all is durable but for its name; awaits COMMIT */
};

enum deliver_job { JOB_ROOM, JOB_WRITE, JOB_COMMIT, JOB_ABORT };

/* A mailbox that a message of a letter goes to. */
struct deliver_target {
    struct deliver_letter *letter;
    uint32_t number;
    enum deliver_step step;
    bool forgotten;
    char *user;
    struct deliver_box *box; /* NULL: none yet */
    uint64_t quota_octets, quota_messages, declared;
    char *trace; /* the fields that go before the message here */
    size_t n_trace;
    bool commit_now;
    uint64_t asked, until; /* ms: of DELIVER; TARGET_EARLY: then it is refused */
    enum deliver_job job;
    struct deliver_target *next; /* in a queue or batch */
    struct store_draft *draft;
    uint64_t octets; /* of the draft, as stored */
    enum smtp_verdict verdict;
    struct err err;
};

struct deliver_queue {
    struct deliver_target *first, *last;
    unsigned count;
};

/* A mailbox. One batch of work at a time, in a thread of the pool: what comes meanwhile goes into the next one. */
struct deliver_box {
    struct deliver *deliver;
    char *where;
    struct deliver_box *same; /* another one with this hash */
    struct deliver_queue waiting;
    _Atomic unsigned more; /* how many wait, for the thread to see */
    bool busy, used_once;
    uint64_t swept; /* ms; 0: never */
    /* the thread's while busy */
    struct loop_call call;
    struct store_root root;
    struct deliver_queue batch;
    bool sweep; /* nothing but the sweep */
    struct store *store;
    uint64_t opened; /* ms */
    struct err err;  /* of the sweep */
    /* prepared and not yet committed: they keep the store open, and count as used */
    uint64_t drafts, draft_octets;
};

struct deliver {
    struct start start;
    struct loop *loop;
    struct pool *pool;
    struct deliver_auth *auths; /* the latest first; the others have died, and are read to their end */
    struct deliver_door *doors;
    struct store_root roots[CONF_ROOTS];
    unsigned n_roots;
    struct map letters; /* talk_key(id) → struct deliver_letter */
    struct map dead;    /* ids that were forgotten, for a moment (deliver_letter.c) */
    struct deliver_dead *first_dead, *last_dead;
    struct map boxes;                  /* hash of where → struct deliver_box, more by `same` */
    unsigned live;                     /* letters that have not ended, the forgotten ones too */
    unsigned targets, early, messages; /* all there are; of TARGET_EARLY; letters with a text */
    struct limit crowded;
    struct loop_timer *sweep, *idle;
    uint64_t idle_since; /* ms, while live = 0 */
    bool stopping;       /* ends with its last letter */
};

/* deliver.c */
void deliver_say(struct deliver *d, const struct talk *t); /* to the door t->id names, if it lives */
void deliver_letter_over(struct deliver *d);               /* one letter less lives */

/* deliver_letter.c: what doors and auth say of letters */
void deliver_admit(struct deliver *d, const struct talk *t);
void deliver_ask(struct deliver *d, const struct talk *t);    /* DELIVER */
void deliver_commit(struct deliver *d, const struct talk *t); /* COMMIT */
void deliver_forget(struct deliver *d, struct talk_id id);
void deliver_forget_door(struct deliver *d, uint64_t generation);
void deliver_sweep(struct deliver *d); /* what nobody comes for */
/* The letter of an id, made if there is none; NULL: too many. */
struct deliver_letter *deliver_letter_of(struct deliver *d, struct talk_id id);
/* Answers whatever the door waits for, and ends the target. */
void deliver_answer(struct deliver_target *t, enum talk_type type, enum smtp_verdict verdict);
void deliver_target_end(struct deliver_target *t);

/* deliver_message.c */
void deliver_message(struct deliver *d, const struct talk *t); /* MESSAGE; takes t->fd over */
void deliver_message_free(struct deliver_letter *l);

/* deliver_box.c */
struct deliver_box *deliver_box_of(struct deliver *d, const char *where);
void deliver_box_add(struct deliver_target *t, enum deliver_job job); /* its step becomes WAITING */

/* deliver_batch.c: in a thread of the pool */
void deliver_batch_work(struct loop_call *call);

#endif
