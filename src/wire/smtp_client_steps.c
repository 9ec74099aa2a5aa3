/* smtp_client_steps: what the client asks and what the answers mean, in the order of the RFC. Runs in the tool. */
#include "wire/smtp_client_parts.h"

#include <stdio.h>

#include "wire/sasl_line.h"
#include "wire/smtp_address.h"

void smtp_client_enter(struct smtp_client *m, enum smtp_client_step step)
{
    m->step = (int)step;
    m->asked = m->at = 0;
    smtp_client_forget_reply(m);
}

void smtp_client_fail_with_reply(struct smtp_client *m, const char *what)
{
    enum err_kind kind = m->code >= 500 ? ERR_PERM : m->code >= 400 ? ERR_TEMP : ERR_INPUT;
    err_set(&m->err, kind, "the server answers %s with %u %.150s", what, m->code, m->reply);
    smtp_client_enter(m, STEP_CLOSE);
}

bool smtp_client_is_yes(const struct smtp_client *m)
{
    return m->code >= 200 && m->code < 300;
}

bool smtp_client_is_no(const struct smtp_client *m)
{
    return m->code >= 400;
}

/* ---- the recipients */

void smtp_client_settle(struct smtp_client_rcpt *r, unsigned code, const char *text)
{
    r->code = code;
    snprintf(r->text, sizeof r->text, "%.*s", (int)sizeof r->text - 1, text);
}

/* Those who were to get it are told what the server says. */
static void settle_accepted(struct smtp_client *m)
{
    for (unsigned i = 0; i < m->mail->count; i++)
        if (m->mail->rcpts[i].accepted)
            smtp_client_settle(&m->mail->rcpts[i], m->code, m->reply);
}

const char *smtp_client_why_not(const struct smtp_client *m, const char *address, bool sender)
{
    char path[SMTP_ADDRESS_TEXT + 2];
    struct smtp_address a;
    int n = snprintf(path, sizeof path, "<%s>", address);
    struct span in = {path, (size_t)n};
    if (n < 0 || (size_t)n >= sizeof path || !smtp_address_take(&in, &a) || in.n || (!sender && !*address))
        return sender ? "5.1.7 That is no sender" : "5.1.3 That is no recipient";
    if (a.utf8 && !(m->mail->utf8 && m->utf8_ok))
        return "5.6.7 The server takes no addresses beyond ASCII";
    return NULL;
}

/* ---- asking */

bool smtp_client_ask(struct smtp_client *m, struct buf *out, const char *line)
{
    if (m->asked == 0 && !buf_add_text(out, line))
        return false;
    m->asked = 1;
    return true;
}

bool smtp_client_ask_nothing(struct smtp_client *m, struct buf *out)
{
    return true;
}

static bool ask_hello(struct smtp_client *m, struct buf *out)
{
    char line[sizeof m->helo + 10];
    const char *word = m->step == STEP_HELO ? "HELO" : m->lmtp ? "LHLO" : "EHLO";
    snprintf(line, sizeof line, "%s %s\r\n", word, m->helo);
    return smtp_client_ask(m, out, line);
}

static bool ask_mail(struct smtp_client *m, struct buf *out)
{
    const struct smtp_client_mail *mail = m->mail;
    char size[40] = "";
    if (m->size_ok && mail->size)
        snprintf(size, sizeof size, " SIZE=%llu", (unsigned long long)mail->size);
    return buf_addf(out, "MAIL FROM:<%s>%s%s%s\r\n", mail->from, size,
                    mail->eight_bit && m->eight_bit_ok ? " BODY=8BITMIME" : "",
                    mail->utf8 && m->utf8_ok ? " SMTPUTF8" : "");
}

unsigned smtp_client_next_rcpt(const struct smtp_client *m, unsigned from)
{
    while (from <= m->mail->count && smtp_client_why_not(m, m->mail->rcpts[from - 1].address, false))
        from++;
    return from;
}

static bool ask_envelope(struct smtp_client *m, struct buf *out)
{
    while (m->asked <= m->mail->count && m->asked < m->at + (m->pipelining ? SMTP_CLIENT_WINDOW : 1)) {
        if (m->refused)
            break;
        bool added =
            m->asked == 0 ? ask_mail(m, out) : buf_addf(out, "RCPT TO:<%s>\r\n", m->mail->rcpts[m->asked - 1].address);
        if (!added)
            return m->asked > m->at; /* an answer is awaited; then there will be room */
        m->asked = smtp_client_next_rcpt(m, m->asked + 1);
    }
    return true;
}

