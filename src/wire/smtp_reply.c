/* smtp_reply: the one place where a reply is written (RFC 5321 §4.2), with enhanced codes (RFC 2034, 3463) but in the
 * greeting, in what answers EHLO and in 354. */
#include "wire/smtp_parts.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 510 }; /* of a reply, without CRLF (RFC 5321 §4.5.3.1.5) */

bool smtp_room(struct buf *out)
{
    size_t got;
    if (buf_room(out) < SMTP_REPLY_MAX)
        return false;
    buf_reserve(out, SMTP_REPLY_MAX, &got); /* a budget that others use up later cannot take it away */
    return true;
}

static void write_line(struct buf *out, const char *format, va_list args)
{
    char line[LINE + 2];
    int wanted = vsnprintf(line, LINE + 1, format, args);
    assert(wanted >= 0);
    size_t n = wanted < LINE ? (size_t)wanted : LINE;
    line[n++] = '\r';
    line[n++] = '\n';
    bool added = buf_add(out, line, n);
    assert(added);
    (void)added;
}

void smtp_ok(struct smtp_server *m, struct buf *out, const char *format, ...)
{
    va_list args;
    m->errors_row = 0;
    va_start(args, format);
    write_line(out, format, args);
    va_end(args);
}

void smtp_err(struct smtp_server *m, struct buf *out, const char *format, ...)
{
    m->count.errors++;
    if (++m->errors_row >= SMTP_ERRORS_MAX) {
        buf_add_text(out, "421 4.7.0 Too many mistakes\r\n");
        m->step = STEP_CLOSE;
        return;
    }
    va_list args;
    va_start(args, format);
    write_line(out, format, args);
    va_end(args);
}

void smtp_tell(const struct smtp_server *m, enum smtp_at at, const char *reply)
{
    if (m->on_refused)
        m->on_refused(m->owner, at, reply);
}

void smtp_end_guesses(struct smtp_server *m, struct buf *out, enum smtp_at at)
{
    static const char reply[] = "421 4.7.0 Too many recipients that are not here";
    m->count.errors++;
    buf_add_text(out, reply);
    buf_add_text(out, "\r\n");
    m->step = STEP_CLOSE;
    smtp_tell(m, at, reply);
}

/* ---- verdicts */

/* clang-format off */
static const char *const verdicts[SMTP_VERDICTS] = {
    [SMTP_OK]         = "451 4.3.0 Not possible now, try again later", /* never asked for */
    [SMTP_NOBODY]     = "550 5.1.1 There is no such mailbox here",
    [SMTP_NOT_OURS]   = "550 5.7.1 This server takes mail for its own mailboxes only",
    [SMTP_DISABLED]   = "550 5.2.1 This mailbox is disabled",
    [SMTP_OVER_QUOTA] = "552 5.2.2 This mailbox is full",
    [SMTP_TOO_LARGE]  = "552 5.3.4 The message is too large",
    [SMTP_LOOP]       = "554 5.4.6 Too many Received fields: the message goes round in a circle",
    [SMTP_BARE_LF]    = "554 5.6.0 A line of the message does not end with CRLF",
    [SMTP_HEADERS]    = "554 5.6.0 The header of the message is too large",
    [SMTP_TEMP]       = "451 4.3.0 Not possible now, try again later",
    [SMTP_NO_ROOM]    = "452 4.3.1 Too much is coming in now, try again later",
    [SMTP_TOO_FAST]   = "450 4.7.1 Too many messages from your address, try again later",
    [SMTP_TOO_MANY]   = "452 4.5.3 Too many recipients in one transaction",
};
/* clang-format on */

bool smtp_verdict_permanent(enum smtp_verdict v)
{
    return (unsigned)v < SMTP_VERDICTS && verdicts[v][0] == '5';
}

const char *smtp_verdict_reply(enum smtp_verdict v)
{
    return verdicts[(unsigned)v < SMTP_VERDICTS ? v : SMTP_TEMP];
}

void smtp_refuse(struct smtp_server *m, struct buf *out, enum smtp_verdict v)
{
    m->count.errors++;
    buf_add_text(out, smtp_verdict_reply(v));
    buf_add_text(out, "\r\n");
}

void smtp_refuse_at(struct smtp_server *m, struct buf *out, enum smtp_at at, enum smtp_verdict v)
{
    smtp_refuse(m, out, v);
    smtp_tell(m, at, smtp_verdict_reply(v));
}

static const char *const in_the_way[STATES] = {
    [STATE_NEW] = "Say who you are first",
    [STATE_READY] = "MAIL comes first",
    [STATE_MAIL] = "A transaction is under way",
    [STATE_CHUNKS] = "A message has begun with BDAT",
};

void smtp_err_order(struct smtp_server *m, struct buf *out)
{
    smtp_err(m, out, "503 5.5.1 %s", in_the_way[m->state]);
}

/* ---- who we are */

void smtp_greet(struct smtp_server *m, struct buf *out)
{
    smtp_ok(m, out, "220 %s %s bustia ready", m->offer.hostname, m->offer.dialect == SMTP_IS_LMTP ? "LMTP" : "ESMTP");
}

void smtp_list_extensions(struct smtp_server *m, struct buf *out)
{
    const struct smtp_offer *o = &m->offer;
    char size[32];
    snprintf(size, sizeof size, "SIZE %llu", (unsigned long long)o->size_max);
    const char *const rows[] = {
        "PIPELINING",
        size,
        "8BITMIME",
        "SMTPUTF8",
        "CHUNKING",
        o->tls_offered && !o->tls_active ? "STARTTLS" : NULL,
        o->xclient ? "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT" : NULL,
    };
    smtp_ok(m, out, "250-%s", o->hostname);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i])
            smtp_ok(m, out, "250-%s", rows[i]);
    smtp_ok(m, out, "250 ENHANCEDSTATUSCODES");
}
