/* collect_state: one check of one account. For fetch/collect_*.c alone.
 *
 *   collect_run.c    from the connection to QUIT
 *   collect_board.c  when a check may begin, and what is noted of it as a whole
 *   collect_list.c   UIDL, LIST, the plan
 *   collect_quiet.c  all is as it was
 *   collect_talk.c   what is asked, and whose answer it is
 *   collect_body.c   a message that comes in
 *   collect_same.c   is it one that is known
 *   collect_group.c  messages that are committed together
 *   collect_fail.c   messages that are not delivered, and why
 *   collect_note.c   what becomes of messages, for the state
 *   collect_look.c   --plan, --test, mark-seen
 *   collect_tell.c   events */
#ifndef FETCH_COLLECT_STATE_H
#define FETCH_COLLECT_STATE_H

#include "base/digest.h"
#include "client/pop3.h"
#include "fetch/collect.h"
#include "fetch/heading.h"
#include "fetch/listing.h"
#include "post/out.h"
#include "post/spool.h"

enum {
    COLLECT_TOGETHER = 64,                  /* drafts that are open at once, at most */
    COLLECT_GROUP_OCTETS = 4 * 1024 * 1024, /* a group is committed once it has so much, */
    COLLECT_GROUP_MS = 200,                 /* or is so old */
    COLLECT_DOUBTS = 3,                     /* so many failures without a success between them are nobody's own */
    COLLECT_REFUSALS = 20,         /* so many messages in a row that are refused, each for its own reason, neither */
    COLLECT_DELAY_MAX = 24 * 3600, /* s: no LOGIN-DELAY beyond it is obeyed */
    COLLECT_EXPIRE_MAX = 36500,    /* days: beyond it is never */
    COLLECT_PASS = 256 * 1024      /* octets of messages that nobody wants: then the connection is cut */
};
#define COLLECT_MESSAGE_MAX (2ULL << 30) /* octets of a message whose size the server does not say */

/* A message whose octets are with the destination. */
struct collect_draft {
    struct out_draft *draft;
    uint64_t octets;
    unsigned at; /* in listing.rows, as everywhere below */
    bool headers;
    unsigned char sha256[DIGEST_SHA256];
};

/* The message that comes in. */
struct collect_body {
    struct collect_draft d;
    struct digest *digest;
    struct spool spool;
    struct heading heading;
    struct err failed; /* the destination does not want it, or cannot have it now */
    uint64_t most;     /* octets: more is a lie */
    bool begun, spooled;
};

/* Failures of which it is not known yet whether they are the messages', or everybody's. */
struct collect_doubts {
    struct {
        struct err why;
        unsigned at;
    } doubt[COLLECT_DOUBTS];
    unsigned count;
    unsigned refusals; /* in a row */
    unsigned failing;  /* so many failures since the last success, each for now */
    bool works;        /* something was taken in this check */
};

struct collect {
    const struct collect_job *job;
    const struct account *account;
    void (*tell)(void *arg, const struct event *e);
    void *arg;
    struct seen *seen; /* NULL: nothing is known, and nothing is noted */
    struct pop3_session *session;
    struct out *out; /* opened when something is to go there */
    struct seen_board board;
    struct listing listing;
    int64_t now;
    char maildrop[400];
    char early[EVENT_TEXT]; /* it is too early, in words */

    /* for people */
    unsigned fetched, deleted, failed, left, marked, todo, at;
    uint64_t todo_octets, octets, told;

    /* the conversation */
    struct collect_asked {
        unsigned at;
        unsigned char what; /* enum pop3_ask */
    } asked[POP3_CLIENT_WINDOW];
    unsigned first, awaited; /* of the ring above */
    unsigned start;          /* the row that is asked for first */
    unsigned next, round;    /* how many were looked at since; those that failed before come in the second round */
    unsigned *deletes;       /* rows to be deleted, of which delete_next were asked */
    unsigned delete_count, delete_next, delete_room;
    unsigned list_next;
    struct collect_uids {
        char *p; /* of each: number, octets, uid */
        size_t n, room;
        unsigned count;
    } uids;                      /* as they were listed, until they are in listing */
    bool uidl, list, no_uids;    /* asked; it has none */
    bool has_uids, has_contents; /* some messages are known by the server's uids, by uids made of their content */
    bool unsure;                 /* not all that is there can be in the listing */
    bool broken;                 /* the connection is over */
    bool stopping;               /* no more is fetched: trouble says why */
    struct err trouble;
    struct collect_doubts destination, server;
    uint64_t passed; /* octets that were passed over since it is stopping */

