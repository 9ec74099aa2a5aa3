/* pop3_client: the client's half of POP3 (RFC 1939, 2449, 2595, 3206, 5034, 6856 §2) as a machine without I/O: greeting, CAPA,
 * STLS, log-in, then pairs of ask and answer, as many ahead of their answers as the server announces PIPELINING for.
 * Used by the collector, the reader and the tests.
 *
 * The owner calls pop3_client_feed in a loop and obeys what it wants:
 *
 *   WANT_INPUT     more bytes of the server in `in`
 *   WANT_ROOM      more room in `out`. It can hold 64 octets at least, and wipes (buf's `secret`)
 *   WANT_START     greeting and CAPA are read, again after TLS: one of _stls, _utf8, _apop, _pass, _sasl, _quit
 *   WANT_TLS       STLS was granted and `in` is empty (what a server says behind its "+OK" ends the session:
 *                  RFC 2595 §4): send what is in `out`, shake hands, then pop3_client_secured
 *   WANT_RESPONSE  a SASL challenge, decoded, in m->challenge: pop3_client_respond or pop3_client_cancel
 *   WANT_REFUSED   STLS or the log-in was refused: m->got.text, m->got.code. Like WANT_START: try another way, or _quit
 *   WANT_COMMAND   in TRANSACTION, and one more may be asked: one of the pop3_client_… of TRANSACTION. Who has nothing
 *                  to ask now but awaits answers calls pop3_client_wait
 *   WANT_GOT       an answer, or a row of one: m->got. Then feed again
 *   WANT_BODY      a piece of a message in m->piece (decoded: no doubled dots). Then feed again
 *   WANT_CLOSE     over; m->err says why, ERR_NONE after an answer to QUIT
 *
 * Nothing a server says is trusted: lines, rows and messages have ceilings, numbers have limits, only CRLF.CRLF ends a
 * message, and every answer has its question: what a server says without having been asked ends the session
 * (ERR_INPUT). Text of a server is only to be shown quoted (log_quote); in m->err it is. The machine allocates for
 * secrets alone; all that it gives out is part of `in`, valid until the owner adds to `in` or calls the machine. */
#ifndef WIRE_POP3_CLIENT_H
#define WIRE_POP3_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/line.h"
#include "wire/secret_line.h"
#include "wire/smtp_body.h"

enum {
    POP3_CLIENT_LINE_MAX = 4096,       /* of a server's line, more than any RFC allows it */
    POP3_CLIENT_CHALLENGE_MAX = 16384, /* of a SASL challenge's line */
    POP3_CLIENT_CAPA_MAX = 200,        /* lines of an answer to CAPA */
    POP3_CLIENT_UID_MAX = 70,          /* RFC 1939 §7 */
    POP3_CLIENT_NAME_MAX = 512,        /* of a user's name, more than a command line may have (RFC 2449 §4) */
    POP3_CLIENT_WINDOW = 64,           /* the most that is asked ahead */
    POP3_CLIENT_AHEAD = 4096           /* octets of commands ahead that are never reached (RFC 2449 §6.8) */
};

enum pop3_client_want {
    POP3_CLIENT_WANT_INPUT,
    POP3_CLIENT_WANT_ROOM,
    POP3_CLIENT_WANT_START,
    POP3_CLIENT_WANT_TLS,
    POP3_CLIENT_WANT_RESPONSE,
    POP3_CLIENT_WANT_REFUSED,
    POP3_CLIENT_WANT_COMMAND,
    POP3_CLIENT_WANT_GOT,
    POP3_CLIENT_WANT_BODY,
    POP3_CLIENT_WANT_CLOSE
};

/* What TRANSACTION is asked. */
enum pop3_ask {
    POP3_ASK_STAT,
    POP3_ASK_LIST, /* of all */
    POP3_ASK_LIST_ONE,
    POP3_ASK_UIDL, /* of all */
    POP3_ASK_RETR,
    POP3_ASK_TOP,
    POP3_ASK_DELE,
    POP3_ASK_RSET,
    POP3_ASK_NOOP,
    POP3_ASK_QUIT
};

/* Response codes (RFC 2449 §8, 3206 §4) of an "-ERR", where the CAPA that counts now announces them: without RESP-CODES
 * a "[" may begin any text (RFC 2449 §6.4), and so none is known in the greeting and of a server without CAPA. AUTH
 * also where only AUTH-RESP-CODE is announced (RFC 3206 §6). What follows a "/" behind a code we know is passed over.
 */
enum pop3_code {
    POP3_CODE_NONE,
    POP3_CODE_IN_USE,
    POP3_CODE_LOGIN_DELAY,
    POP3_CODE_SYS_TEMP,
    POP3_CODE_SYS_PERM,
    POP3_CODE_AUTH
};

/* An answer, or a row of LIST and UIDL: `row` is set, and the end of the listing follows as an answer without it. A row
 * with !ok is not well formed: what of it can be used stands here, else msg, number and uid are 0, 0 and empty. The
 * machine remembers no rows: that a number comes twice is for the owner to see. */
struct pop3_got {
    uint64_t number;  /* STAT: messages; LIST: octets; TOP and RETR, after the body: octets of it, CRLFs counted */
    uint64_t octets;  /* STAT: of all */
    struct span uid;  /* a row of UIDL: 1 to 70 of 0x21-0x7E, else empty: this message has no uid that can be used */
    struct span text; /* the server's words; foreign; empty after a body */
    enum pop3_ask what;
    enum pop3_code code;
    unsigned msg; /* 1-based, at most 2^31, as asked or as the row says; 0: none */
    bool ok, row;
};

