/* door_trace: see the header. Door. */
#include "daemon/door_trace.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"

const char *trace_protocol(enum smtp_dialect dialect, bool esmtp, bool tls, bool utf8)
{
    static const char *const lmtp[2][2] = {{"LMTP", "LMTPS"}, {"UTF8LMTP", "UTF8LMTPS"}};
    static const char *const smtp[2][2] = {{"ESMTP", "ESMTPS"}, {"UTF8SMTP", "UTF8SMTPS"}};
    if (dialect == SMTP_IS_LMTP)
        return lmtp[utf8][tls];
    return esmtp ? smtp[utf8][tls] : "SMTP"; /* there is no word for HELO over TLS */
}

/* An address that the machine took apart has no control octets; whoever calls may be wrong, and a header never is. */
static void add_address(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        buf_add(out, c < 0x20 || c == 0x7f ? "?" : p, 1);
    }
}

/* What a peer calls himself. Comments' and quotes' signs would shift the meaning of what follows. */
static void add_name(struct buf *out, const char *text, bool utf8)
{
    if (!*text)
        buf_add_text(out, "unknown");
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        bool ok = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr(".-_:[]", c) ||
                  (utf8 && c >= 0x80);
        buf_add(out, ok ? p : "?", 1);
    }
}

/* An address literal (RFC 5321 §4.1.3). */
static void add_literal(struct buf *out, const char *address)
{
    buf_add_text(out, strchr(address, ':') ? "[IPv6:" : "[");
    add_name(out, address, false);
    buf_add_text(out, "]");
}

/* "from HELO (NAME [ADDRESS])" */
static void add_from(struct buf *out, const struct trace *t)
{
    const char *address = *t->peer->address ? t->peer->address : t->address;
    bool known = strcmp(address, "unix") != 0 && strcmp(address, "unknown") != 0;
    add_name(out, t->peer->helo, t->mail->utf8);
    if (!known && !*t->peer->name)
        return;
    buf_add_text(out, " (");
    if (*t->peer->name)
        add_name(out, t->peer->name, t->mail->utf8);
    if (*t->peer->name && known)
        buf_add_text(out, " ");
    if (known)
        add_literal(out, address);
    buf_add_text(out, ")");
}

static void add_received(struct buf *out, const struct trace *t, const char *rcpt, bool only)
{
    char date[CLOCK_HEADER];
    buf_add_text(out, "Received: from ");
    add_from(out, t);
    buf_addf(out, "\r\n\tby %s with %s", t->host, trace_protocol(t->dialect, t->peer->esmtp, t->tls, t->mail->utf8));
    if (t->tls)
        buf_addf(out, "\r\n\t(%s %s)", t->tls, t->cipher);
    buf_addf(out, " id %s", t->id);
    if (only) {
        buf_add_text(out, "\r\n\tfor <");
        add_address(out, rcpt);
        buf_add_text(out, ">");
    }
    clock_header(t->seconds, date);
    buf_addf(out, ";\r\n\t%s\r\n", date);
}

size_t trace_text(const struct trace *t, const char *rcpt, bool only, char out[TALK_TRACE_MAX])
{
    struct buf b;
    char from[SMTP_ADDRESS_TEXT];
    buf_init(&b, TALK_TRACE_MAX, NULL);
    smtp_address_text(&t->mail->from, from);
    buf_add_text(&b, "Return-Path: <");
    add_address(&b, from);
    buf_add_text(&b, ">\r\nDelivered-To: ");
    add_address(&b, rcpt);
    buf_add_text(&b, "\r\n");
    add_received(&b, t, rcpt, only);
    struct span s = buf_span(&b);
    size_t n = s.n;
    memcpy(out, s.p, n);
    buf_fini(&b);
    return n;
}