    struct seen_quiet quiet;  /* what the last check left */
    unsigned char listed[32]; /* as quiet.listing, of this check */
    bool unread;              /* `seen` is locked, not open: quiet says enough so far */
    bool is_quiet;            /* and to the end */
    bool changed;             /* something was noted */

    struct collect_body body;
    struct collect_draft group[COLLECT_TOGETHER];
    unsigned group_count;
    uint64_t group_octets, group_since;
    bool noting; /* a group of the state is open */
    struct err errs[COLLECT_TOGETHER];
    char ids[COLLECT_TOGETHER][OUT_ID];
};

/* ---- collect_board.c */
/* Opens the state as the job needs it, and asks whether it is time. `c->early` is set, with 0: it is too early. */
int collect_begin(struct collect *c, struct err *err);
int collect_open(struct collect *c, struct err *err);            /* what was only locked */
void collect_logged_in(struct collect *c);                       /* what the server announced counts from now on */
void collect_board(struct collect *c, const struct err *result); /* noted, as far as that can be */

/* ---- collect_list.c */
int collect_list(struct collect *c, struct err *err); /* into listing, with a plan */

/* ---- collect_quiet.c */
void collect_listed(struct collect *c, uint32_t msg, struct span uid);
void collect_list_again(struct collect *c); /* into listing */
bool collect_is_quiet(struct collect *c);   /* all is as the last check left it */
void collect_keep_quiet(struct collect *c); /* if nothing is to be done next time either */

/* ---- collect_talk.c */
/* Asks as long as `ask` does (it returns false when there is nothing to ask now) until all is answered; `take` is given
 * BODY and GOT. */
int collect_talk(struct collect *c, bool (*ask)(struct collect *c),
                 int (*take)(struct collect *c, enum pop3_client_want want, struct err *err), struct err *err);
int collect_fetch(struct collect *c, struct err *err);
void collect_delete(struct collect *c, unsigned at); /* to be asked */
void collect_stop(struct collect *c, const struct err *why);

/* ---- collect_body.c */
int collect_piece(struct collect *c, unsigned at, struct span piece, struct err *err);
int collect_whole(struct collect *c, unsigned at, struct err *err); /* all of it has come */
void collect_drop(struct collect *c);                               /* what came of a message so far is of no use */

/* ---- collect_same.c; of a message in body.spool */
/* *same: nothing is to be done with it. Else body.d is to be delivered from the spool. */
int collect_same(struct collect *c, bool *same, struct err *err);

/* ---- collect_group.c */
/* A draft of body.d for its row; body.failed says why there is none. There is room: a group that is full was committed. */
void collect_draft(struct collect *c);
int collect_add(struct collect *c, struct err *err); /* body.d; commits if the group is full or old */
bool collect_due(const struct collect *c);           /* the group is full or old */
int collect_commit(struct collect *c, struct err *err);

/* ---- collect_fail.c; -1 only when the state fails */
/* Its octets are in body.spool if that is open for it. */
int collect_not_taken(struct collect *c, unsigned at, const unsigned char sha256[32], const struct err *why,
                      struct err *err);
int collect_refused(struct collect *c, unsigned at, const struct pop3_got *got, struct err *err); /* by the server */
int collect_interrupted(struct collect *c, const struct err *why, struct err *err); /* the message that came in */
int collect_taken(struct collect *c, struct collect_doubts *d,
                  struct err *err); /* a success: what failed before is its own fault */
void collect_doubts_end(struct collect *c);

/* ---- collect_note.c; each is durable after collect_noted */
int collect_note(struct collect *c, struct plan_row *row, int64_t gone, const unsigned char sha256[32], const char *id,
                 const char *reason, struct err *err);
int collect_note_uid(struct collect *c, const struct plan_row *row, const char *now,
                     struct err *err); /* it has another */
int collect_noted(struct collect *c, struct err *err);
int collect_note_deletes(struct collect *c, struct err *err); /* before QUIT */
int collect_note_gone(struct collect *c, struct err *err);    /* after an answer to QUIT */
int collect_note_listing(struct collect *c, struct err *err);

/* ---- collect_look.c */
void collect_plan(struct collect *c);
void collect_test(struct collect *c);
int collect_mark(struct collect *c, struct err *err);

/* ---- collect_tell.c */
void collect_say(struct collect *c, enum event_kind kind, const struct plan_row *row, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void collect_say_listed(struct collect *c);
void collect_say_progress(struct collect *c, const struct plan_row *row, uint64_t octets, bool now);
void collect_say_done(struct collect *c, const struct err *err);

#endif
