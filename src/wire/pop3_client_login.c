/* pop3_client_login: AUTHORIZATION: greeting, STLS (RFC 2595 §4), USER and PASS, APOP (RFC 1939 §7), SASL (RFC 5034).
 * Runs in the collector and in the reader. */
#include "wire/pop3_client_parts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "wire/sasl_line.h"

enum { COMMAND_MAX = 255 /* octets of a command line (RFC 2449 §4) */ };

/* ---- greeting */

/* "<process-ID.clock@hostname>" (RFC 1939 §7), printable; the digest depends on every octet of it. */
static bool is_stamp(struct span s)
{
    bool at = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '<')
            return false;
        at = at || s.p[i] == '@';
    }
    return at;
}

static void find_stamp(struct pop3_client *m, struct span text)
{
    while (text.n) {
        span_cut(&text, '<');
        const char *end = text.n ? memchr(text.p, '>', text.n) : NULL;
        size_t n = end ? (size_t)(end - text.p) : 0;
        if (n && n + sizeof "<>" <= sizeof m->stamp && is_stamp((struct span){text.p, n})) {
            snprintf(m->stamp, sizeof m->stamp, "<%.*s>", (int)n, text.p);
            return;
        }
    }
}

void pop3_client_got_greeting(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (!pop3_client_status(m, line, &said))
        return;
    if (!said.ok) {
        pop3_client_fail(m, ERR_TEMP, "the server refuses the connection: %s", pop3_client_words(said.text));
        return;
    }
    find_stamp(m, said.text);
    pop3_client_ask_capa(m);
}

/* ---- what is not said */

static bool may_choose(const struct pop3_client *m)
{
    return m->step == STEP_START || m->step == STEP_REFUSED;
}

static void refuse_here(struct pop3_client *m, const char *why)
{
    const struct pop3_client_said said = {.text = span_of(why)};
    pop3_client_refused(m, &said);
    err_set(&m->err, ERR_INPUT, "%s", why);
}

static bool is_name(const char *user)
{
    size_t n = strlen(user);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)user[i] < ' ' || user[i] == 0x7F)
            return false;
    return n >= 1 && n <= POP3_CLIENT_NAME_MAX;
}

static bool is_line(struct span password)
{
    return password.n == 0 || (!memchr(password.p, '\r', password.n) && !memchr(password.p, '\n', password.n) &&
                               !memchr(password.p, '\0', password.n));
}

/* ---- UTF8 */

void pop3_client_utf8(struct pop3_client *m)
{
    assert(may_choose(m));
    pop3_client_say(m, "UTF8\r\n", STEP_UTF8);
}

/* A server that announces it and then will not is one without it. */
void pop3_client_got_utf8(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (pop3_client_status(m, line, &said))
        m->step = STEP_START;
}

/* ---- STLS */

void pop3_client_stls(struct pop3_client *m)
{
    assert(may_choose(m) && !m->secure);
    pop3_client_say(m, "STLS\r\n", STEP_STLS);
}

void pop3_client_got_stls(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (!pop3_client_status(m, line, &said))
        return;
    if (said.ok)
        m->step = STEP_TLS;
    else
        pop3_client_refused(m, &said);
}

/* What was said in the clear may be anybody's, and is forgotten. The timestamp is not said again (RFC 2595 §4: no new
 * greeting); it decides nothing, and the digest over it is seen by the server alone. */
void pop3_client_secured(struct pop3_client *m)
{
    assert(m->step == STEP_TLS);
    m->secure = true;
    m->capa = (struct pop3_capa){0};
    pop3_client_ask_capa(m);
}

/* ---- USER and PASS, APOP */

static void log_in(struct pop3_client *m)
{
    m->logged_in = true;
    m->err = (struct err){0};
    pop3_client_ask_capa(m);
}

