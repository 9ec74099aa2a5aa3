/* pop3_parts: what the files of pop3_server share, and nobody else sees.
 *
 *   pop3_feed.c     the machine: feed, and the owner's answers
 *   pop3_command.c  the table of commands, and those that need no file of their own
 *   pop3_auth.c     USER, PASS, APOP, AUTH, STLS: everything that is secret
 *   pop3_offer.c    what may be announced and granted
 *   pop3_list.c     replies of many lines that leave row by row
 *   pop3_lang.c     LANG and UTF8
 *   pop3_reply.c    the one place where a status line is written */
#ifndef WIRE_POP3_PARTS_H
#define WIRE_POP3_PARTS_H

#include "wire/pop3_server.h"

/* What is under way. One at a time, and no flag beside it. */
enum pop3_step {
    STEP_COMMAND,    /* a command line is awaited */
    STEP_RESPONSE,   /* a SASL response is awaited */
    STEP_CANCELLED,  /* the client has ended a SASL exchange: the owner is to be told */
    STEP_AUTH,       /* the owner decides who it is */
    STEP_TLS,        /* the owner shakes hands */
    STEP_LIST,       /* the rows of LIST leave, */
    STEP_UIDL,       /* of UIDL, */
    STEP_CAPA,       /* of CAPA, */
    STEP_MECHANISMS, /* of AUTH without an argument */
    STEP_LANGUAGES,  /* of LANG without one */
    STEP_LOAD,       /* the owner loads the drop, */
    STEP_LOADED,     /* and has done so: what waited for it */
    STEP_STORED,     /* the owner may have the rows of a listing, */
    STEP_TEXT,       /* and sends them */
    STEP_OPEN,       /* the owner opens a message */
    STEP_BODY,       /* the owner sends it */
    STEP_COMMIT,     /* the owner removes what is marked */
    STEP_CLOSE       /* nothing is read any more */
};

/* The arguments of a command, borrowed from its line. */
struct pop3_args {
    unsigned count;
    struct span arg[2];
};

typedef void pop3_do(struct pop3_server *m, const struct pop3_args *a, struct buf *out);

/* ---- pop3_reply.c. Feed has made sure of POP3_REPLY_MAX of room before anything replies. */
void pop3_ok_filled(const struct pop3_server *m, struct buf *out, enum pop3_text text, const struct pop3_fill *fill);
/* "-ERR [code] text"; an empty code gives no brackets. Counts an error. */
void pop3_err_filled(struct pop3_server *m, struct buf *out, const char *code, enum pop3_text text, const struct pop3_fill *fill);
/* What fills the text's places is named behind it: pop3_ok(m, out, SAY_COUNT, .n1 = 3, .n2 = 320). */
#define pop3_ok(m, out, text, ...)        pop3_ok_filled(m, out, text, &(struct pop3_fill){__VA_ARGS__})
#define pop3_err(m, out, code, text, ...) pop3_err_filled(m, out, code, text, &(struct pop3_fill){__VA_ARGS__})
/* "+OK …" for programs alone, the same in every language: format has it all. */
void pop3_data(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `name` if it may stand in a reply (printable ASCII, not too long, no "[" that could be read as a response
 * code), else an empty span. */
struct span pop3_name(struct span name);

/* ---- pop3_command.c */
void pop3_command(struct pop3_server *m, struct span line, struct buf *out);
void pop3_listing(struct pop3_server *m, struct buf *out); /* the status line of LIST or UIDL, and the rows follow */
void pop3_listing_status(struct pop3_server *m, struct buf *out);

/* ---- pop3_offer.c */
bool pop3_password_allowed(const struct pop3_server *m); /* RFC 2595 §2.3 */
/* The mechanisms of one list that may be used now, best first; "": none. */
enum { POP3_OFFER_LISTS = 4 };
const char *pop3_offer_words(const struct pop3_server *m, unsigned list);
/* Walks words separated by spaces: the next one, empty at the end. */
struct span pop3_next_word(struct span *words);

/* ---- pop3_auth.c */
void pop3_response(struct pop3_server *m, struct span line, struct buf *out); /* a line in STEP_RESPONSE */
void pop3_response_too_long(struct pop3_server *m, struct buf *out);
void pop3_forget_secret(struct pop3_server *m);
void pop3_forget_user(struct pop3_server *m);
pop3_do pop3_do_user, pop3_do_pass, pop3_do_apop, pop3_do_auth, pop3_do_stls;

/* ---- pop3_lang.c */
pop3_do pop3_do_lang, pop3_do_utf8;

/* ---- pop3_list.c */
void pop3_list_begin(struct pop3_server *m, enum pop3_step step);
/* Writes rows while there is room. false: it waits for more. true: the list is complete, final dot included. */
bool pop3_list_run(struct pop3_server *m, struct buf *out);

#endif
