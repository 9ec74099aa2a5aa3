/* What the files of a connection over which mail comes in share (door_smtp.c, door_rcpt.c, door_transaction.c, door_deliver.c).
 * Private to them. */
#ifndef DAEMON_DOOR_RECEPTION_H
#define DAEMON_DOOR_RECEPTION_H

#include "daemon/door_message.h"
#include "daemon/door_state.h"
#include "wire/smtp_server.h"

enum {
    RECEPTION_ID = 48,         /* of a message, as it is said to the sender and stands in the log */
    RECEPTION_TARGETS = 20000, /* mailboxes that one message may go to */
    RECEPTION_WINDOW = 256,    /* of them are asked for at once */
    RECEPTION_FOR_ONE = 128    /* more than one recipient can lead to (ADDRESS_TARGETS) */
};

enum reception_step {
    RECEPTION_TALK,      /* the machine reads */
    RECEPTION_HANDSHAKE, /* TLS */
    RECEPTION_WHOSE,     /* auth decides about a recipient, or its mailboxes about room */
    RECEPTION_DELIVER,   /* the message is whole */
    RECEPTION_END        /* the last bytes leave */
};

enum target_state {
    TARGET_NONE,      /* auth has not named it; its ROOM may have come before */
    TARGET_NAMED,     /* of an accepted recipient, or the one asked about */
    TARGET_DROPPED,   /* its recipient was refused */
    TARGET_ASKED,     /* DELIVER was sent */
    TARGET_PREPARED,  /* all is durable but for the name */
    TARGET_COMMITTED, /* COMMIT was sent, or DELIVER with it */
    TARGET_DONE
};

/* A mailbox, by its number in the transaction. */
struct target {
    uint32_t worker;
    uint64_t mark; /* the mailbox's, the same for the same one */
    unsigned rcpt, group; /* the accepted recipient it belongs to, or the one asked about; with whom it is answered */
    enum target_state state;
    bool waits; /* for its ROOM */
    uint32_t room_by; /* the worker that said ROOM, 0: none */
    enum smtp_verdict room;
};

/* Targets that get one answer, and the message all or none: those of one recipient in LMTP, all of them in SMTP. */
struct group {
    unsigned targets, waiting, failed; /* how many; whose answer is missing; that failed */
    enum smtp_verdict verdict;         /* of the first that failed */
    bool mixed;                        /* others failed otherwise */
    bool committing, done;
};

/* A message on its way: from MAIL to its last answer. */
struct transaction {
    uint64_t n; /* its number, in the messages to other processes; 0: there is none */
    char id[RECEPTION_ID];
    uint64_t started, whole; /* ms */
    struct message message;
    struct target *targets;
    unsigned targets_room; /* how many there is memory for */
    unsigned named;        /* the next target's number */
    char *from;
    char **rcpts;          /* the accepted recipients, as Delivered-To says them */
    unsigned n_rcpts;
    unsigned asked; /* recipients that auth was asked about: the number of the next */
    /* about the recipient that auth is asked about */
    bool heard; /* auth's last word */
    enum smtp_verdict verdict;
    /* the delivery */
    struct group *groups;
    unsigned n_groups, next_target, in_flight, decided, delivered;
    const char *why; /* it was not taken by all, for the log; NULL: it was, or is not known */
    struct map told; /* the workers that have the message */
};

struct reception {
    struct door *door;
    uint64_t n; /* in the door's table */
    struct conn *conn;
    enum reception_step step;
    enum conf_service service;
    bool unknown;   /* as struct door_peer has it */
    bool proxy_tls; /* in the clear here, and inside TLS as far as the proxy */
    bool counted, counted_tls; /* in peers; in tls_receiving */
    struct door_place place;
    struct smtp_server smtp;
    struct transaction mail;
    char *host; /* outlives a reload */
    char address[SOCK_NAME_MAX];
    struct loop_timer *timer; /* what is due in this step */
    uint64_t started;
    unsigned messages, recipients, refused; /* for the log */
    unsigned refusals;                      /* of whatever kind; the first few have a line of their own */
};

/* ---- door_smtp.c */
void reception_drive(struct reception *r);               /* lets the machine go on, and obeys it */
void reception_wait(struct reception *r, uint64_t ms);   /* how long this step may last */
void reception_go_on(struct reception *r);               /* reads again, after an answer was written */

/* ---- door_transaction.c */
enum smtp_verdict transaction_begin(struct reception *r); /* MAIL */
void transaction_over(struct reception *r);               /* however it ended; harmless if there is none */
struct target *transaction_target(struct transaction *m, uint32_t number); /* makes room for it; NULL: no such number */
unsigned transaction_named(const struct transaction *m);  /* up to which there may be targets that auth named */
const char *transaction_word(enum smtp_verdict v);        /* for the log */
/* What the messages to auth and workers begin with. */
struct talk transaction_says(const struct reception *r, enum talk_type type);

/* ---- door_rcpt.c */
bool reception_ask(struct reception *r); /* RCPT. true: answered at once */
void reception_rcpt_failed(struct reception *r); /* auth is gone, or too slow */

/* ---- door_refused.c */
enum { REFUSALS_SHOWN = 10 };
void reception_refused(void *r, enum smtp_at at, const char *reply); /* logs it; the machine's on_refused */
void reception_not_delivered(struct reception *r, unsigned rcpt, enum smtp_verdict v); /* the same, by its mailboxes */

/* ---- door_left.c */
void door_left_add(struct door *d, struct transaction *m, struct map *holders); /* its message; takes the map over */

/* ---- door_deliver.c */
bool reception_deliver(struct reception *r); /* the message is whole. true: answered at once */
void reception_give_up(struct reception *r); /* what has no answer yet is told to come again */
void reception_pump(struct reception *r);    /* asks for what there is room for */

#endif
