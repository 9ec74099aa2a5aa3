/* pop3_impl: what the files of pop3 share; nobody else includes it. */
#ifndef CLIENT_POP3_IMPL_H
#define CLIENT_POP3_IMPL_H

#include "client/pop3.h"

/* From the greeting to TRANSACTION. -1: s->refused and s->code say how the server refused. */
int pop3_log_in(struct pop3_session *s, bool ask, struct err *err);

/* The TLS handshake, by the account's rules. */
int pop3_secure(struct pop3_session *s, struct err *err);

#endif
