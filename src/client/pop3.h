/* pop3: a session with a POP3 server: a link driven by wire/pop3_client, from the connection to TRANSACTION. Waits.
 *
 * Shows a password or a token only inside TLS, or where the account says tls = none; never after STLS was refused or is
 * missing where the account says starttls. With tls = none PLAIN, LOGIN, USER and tokens may be read by whoever is on
 * the way: what does not show the secret (SCRAM; CRAM-MD5 and APOP where auth names them) comes first. One way to log
 * in after the other is tried only while the server says that the way is not to be had; a refused password is not tried
 * again. */
#ifndef CLIENT_POP3_H
#define CLIENT_POP3_H

#include "base/accounts.h"
#include "client/link.h"
#include "wire/pop3_client.h"

struct pop3_session {
    struct pop3_client machine;
    struct link *link;
    const struct account *account;
    char *how;               /* how it logged in: "SCRAM-SHA-256 inside TLSv1.3"; for --test */
    struct pop3_capa before; /* what CAPA said before log-in */
    bool refused;            /* the server said no to who we are: trying again soon is of no use */
    enum pop3_code code;     /* with which response code it refused */
    /* private */
    char *host;
};

/* Connects, TLS, CAPA, log-in, CAPA. `ask`: a password may be asked for at the terminal. `limits` may be NULL.
 * ERR_TEMP: the network or the server; ERR_PERM: the server, for longer; ERR_INPUT: what it speaks is no POP3;
 * ERR_AUTH: refused, or the server is not believed; ERR_BUSY: the maildrop is in use; ERR_LIMIT: LOGIN-DELAY;
 * ERR_CONFIG: the account. In words that stand alone after the account's name. *s is set also on failure (for `code`),
 * and to be closed. */
int pop3_open(struct pop3_session **s, const struct account *a, bool ask, const struct pop3_client_limits *limits,
              struct err *err);
/* Feeds the machine and moves the link until something else than INPUT and ROOM is wanted: COMMAND, GOT, BODY or (after
 * QUIT) CLOSE. -1: the connection is over, err says why. Sends what is asked only when there is nothing else to do: who
 * asks as long as COMMAND is wanted has filled the window by then. */
int pop3_next(struct pop3_session *s, enum pop3_client_want *want, struct err *err);
/* Passes over what is still awaited; then QUIT and its answer. 0: "+OK", what was marked is gone. -1: ERR_UNKNOWN: it
 * may be gone or not. Takes at most twice the account's silence_timeout. */
int pop3_quit(struct pop3_session *s, struct err *err);
void pop3_close(struct pop3_session *s); /* without QUIT nothing is deleted; NULL is allowed */

#endif
