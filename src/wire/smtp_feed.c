/* smtp_server: see the header. Runs in the door. */
#include "wire/smtp_parts.h"

#include <assert.h>

#include "base/mem.h"

void smtp_server_init(struct smtp_server *m, const struct smtp_offer *offer, struct buf *out)
{
    *m = (struct smtp_server){.offer = *offer, .step = STEP_COMMAND, .state = STATE_NEW};
    line_init_crlf(&m->line);
    smtp_greet(m, out);
}

void smtp_server_fini(struct smtp_server *m)
{
    mem_free(m->verdicts);
    m->verdicts = NULL;
    m->step = STEP_CLOSE;
}

void smtp_end_transaction(struct smtp_server *m, bool told)
{
    bool open = m->state == STATE_MAIL || m->state == STATE_CHUNKS;
    if (open && !told && m->refused == SMTP_OK)
        m->reset_due = true;
    if (open)
        m->state = STATE_READY;
    m->mail = (struct smtp_mail){0};
    m->refused = SMTP_OK;
    m->decided = m->answered = 0;
}

/* ---- feed */

/* One line is read and answered, if there is a whole one and room for a reply. */
static bool run_line(struct smtp_server *m, struct buf *in, struct buf *out, enum smtp_want *want)
{
    struct span line;
    size_t used;
    *want = SMTP_WANT_ROOM;
    if (!smtp_room(out))
        return false;
    enum line_result r = line_next(&m->line, in, SMTP_LINE_MAX, &line, &used);
    if (r == LINE_NONE) {
        *want = SMTP_WANT_INPUT;
        return false;
    }
    if (r == LINE_TOO_LONG) {
        smtp_err(m, out, "500 5.5.2 A command has at most %d octets", SMTP_LINE_MAX);
        smtp_close_if_chunk(m, line);
        return true;
    }
    smtp_command(m, line, out);
    buf_take(in, used);
    return true;
}

enum smtp_want smtp_server_feed(struct smtp_server *m, struct buf *in, struct buf *out)
{
    enum smtp_want want;
    for (;;) {
        if (m->reset_due) {
            m->reset_due = false;
            return SMTP_WANT_RESET;
        }
        switch ((enum smtp_step)m->step) {
        case STEP_COMMAND:
            if (!run_line(m, in, out, &want))
                return want;
            break;
        case STEP_MAIL:
            return SMTP_WANT_MAIL;
        case STEP_RCPT:
            return SMTP_WANT_RCPT;
        case STEP_MESSAGE:
            return SMTP_WANT_MESSAGE;
        case STEP_PIECE:
            return SMTP_WANT_PIECE;
        case STEP_DATA:
        case STEP_CHUNK:
            buf_take(in, m->taken); /* what the last piece was */
            m->taken = 0;
            if (!smtp_run_message(m, in, out, &want))
                return want;
            break;
        case STEP_SKIP:
        case STEP_WHOLE:
        case STEP_DELIVER:
        case STEP_REFUSED:
            if (!smtp_run_message(m, in, out, &want))
                return want;
            break;
        case STEP_TLS: /* what came with STARTTLS in the clear is never read (RFC 3207 §4.2) */
            buf_wipe(in);
            line_init_crlf(&m->line);
            return SMTP_WANT_TLS;
        case STEP_CLOSE:
            return SMTP_WANT_CLOSE;
        }
    }
}

bool smtp_server_in_line(const struct smtp_server *m, const struct buf *in)
{
    return m->step == STEP_COMMAND && (m->line.discarding || in->len > 0);
}

bool smtp_server_in_message(const struct smtp_server *m)
{
    return m->step == STEP_DATA || m->step == STEP_CHUNK || m->step == STEP_SKIP || m->step == STEP_PIECE;
}

bool smtp_server_answering(const struct smtp_server *m)
{
    return m->step == STEP_WHOLE || m->step == STEP_DELIVER || m->step == STEP_REFUSED;
}

/* ---- the owner's answers */

void smtp_server_mail(struct smtp_server *m, enum smtp_verdict v, struct buf *out)
{
    assert(m->step == STEP_MAIL);
    m->step = STEP_COMMAND;
    if (v == SMTP_OK) {
        m->state = STATE_MAIL;
        smtp_ok(m, out, "250 2.1.0 The sender is noted");
    } else {
        smtp_refuse_at(m, out, SMTP_AT_MAIL, v);
        m->mail = (struct smtp_mail){0};
    }
}

/* RFC 5321 §7.3: RCPT tells who exists, to senders of mail and not to who tries names. A list whose members have left
 * is no such attempt: each recipient that is here allows for one that is not, in this message and in those delivered.
 * What XCLIENT may still attribute to anybody is counted for nobody. */
bool smtp_server_guesses(const struct smtp_server *m)
{
    bool counted = m->offer.unknown_max && (!m->offer.xclient || *m->peer.address);
    return counted && m->count.unknown > m->offer.unknown_max + m->reached + m->mail.recipients;
}

void smtp_server_rcpt(struct smtp_server *m, enum smtp_verdict v, struct buf *out)
{
    assert(m->step == STEP_RCPT);
    m->step = STEP_COMMAND;
    if (v == SMTP_OK) {
        m->mail.recipients++;
        smtp_ok(m, out, "250 2.1.5 The recipient is noted");
        return;
    }
    m->mail.refused++;
    m->count.unknown += v == SMTP_NOBODY || v == SMTP_NOT_OURS || v == SMTP_DISABLED;
    if (smtp_server_guesses(m) && m->mail.recipients == 0)
        smtp_end_guesses(m, out, SMTP_AT_RCPT);
    else
        smtp_refuse_at(m, out, SMTP_AT_RCPT, v);
}

void smtp_server_message(struct smtp_server *m, enum smtp_verdict v, struct buf *out)
{
    assert(m->step == STEP_MESSAGE);
    smtp_body_init(&m->body);
    if (m->chunked) {
        m->state = STATE_CHUNKS;
        m->step = STEP_CHUNK;
        if (v != SMTP_OK)
            smtp_refuse_message(m, v);
    } else if (v == SMTP_OK) {
        m->step = STEP_DATA;
        smtp_ok(m, out, "354 Send the message, and a line with a dot alone");
    } else {
        m->step = STEP_COMMAND;
        smtp_refuse_at(m, out, SMTP_AT_MESSAGE, v);
    }
}

void smtp_server_piece(struct smtp_server *m, enum smtp_verdict v, struct buf *out)
{
    assert(m->step == STEP_PIECE);
    m->step = m->chunked ? STEP_CHUNK : STEP_DATA;
    m->piece = (struct span){"", 0};
    if (v != SMTP_OK)
        smtp_refuse_message(m, v);
}

void smtp_server_secured(struct smtp_server *m, const struct smtp_offer *offer)
{
    assert(m->step == STEP_TLS);
    m->offer = *offer;
    m->peer = (struct smtp_peer){0};
    m->helo_given = m->proto_given = false;
    m->state = STATE_NEW;
    m->step = STEP_COMMAND;
}

void smtp_server_stop(struct smtp_server *m, const char *text, struct buf *out)
{
    bool sayable = m->step != STEP_TLS && m->step != STEP_CLOSE; /* a handshake is awaited, or nothing more */
    if (sayable && buf_room(out) >= SMTP_REPLY_MAX)
        smtp_ok(m, out, "421 4.3.2 %s", text);
    m->step = STEP_CLOSE;
    m->reset_due = false;
}
