/* pop3_client: see the header. Runs in the collector and in the reader. */
#include "wire/pop3_client_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* ---- the end */

static void forget_secrets(struct pop3_client *m)
{
    secret_line_end(&m->secret);
    secret_line_end(&m->later);
}

void pop3_client_fail(struct pop3_client *m, enum err_kind kind, const char *format, ...)
{
    char text[ERR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&m->err, kind, "%s", text);
    forget_secrets(m);
    m->step = STEP_CLOSE;
}

const char *pop3_client_words(struct span text)
{
    enum { SHOWN = 120 };
    return log_escape((struct span){text.p, text.n < SHOWN ? text.n : SHOWN});
}

/* Answers that were not asked for would be taken for those to the next questions. */
static void fail_unasked(struct pop3_client *m, struct span in)
{
    struct span line = span_cut(&in, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (m->step == STEP_TLS)
        pop3_client_fail(m, ERR_INPUT,
                         "the server says something between its answer to STLS and TLS: it is not believed");
    else
        pop3_client_fail(m, ERR_INPUT, "the server says what was not asked for: %s", pop3_client_words(line));
}

/* ---- a server's lines */

bool pop3_client_line(struct pop3_client *m, struct buf *in, size_t max, struct span *line)
{
    size_t used;
    enum line_result r = line_next(&m->line, in, max, line, &used);
    if (r == LINE_WHOLE)
        buf_take(in, used);
    else if (r == LINE_TOO_LONG)
        pop3_client_fail(m, ERR_LIMIT, "a line of the server's has more than %zu octets", max);
    return r == LINE_WHOLE;
}

/* "[SYS/TEMP] text" */
static enum pop3_code code_of(const struct pop3_client *m, struct span text)
{
    static const char *const names[] = {[POP3_CODE_IN_USE] = "IN-USE",
                                        [POP3_CODE_LOGIN_DELAY] = "LOGIN-DELAY",
                                        [POP3_CODE_SYS_TEMP] = "SYS/TEMP",
                                        [POP3_CODE_SYS_PERM] = "SYS/PERM",
                                        [POP3_CODE_AUTH] = "AUTH"};
    if (text.n == 0 || text.p[0] != '[' || !memchr(text.p, ']', text.n))
        return POP3_CODE_NONE;
    text = span_from(text, 1);
    struct span name = span_cut(&text, ']');
    for (unsigned c = POP3_CODE_IN_USE; c <= POP3_CODE_AUTH; c++) {
        size_t n = strlen(names[c]);
        bool announced = m->capa.resp_codes || (c == POP3_CODE_AUTH && m->capa.auth_resp_code);
        if (announced && name.n >= n && span_is_nocase((struct span){name.p, n}, names[c]) &&
            (name.n == n || name.p[n] == '/'))
            return (enum pop3_code)c;
    }
    return POP3_CODE_NONE;
}

/* Upper case is a must (RFC 1939 §3). */
bool pop3_client_status(struct pop3_client *m, struct span line, struct pop3_client_said *said)
{
    struct span rest = line, word = span_cut(&rest, ' ');
    *said = (struct pop3_client_said){.text = rest.p ? rest : (struct span){"", 0}, .ok = span_is(word, "+OK")};
    if (!said->ok && !span_is(word, "-ERR")) {
        pop3_client_fail(m, ERR_INPUT, "the server's answer is neither +OK nor -ERR: %s", pop3_client_words(line));
        return false;
    }
    if (!said->ok)
        said->code = code_of(m, said->text);
    return true;
}

void pop3_client_refused(struct pop3_client *m, const struct pop3_client_said *said)
{
    forget_secrets(m);
    m->err = (struct err){0};
    m->got = (struct pop3_got){.text = said->text, .code = said->code};
    m->step = STEP_REFUSED;
}

struct span pop3_client_word(struct span *rest)
{
    while (rest->n && rest->p[0] == ' ')
        *rest = span_from(*rest, 1);
    return span_cut(rest, ' ');
}

/* ---- feed */

void pop3_client_say(struct pop3_client *m, const char *command, enum pop3_client_step step)
{
    m->saying = command;
    m->step = (int)step;
    m->unsent = true;
}

struct row {
    pop3_client_got_line *got;
    enum pop3_client_want want; /* while nothing more has come */
    size_t max;                 /* octets of a line */
};

/* clang-format off */
static const struct row rows[] = {
    [STEP_GREETING]  = {pop3_client_got_greeting,  POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_CAPA]      = {pop3_client_got_capa,      POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_CAPA_ROWS] = {pop3_client_got_capa_row,  POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_START]     = {NULL,                      POP3_CLIENT_WANT_START,    0},
    [STEP_UTF8]      = {pop3_client_got_utf8,      POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_STLS]      = {pop3_client_got_stls,      POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_TLS]       = {NULL,                      POP3_CLIENT_WANT_TLS,      0},
    [STEP_USER]      = {pop3_client_got_user,      POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_LOGIN]     = {pop3_client_got_login,     POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_SASL]      = {pop3_client_got_sasl,      POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_CHALLENGE_MAX},
    [STEP_RESPONSE]  = {NULL,                      POP3_CLIENT_WANT_RESPONSE, 0},
    [STEP_CANCELLED] = {pop3_client_got_cancelled, POP3_CLIENT_WANT_INPUT,    POP3_CLIENT_LINE_MAX},
    [STEP_REFUSED]   = {NULL,                      POP3_CLIENT_WANT_REFUSED,  0},
};
/* clang-format on */

/* What is asked in AUTHORIZATION. false: there is no room for all of it. */
static bool send_asked(struct pop3_client *m, struct buf *out)
{
    if (m->unsent && buf_room(out) == 0)
        return false;
    if (m->saying && !buf_add_text(out, m->saying))
        return false;
    m->saying = NULL;
    m->unsent = false;
    return secret_line_send(&m->secret, out);
}

/* One line of AUTHORIZATION. false: *want is what the owner is told. */
static bool authorize(struct pop3_client *m, struct buf *in, struct buf *out, enum pop3_client_want *want)
{
    const struct row *row = &rows[m->step];
    struct span line = {"", 0};
    *want = row->want;
    if (!row->got)
        return false;
    if (!send_asked(m, out)) {
        *want = POP3_CLIENT_WANT_ROOM;
        return false;
    }
    if (!pop3_client_line(m, in, row->max, &line))
        return m->step == STEP_CLOSE;
    row->got(m, line, in);
    return true;
}

/* One answer of TRANSACTION, or a part of it. Answers come before questions: what is known decides what is asked. */
static bool transact(struct pop3_client *m, struct buf *in, struct buf *out, enum pop3_client_want *want)
{
    if (m->unsent && !pop3_client_send_command(m, out)) {
        *want = POP3_CLIENT_WANT_ROOM;
        return false;
    }
    if (m->count && pop3_client_answer(m, in, want))
        return false;
    *want = pop3_client_may_ask(m) ? POP3_CLIENT_WANT_COMMAND : POP3_CLIENT_WANT_INPUT;
    return m->step == STEP_CLOSE;
}

/* Nothing that was said is open, and still there is something. */
static bool is_unasked(const struct pop3_client *m, const struct buf *in)
{
    bool open = m->step >= STEP_OPEN ? m->count > m->unsent : rows[m->step].got && !m->unsent;
    return in->len && !open;
}

enum pop3_client_want pop3_client_feed(struct pop3_client *m, struct buf *in, struct buf *out)
{
    enum pop3_client_want want;
    while (m->step != STEP_CLOSE) {
        if (is_unasked(m, in))
            fail_unasked(m, buf_span(in));
        else if (!(m->step < STEP_OPEN ? authorize : transact)(m, in, out, &want))
            return want;
    }
    return POP3_CLIENT_WANT_CLOSE;
}

/* ---- the owner's side */

void pop3_client_init(struct pop3_client *m, bool secure, const struct pop3_client_limits *limits)
{
    *m = (struct pop3_client){.secure = secure, .step = STEP_GREETING};
    if (limits)
        m->limits = *limits;
    if (m->limits.rows == 0)
        m->limits.rows = 1000000;
    if (m->limits.window == 0 || m->limits.window > POP3_CLIENT_WINDOW)
        m->limits.window = POP3_CLIENT_WINDOW;
    line_init(&m->line);
}

void pop3_client_fini(struct pop3_client *m)
{
    forget_secrets(m);
}
