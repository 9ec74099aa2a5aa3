/* door_trace: the fields that go before a message that comes in (RFC 5321 §4.4): Return-Path, Delivered-To, Received. Pure.
 *
 * Nothing that a peer said can end a line or begin another, and no line is longer than 998 octets. */
#ifndef DAEMON_DOOR_TRACE_H
#define DAEMON_DOOR_TRACE_H

#include "daemon/talk.h"
#include "wire/smtp_server.h"

struct trace {
    const struct smtp_peer *peer; /* for whom it came */
    const char *address;          /* of the connection, where the peer did not say another; "unix" for none */
    const struct smtp_mail *mail;
    enum smtp_dialect dialect;
    const char *host; /* who we are */
    const char *tls, *cipher; /* NULL: no TLS */
    const char *id;
    int64_t seconds; /* since 1970 */
};

/* `rcpt`: the mailbox's address, as smtp_address_text gives it. `only`: there is no other recipient, so that naming him tells
 * nobody of another (RFC 5321 §7.2). Returns the length. */
size_t trace_text(const struct trace *t, const char *rcpt, bool only, char out[TALK_TRACE_MAX]);

/* "ESMTPS", "LMTP", "UTF8SMTP" … (RFC 3848, RFC 6531 §4.3). */
const char *trace_protocol(enum smtp_dialect dialect, bool esmtp, bool tls, bool utf8);

#endif
