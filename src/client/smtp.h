/* smtp: a session with an SMTP or LMTP server (a link driven by wire/smtp_client): TLS, log-in, one transaction after another. */
#ifndef CLIENT_SMTP_H
#define CLIENT_SMTP_H

#include "base/accounts.h"
#include "client/link.h"
#include "wire/smtp_client.h"

struct smtp_to {
    struct link_to link;
    bool lmtp;
    enum account_tls tls;
    struct tls_client_rules rules;
    const char *user;    /* NULL: no log-in. A password is shown inside TLS only */
    struct span password, token;
    const char *allowed; /* mechanisms; "" = the best */
};

struct smtp_session;

/* ERR_TEMP, ERR_AUTH (refused, or the server is not believed), ERR_CONFIG. All of `to` lives until the end. */
int smtp_open(struct smtp_session **s, const struct smtp_to *to, struct err *err);
/* One message: its octets come from `body`, which gives up to n octets, 0 at the end, -1 when it fails (nothing is then sent to its end: the
 * connection is cut, so that no half message is taken). The results stand in mail->rcpts. -1: the connection is over; recipients with
 * code 0 may have it or not (only after the final dot; before it err's kind is ERR_TEMP and none has it). */
int smtp_send(struct smtp_session *s, struct smtp_client_mail *mail, long (*body)(void *arg, char *p, size_t n), void *arg, struct err *err);
void smtp_close(struct smtp_session *s); /* QUIT; NULL is allowed */

#endif
