/* smtp_client: the client's half of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine without I/O: greeting, EHLO or
 * LHLO, MAIL, RCPT, DATA, QUIT; one transaction after another. Used by the tool (`bustia deliver`, later `fetch` and
 * `send`).
 *
 * The owner calls smtp_client_feed in a loop and obeys what it wants. Replies may have many lines; whatever a server
 * says is bounded (SMTP_CLIENT_REPLY_MAX) and only shown quoted. */
#ifndef WIRE_SMTP_CLIENT_H
#define WIRE_SMTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/dot.h"
#include "wire/line.h"

enum {
    SMTP_CLIENT_LINE_MAX = 4096,  /* of a server's line */
    SMTP_CLIENT_REPLY_MAX = 1024, /* what is kept of a reply's words */
    SMTP_CLIENT_LINES_MAX = 100,  /* of one reply */
    SMTP_CLIENT_WINDOW = 50       /* commands that are sent ahead of their answers */
};

enum smtp_client_want {
    SMTP_CLIENT_WANT_INPUT,  /* more bytes of the server */
    SMTP_CLIENT_WANT_ROOM,   /* more room in `out` */
    SMTP_CLIENT_WANT_MAIL,   /* ready for a transaction: smtp_client_begin or smtp_client_quit */
    SMTP_CLIENT_WANT_BODY,   /* smtp_client_body with the next piece, then smtp_client_body_end */
    SMTP_CLIENT_WANT_RESULT, /* the transaction is over: look at the recipients' results, then smtp_client_next */
    SMTP_CLIENT_WANT_CLOSE   /* over, also in the middle of a transaction; m->err says why, ERR_NONE after QUIT */
};

struct smtp_client_rcpt {
    const char *address; /* the owner's */
    unsigned code;       /* the last word about it: 250 = delivered; 0: there was none, so it may have arrived or not */
    char text[200];      /* its words, printable ASCII, with the enhanced code */
    bool accepted;       /* private: RCPT was answered with yes */
};

struct smtp_client_mail {
    const char *from; /* "" = <> */
    struct smtp_client_rcpt *rcpts;
    unsigned count;
    uint64_t size; /* 0: not known */
    bool eight_bit, utf8;
};

struct smtp_client {
    bool lmtp;
    struct err err;
    bool pipelining, size_ok, eight_bit_ok, utf8_ok, starttls; /* what the server offers */
    uint64_t size_max;
    struct smtp_client_mail *mail;
    /* private */
    struct line line;
    char helo[256];
    int step;
    unsigned asked, at; /* of this step: what was asked for, and what was answered */
    bool refused;       /* MAIL was: what RCPT is told says nothing new */
    bool reset_due;     /* the server is still inside a transaction */
    unsigned code, lines;
    char reply[SMTP_CLIENT_REPLY_MAX]; /* the words of the reply that comes in */
    size_t reply_len;
    struct dot body;
};

/* `helo`: this machine's name. */
void smtp_client_init(struct smtp_client *m, bool lmtp, const char *helo);
enum smtp_client_want smtp_client_feed(struct smtp_client *m, struct buf *in, struct buf *out);
/* `mail` lives until WANT_RESULT or WANT_CLOSE. An address that is none (control octets in it, say) is never sent and
 * refused here, with 553. */
void smtp_client_begin(struct smtp_client *m, struct smtp_client_mail *mail);
/* Queues of `in` what `out` has room for, with dot-stuffing and CRLF line ends; returns how much was taken. */
size_t smtp_client_body(struct smtp_client *m, struct span in, struct buf *out);
void smtp_client_body_end(struct smtp_client *m); /* the final dot follows at the next feed */
void smtp_client_next(struct smtp_client *m);
void smtp_client_quit(struct smtp_client *m);

#endif
