/* pop3c_play: plays a dialogue (client.h, script.h) against pop3_client.
 *
 *     pop3c_play FILE...
 *
 * The owner's turns: stls, secured, pass NAME PASSWORD, apop NAME SECRET, sasl MECHANISM [INITIAL], sasl-own MECHANISM
 * INITIAL, respond TEXT, cancel, quit; stat, list [N], uidl, retr N, top N LINES, dele N, rset, noop, wait; capa: tell
 * what CAPA said. What the client wants of him is told as an event: start, tls, challenge TEXT, refused, got …, row …,
 * closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client.h"
#include "wire/pop3_client.h"

struct play {
    struct client c;
    struct pop3_client m;
};

static const char *const asks[] = {"stat", "list", "list", "uidl", "retr", "top", "dele", "rset", "noop", "quit"};
static const char *const codes[] = {"", " IN-USE", " LOGIN-DELAY", " SYS/TEMP", " SYS/PERM", " AUTH"};

/* ---- the owner's turns */

static char *text_of(struct span s)
{
    static char text[1000];
    snprintf(text, sizeof text, "%.*s", (int)s.n, s.p);
    return text;
}

static void tell_capa(struct play *p, struct span rest)
{
    const struct pop3_capa *c = &p->m.capa;
    char expire[60] = "", delay[60] = "";
    p->c.told = true;
    if (c->expire_known)
        snprintf(expire, sizeof expire, " expire=%lld%s", c->expire_never ? -1 : (long long)c->expire_days,
                 c->expire_user ? "+user" : "");
    if (c->login_delay_known)
        snprintf(delay, sizeof delay, " delay=%llu", (unsigned long long)c->login_delay);
    stage_event(&p->c.stage, "capa%s%s%s%s%s%s%s%s%s sasl=%s%s%s impl=%s stamp=%s", c->known ? "" : " unknown",
                c->top ? " top" : "", c->user ? " user" : "", c->uidl ? " uidl" : "",
                c->pipelining ? " pipelining" : "", c->resp_codes ? " codes" : "",
                c->auth_resp_code ? " auth-code" : "", c->stls ? " stls" : "", c->utf8 ? " utf8" : "", c->sasl, expire,
                delay, c->implementation, p->m.stamp);
}

static void do_stls(struct play *p, struct span rest)
{
    pop3_client_stls(&p->m);
}

static void do_utf8(struct play *p, struct span rest)
{
    pop3_client_utf8(&p->m);
}

static void do_secured(struct play *p, struct span rest)
{
    pop3_client_secured(&p->m);
}

static void do_pass(struct play *p, struct span rest)
{
    char *name = text_of(client_word(&rest));
    pop3_client_pass(&p->m, name, rest);
}

static void do_apop(struct play *p, struct span rest)
{
    char *name = text_of(client_word(&rest));
    pop3_client_apop(&p->m, name, rest);
}

static void do_sasl(struct play *p, struct span rest)
{
    char *name = text_of(client_word(&rest));
    pop3_client_sasl(&p->m, name, rest, false);
}

static void do_sasl_own(struct play *p, struct span rest)
{
    char *name = text_of(client_word(&rest));
    pop3_client_sasl(&p->m, name, rest, true);
}

static void do_respond(struct play *p, struct span rest)
{
    pop3_client_respond(&p->m, rest);
}

static void do_cancel(struct play *p, struct span rest)
{
    pop3_client_cancel(&p->m);
}

static void do_stat(struct play *p, struct span rest)
{
    pop3_client_stat(&p->m);
}

static void do_list(struct play *p, struct span rest)
{
    if (rest.n)
        pop3_client_list_one(&p->m, client_number(&rest));
    else
        pop3_client_list(&p->m);
}

static void do_uidl(struct play *p, struct span rest)
{
    pop3_client_uidl(&p->m);
}

static void do_retr(struct play *p, struct span rest)
{
    pop3_client_retr(&p->m, client_number(&rest));
}

static void do_top(struct play *p, struct span rest)
{
    unsigned msg = client_number(&rest);
    pop3_client_top(&p->m, msg, client_number(&rest));
}

static void do_dele(struct play *p, struct span rest)
{
    pop3_client_dele(&p->m, client_number(&rest));
}

static void do_rset(struct play *p, struct span rest)
{
    pop3_client_rset(&p->m);
}

static void do_noop(struct play *p, struct span rest)
{
    pop3_client_noop(&p->m);
}

static void do_wait(struct play *p, struct span rest)
{
    pop3_client_wait(&p->m);
}

static void do_quit(struct play *p, struct span rest)
{
    pop3_client_quit(&p->m);
}

