/* smtp_server: the server's half of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine without I/O: one table of
 * commands, a dialect flag. With PIPELINING (2920), 8BITMIME (6152), SMTPUTF8 (6531), SIZE (1870), CHUNKING (3030),
 * ENHANCEDSTATUSCODES (2034, 3463), STARTTLS (3207; SMTP, and LMTP on TCP) and XCLIENT from peers that may use it. It
 * receives for mailboxes and never relays.
 *
 * It takes bytes from a queue, writes replies into another and returns what it *wants* of its owner. It sees no socket,
 * clock, file or user table. Runs in the door.
 *
 * The owner calls smtp_server_feed in a loop and obeys:
 *
 *   WANT_INPUT    more bytes in `in`
 *   WANT_ROOM     more room in `out`: feed again when it has drained
 *   WANT_MAIL     a transaction begins, from m->mail: is there room for m->mail.size (0: not said)? then
 *                 smtp_server_mail
 *   WANT_RCPT     whose is m->rcpt? then smtp_server_rcpt
 *   WANT_MESSAGE  the message begins: a place for it, then smtp_server_message. Refused, the transaction stays, and
 *                 the client may try DATA again
 *   WANT_PIECE    m->piece holds the next octets of the message (dot-stuffing undone, CRLF line ends); then
 *                 smtp_server_piece. Nothing may be added to `in` before
 *   WANT_DELIVER  it is whole: deliver it to the m->mail.recipients accepted ones; then smtp_server_delivered: SMTP
 *                 once, LMTP for each accepted recipient in order. As long as answers are missing feed says
 *                 WANT_DELIVER again (and writes those that had no room)
 *   WANT_RESET    the transaction is over without a delivery (RSET, HELO, STARTTLS), or will be (the message is
 *                 refused and the rest of it thrown away): what was kept is to be forgotten; awaits no answer, feed
 *                 goes on at once
 *   WANT_TLS      "220" is in `out`, `in` has been emptied: send it, shake hands, then smtp_server_secured
 *   WANT_CLOSE    send what is in `out`, then close
 *
 * After MAIL, RCPT, MESSAGE, PIECE and DELIVER feed may be called again only after the matching answer; too early, it
 * says the same again.
 *
 * Line discipline: only CRLF ends a line, only CRLF.CRLF ends a message. A command with a bare CR, LF or NUL is
 * refused. A bare LF in a message never ends anything: the message is read to its true end and refused (554 5.6.0),
 * because stored text could not give it back; lone CR, NUL and 8-bit octets are kept as data. */
#ifndef WIRE_SMTP_SERVER_H
#define WIRE_SMTP_SERVER_H

#include "base/buf.h"
#include "wire/line.h"
#include "wire/smtp_address.h"
#include "wire/smtp_body.h"

enum {
    SMTP_LINE_MAX = 4096,  /* a command with its CRLF: RFC 5321 §4.5.3.1.4 asks for 512, its extensions for more */
    SMTP_REPLY_MAX = 1024, /* one reply, all lines of EHLO's */
    SMTP_NAME_MAX = 255,   /* HELO's argument, XCLIENT's names */
    SMTP_ID_MAX = 63,      /* what names a message in the reply to it */
    SMTP_ERRORS_MAX = 20   /* then 421: as many in a row are no client's mistake */
};

enum smtp_dialect { SMTP_IS_LMTP, SMTP_IS_SMTP };

/* What the owner decides, and the reply to it: one table (smtp_reply.c) of codes (RFC 3463) and texts. */
enum smtp_verdict {
    SMTP_OK,
    SMTP_NOBODY,     /* 550 5.1.1 */
    SMTP_NOT_OURS,   /* 550 5.7.1: no relaying */
    SMTP_DISABLED,   /* 550 5.2.1 */
    SMTP_OVER_QUOTA, /* 552 5.2.2 */
    SMTP_TOO_LARGE,  /* 552 5.3.4 */
    SMTP_LOOP,       /* 554 5.4.6: too many Received fields */
    SMTP_BARE_LF,    /* 554 5.6.0 */
    SMTP_HEADERS,    /* 554 5.6.0: the header is too large */
    SMTP_TEMP,       /* 451 4.3.0: trouble inside; never becomes a bounce */
    SMTP_NO_ROOM,    /* 452 4.3.1: too much in flight; later */
    SMTP_TOO_MANY,   /* 452 4.5.3: recipients */
    SMTP_TOO_FAST,   /* 450 4.7.1: messages of one address */
    SMTP_VERDICTS
};

bool smtp_verdict_permanent(enum smtp_verdict v); /* 5yz: the sender is not to come again with it */
const char *smtp_verdict_reply(enum smtp_verdict v); /* the reply to it, without CRLF */

/* What a refusal is about. */
enum smtp_at { SMTP_AT_MAIL, SMTP_AT_RCPT, SMTP_AT_MESSAGE };

enum smtp_want {
    SMTP_WANT_INPUT,
    SMTP_WANT_ROOM,
    SMTP_WANT_MAIL,
    SMTP_WANT_RCPT,
    SMTP_WANT_MESSAGE,
    SMTP_WANT_PIECE,
    SMTP_WANT_DELIVER,
    SMTP_WANT_RESET,
    SMTP_WANT_TLS,
    SMTP_WANT_CLOSE
};

