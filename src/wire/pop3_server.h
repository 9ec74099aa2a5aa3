/* pop3_server: the server's half of POP3 (RFC 1939, 2449, 2595, 3206, 5034, 6856) as a machine without I/O.
 *
 * It takes bytes from a queue, writes replies into another and returns what it *wants* of its owner. It sees
 * no socket, clock, file or user table. The same machine runs in two processes: in the door for AUTHORIZATION,
 * in the mail worker from TRANSACTION on; the unread bytes travel with the hand-over.
 *
 * The owner calls pop3_server_feed in a loop and obeys:
 *
 *   WANT_INPUT    more bytes in `in`
 *   WANT_ROOM     more room in `out` (a listing waits for it): feed again when it has drained
 *   WANT_AUTH     decide about m->auth, then one of pop3_server_challenge / _denied / _granted
 *   WANT_TLS      "+OK" is in `out`, `in` has been emptied: send it, shake hands, then pop3_server_secured
 *   WANT_DROP     the drop is not loaded, and a message of it is needed: load it, then pop3_server_loaded; or _abort
 *   WANT_LISTING  all of LIST's or UIDL's (m->uidl) rows are wanted of a drop that is not loaded, so that nothing is marked:
 *                 pop3_server_listing_begin, then the rows as they stand on the wire and the final dot, then _listing_end;
 *                 or pop3_server_listing_render: the machine writes them, and wants the drop first
 *   WANT_BODY     open message m->msg; then pop3_server_body_begin (and send the body, then _body_end),
 *                 or pop3_server_body_failed
 *   WANT_COMMIT   UPDATE: remove what is marked in the drop and unlock, then pop3_server_committed
 *   WANT_CLOSE    send what is in `out`, then close
 *
 * After a want other than INPUT and ROOM, feed may be called again only after the matching answer; but SASL_CANCEL
 * awaits none, and feed goes on at once.
 *
 * Strict where a client cannot be meant otherwise: one space before each argument (spaces at the end are forgiven), no
 * surplus arguments, no NUL or lone CR in a command. PASS takes the rest of its line, spaces included. Any number of
 * errors is answered; count.errors lets the owner hang up.
 *
 * A line of AUTHORIZATION is overwritten in `in` when it has been read. */
#ifndef WIRE_POP3_SERVER_H
#define WIRE_POP3_SERVER_H

#include "base/buf.h"
#include "base/drop.h"
#include "base/err.h"
#include "wire/line.h"
#include "wire/pop3_text.h"

enum {
    POP3_LINE_MAX = 255,        /* a command with its CRLF (RFC 2449 §4) */
    POP3_AUTH_LINE_MAX = 16384, /* a SASL response (RFC 5034 §4 asks for at least 12288 for OAuth etc.) */
    POP3_REPLY_MAX = 512,       /* a status line (RFC 2449 §4) */
    POP3_NAME_MAX = 249         /* the longest argument of USER */
};

enum pop3_state { POP3_AUTHORIZATION, POP3_TRANSACTION, POP3_UPDATE, POP3_ENDED };

enum pop3_want {
    POP3_WANT_INPUT,
    POP3_WANT_ROOM,
    POP3_WANT_AUTH,
    POP3_WANT_TLS,
    POP3_WANT_DROP,
    POP3_WANT_LISTING,
    POP3_WANT_BODY,
    POP3_WANT_COMMIT,
    POP3_WANT_CLOSE
};

enum pop3_auth_how {
    POP3_AUTH_PASS,       /* user, secret = the password as sent */
    POP3_AUTH_APOP,       /* user, secret = 32 hexadecimal digits */
    POP3_AUTH_SASL_BEGIN, /* mechanism (upper case); secret = the initial response, decoded, if has_initial */
    POP3_AUTH_SASL_STEP,  /* secret = the response, decoded */
    POP3_AUTH_SASL_CANCEL /* '*' (RFC 5034 §4) or a broken response: the exchange is over; the machine has already
                             answered. Tell whoever keeps its state; no answer is awaited */
};

/* What WANT_AUTH asks. Borrowed: valid until the next call to the machine. */
struct pop3_auth {
    enum pop3_auth_how how;
    struct span user, secret, mechanism;
    bool has_initial;
};

/* What the owner allows and announces; may change before pop3_server_init only, sasl_tls and sasl_external before
 * pop3_server_secured too. */