static const struct {
    const char *word;
    void (*act)(struct play *p, struct span rest);
} turns[] = {
    {"capa", tell_capa}, {"stls", do_stls},         {"secured", do_secured}, {"pass", do_pass},     {"apop", do_apop},
    {"sasl", do_sasl},   {"sasl-own", do_sasl_own}, {"respond", do_respond}, {"cancel", do_cancel}, {"stat", do_stat},
    {"list", do_list},   {"uidl", do_uidl},         {"retr", do_retr},       {"top", do_top},       {"dele", do_dele},
    {"rset", do_rset},   {"noop", do_noop},         {"wait", do_wait},       {"quit", do_quit},       {"utf8", do_utf8},
};

/* It is the owner's turn. false: he has nothing to do now. */
static bool turn(struct play *p, const char *event)
{
    struct span rest = client_turn(&p->c, event);
    if (!rest.p)
        return false;
    struct span word = client_word(&rest);
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++)
        if (span_is(word, turns[i].word)) {
            turns[i].act(p, rest);
            return true;
        }
    fprintf(stderr, "unknown turn \"%.*s\"\n", (int)word.n, word.p);
    exit(2);
}

/* ---- what it tells */

static void tell_got(struct play *p)
{
    const struct pop3_got *g = &p->m.got;
    const char *what = asks[g->what];
    unsigned long long number = g->number;
    if (g->row && g->what == POP3_ASK_LIST)
        stage_event(&p->c.stage, "row list %u %llu%s", g->msg, number, g->ok ? "" : " wrong");
    else if (g->row)
        stage_event(&p->c.stage, "row uidl %u %.*s%s", g->msg, (int)g->uid.n, g->uid.p, g->ok ? "" : " wrong");
    else if (!g->ok)
        stage_event(&p->c.stage, "got %s %u no%s: %s", what, g->msg, codes[g->code], log_escape(g->text));
    else
        stage_event(&p->c.stage, "got %s %u %llu %llu: %s", what, g->msg, number, (unsigned long long)g->octets,
                    log_escape(g->text));
}

/* Once, when it becomes the owner's turn. */
static const char *refused(struct play *p)
{
    static char text[1000];
    snprintf(text, sizeof text, "refused%s%s: %s", codes[p->m.got.code], p->m.err.kind ? " unsaid" : "",
             log_escape(p->m.got.text));
    return text;
}

static const char *challenge(struct play *p)
{
    static char text[1000];
    if (p->m.challenge.n < 100)
        snprintf(text, sizeof text, "challenge %s", log_escape(p->m.challenge));
    else
        snprintf(text, sizeof text, "challenge of %zu octets", p->m.challenge.n);
    return text;
}

/* The words of what was not asked for are those that have come by then. */
static void tell_closed(struct play *p)
{
    static const char unasked[] = "the server says what was not asked for";
    const struct err *e = &p->m.err;
    bool cut = strncmp(e->text, unasked, sizeof unasked - 1) == 0;
    stage_event(&p->c.stage, "closed %s%s%s", err_row(e->kind)->name, *e->text ? ": " : "", cut ? unasked : e->text);
    p->c.closed = true;
}

static void run(struct client *c)
{
    struct play *p = c->machine;
    bool goes_on = true;
    while (goes_on && !c->closed) {
        switch (pop3_client_feed(&p->m, &c->stage.in, &c->stage.out)) {
        case POP3_CLIENT_WANT_INPUT:
            goes_on = false;
            break;
        case POP3_CLIENT_WANT_ROOM:
            stage_drain(&c->stage);
            break;
        case POP3_CLIENT_WANT_START:
            goes_on = turn(p, "start");
            break;
        case POP3_CLIENT_WANT_TLS:
            goes_on = turn(p, "tls");
            break;
        case POP3_CLIENT_WANT_RESPONSE:
            goes_on = turn(p, challenge(p));
            break;
        case POP3_CLIENT_WANT_REFUSED:
            goes_on = turn(p, refused(p));
            break;
        case POP3_CLIENT_WANT_COMMAND:
            goes_on = turn(p, NULL);
            break;
        case POP3_CLIENT_WANT_GOT:
            tell_got(p);
            break;
        case POP3_CLIENT_WANT_BODY:
            stage_drain(&c->stage);
            buf_add_span(&c->stage.got, p->m.piece);
            break;
        case POP3_CLIENT_WANT_CLOSE:
            tell_closed(p);
            break;
        }
    }
    stage_drain(&c->stage);
}

static unsigned limit(const struct script *s, const char *word)
{
    const char *text = script_fact(s, word);
    return text ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static bool play(const struct script *s, const char *path, const struct stage_way *way)
{
    struct play p = {.c = {.s = s}};
    const struct pop3_client_limits limits = {
        .message = limit(s, "octets"), .rows = limit(s, "rows"), .window = limit(s, "window")};
    p.c.machine = &p;
    pop3_client_init(&p.m, s->tls_active, &limits);
    bool good = client_play(&p.c, s, path, way, run);
    pop3_client_fini(&p.m);
    return good;
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, client_ways, sizeof client_ways / sizeof *client_ways, play);
}