void pop3_client_pass(struct pop3_client *m, const char *user, struct span password)
{
    assert(may_choose(m));
    if (!is_name(user) || !is_line(password)) {
        refuse_here(m, "the name or the password has octets in it that POP3 cannot carry");
        return;
    }
    secret_line_set(&m->secret, "USER ", span_of(user));
    secret_line_set(&m->later, "PASS ", password);
    pop3_client_say(m, NULL, STEP_USER);
}

void pop3_client_got_user(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (!pop3_client_status(m, line, &said))
        return;
    if (!said.ok) {
        pop3_client_refused(m, &said);
        return;
    }
    m->secret = m->later;
    m->later = (struct secret_line){0};
    pop3_client_say(m, NULL, STEP_LOGIN);
}

void pop3_client_apop(struct pop3_client *m, const char *user, struct span secret)
{
    unsigned char digest[DIGEST_MD5];
    char hex[2 * DIGEST_MD5 + 1], name_and_digest[POP3_CLIENT_NAME_MAX + sizeof hex + 1];
    assert(may_choose(m));
    if (!*m->stamp || !is_name(user) || strchr(user, ' ')) {
        refuse_here(m, *m->stamp ? "the name has octets in it that APOP cannot carry" : "the server offers no APOP");
        return;
    }
    digest_md5(span_of(m->stamp), secret, digest);
    digest_hex(digest, sizeof digest, hex);
    int n = snprintf(name_and_digest, sizeof name_and_digest, "%s %s", user, hex);
    secret_line_set(&m->secret, "APOP ", (struct span){name_and_digest, (size_t)n});
    pop3_client_say(m, NULL, STEP_LOGIN);
}

void pop3_client_got_login(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (!pop3_client_status(m, line, &said))
        return;
    if (said.ok)
        log_in(m);
    else
        pop3_client_refused(m, &said);
}

/* ---- SASL */

void pop3_client_sasl(struct pop3_client *m, const char *mechanism, struct span initial, bool own_line)
{
    assert(may_choose(m));
    if (sasl_line_begin(&m->secret, &m->later, mechanism, initial, COMMAND_MAX, own_line))
        pop3_client_say(m, NULL, STEP_SASL);
    else
        refuse_here(m, "that is no name of a SASL mechanism");
}

/* "+ " and the challenge. Where the initial response waits for it, the challenge says nothing (RFC 5034 §4), and some
 * servers put words there: they are not looked at. */
static void got_challenge(struct pop3_client *m, struct span text)
{
    if (m->later.p) {
        m->secret = m->later;
        m->later = (struct secret_line){0};
        pop3_client_say(m, NULL, STEP_SASL);
    } else if (sasl_line_challenge(&text)) {
        m->challenge = text;
        m->step = STEP_RESPONSE;
    } else {
        pop3_client_fail(m, ERR_INPUT, "the server's challenge is not base64");
    }
}

void pop3_client_got_sasl(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    struct span rest = line;
    if (span_is(span_cut(&rest, ' '), "+"))
        got_challenge(m, rest);
    else if (!pop3_client_status(m, line, &said))
        return;
    else if (!said.ok)
        pop3_client_refused(m, &said);
    else if (m->later.p)
        pop3_client_fail(m, ERR_INPUT, "the server accepts what it has not been told");
    else
        log_in(m);
}

void pop3_client_respond(struct pop3_client *m, struct span response)
{
    assert(m->step == STEP_RESPONSE);
    secret_line_set_base64(&m->secret, "", response, "");
    pop3_client_say(m, NULL, STEP_SASL);
}

void pop3_client_cancel(struct pop3_client *m)
{
    assert(m->step == STEP_RESPONSE);
    pop3_client_say(m, "*\r\n", STEP_CANCELLED);
}

void pop3_client_got_cancelled(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (!pop3_client_status(m, line, &said))
        return;
    if (said.ok)
        pop3_client_fail(m, ERR_INPUT, "the server accepts an exchange that was cancelled");
    else
        pop3_client_refused(m, &said);
}
