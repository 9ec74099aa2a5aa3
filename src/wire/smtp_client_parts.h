/* smtp_client_parts: what the files of smtp_client share, and nobody else sees.
 *
 *   smtp_client_feed.c   the machine: feed, and what the owner calls
 *   smtp_client_steps.c  its steps, each what is asked and what the answer means
 *   smtp_client_login.c  STARTTLS and AUTH
 *   smtp_client_reply.c  a server's lines to replies */
#ifndef WIRE_SMTP_CLIENT_PARTS_H
#define WIRE_SMTP_CLIENT_PARTS_H

#include "wire/smtp_client.h"

enum smtp_client_step {
    STEP_GREETING,
    STEP_EHLO, /* LHLO */
    STEP_HELO, /* to a server that does not know EHLO (RFC 5321 §3.2) */
    STEP_STARTTLS,
    STEP_TLS,      /* the owner shakes hands */
    STEP_AUTH,     /* AUTH, or a response: the answer, or a challenge */
    STEP_RESPONSE, /* the owner answers a challenge */
    STEP_CANCEL,
    STEP_REFUSED, /* the owner tries another way to log in */
    STEP_READY,
    STEP_ENVELOPE, /* MAIL and each RCPT */
    STEP_DATA,
    STEP_BODY,
    STEP_END, /* the final dot, and the answers to it */
    STEP_RESULT,
    STEP_RESET,
    STEP_QUIT,
    STEP_CLOSE
};

enum smtp_client_got { GOT_NONE, GOT_LINE, GOT_REPLY, GOT_WRONG };

/* The next line of a reply: m->code, and its words behind those in m->reply. GOT_LINE: more lines follow. GOT_WRONG: it
 * is none; m->err says why. *text: the words of this line, borrowed from `in` until *used octets are taken from it. */
enum smtp_client_got smtp_client_line(struct smtp_client *m, struct buf *in, struct span *text, size_t *used);

/* The next reply is about to come in. */
void smtp_client_forget_reply(struct smtp_client *m);

/* ---- smtp_client_steps.c */
struct smtp_client_pair {
    bool (*ask)(struct smtp_client *m, struct buf *out); /* once, but for ENVELOPE. false: there is no room */
    void (*got)(struct smtp_client *m);                  /* the answer is in m->code and m->reply */
    enum smtp_client_want want;                          /* what the owner is told while there is none */
};
extern const struct smtp_client_pair smtp_client_steps[];
void smtp_client_enter(struct smtp_client *m, enum smtp_client_step step);
void smtp_client_got_extension(struct smtp_client *m, struct span text); /* a line of EHLO's reply */
void smtp_client_got_closing(struct smtp_client *m);                     /* 421 */
void smtp_client_fail_with_reply(struct smtp_client *m, const char *what);
bool smtp_client_is_yes(const struct smtp_client *m);
bool smtp_client_is_no(const struct smtp_client *m);
bool smtp_client_ask(struct smtp_client *m, struct buf *out, const char *line); /* once in a step */
bool smtp_client_ask_nothing(struct smtp_client *m, struct buf *out);

/* Something that may stand between "<" and ">", and that this server takes: NULL. Else the refusal. */
const char *smtp_client_why_not(const struct smtp_client *m, const char *address, bool sender);
/* The number of the next RCPT from `from` on that is sent; they begin with 1. */
unsigned smtp_client_next_rcpt(const struct smtp_client *m, unsigned from);
void smtp_client_settle(struct smtp_client_rcpt *r, unsigned code, const char *text);

/* ---- smtp_client_login.c */
/* EHLO is through: STARTTLS where it is wanted and not done, else the owner's turn. */
void smtp_client_greeted(struct smtp_client *m);
bool smtp_client_ask_starttls(struct smtp_client *m, struct buf *out);
void smtp_client_got_starttls(struct smtp_client *m);
bool smtp_client_ask_auth(struct smtp_client *m, struct buf *out);
void smtp_client_got_auth(struct smtp_client *m);
bool smtp_client_ask_cancel(struct smtp_client *m, struct buf *out);
void smtp_client_got_cancel(struct smtp_client *m);
/* What came before it was asked for is not believed. */
bool smtp_client_is_injected(const struct smtp_client *m, const struct buf *in);

#endif
