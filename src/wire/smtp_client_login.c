/* smtp_client_login: what submission says before the first transaction: STARTTLS (RFC 3207) and AUTH (RFC 4954). Runs
 * in the tool and in the collector. */
#include "wire/smtp_client_parts.h"

#include <assert.h>
#include <stdio.h>

#include "wire/sasl_line.h"

enum { COMMAND_MAX = 512 /* octets of a command line (RFC 5321 §4.5.3.1.4) */ };

bool smtp_client_is_injected(const struct smtp_client *m, const struct buf *in)
{
    bool ask = m->step == STEP_STARTTLS || m->step == STEP_AUTH || m->step == STEP_CANCEL ||
               (m->step == STEP_EHLO && m->tls == SMTP_CLIENT_STARTTLS && m->secure);
    return in->len && (m->step == STEP_TLS || (ask && m->asked == 0 && m->saying.sent == 0));
}

static void fail(struct smtp_client *m, enum err_kind kind, const char *text)
{
    err_set(&m->err, kind, "%s", text);
    smtp_client_fini(m);
    smtp_client_enter(m, STEP_CLOSE);
}

/* ---- STARTTLS */

void smtp_client_tls(struct smtp_client *m, enum smtp_client_tls tls)
{
    assert(m->step == STEP_GREETING);
    m->tls = tls;
    m->secure = tls == SMTP_CLIENT_SECURE;
}

void smtp_client_greeted(struct smtp_client *m)
{
    if (m->tls != SMTP_CLIENT_STARTTLS || m->secure)
        smtp_client_enter(m, STEP_READY);
    else if (m->starttls)
        smtp_client_enter(m, STEP_STARTTLS);
    else
        fail(m, ERR_AUTH, "the server does not offer STARTTLS, and nothing is said without it");
}

bool smtp_client_ask_starttls(struct smtp_client *m, struct buf *out)
{
    return smtp_client_ask(m, out, "STARTTLS\r\n");
}

void smtp_client_got_starttls(struct smtp_client *m)
{
    bool for_good = m->code >= 500;
    if (m->code == 220) {
        smtp_client_enter(m, STEP_TLS);
        return;
    }
    smtp_client_fail_with_reply(m, "STARTTLS");
    if (for_good)
        m->err.kind = ERR_AUTH;
}

/* RFC 3207 §4.2: what was said in the clear may be anybody's. */
void smtp_client_secured(struct smtp_client *m)
{
    assert(m->step == STEP_TLS);
    m->secure = true;
    m->pipelining = m->size_ok = m->eight_bit_ok = m->utf8_ok = m->starttls = false;
    m->size_max = 0;
    m->auth[0] = '\0';
    smtp_client_enter(m, STEP_EHLO);
}

/* ---- AUTH */

/* The words stay: they are the owner's to show. */
static void refused(struct smtp_client *m)
{
    smtp_client_fini(m);
    m->step = STEP_REFUSED;
}

void smtp_client_auth(struct smtp_client *m, const char *mechanism, struct span initial, bool own_line)
{
    assert((m->step == STEP_READY || m->step == STEP_REFUSED) && !m->authenticated);
    smtp_client_enter(m, STEP_AUTH);
    if (!sasl_line_begin(&m->saying, &m->later, mechanism, initial, COMMAND_MAX, own_line)) {
        snprintf(m->reply, sizeof m->reply, "that is no name of a SASL mechanism");
        refused(m);
    }
}

bool smtp_client_ask_auth(struct smtp_client *m, struct buf *out)
{
    if (m->asked == 0 && !secret_line_send(&m->saying, out))
        return false;
    m->asked = 1;
    return true;
}

/* Where the initial response waits for it, the challenge says nothing (RFC 4954 §4), and some servers put words there.
 */
static void got_challenge(struct smtp_client *m)
{
    if (m->lines > 1) {
        fail(m, ERR_INPUT, "the server's challenge has more than one line");
    } else if (m->later.p) {
        m->saying = m->later;
        m->later = (struct secret_line){0};
        smtp_client_enter(m, STEP_AUTH);
    } else if (sasl_line_challenge(&m->challenge)) {
        smtp_client_enter(m, STEP_RESPONSE);
    } else {
        fail(m, ERR_INPUT, "the server's challenge is not base64");
    }
}

void smtp_client_got_auth(struct smtp_client *m)
{
    if (m->code == 334) {
        got_challenge(m);
    } else if (smtp_client_is_no(m)) {
        refused(m);
    } else if (m->later.p || !smtp_client_is_yes(m)) {
        smtp_client_fini(m);
        smtp_client_fail_with_reply(m, "AUTH");
    } else {
        m->authenticated = true;
        smtp_client_enter(m, STEP_READY);
    }
}

void smtp_client_respond(struct smtp_client *m, struct span response)
{
    assert(m->step == STEP_RESPONSE);
    secret_line_set_base64(&m->saying, "", response, "");
    smtp_client_enter(m, STEP_AUTH);
}

void smtp_client_cancel(struct smtp_client *m)
{
    assert(m->step == STEP_RESPONSE);
    smtp_client_enter(m, STEP_CANCEL);
}

bool smtp_client_ask_cancel(struct smtp_client *m, struct buf *out)
{
    return smtp_client_ask(m, out, "*\r\n");
}

void smtp_client_got_cancel(struct smtp_client *m)
{
    if (smtp_client_is_no(m))
        refused(m);
    else
        smtp_client_fail_with_reply(m, "an exchange that was cancelled");
}
