/* smtp_client: the client's half of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine without I/O: greeting, EHLO or
 * LHLO, MAIL, RCPT, DATA, QUIT; one transaction after another. For submission (RFC 6409) STARTTLS (RFC 3207) and AUTH
 * (RFC 4954) before it. Used by the tool (`bustia deliver`), the collector's destinations and `bustia send`.
 *
 * The owner calls smtp_client_feed in a loop and obeys what it wants. Replies may have many lines; whatever a server
 * says is bounded (SMTP_CLIENT_REPLY_MAX) and only shown quoted.
 *
 * A session that is to be private says so before the first feed (smtp_client_tls). With STARTTLS the machine asks for
 * it after EHLO: a server that does not offer it, refuses it, or says anything behind its "220" ends the session
 * (ERR_AUTH, ERR_TEMP, ERR_INPUT), and what it offered before is forgotten: EHLO is said again inside TLS. */
#ifndef WIRE_SMTP_CLIENT_H
#define WIRE_SMTP_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/dot.h"
#include "wire/line.h"
#include "wire/secret_line.h"

enum {
    SMTP_CLIENT_LINE_MAX = 4096,       /* of a server's line */
    SMTP_CLIENT_CHALLENGE_MAX = 16384, /* of a SASL challenge's line (RFC 4954 §4 asks for 12,288) */
    SMTP_CLIENT_REPLY_MAX = 1024,      /* what is kept of a reply's words */
    SMTP_CLIENT_LINES_MAX = 100,       /* of one reply */
    SMTP_CLIENT_WINDOW = 50            /* commands that are sent ahead of their answers */
};

enum smtp_client_want {
    SMTP_CLIENT_WANT_INPUT,  /* more bytes of the server */
    SMTP_CLIENT_WANT_ROOM,   /* more room in `out` */
    SMTP_CLIENT_WANT_MAIL,   /* ready for a transaction: smtp_client_begin or smtp_client_quit; before the first also
                                smtp_client_auth, if m->auth has something */
    SMTP_CLIENT_WANT_BODY,   /* smtp_client_body with the next piece, then smtp_client_body_end */
    SMTP_CLIENT_WANT_RESULT, /* the transaction is over: look at the recipients' results, then smtp_client_next */
    SMTP_CLIENT_WANT_CLOSE,  /* over, also in the middle of a transaction; m->err says why, ERR_NONE after QUIT */
    /* Only in a session that was told of TLS or AUTH */
    SMTP_CLIENT_WANT_TLS,      /* STARTTLS was granted and `in` is empty: send what is in `out`, shake hands, then
                                  smtp_client_secured */
    SMTP_CLIENT_WANT_RESPONSE, /* a SASL challenge, decoded, in m->challenge: smtp_client_respond or _cancel */
    SMTP_CLIENT_WANT_REFUSED /* the log-in was refused: m->code, m->reply. smtp_client_auth in another way, or _quit */
};

enum smtp_client_tls {
    SMTP_CLIENT_CLEAR,    /* none; STARTTLS is not asked for */
    SMTP_CLIENT_STARTTLS, /* asked for, and nothing is said without it */
    SMTP_CLIENT_SECURE    /* inside TLS from the start (RFC 8314) */
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
    bool secure;                                               /* TLS is up */
    bool authenticated;                                        /* AUTH was answered with yes */
    uint64_t size_max;
    char auth[512];        /* the SASL mechanisms it offers, "SCRAM-SHA-256 PLAIN", upper case; "": none */
    struct span challenge; /* WANT_RESPONSE; borrowed from `in` until the next call */
    struct smtp_client_mail *mail;
    /* private */
    struct line line;
    struct secret_line saying, later; /* what AUTH says: now, and once the server asks for it */
    enum smtp_client_tls tls;
    char helo[256];
    int step;
    unsigned asked, at; /* of this step: what was asked for, and what was answered */
    bool refused;       /* MAIL was: what RCPT is told says nothing new */
    bool reset_due;     /* the server is still inside a transaction */
    /* The words of the reply that comes in, printable; for the owner with WANT_REFUSED. code 0: it was not sent,
     * because it is not well formed: m->reply says why. */
    unsigned code, lines;
    char reply[SMTP_CLIENT_REPLY_MAX];
    size_t reply_len;
    struct dot body;
};

/* `helo`: this machine's name. */
void smtp_client_init(struct smtp_client *m, bool lmtp, const char *helo);
void smtp_client_fini(struct smtp_client *m); /* wipes and frees what AUTH said; of use only after it */
/* After _init, before the first feed. */
void smtp_client_tls(struct smtp_client *m, enum smtp_client_tls tls);
enum smtp_client_want smtp_client_feed(struct smtp_client *m, struct buf *in, struct buf *out);
/* `mail` lives until WANT_RESULT or WANT_CLOSE. An address that is none (control octets in it, say) is never sent and
 * refused here, with 553. */
void smtp_client_begin(struct smtp_client *m, struct smtp_client_mail *mail);
/* Queues of `in` what `out` has room for, with dot-stuffing and CRLF line ends; returns how much was taken. */
size_t smtp_client_body(struct smtp_client *m, struct span in, struct buf *out);
void smtp_client_body_end(struct smtp_client *m); /* the final dot follows at the next feed */
void smtp_client_next(struct smtp_client *m);
void smtp_client_quit(struct smtp_client *m);

/* ---- submission */
void smtp_client_secured(struct smtp_client *m); /* after WANT_TLS */
/* After WANT_MAIL or WANT_REFUSED, until m->authenticated; yes is WANT_MAIL. `initial`: decoded; p = NULL: none. It
 * goes on a line of its own, once the server asks for it, where the command would have more than 512 octets (RFC 4954
 * §4), and always with `own_line`. */
void smtp_client_auth(struct smtp_client *m, const char *mechanism, struct span initial, bool own_line);
void smtp_client_respond(struct smtp_client *m, struct span response); /* after WANT_RESPONSE */
void smtp_client_cancel(struct smtp_client *m);                        /* "*": the server refuses then */

#endif
