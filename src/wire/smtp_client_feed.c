/* smtp_client: see the header. Runs in the tool. */
#include "wire/smtp_client_parts.h"

#include <assert.h>
#include <stdio.h>

enum smtp_client_want smtp_client_feed(struct smtp_client *m, struct buf *in, struct buf *out)
{
    while (m->step != STEP_CLOSE) {
        struct span text;
        size_t used;
        if (m->step == STEP_RESULT || m->step == STEP_REFUSED)
            return smtp_client_steps[m->step].want; /* whatever the server says behind it */
        if (smtp_client_is_injected(m, in)) {
            err_set(&m->err, ERR_INPUT, "the server says what was not asked for: it is not believed");
            smtp_client_enter(m, STEP_CLOSE);
            break;
        }
        if (!smtp_client_steps[m->step].ask(m, out))
            return SMTP_CLIENT_WANT_ROOM;
        enum smtp_client_got got = smtp_client_line(m, in, &text, &used);
        if (got == GOT_NONE)
            return smtp_client_steps[m->step].want;
        if (got == GOT_WRONG) {
            smtp_client_enter(m, STEP_CLOSE);
            break;
        }
        if (m->step == STEP_EHLO)
            smtp_client_got_extension(m, text);
        if (m->step == STEP_AUTH)
            m->challenge = text;
        buf_take(in, used);
        if (got == GOT_LINE)
            continue;
        if (m->code == 421 && m->step != STEP_QUIT)
            smtp_client_got_closing(m);
        else
            smtp_client_steps[m->step].got(m);
    }
    return SMTP_CLIENT_WANT_CLOSE;
}

/* ---- the owner's side */

void smtp_client_init(struct smtp_client *m, bool lmtp, const char *helo)
{
    *m = (struct smtp_client){.lmtp = lmtp, .step = STEP_GREETING};
    snprintf(m->helo, sizeof m->helo, "%s", helo);
    line_init(&m->line);
}

void smtp_client_fini(struct smtp_client *m)
{
    secret_line_end(&m->saying);
    secret_line_end(&m->later);
}

void smtp_client_begin(struct smtp_client *m, struct smtp_client_mail *mail)
{
    assert(m->step == STEP_READY);
    m->mail = mail;
    m->refused = false;
    smtp_client_enter(m, STEP_ENVELOPE);
    const char *sender = mail->utf8 && !m->utf8_ok ? "5.6.7 The server does not know SMTPUTF8"
                                                   : smtp_client_why_not(m, mail->from, true);
    for (unsigned i = 0; i < mail->count; i++) {
        struct smtp_client_rcpt *r = &mail->rcpts[i];
        r->code = 0;
        r->text[0] = '\0';
        r->accepted = false;
        const char *wrong = sender ? sender : smtp_client_why_not(m, r->address, false);
        if (wrong)
            smtp_client_settle(r, 553, wrong);
    }
    if (sender || smtp_client_next_rcpt(m, 1) > mail->count)
        smtp_client_enter(m, STEP_RESULT); /* there is nothing to ask */
}

size_t smtp_client_body(struct smtp_client *m, struct span in, struct buf *out)
{
    assert(m->step == STEP_BODY);
    size_t taken = 0, room, wrote;
    while (taken < in.n) {
        struct span rest = span_from(in, taken);
        char *to = buf_reserve(out, rest.n * 2 + 2, &room);
        if (!to)
            break;
        size_t took = dot_encode(&m->body, rest, to, room, &wrote);
        buf_commit(out, wrote);
        taken += took;
        if (took + wrote == 0)
            break;
    }
    return taken;
}

void smtp_client_body_end(struct smtp_client *m)
{
    assert(m->step == STEP_BODY);
    smtp_client_enter(m, STEP_END);
}

void smtp_client_next(struct smtp_client *m)
{
    assert(m->step == STEP_RESULT);
    smtp_client_enter(m, m->reset_due ? STEP_RESET : STEP_READY);
}

void smtp_client_quit(struct smtp_client *m)
{
    assert(m->step == STEP_READY || m->step == STEP_REFUSED || m->step == STEP_RESULT);
    smtp_client_enter(m, STEP_QUIT);
}