static bool ask_data(struct smtp_client *m, struct buf *out)
{
    return smtp_client_ask(m, out, "DATA\r\n");
}

static bool ask_end(struct smtp_client *m, struct buf *out)
{
    char end[8];
    if (m->asked)
        return true;
    if (buf_room(out) < sizeof end)
        return false;
    buf_add(out, end, dot_finish(&m->body, end));
    m->asked = 1;
    return true;
}

static bool ask_reset(struct smtp_client *m, struct buf *out)
{
    return smtp_client_ask(m, out, "RSET\r\n");
}

static bool ask_quit(struct smtp_client *m, struct buf *out)
{
    return smtp_client_ask(m, out, "QUIT\r\n");
}

/* ---- what the answer means */

static void got_greeting(struct smtp_client *m)
{
    if (smtp_client_is_yes(m))
        smtp_client_enter(m, STEP_EHLO);
    else
        smtp_client_fail_with_reply(m, "the connection");
}

/* A line of EHLO's reply; the first is a name, which no keyword equals (RFC 5321 §4.1.1.1). */
void smtp_client_got_extension(struct smtp_client *m, struct span text)
{
    struct {
        const char *word;
        bool *known;
    } words[] = {{"PIPELINING", &m->pipelining},
                 {"SIZE", &m->size_ok},
                 {"8BITMIME", &m->eight_bit_ok},
                 {"SMTPUTF8", &m->utf8_ok},
                 {"STARTTLS", &m->starttls}};
    struct span word = span_cut(&text, ' ');
    if (m->lines == 1 || !smtp_client_is_yes(m))
        return;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is_nocase(word, words[i].word))
            *words[i].known = true;
    if (span_is_nocase(word, "SIZE") && !span_number(text, &m->size_max))
        m->size_max = 0;
    if (span_is_nocase(word, "AUTH"))
        sasl_line_mechanisms(m->auth, sizeof m->auth, text);
}

static void got_ehlo(struct smtp_client *m)
{
    if (smtp_client_is_yes(m))
        smtp_client_greeted(m);
    else if (m->code >= 500 && !m->lmtp)
        smtp_client_enter(m, STEP_HELO);
    else
        smtp_client_fail_with_reply(m, m->lmtp ? "LHLO" : "EHLO");
}

static void got_helo(struct smtp_client *m)
{
    if (smtp_client_is_yes(m))
        smtp_client_greeted(m);
    else
        smtp_client_fail_with_reply(m, "HELO");
}

static void got_mail(struct smtp_client *m)
{
    m->refused = smtp_client_is_no(m);
    m->reset_due = !m->refused;
    for (unsigned i = 0; m->refused && i < m->mail->count; i++)
        if (m->mail->rcpts[i].code == 0)
            smtp_client_settle(&m->mail->rcpts[i], m->code, m->reply);
}

static void got_rcpt(struct smtp_client *m, struct smtp_client_rcpt *r)
{
    if (m->refused)
        return;
    r->accepted = smtp_client_is_yes(m);
    if (!r->accepted)
        smtp_client_settle(r, m->code, m->reply);
}

static bool any_accepted(const struct smtp_client *m)
{
    for (unsigned i = 0; i < m->mail->count; i++)
        if (m->mail->rcpts[i].accepted)
            return true;
    return false;
}

static void got_envelope(struct smtp_client *m)
{
    if (!smtp_client_is_yes(m) && !smtp_client_is_no(m)) {
        smtp_client_fail_with_reply(m, m->at ? "RCPT" : "MAIL");
        return;
    }
    if (m->at == 0)
        got_mail(m);
    else
        got_rcpt(m, &m->mail->rcpts[m->at - 1]);
    m->at = smtp_client_next_rcpt(m, m->at + 1);
    if (m->at <= m->mail->count && !(m->refused && m->at >= m->asked))
        smtp_client_forget_reply(m);
    else
        smtp_client_enter(m, any_accepted(m) ? STEP_DATA : STEP_RESULT);
}

static void got_data(struct smtp_client *m)
{
    if (m->code == 354) {
        dot_init(&m->body, false);
        smtp_client_enter(m, STEP_BODY);
    } else if (smtp_client_is_no(m)) {
        settle_accepted(m);
        smtp_client_enter(m, STEP_RESULT);
    } else {
        smtp_client_fail_with_reply(m, "DATA");
    }
}

/* A server that speaks before the message has ended can only mean that it wants no more of it. */
static void got_early(struct smtp_client *m)
{
    if (smtp_client_is_no(m))
        settle_accepted(m);
    smtp_client_fail_with_reply(m, "a message that has not ended");
}

