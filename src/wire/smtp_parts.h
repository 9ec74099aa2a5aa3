/* smtp_parts: what the files of smtp_server share, and nobody else sees.
 *
 *   smtp_feed.c     the machine: feed, and the owner's answers
 *   smtp_command.c  the table of commands, and those that need no file of their own
 *   smtp_mail.c     MAIL and RCPT with their parameters
 *   smtp_message.c  DATA, BDAT, and the message that comes in
 *   smtp_xclient.c  XCLIENT
 *   smtp_reply.c    the one place where a reply is written
 *
 * smtp_address and smtp_body are modules of their own. */
#ifndef WIRE_SMTP_PARTS_H
#define WIRE_SMTP_PARTS_H

#include "wire/smtp_server.h"

/* What is under way. */
enum smtp_step {
    STEP_COMMAND, /* a command line is awaited */
    STEP_MAIL,    /* the owner decides about MAIL, */
    STEP_RCPT,    /* about RCPT, */
    STEP_MESSAGE, /* makes a place for a message */
    STEP_DATA,    /* octets of DATA are awaited, */
    STEP_CHUNK,   /* of BDAT, */
    STEP_SKIP,    /* of a BDAT that belongs to no message */
    STEP_PIECE,   /* the owner takes them */
    STEP_WHOLE,   /* the message has ended; its answer needs room */
    STEP_DELIVER, /* the owner delivers */
    STEP_REFUSED, /* the answers to a refused message leave */
    STEP_TLS,     /* the owner shakes hands */
    STEP_CLOSE    /* nothing is read any more */
};

/* Where the client is (RFC 5321 §4.1.4). */
enum smtp_state {
    STATE_NEW,    /* it has not said who it is */
    STATE_READY,  /* no transaction */
    STATE_MAIL,   /* after MAIL */
    STATE_CHUNKS, /* after the first BDAT */
    STATES
};

typedef void smtp_do(struct smtp_server *m, struct span rest, struct buf *out);

/* ---- smtp_reply.c. Feed has made sure of SMTP_REPLY_MAX of room before anything replies. */
void smtp_ok(struct smtp_server *m, struct buf *out, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A mistake of the client's. Too many in a row: "421" instead, and the end. */
void smtp_err(struct smtp_server *m, struct buf *out, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What a verdict other than OK is told. Not a mistake of the client's. */
void smtp_refuse(struct smtp_server *m, struct buf *out, enum smtp_verdict v);
/* The same, and the owner learns of it. */
void smtp_refuse_at(struct smtp_server *m, struct buf *out, enum smtp_at at, enum smtp_verdict v);
/* The owner learns of a reply that was given. */
void smtp_tell(const struct smtp_server *m, enum smtp_at at, const char *reply);
/* "421" to who tries names, and the end. */
void smtp_end_guesses(struct smtp_server *m, struct buf *out, enum smtp_at at);
/* "503" by what is missing or in the way. */
void smtp_err_order(struct smtp_server *m, struct buf *out);
void smtp_greet(struct smtp_server *m, struct buf *out);
void smtp_list_extensions(struct smtp_server *m, struct buf *out); /* the reply to EHLO and LHLO */
bool smtp_room(struct buf *out); /* for one reply; from then on it cannot be taken away */

/* ---- smtp_command.c */
void smtp_command(struct smtp_server *m, struct span line, struct buf *out);
/* A line that is no good, or its head. BDAT: how many octets belong to it, nobody knows; they would be run as commands. */
void smtp_close_if_chunk(struct smtp_server *m, struct span line);
/* A word that may stand in a trace header as a name: printable ASCII without spaces, parentheses, quotes and such. */
bool smtp_is_name(struct span word);
/* The next word of *rest, separated by spaces; empty at the end. */
struct span smtp_next_word(struct span *rest);

/* ---- smtp_feed.c */
/* The transaction is over. `told`: the owner knows; else he will be told to forget it, if there was one. */
void smtp_end_transaction(struct smtp_server *m, bool told);

/* ---- smtp_xclient.c */
/* RFC 3461 §4, printable ASCII only, NUL-terminated. false: it is not, or does not fit. */
bool smtp_xtext(struct span in, char *out, size_t room);

/* ---- smtp_mail.c, smtp_message.c, smtp_xclient.c */
smtp_do smtp_do_mail, smtp_do_rcpt, smtp_do_data, smtp_do_bdat, smtp_do_xclient;
/* The message will not be taken: what was kept of it can be forgotten now. */
void smtp_refuse_message(struct smtp_server *m, enum smtp_verdict v);
/* STEP_DATA to STEP_REFUSED. true: feed goes on with the next step; false: *want. */
bool smtp_run_message(struct smtp_server *m, struct buf *in, struct buf *out, enum smtp_want *want);

#endif
