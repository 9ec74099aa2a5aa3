/* pop3_client_parts: what the files of pop3_client share, and nobody else sees.
 *
 *   pop3_client_feed.c    the machine: feed, what goes out, a server's lines, and how it ends
 *   pop3_client_capa.c    CAPA
 *   pop3_client_login.c   AUTHORIZATION: greeting, STLS, USER and PASS, APOP, SASL
 *   pop3_client_ask.c     TRANSACTION: what is asked, and how far ahead
 *   pop3_client_answer.c  TRANSACTION: answers, rows, messages */
#ifndef WIRE_POP3_CLIENT_PARTS_H
#define WIRE_POP3_CLIENT_PARTS_H

#include "wire/pop3_client.h"

enum pop3_client_step {
    STEP_GREETING,
    STEP_CAPA,      /* the answer to CAPA, */
    STEP_CAPA_ROWS, /* and its lines */
    STEP_START,     /* the owner chooses a way to log in */
    STEP_UTF8,
    STEP_STLS,
    STEP_TLS, /* the owner shakes hands */
    STEP_USER,
    STEP_LOGIN,     /* the answer to PASS or APOP */
    STEP_SASL,      /* a challenge, or the answer to AUTH */
    STEP_RESPONSE,  /* the owner answers a challenge */
    STEP_CANCELLED, /* the answer to "*" */
    STEP_REFUSED,   /* the owner tries another way */
    STEP_OPEN,      /* the next answer of TRANSACTION, if one is awaited, */
    STEP_ROWS,      /* the rows of a listing, */
    STEP_BODY,      /* the octets of a message */
    STEP_CLOSE
};

/* A status line (RFC 1939 §3). */
struct pop3_client_said {
    struct span text; /* behind "+OK" or "-ERR" */
    enum pop3_code code;
    bool ok;
};

/* What is done with a server's line in a step. NULL: it is the owner's turn, and no line is awaited. */
typedef void pop3_client_got_line(struct pop3_client *m, struct span line, struct buf *in);

/* ---- pop3_client_feed.c */
void pop3_client_fail(struct pop3_client *m, enum err_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Something of a server, short and escaped, for a sentence. */
const char *pop3_client_words(struct span text);
/* A command without secrets is said next, and what follows is its answer. */
void pop3_client_say(struct pop3_client *m, const char *command, enum pop3_client_step step);
/* The next line of the server is taken from `in`. false: there is none, or it is too long and the session is over. */
bool pop3_client_line(struct pop3_client *m, struct buf *in, size_t max, struct span *line);
/* false: it is none, and the session is over. */
bool pop3_client_status(struct pop3_client *m, struct span line, struct pop3_client_said *said);
void pop3_client_refused(struct pop3_client *m, const struct pop3_client_said *said);
/* The next word of `rest`, spaces before it passed over; empty at the end. */
struct span pop3_client_word(struct span *rest);

/* ---- pop3_client_capa.c */
void pop3_client_ask_capa(struct pop3_client *m);
pop3_client_got_line pop3_client_got_capa, pop3_client_got_capa_row;

/* ---- pop3_client_login.c */
pop3_client_got_line pop3_client_got_greeting, pop3_client_got_utf8, pop3_client_got_stls, pop3_client_got_user, pop3_client_got_login,
    pop3_client_got_sasl, pop3_client_got_cancelled;

/* ---- pop3_client_ask.c */
bool pop3_client_may_ask(const struct pop3_client *m);
/* The command that is unsent. false: there is no room. */
bool pop3_client_send_command(struct pop3_client *m, struct buf *out);

/* ---- pop3_client_answer.c */
/* What is in `in` to the next thing the owner is told: true and *want. false: more is needed, or it is over. */
bool pop3_client_answer(struct pop3_client *m, struct buf *in, enum pop3_client_want *want);

#endif