struct pop3_offer {
    const char *implementation; /* IMPLEMENTATION's argument (RFC 2449 §6.9) */
    const char *stamp;          /* APOP's timestamp "<…@…>" in the greeting, or NULL: no APOP here */
    const char *sasl;           /* mechanisms that need no encryption, "SCRAM-SHA-256 SCRAM-SHA-1", or "" */
    const char *sasl_clear;     /* mechanisms that show the password, "PLAIN LOGIN", or "" */
    const char *sasl_tls;       /* mechanisms that need the TLS there is, "SCRAM-SHA-256-PLUS", or "" or NULL; announced before others */
    const char *sasl_external;  /* "EXTERNAL" where clients are asked for certificates, or "" or NULL; needs TLS too */
    bool utf8_offered;            /* UTF8 can be given: without it surrogates are sent (RFC 6856 §2) */
    bool utf8;                    /* after a hand-over: it was */
    enum pop3_language preferred; /* what `LANG *` selects (RFC 6856 §3.2) */
    enum pop3_language language;  /* after a hand-over: what was selected */
    bool tls_offered;           /* STLS can be given */
    bool tls_active;            /* inside TLS already (pop3s) */
    bool clear_allowed;         /* passwords may be sent without TLS */
    bool expire_read;           /* EXPIRE 0: at QUIT all that RETR has sent is deleted too (RFC 2449 §6.7) */
    const char *login_delay;    /* LOGIN-DELAY's, "600 USER", or "" or NULL (RFC 2449 §6.5); as below */
    const char *expire;         /* EXPIRE's arguments, "NEVER", "30", "5 USER", or "" or NULL; borrowed, and may change */
};

struct pop3_server {
    enum pop3_state state;
    enum pop3_language language; /* of what it says (RFC 6856 §3) */
    bool utf8; /* the client reads UTF-8 in headers (RFC 6856 §2.1) */
    struct pop3_offer offer;
    struct pop3_auth auth; /* for WANT_AUTH */
    unsigned msg;          /* for WANT_BODY: 0-based */
    bool uidl;             /* WANT_LISTING: UIDL's, not LIST's */
    bool top;              /* WANT_BODY: TOP, with … */
    bool http;             /* the last line was a browser's; WANT_CLOSE is because one came, and not for QUIT */
    uint64_t top_lines;    /* … so many lines of the body */
    struct drop *drop;     /* from TRANSACTION on; the owner's */
    struct {               /* counted for the session's log line */
        unsigned read, commands, errors;
    } count;
    /* private */
    struct line line;
    int step;                     /* enum in pop3_feed.c: what is under way */
    unsigned listed;              /* next message of a listing */
    void (*loaded)(struct pop3_server *m, struct buf *out); /* what is done once the drop is loaded */
    char *user;                   /* after USER, or NULL */
    size_t user_len;
    char *sasl_text; /* a response while auth decides, or NULL */
    size_t sasl_len;
};

/* AUTHORIZATION: writes the greeting into `out` (RFC 1939 §4). */
void pop3_server_init(struct pop3_server *m, const struct pop3_offer *offer, struct buf *out);

/* TRANSACTION at once, after a hand-over: writes "+OK user has N message(s) (M octets)", without the name if it is not
 * printable ASCII. `drop` stays the owner's and lives until pop3_server_committed; it may be not loaded. */
void pop3_server_resume(struct pop3_server *m, const struct pop3_offer *offer, struct span user, struct drop *drop,
                        struct buf *out);

/* Frees and wipes. */
void pop3_server_fini(struct pop3_server *m);

/* Runs until something is wanted. `out` needs POP3_REPLY_MAX of room to make progress. At most one WANT_ROOM
 * or complete command per reply: a pipelining client is served in order (RFC 2449 §6.6). */
enum pop3_want pop3_server_feed(struct pop3_server *m, struct buf *in, struct buf *out);

/* A line has begun and not ended: the time it may take runs (what is over-long is not kept in `in`, but counts). */
bool pop3_server_in_line(const struct pop3_server *m, const struct buf *in);

/* The owner's answers. Each writes its reply into `out`. */
void pop3_server_challenge(struct pop3_server *m, struct span challenge, struct buf *out); /* "+ base64" */
/* "-ERR [code] text" by err's table; still AUTHORIZATION. Also after pop3_server_granted, if the worker refuses. */
void pop3_server_denied(struct pop3_server *m, enum err_kind kind, struct buf *out);
void pop3_server_granted(struct pop3_server *m); /* the worker says +OK; this machine has ended */
void pop3_server_secured(struct pop3_server *m); /* TLS is up: what was known before is forgotten (RFC 2595 §4) */
void pop3_server_loaded(struct pop3_server *m); /* writes nothing; feed goes on */
void pop3_server_listing_begin(struct pop3_server *m, struct buf *out); /* "+OK …"; the rows follow */
void pop3_server_listing_end(struct pop3_server *m); /* after the rows and the final dot have been queued */
void pop3_server_listing_render(struct pop3_server *m); /* writes nothing; in place of _begin; WANT_DROP follows */
void pop3_server_body_begin(struct pop3_server *m, uint64_t octets, struct buf *out); /* "+OK N octets" */
void pop3_server_body_end(struct pop3_server *m); /* after the body and its final dot have been queued */
void pop3_server_body_failed(struct pop3_server *m, enum err_kind kind, struct buf *out);
/* ERR_NONE: all marked are removed, durably. Else `left` of them may still be there. Then WANT_CLOSE. */
void pop3_server_committed(struct pop3_server *m, enum err_kind kind, size_t left, struct buf *out);
/* The owner ends the session with a reason ("-ERR [SYS/TEMP] …", where the protocol allows one: not inside a list or a
 * message, nor between STLS and TLS, nor without room). Then WANT_CLOSE. */
void pop3_server_abort(struct pop3_server *m, enum err_kind kind, enum pop3_text text, struct buf *out);

#endif