/* What CAPA said (RFC 2449). `known`: it was answered with yes. An "-ERR" to it after log-in leaves what was known
 * before. */
struct pop3_capa {
    uint64_t expire_days, login_delay; /* login_delay: s */
    char sasl[512];                    /* "SCRAM-SHA-256 PLAIN", upper case; empty: none */
    char implementation[128];          /* printable */
    bool known, top, user, uidl, pipelining, resp_codes, auth_resp_code, stls, utf8;
    bool expire_known, expire_never, expire_user; /* EXPIRE (§6.7): `expire_user`: as another user's may be */
    bool login_delay_known;
};

struct pop3_client_limits {
    uint64_t message; /* octets of a message as it comes; more end the session. 0: no ceiling */
    unsigned rows;    /* of a listing; more end the session. 0: 1,000,000 */
    unsigned window;  /* commands ahead of their answers where PIPELINING is announced. 0: POP3_CLIENT_WINDOW */
};

struct pop3_client {
    struct err err;
    struct pop3_capa capa; /* what counts now: asked anew after STLS and after log-in */
    char stamp[256];       /* APOP's timestamp out of the greeting, with its <>, or "" (RFC 1939 §7) */
    struct span challenge; /* WANT_RESPONSE; borrowed until the next call */
    struct pop3_got got;   /* WANT_GOT, WANT_REFUSED; its spans are borrowed until the next call */
    struct span piece;     /* WANT_BODY; borrowed until the next call; the message is m->got.msg's */
    bool secure;           /* TLS is up */
    /* private */
    bool logged_in, quitting;
    bool unsent;  /* something is asked, and no octet of it has gone into `out` */
    bool waiting; /* the owner has nothing to ask until an answer is there */
    int step;
    struct pop3_client_limits limits;
    struct line line;
    struct smtp_body body;
    const char *saying;               /* a command without secrets, or NULL */
    struct secret_line secret, later; /* what is to be said, and what once the server has answered that */
    struct pop3_asked {
        unsigned msg;
        unsigned char what;
    } asked[POP3_CLIENT_WINDOW];
    unsigned first, count; /* of the ring of what was asked and not answered */
    unsigned lines;        /* of the TOP that is unsent */
    unsigned rows;         /* of the answer that comes in */
};

/* `secure`: inside TLS from the start (RFC 8314): then STLS is not asked for. */
void pop3_client_init(struct pop3_client *m, bool secure, const struct pop3_client_limits *limits);
void pop3_client_fini(struct pop3_client *m); /* frees and wipes */
enum pop3_client_want pop3_client_feed(struct pop3_client *m, struct buf *in, struct buf *out);

/* ---- AUTHORIZATION; after WANT_START and WANT_REFUSED. What is not well formed (control characters, a name or a
 * password with CR, LF or NUL) is not sent: the machine then wants REFUSED with ERR_INPUT's words in m->err. */
void pop3_client_stls(struct pop3_client *m); /* refused: WANT_REFUSED */
void pop3_client_secured(struct pop3_client *m);
/* UTF8 (RFC 6856 §2): messages are to come as they are, also those whose header has more than ASCII in it, of which else a
 * surrogate may come (RFC 6858). For who sees UTF8 in m->capa. WANT_START comes again, whatever is answered. */
void pop3_client_utf8(struct pop3_client *m);
void pop3_client_pass(struct pop3_client *m, const char *user, struct span password); /* USER, then PASS */
void pop3_client_apop(struct pop3_client *m, const char *user, struct span secret);   /* needs m->stamp */
/* `initial`: decoded; p = NULL: none: the server's first challenge is awaited, which may be empty. What makes the line
 * longer than 255 octets goes as an answer to an empty challenge, on a line of its own (RFC 5034 §4, and as Microsoft's
 * servers demand of XOAUTH2): `own_line` asks for that whatever its length. */
void pop3_client_sasl(struct pop3_client *m, const char *mechanism, struct span initial, bool own_line);
void pop3_client_respond(struct pop3_client *m, struct span response);
void pop3_client_cancel(struct pop3_client *m); /* "*" */

/* ---- TRANSACTION; one after each WANT_COMMAND. msg is not 0. What is answered first was asked first. */
void pop3_client_stat(struct pop3_client *m);
void pop3_client_list(struct pop3_client *m);
void pop3_client_list_one(struct pop3_client *m, unsigned msg);
void pop3_client_uidl(struct pop3_client *m);
void pop3_client_retr(struct pop3_client *m, unsigned msg);
void pop3_client_top(struct pop3_client *m, unsigned msg, unsigned lines);
void pop3_client_dele(struct pop3_client *m, unsigned msg);
void pop3_client_rset(struct pop3_client *m);
void pop3_client_noop(struct pop3_client *m);
void pop3_client_wait(struct pop3_client *m);              /* WANT_COMMAND comes again after the next answer */
unsigned pop3_client_waiting(const struct pop3_client *m); /* answers that are awaited */
/* Also from AUTHORIZATION. An answer to it is WANT_GOT, then WANT_CLOSE. */
void pop3_client_quit(struct pop3_client *m);

#endif