static void got_end(struct smtp_client *m)
{
    if (!smtp_client_is_yes(m) && !smtp_client_is_no(m)) {
        smtp_client_fail_with_reply(m, "the message");
        return;
    }
    m->reset_due = false;
    if (!m->lmtp) {
        settle_accepted(m);
        smtp_client_enter(m, STEP_RESULT);
        return;
    }
    while (!m->mail->rcpts[m->at].accepted) /* RFC 2033 §4.2: in the order of those accepted */
        m->at++;
    smtp_client_settle(&m->mail->rcpts[m->at++], m->code, m->reply);
    while (m->at < m->mail->count && !m->mail->rcpts[m->at].accepted)
        m->at++;
    if (m->at < m->mail->count)
        smtp_client_forget_reply(m);
    else
        smtp_client_enter(m, STEP_RESULT);
}

static void got_unasked(struct smtp_client *m)
{
    smtp_client_fail_with_reply(m, "nothing");
}

/* 421: the server closes (RFC 5321 §3.8). As long as the final dot has not been sent nobody has got anything. */
void smtp_client_got_closing(struct smtp_client *m)
{
    bool under_way = m->step == STEP_ENVELOPE || m->step == STEP_DATA || m->step == STEP_BODY;
    err_set(&m->err, ERR_TEMP, "the server ends the session: %u %.150s", m->code, m->reply);
    for (unsigned i = 0; under_way && i < m->mail->count; i++)
        if (m->mail->rcpts[i].code == 0)
            smtp_client_settle(&m->mail->rcpts[i], m->code, m->reply);
    if (m->step == STEP_END)
        got_end(m);
    if (m->step == STEP_RESULT)
        m->err = (struct err){0}; /* nothing is missing; the end will be seen at the next question */
    else
        smtp_client_enter(m, STEP_CLOSE);
}

static void got_reset(struct smtp_client *m)
{
    m->reset_due = false;
    if (smtp_client_is_yes(m))
        smtp_client_enter(m, STEP_READY);
    else
        smtp_client_fail_with_reply(m, "RSET");
}

static void got_quit(struct smtp_client *m)
{
    smtp_client_enter(m, STEP_CLOSE);
}

/* clang-format off */
const struct smtp_client_pair smtp_client_steps[] = {
    [STEP_GREETING] = {smtp_client_ask_nothing,  got_greeting,             SMTP_CLIENT_WANT_INPUT},
    [STEP_EHLO]     = {ask_hello,                got_ehlo,                 SMTP_CLIENT_WANT_INPUT},
    [STEP_HELO]     = {ask_hello,                got_helo,                 SMTP_CLIENT_WANT_INPUT},
    [STEP_STARTTLS] = {smtp_client_ask_starttls, smtp_client_got_starttls, SMTP_CLIENT_WANT_INPUT},
    [STEP_TLS]      = {smtp_client_ask_nothing,  got_unasked,              SMTP_CLIENT_WANT_TLS},
    [STEP_AUTH]     = {smtp_client_ask_auth,     smtp_client_got_auth,     SMTP_CLIENT_WANT_INPUT},
    [STEP_RESPONSE] = {smtp_client_ask_nothing,  got_unasked,              SMTP_CLIENT_WANT_RESPONSE},
    [STEP_CANCEL]   = {smtp_client_ask_cancel,   smtp_client_got_cancel,   SMTP_CLIENT_WANT_INPUT},
    [STEP_REFUSED]  = {smtp_client_ask_nothing,  got_unasked,              SMTP_CLIENT_WANT_REFUSED},
    [STEP_READY]    = {smtp_client_ask_nothing,  got_unasked,              SMTP_CLIENT_WANT_MAIL},
    [STEP_ENVELOPE] = {ask_envelope,             got_envelope,             SMTP_CLIENT_WANT_INPUT},
    [STEP_DATA]     = {ask_data,                 got_data,                 SMTP_CLIENT_WANT_INPUT},
    [STEP_BODY]     = {smtp_client_ask_nothing,  got_early,                SMTP_CLIENT_WANT_BODY},
    [STEP_END]      = {ask_end,                  got_end,                  SMTP_CLIENT_WANT_INPUT},
    [STEP_RESULT]   = {smtp_client_ask_nothing,  got_unasked,              SMTP_CLIENT_WANT_RESULT},
    [STEP_RESET]    = {ask_reset,                got_reset,                SMTP_CLIENT_WANT_INPUT},
    [STEP_QUIT]     = {ask_quit,                 got_quit,                 SMTP_CLIENT_WANT_INPUT},
};
/* clang-format on */
