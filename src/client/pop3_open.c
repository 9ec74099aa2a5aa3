/* pop3_open: see the header. Here: the connection, and what moves it. */
#include "client/pop3_impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { PORT_TLS = 995, PORT_CLEAR = 110, WORDS = 120 /* octets of the server's that are shown */ };

/* A server that is never silent and never done: so many times its silence_timeout may greeting, CAPA, TLS and log-in
 * take together, and so many QUIT and what is still awaited before it. */
enum { SILENCES_OPENING = 4, SILENCES_LEAVING = 2 };

/* From now on the connection lasts at most so many times as long as the server may be silent. */
static void end_after(struct link *l, unsigned silences)
{
    if (!l->to.silence_ms)
        return;
    l->to.whole_ms = (unsigned long long)l->to.silence_ms * silences;
    l->ends_at = clock_ms() + l->to.whole_ms;
}

static int connect_to(struct pop3_session *s, struct err *err)
{
    const struct account *a = s->account;
    struct link_to to = {
        .host = s->host, .connect_ms = (unsigned)a->connect_timeout, .silence_ms = (unsigned)a->silence_timeout};
    if (!account_address(a->server ? a->server : "", a->tls == ACCOUNT_TLS ? PORT_TLS : PORT_CLEAR, &s->host, &to.port))
        return err_set(err, ERR_CONFIG, "server = %.100s: that is no address", a->server ? a->server : "");
    to.host = s->host;
    if (link_open(&s->link, &to, err) < 0)
        return -1;
    end_after(s->link, SILENCES_OPENING);
    if (a->tls != ACCOUNT_TLS)
        return 0;
    s->machine.secure = true;
    return pop3_secure(s, err);
}

int pop3_secure(struct pop3_session *s, struct err *err)
{
    const struct account *a = s->account;
    struct tls_client_rules rules = {
        .ca = a->tls_ca, .fingerprint = a->tls_fingerprint, .cert = a->tls_cert, .key = a->tls_key, .alpn = "pop3"};
    return link_start_tls(s->link, &rules, err);
}

int pop3_open(struct pop3_session **s, const struct account *a, bool ask, const struct pop3_client_limits *limits,
              struct err *err)
{
    struct pop3_session *made = mem_alloc(sizeof *made);
    *made = (struct pop3_session){.account = a};
    *s = made;
    pop3_client_init(&made->machine, a->tls == ACCOUNT_TLS, limits);
    if (connect_to(made, err) < 0 || pop3_log_in(made, ask, err) < 0)
        return -1;
    made->link->ends_at = 0;
    return 0;
}

/* What came before the end is looked at, and then why it ended is said. */
int pop3_next(struct pop3_session *s, enum pop3_client_want *want, struct err *err)
{
    struct link *l = s->link;
    for (bool over = false;;) {
        *want = pop3_client_feed(&s->machine, &l->in, &l->out);
        if (*want == POP3_CLIENT_WANT_CLOSE && s->machine.err.kind != ERR_NONE)
            return err_set(err, s->machine.err.kind, "%s: %s", s->host, s->machine.err.text);
        if (*want != POP3_CLIENT_WANT_INPUT && *want != POP3_CLIENT_WANT_ROOM)
            return 0;
        if (over)
            return -1;
        over = link_move(l, err) < 0;
    }
}

static int unknown(const struct pop3_session *s, const char *why, struct err *err)
{
    return err_set(err, ERR_UNKNOWN, "%s may have deleted what was marked, or not: %s", s->host, why);
}

static int answer_to_quit(const struct pop3_session *s, struct err *err)
{
    struct span words = s->machine.got.text;
    words.n = words.n < WORDS ? words.n : WORDS;
    return s->machine.got.ok ? 0 : unknown(s, log_quote(words), err);
}

int pop3_quit(struct pop3_session *s, struct err *err)
{
    bool asked = false;
    end_after(s->link, SILENCES_LEAVING);
    for (;;) {
        enum pop3_client_want want;
        struct err why = {.kind = ERR_NONE};
        if (pop3_next(s, &want, &why) < 0)
            return unknown(s, why.text, err);
        if (want == POP3_CLIENT_WANT_GOT && s->machine.got.what == POP3_ASK_QUIT)
            return answer_to_quit(s, err);
        if (want == POP3_CLIENT_WANT_CLOSE)
            return unknown(s, "it does not answer QUIT", err);
        if (want == POP3_CLIENT_WANT_COMMAND && asked)
            pop3_client_wait(&s->machine);
        else if (want == POP3_CLIENT_WANT_COMMAND)
            pop3_client_quit(&s->machine);
        asked = asked || want == POP3_CLIENT_WANT_COMMAND;
    }
}

void pop3_close(struct pop3_session *s)
{
    if (!s)
        return;
    pop3_client_fini(&s->machine);
    link_close(s->link);
    mem_free(s->how);
    mem_free(s->host);
    mem_free(s);
}