/* What the owner allows and announces; may change before smtp_server_init and at smtp_server_secured only. */
struct smtp_offer {
    enum smtp_dialect dialect;
    const char *hostname;
    bool tls_offered, tls_active;
    bool xclient;      /* this peer may say for whom it speaks */
    uint64_t size_max; /* octets of a message, announced with SIZE */
    unsigned recipients_max;
    unsigned unknown_max;  /* recipients of a session that are not here, beyond as many as are; 0: no limit */
    unsigned received_max; /* Received fields: 100 */
    uint64_t header_max;   /* octets of a header */
};

/* For whom a peer speaks (XCLIENT), "" where it did not say; else the connection's own. */
struct smtp_peer {
    char name[SMTP_NAME_MAX + 1], address[64], helo[SMTP_NAME_MAX + 1];
    bool esmtp; /* EHLO or LHLO */
};

struct smtp_mail {
    struct smtp_address from; /* all empty: <> */
    uint64_t size;            /* as SIZE= said; 0: not said */
    bool utf8, eight_bit;     /* SMTPUTF8, BODY=8BITMIME */
    unsigned recipients;      /* accepted so far */
    unsigned refused;         /* recipients that were refused: they count for the ceiling, too */
    uint64_t octets;          /* of the message so far */
};

struct smtp_server {
    struct smtp_offer offer;
    struct smtp_peer peer;
    struct smtp_mail mail;
    struct smtp_address rcpt; /* WANT_RCPT */
    struct span piece;        /* WANT_PIECE: borrowed from `in` until the answer */
    bool tls_busy;            /* the owner's, at any time: STARTTLS is put off (454) */
    /* The owner's, set after init; NULL: nobody asks. A sender, a recipient or a message was refused with this reply;
     * what the owner says in smtp_server_delivered he knows himself. mail.from and rcpt say whose it is ("": unknown). */
    void (*on_refused)(void *owner, enum smtp_at at, const char *reply);
    void *owner;
    struct {                  /* for the log */
        unsigned messages, commands, errors;
        unsigned unknown; /* recipients that are not here: nobody, not ours, disabled */
        unsigned tls_put_off;
    } count;
    /* private */
    struct line line;
    int step, state;              /* enums in smtp_parts.h */
    unsigned errors_row;          /* without a success between */
    unsigned reached;             /* recipients of the messages that were delivered */
    bool reset_due;               /* the owner is to forget the transaction */
    bool helo_given, proto_given; /* by XCLIENT: what HELO says later is about the proxy */
    size_t taken;                 /* octets of `in` that the piece was made of */
    uint64_t chunk_left;          /* BDAT */
    bool chunked, chunk_last;
    enum smtp_verdict refused;  /* the message: its rest is thrown away */
    struct smtp_body body;      /* while a message comes in */
    unsigned char *verdicts;    /* about the recipients in order, one for all in SMTP; freed by smtp_server_fini */
    unsigned decided, answered; /* how many of them are known, and how many written into `out` */
    char id[SMTP_ID_MAX + 1];
};

void smtp_server_init(struct smtp_server *m, const struct smtp_offer *offer, struct buf *out); /* writes the greeting */
void smtp_server_fini(struct smtp_server *m);

/* Runs until something is wanted. `out` needs SMTP_REPLY_MAX of room to make progress. */
enum smtp_want smtp_server_feed(struct smtp_server *m, struct buf *in, struct buf *out);

/* The owner's answers. Each writes its reply, if one is due, into `out`. */
void smtp_server_mail(struct smtp_server *m, enum smtp_verdict v, struct buf *out);
void smtp_server_rcpt(struct smtp_server *m, enum smtp_verdict v, struct buf *out);
void smtp_server_message(struct smtp_server *m, enum smtp_verdict v, struct buf *out);
void smtp_server_piece(struct smtp_server *m, enum smtp_verdict v,
                       struct buf *out); /* not OK: its rest is thrown away */
/* `id`: said in the reply to an accepted message, the same for all its recipients; letters, digits, '.', '-'. What has
 * no room in `out` is written by feed. */
void smtp_server_delivered(struct smtp_server *m, enum smtp_verdict v, const char *id, struct buf *out);
void smtp_server_secured(struct smtp_server *m, const struct smtp_offer *offer); /* all is forgotten (RFC 3207 §4.2) */
/* The owner ends it: "421 4.3.2 text", where the protocol allows a reply. Then WANT_CLOSE. */
void smtp_server_stop(struct smtp_server *m, const char *text, struct buf *out);

/* A command has begun and not ended; a message is coming in: which time limit counts. */
bool smtp_server_in_line(const struct smtp_server *m, const struct buf *in);
bool smtp_server_in_message(const struct smtp_server *m);
/* A message has come in, and not all of its answers have been written: who ends it now makes senders deliver again what
 * has been delivered. */
bool smtp_server_answering(const struct smtp_server *m);
/* Has it named more recipients that are not here than a sender's mistakes explain? Then the session ends (421), at the
 * latest before its next message. */
bool smtp_server_guesses(const struct smtp_server *m);

#endif
