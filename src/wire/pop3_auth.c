/* pop3_auth: USER, PASS, APOP, AUTH and STLS (RFC 1939 §7, RFC 5034, RFC 2595). Runs in the door. Everything
 * secret in this machine is in this file: a password or response is copied once, lives while the owner decides,
 * and is wiped. */
#include "wire/pop3_parts.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"

enum { APOP_DIGITS = 32 };

void pop3_forget_secret(struct pop3_server *m)
{
    if (m->sasl_text)
        mem_wipe(m->sasl_text, m->sasl_len);
    mem_free(m->sasl_text);
    m->sasl_text = NULL;
    m->sasl_len = 0;
    m->auth = (struct pop3_auth){0};
}

void pop3_forget_user(struct pop3_server *m)
{
    if (m->user)
        mem_wipe(m->user, m->user_len);
    mem_free(m->user);
    m->user = NULL;
    m->user_len = 0;
}

static void keep_user(struct pop3_server *m, struct span name)
{
    assert(name.n <= POP3_NAME_MAX);
    pop3_forget_user(m);
    m->user = mem_copy(name.p, name.n);
    m->user_len = name.n;
}

/* The owner is to decide. The secret is m->sasl_text. */
static void ask(struct pop3_server *m, enum pop3_auth_how how)
{
    m->auth.how = how;
    m->auth.user = (struct span){m->user ? m->user : "", m->user_len};
    m->auth.secret = (struct span){m->sasl_text, m->sasl_len};
    m->step = STEP_AUTH;
}

/* The name is kept whether it exists or not: nobody learns here which names do (RFC 1939 §13). */
void pop3_do_user(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    keep_user(m, a->arg[0]);
    pop3_ok(m, out, SAY_SEND_PASSWORD);
}

void pop3_do_pass(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (m->user_len == 0) {
        pop3_err(m, out, "", SAY_USER_FIRST);
        return;
    }
    m->sasl_text = mem_copy(a->arg[0].p, a->arg[0].n);
    m->sasl_len = a->arg[0].n;
    ask(m, POP3_AUTH_PASS);
}

static bool is_digest(struct span s)
{
    if (s.n != APOP_DIGITS)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

void pop3_do_apop(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (!m->offer.stamp) {
        pop3_err(m, out, "", SAY_NO_APOP);
        return;
    }
    if (!is_digest(a->arg[1])) {
        pop3_err(m, out, "", SAY_DIGEST);
        return;
    }
    keep_user(m, a->arg[0]);
    m->sasl_text = mem_copy(a->arg[1].p, a->arg[1].n);
    m->sasl_len = a->arg[1].n;
    ask(m, POP3_AUTH_APOP);
}

/* The word of `list` that equals `name` in upper case, or an empty span. It lives as long as the offer. */
static struct span find_mechanism(const char *list, struct span name)
{
    struct span words = span_of(list);
    for (struct span word = pop3_next_word(&words); word.n; word = pop3_next_word(&words))
        if (word.n == name.n && strncasecmp(word.p, name.p, name.n) == 0)
            return word;
    return (struct span){"", 0};
}

/* Decodes into m->sasl_text. false: it is not base64. */
static bool decode(struct pop3_server *m, struct span text)
{
    m->sasl_text = mem_alloc(text.n / 4 * 3);
    m->sasl_len = text.n / 4 * 3;
    size_t n;
    if (base64_decode(text, m->sasl_text, &n)) {
        m->sasl_len = n;
        return true;
    }
    pop3_forget_secret(m);
    return false;
}

void pop3_do_auth(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (a->count == 0) {
        pop3_ok(m, out, SAY_MECHANISMS);
        pop3_list_begin(m, STEP_MECHANISMS);
        return;
    }
    struct span name = {"", 0};
    for (unsigned i = 0; i < POP3_OFFER_LISTS && name.n == 0; i++)
        name = find_mechanism(pop3_offer_words(m, i), a->arg[0]);
    if (name.n == 0) {
        bool shows = find_mechanism(m->offer.sasl_clear, a->arg[0]).n;
        pop3_err(m, out, "", shows ? SAY_SHOWS : SAY_NO_MECHANISM);
        return;
    }
    /* "=" is an initial response of no octets, which is not the same as none (RFC 5034 §4). */
    bool has_initial = a->count == 2;
    struct span initial = has_initial && !span_is(a->arg[1], "=") ? a->arg[1] : (struct span){"", 0};
    if (!decode(m, initial)) {
        pop3_err(m, out, "", SAY_INITIAL);
        return;
    }
    pop3_forget_user(m);
    m->auth.mechanism = name;
    m->auth.has_initial = has_initial;
    ask(m, POP3_AUTH_SASL_BEGIN);
}

static void cancel(struct pop3_server *m, struct buf *out, enum pop3_text text)
{
    pop3_err(m, out, "", text);
    m->step = STEP_CANCELLED;
}

void pop3_response(struct pop3_server *m, struct span line, struct buf *out)
{
    if (span_is(line, "*"))
        cancel(m, out, SAY_CANCELLED);
    else if (!decode(m, line))
        cancel(m, out, SAY_RESPONSE);
    else
        ask(m, POP3_AUTH_SASL_STEP);
}

void pop3_response_too_long(struct pop3_server *m, struct buf *out)
{
    cancel(m, out, SAY_RESPONSE_LONG);
}

void pop3_do_stls(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (m->offer.tls_active || !m->offer.tls_offered) {
        pop3_err(m, out, "", m->offer.tls_active ? SAY_TLS_ACTIVE : SAY_NO_TLS);
        return;
    }
    if (m->utf8) { /* RFC 6856 §2.1: clients must not, and the server may say so */
        pop3_err(m, out, "", SAY_STLS_FIRST);
        return;
    }
    pop3_ok(m, out, SAY_BEGIN_TLS);
    m->step = STEP_TLS;
}
