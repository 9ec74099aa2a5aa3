/* pop3_client_capa: what a server says it can do (RFC 2449 §5 and 6, RFC 2595 §4, RFC 3206 §6, RFC 5034 §3, RFC 6856
 * §2). Runs in the collector and in the reader. */
#include "wire/pop3_client_parts.h"

#include "wire/sasl_line.h"

void pop3_client_ask_capa(struct pop3_client *m)
{
    pop3_client_say(m, "CAPA\r\n", STEP_CAPA);
}

static void capa_is_read(struct pop3_client *m)
{
    m->step = m->logged_in ? STEP_OPEN : STEP_START;
}

void pop3_client_got_capa(struct pop3_client *m, struct span line, struct buf *in)
{
    struct pop3_client_said said;
    if (!pop3_client_status(m, line, &said))
        return;
    if (!said.ok) { /* it need not know CAPA */
        capa_is_read(m);
        return;
    }
    m->capa = (struct pop3_capa){.known = true};
    m->rows = 0;
    m->step = STEP_CAPA_ROWS;
}

static void on_sasl(struct pop3_capa *c, struct span rest)
{
    c->sasl[0] = '\0';
    sasl_line_mechanisms(c->sasl, sizeof c->sasl, rest);
}

static void on_expire(struct pop3_capa *c, struct span rest)
{
    struct span days = pop3_client_word(&rest);
    c->expire_never = span_is_nocase(days, "NEVER");
    c->expire_known = c->expire_never || span_number(days, &c->expire_days);
    c->expire_user = c->expire_known && span_is_nocase(pop3_client_word(&rest), "USER");
}

static void on_login_delay(struct pop3_capa *c, struct span rest)
{
    c->login_delay_known = span_number(pop3_client_word(&rest), &c->login_delay);
}

static void on_implementation(struct pop3_capa *c, struct span rest)
{
    size_t n = 0;
    while (n < rest.n && n < sizeof c->implementation - 1) {
        c->implementation[n] = rest.p[n] >= ' ' && rest.p[n] <= '~' ? rest.p[n] : '?';
        n++;
    }
    c->implementation[n] = '\0';
}

static const struct {
    const char *word;
    void (*act)(struct pop3_capa *c, struct span rest);
} words[] = {
    {"SASL", on_sasl},
    {"EXPIRE", on_expire},
    {"LOGIN-DELAY", on_login_delay},
    {"IMPLEMENTATION", on_implementation},
};

/* One thing the server can do. */
static void note(struct pop3_capa *c, struct span line)
{
    const struct {
        const char *word;
        bool *known;
    } flags[] = {{"TOP", &c->top},
                 {"USER", &c->user},
                 {"UIDL", &c->uidl},
                 {"PIPELINING", &c->pipelining},
                 {"RESP-CODES", &c->resp_codes},
                 {"AUTH-RESP-CODE", &c->auth_resp_code},
                 {"STLS", &c->stls},
                 {"UTF8", &c->utf8}};
    struct span word = pop3_client_word(&line);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (span_is_nocase(word, flags[i].word))
            *flags[i].known = true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_is_nocase(word, words[i].word))
            words[i].act(c, line);
}

void pop3_client_got_capa_row(struct pop3_client *m, struct span line, struct buf *in)
{
    if (span_is(line, ".")) {
        capa_is_read(m);
        return;
    }
    if (++m->rows > POP3_CLIENT_CAPA_MAX) {
        pop3_client_fail(m, ERR_LIMIT, "the server's answer to CAPA does not end");
        return;
    }
    note(&m->capa, line);
}
