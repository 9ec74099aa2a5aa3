/* What the files of a logged-in session share: mail_pop3.c, mail_body.c, mail_end.c, mail_file.c, mail_list.c, mail_surrogate.c
 * and mail_wait.c. Private to them. */
#ifndef DAEMON_MAIL_SESSION_H
#define DAEMON_MAIL_SESSION_H

#include "daemon/mail_state.h"
#include "wire/dot.h"
#include "wire/pop3_server.h"
#include "wire/surrogate.h"

enum mail_step {
    STEP_OPEN,   /* the maildrop is being opened; the client has had no word yet */
    STEP_WAIT,   /* another has it; soon it is tried again */
    STEP_TALK,   /* the machine reads commands */
    STEP_LOAD,   /* the drop is being loaded */
    STEP_LISTING, /* a listing leaves as the store keeps it */
    STEP_BODY,   /* a message is being opened */
    STEP_SEND,   /* a message leaves */
    STEP_COMMIT, /* UPDATE */
    STEP_END     /* the last bytes leave */
};

enum {
    MAIL_IN_MAX = 20480,
    MAIL_OUT_MAX = 131072,
    MAIL_GATHER = 45056 /* so much of small answers leaves in one piece, while more commands wait; with the next, unless that is a surrogate, it is
                          * less than 64 kB */
};

/* Why a session is to end. */
struct mail_order {
    enum err_kind kind; /* what a log-in that is not done yet is refused with */
    enum pop3_text say; /* to who has logged in */
    const char *told, *how;
};

struct mail_session {
    struct mail *mail;
    struct talk_id id;
    struct mail_expected *expected;
    struct mail_early *early; /* until the door knows that the client has been taken */
    uint32_t flags, language;
    char tls[16];
    char expire[TALK_TERM_TEXT], login_delay[TALK_TERM_TEXT];
    struct conn *conn;
    enum mail_step step;
    bool busy, gone;
    bool crowded; /* STEP_TALK: the machine goes on when there is room for what it says */
    bool asked; /* auth wants to hear when the maildrop is unlocked */
    const struct mail_order *order; /* NULL: it may go on */
    struct loop_timer *again; /* STEP_WAIT; made when first needed */
    struct loop_call call;
    struct pop3_server pop3;
    struct drop drop;
    struct store *store;
    struct store_body body;
    struct dot dot;
    bool downgrade; /* the client has not said UTF8, and gets surrogates; as the configuration was at the log-in */
    bool heading; /* the header of a surrogate leaves; then the rest from `at` on */
    struct surrogate surrogate;
    uint64_t at; /* in the body, or in the listing */
    bool finished; /* its final dot is on its way, too */
    struct conn_file *file; /* while it is sent by itself, or NULL */
    char *chunk; /* while a piece is being read */
    size_t chunk_want;
    long chunk_got;
    uint64_t stored;  /* octets as the store has told them, where others were told to the client */
    uint64_t text_at; /* how far the store has given a listing's text */
    bool to_keep;    /* something may have been found out about the maildrop since it was last written down */
    int result;
    struct err *trouble; /* mail_err; NULL while it idles */
    size_t left;
    uint64_t started, line_started, wanted; /* wanted: us, when a message was */
    uint64_t octets; /* sent of messages */
    unsigned deleted;
    unsigned head; /* octets of the longest header that TOP has read, up to some */
    const char *how; /* how it ended */
};

/* mail_pop3.c: lets the machine go on, and obeys it */
void mail_drive(struct mail_session *s);
void mail_open(struct mail_session *s);
void mail_refuse(struct mail_session *s); /* as mail_err says; the door has the client again */
void mail_obey(struct mail_session *s, const struct mail_order *order); /* as soon as it may end */

/* mail_wait.c */
bool mail_wait(struct mail_session *s); /* the lock was not to be had: is it to be tried again? */
void mail_unlocked(struct mail_session *s);

/* mail_list.c */
int mail_list(struct mail_session *s);           /* what there is, as much as must be known. May block */
void mail_load(struct mail_session *s);          /* WANT_DROP */
void mail_listing_begin(struct mail_session *s); /* WANT_LISTING */
void mail_listing_more(struct mail_session *s);  /* STEP_LISTING: there may be room again */
void mail_keep(struct mail_session *s);          /* what was found out is written down. May block; under the lock */
bool mail_keep_now(struct mail_session *s);      /* the same, as a call; false: there is nothing new since */

/* mail_body.c */
void mail_body_begin(struct mail_session *s); /* WANT_BODY */
void mail_body_more(struct mail_session *s);  /* STEP_SEND: there may be room again */
void mail_body_close(struct mail_session *s);
/* What was announced cannot be sent: it ends `at` octets on, for the reason. */
void mail_body_broken(struct mail_session *s, uint64_t at, const char *why);
/* A piece of it, for whoever may block. -1 with err; 0: it ends here. */
long mail_body_read(struct store_body *b, uint64_t at, char *p, size_t n, struct err *err);

void mail_body_read_on(struct mail_session *s); /* what remains is read, as it cannot be sent from the file */

/* mail_file.c: as it is stored, from the file to the socket */
bool mail_file_suits(const struct mail_session *s); /* the body is open */
void mail_file_begin(struct mail_session *s);
void mail_file_more(struct mail_session *s);
void mail_file_end(struct mail_session *s);

/* mail_surrogate.c */
bool mail_surrogate_stands(const struct mail_session *s, unsigned msg); /* what is sent of it is a surrogate */
void mail_surrogate_sizes(struct mail_session *s); /* the maildrop has been counted: now as what is sent. May block */
int mail_surrogate_measure(struct store_body *b, uint64_t *octets, struct err *err); /* may block */
void mail_surrogate_more(struct mail_session *s);  /* the next piece of a surrogate's header, for which there is room */

/* mail_end.c */
struct err *mail_err(struct mail_session *s); /* why something under way failed */
void mail_forget_err(struct mail_session *s); /* nothing is under way */
void mail_call(struct mail_session *s, void (*work)(struct loop_call *), void (*done)(struct loop_call *));
/* The session of a call that is done; NULL when it went away meanwhile and has been cleaned up. */
struct mail_session *mail_back(struct loop_call *call);
/* The same, and if it is there what it does next: what becomes due of its connection thereby needs no round of the loop. */
void mail_then(struct loop_call *call, void (*next)(struct mail_session *s));
void mail_update(struct mail_session *s); /* WANT_COMMIT */
void mail_finish(struct mail_session *s, const char *how); /* the last words leave, then it ends */
void mail_end(struct mail_session *s, const char *how);    /* now, without another word */
void mail_cleanup(struct mail_session *s);

#endif
