/* pop3_login: from the greeting to TRANSACTION: STLS where the account says so, then one way to log in after the other,
 * the best first, until one is granted or one is refused for good. The secret is fetched once it is to be said, and
 * wiped here. */
#include "client/pop3_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/secret.h"
#include "user/sasl_client.h"

enum { WORDS = 110, NAME = 50 /* octets of the server's words, and of the user's name, that are shown */ };

struct login {
    struct pop3_session *s;
    char *password, *token; /* once they are needed */
    struct sasl_client_who who;
    struct sasl_client *sasl; /* the exchange that is under way */
    const char *way;          /* that is being tried; NULL: none was */
    struct err no;            /* the exchange came to an end before the server's answer */
    char tried[160];
    bool ask;
    bool stls;    /* was asked for */
    bool utf8;    /* was asked for, once in a session */
    bool heard;   /* the server has answered with a challenge: the way is to be had */
    bool at_once; /* all that the server needs to judge us was said in the command */
};

/* ---- words */

static const char *shown(struct span text, size_t most)
{
    text.n = text.n < most ? text.n : most;
    return log_quote(text);
}

static const char *server_words(const struct login *l)
{
    return shown(l->s->machine.got.text, WORDS);
}

static const char *user_of(const struct login *l)
{
    return shown(span_of(l->who.user), NAME);
}

/* "HOST: " before what another has said. */
static int named(const struct login *l, enum err_kind kind, const struct err *why, struct err *err)
{
    char text[ERR_TEXT];
    snprintf(text, sizeof text, "%s", why->text);
    return err_set(err, kind, "%s: %s", l->s->host, text);
}

/* What the server's no means, by its response code (RFC 2449 §8.1, RFC 3206 §3 and §4). */
static int say_no(struct login *l, struct err *err)
{
    static const struct {
        const char *what;
        enum err_kind kind;
    } rows[] = {
        [POP3_CODE_NONE] = {"it refuses", ERR_AUTH},
        [POP3_CODE_IN_USE] = {"another session has the maildrop of", ERR_BUSY},
        [POP3_CODE_LOGIN_DELAY] = {"it is too soon for another log-in of", ERR_LIMIT},
        [POP3_CODE_SYS_TEMP] = {"it has trouble that may pass, with", ERR_TEMP},
        [POP3_CODE_SYS_PERM] = {"it has trouble that its administrator must mend, with", ERR_PERM},
        [POP3_CODE_AUTH] = {"it refuses", ERR_AUTH},
    };
    enum pop3_code code = l->s->machine.got.code;
    l->s->code = code;
    l->s->refused = rows[code].kind == ERR_AUTH;
    if (l->no.kind != ERR_NONE && l->s->refused)
        return named(l, l->no.kind, &l->no, err);
    return err_set(err, rows[code].kind, "%s: %s %s (%s): %s", l->s->host, rows[code].what, user_of(l), l->way,
                   server_words(l));
}

/* ---- the secret */

/* What a person or a command takes to give it is not the server's time. */
static int fetch(struct login *l, bool token, struct err *err)
{
    char **text = token ? &l->token : &l->password;
    struct link *link = l->s->link;
    uint64_t start = clock_ms();
    if (!*text && secret_get(l->s->account, token, l->ask, text, err) < 0)
        return -1;
    if (link->ends_at)
        link->ends_at += clock_ms() - start;
    *(token ? &l->who.token : &l->who.password) = span_of(*text);
    return 0;
}

/* ---- which way */

static bool given(const char *text)
{
    return text && *text;
}

static bool lists(const char *words, const char *name)
{
    struct span rest = span_of(words ? words : "");
    while (rest.n)
        if (span_is_nocase(span_cut(&rest, ' '), name))
            return true;
    return false;
}

static bool has_password(const struct account *a)
{
    return given(a->password_command) || given(a->password_file) || a->netrc || !given(a->token_command);
}

/* What there is, before anything of it is fetched. */
static void begin(struct login *l, bool ask)
{
    const struct account *a = l->s->account;
    l->ask = ask;
    l->who = (struct sasl_client_who){.user = a->user ? a->user : "",
                                      .host = l->s->host,
                                      .port = l->s->link->to.port,
                                      .password = {has_password(a) ? "" : NULL, 0},
                                      .token = {given(a->token_command) ? "" : NULL, 0}};
}

static const char *plain_way(const struct login *l, const char *name, bool offered)
{
    return offered && l->who.password.p && !lists(l->tried, name) ? name : NULL;
}

/* The best that is left; NULL: none. Inside TLS any; in the clear, where the account allows it, first those that do not
 * show the secret. A server that says nothing of itself is asked for what the account names. */
static const char *choose(struct login *l)
{
    const struct pop3_client *m = &l->s->machine;
    const char *auth = l->s->account->auth ? l->s->account->auth : "";
    const char *offered = m->capa.known ? m->capa.sasl : auth;
    l->who.certificate = m->secure && given(l->s->account->tls_cert);
    l->who.clear = m->secure;
    const char *way = sasl_client_choose(offered, auth, l->tried, &l->who);
    if (way && strcmp(way, "PLAIN") != 0 && strcmp(way, "LOGIN") != 0)
        return way;
    const char *apop = plain_way(l, "APOP", lists(auth, "APOP") && *m->stamp);
    if (apop || way)
        return apop ? apop : way;
    l->who.clear = true;
    way = sasl_client_choose(offered, auth, l->tried, &l->who);
    if (way)
        return way;
    /* Who offers no SASL at all has USER whether it says so or not: nothing else is left (RFC 1939 §4). */
    return plain_way(l, "USER", lists(auth, "USER") || (!*auth && (m->capa.user || !m->capa.known || !*m->capa.sasl)));
}

/* ---- one way */

static int begin_sasl(struct login *l, bool token, struct err *err)
{
    struct pop3_client *m = &l->s->machine;
    struct span initial;
    struct err why;
    if (strcmp(l->way, "EXTERNAL") != 0 && fetch(l, token, err) < 0)
        return -1;
    if (sasl_client_new(&l->sasl, l->way, &l->who, &why) < 0)
        return named(l, why.kind == ERR_INPUT ? ERR_CONFIG : why.kind, &why, err);
    /* To a server of which nothing is known the mechanism is named alone, to see whether it is to be had before it is
     * told a secret. */
    if (!m->capa.known && !token)
        initial = (struct span){NULL, 0};
    else
        sasl_client_initial(l->sasl, &initial);
    l->at_once = initial.p && (token || strcmp(l->way, "PLAIN") == 0);
    pop3_client_sasl(m, l->way, initial, token); /* a token on a line of its own, as Microsoft's servers demand */
    return 0;
}

static int no_way(const struct login *l, struct err *err)
{
    const struct pop3_client *m = &l->s->machine;
    const char *auth = l->s->account->auth, *offers = *m->capa.sasl ? m->capa.sasl : "none";
    return err_set(err, ERR_AUTH, "%s: no way to log in that both sides know: it offers SASL %.80s%s%s%.60s",
                   l->s->host, offers, m->capa.user ? " and USER" : "", given(auth) ? "; the account allows " : "",
                   given(auth) ? auth : "");
}

static int try_next(struct login *l, struct err *err)
{
    struct pop3_client *m = &l->s->machine;
    if (l->s->account->tls != ACCOUNT_CLEAR && !l->s->link->tls)
        return err_set(err, ERR_AUTH, "%s: there is no TLS, and without it the server is told no password", l->s->host);
    sasl_client_end(l->sasl);
    l->sasl = NULL;
    const char *way = choose(l);
    if (way && strncmp(way, "SCRAM-", 6) == 0) { /* which does not take every password */
        if (fetch(l, false, err) < 0)
            return -1;
        way = choose(l);
    }
    if (!way)
        return l->way ? say_no(l, err) : no_way(l, err);
    l->way = way;
    l->heard = l->at_once = false;
    size_t n = strlen(l->tried);
    snprintf(l->tried + n, sizeof l->tried - n, " %s", way);
    bool apop = strcmp(way, "APOP") == 0;
    if (!apop && strcmp(way, "USER") != 0)
        return begin_sasl(l, strcmp(way, "OAUTHBEARER") == 0 || strcmp(way, "XOAUTH2") == 0, err);
    if (fetch(l, false, err) < 0)
        return -1;
    l->at_once = true;
    if (apop)
        pop3_client_apop(m, l->who.user, l->who.password);
    else
        pop3_client_pass(m, l->who.user, l->who.password);
    return 0;
}

/* ---- what the machine wants */

static int start(struct login *l, struct err *err)
{
    struct pop3_session *s = l->s;
    if (s->account->tls == ACCOUNT_STARTTLS && !s->machine.secure) {
        if (s->machine.capa.known && !s->machine.capa.stls)
            return err_set(err, ERR_AUTH,
                           "%s: the server offers no STLS (tls = starttls), and without TLS it is told no password",
                           s->host);
        l->stls = true;
        pop3_client_stls(&s->machine);
        return 0;
    }
    if (s->machine.capa.utf8 && !l->utf8) { /* what is collected is what was sent, not a surrogate of it */
        l->utf8 = true;
        pop3_client_utf8(&s->machine);
        return 0;
    }
    s->before = s->machine.capa;
    return try_next(l, err);
}

static int secured(struct login *l, struct err *err)
{
    if (pop3_secure(l->s, err) < 0)
        return -1;
    pop3_client_secured(&l->s->machine);
    return 0;
}

static int respond(struct login *l, struct err *err)
{
    struct pop3_client *m = &l->s->machine;
    struct span out;
    struct err why = {.kind = ERR_NONE};
    l->heard = true;
    if (sasl_client_step(l->sasl, m->challenge, &out, &why) < 0) {
        if (!out.p)
            return named(l, why.kind, &why, err);
        l->no = why; /* the server has said no, and waits for an answer before it says so in its own protocol */
    }
    pop3_client_respond(m, out);
    return 0;
}

/* Is it only the way that is refused? Not with a response code, not after the exchange has begun. Where all was said at
 * once (PLAIN, PASS, APOP) only a server that marks refused passwords as such (RFC 3206 §6) can be understood so. */
static bool only_the_way(const struct login *l)
{
    const struct pop3_client *m = &l->s->machine;
    return m->got.code == POP3_CODE_NONE && !l->heard && (!l->at_once || m->capa.auth_resp_code);
}

static int refused(struct login *l, struct err *err)
{
    struct pop3_session *s = l->s;
    if (s->machine.err.kind != ERR_NONE) /* it was not said at all */
        return named(l, s->machine.err.kind == ERR_INPUT ? ERR_CONFIG : s->machine.err.kind, &s->machine.err, err);
    if (l->stls && !s->machine.secure)
        return err_set(err, ERR_AUTH, "%s: the server refuses STLS, and without TLS it is told no password: %s",
                       s->host, server_words(l));
    return only_the_way(l) ? try_next(l, err) : say_no(l, err);
}

static int granted(struct login *l, struct err *err)
{
    struct pop3_session *s = l->s;
    struct err why = {.kind = ERR_NONE};
    char text[100];
    if (!l->way) /* never so with our machine */
        return err_set(err, ERR_INPUT, "%s: the server lets us in without being asked", s->host);
    if (l->sasl && sasl_client_finish(l->sasl, &why) < 0)
        return named(l, why.kind, &why, err);
    if (s->link->tls)
        snprintf(text, sizeof text, "%s inside %s", l->way, tls_client_version(s->link->tls));
    else
        snprintf(text, sizeof text, "%s in the clear", l->way);
    s->how = mem_copy_text(text);
    return 0;
}

static int log_in(struct login *l, struct err *err)
{
    for (;;) {
        enum pop3_client_want want;
        int rc = pop3_next(l->s, &want, err);
        if (rc == 0 && want == POP3_CLIENT_WANT_COMMAND)
            return granted(l, err);
        if (rc == 0 && want == POP3_CLIENT_WANT_START)
            rc = start(l, err);
        else if (rc == 0 && want == POP3_CLIENT_WANT_TLS)
            rc = secured(l, err);
        else if (rc == 0 && want == POP3_CLIENT_WANT_RESPONSE)
            rc = respond(l, err);
        else if (rc == 0 && want == POP3_CLIENT_WANT_REFUSED)
            rc = refused(l, err);
        else if (rc == 0)
            rc = err_set(err, ERR_INPUT, "%s: the server answers out of turn", l->s->host);
        if (rc < 0)
            return -1;
    }
}

int pop3_log_in(struct pop3_session *s, bool ask, struct err *err)
{
    struct login l = {.s = s};
    begin(&l, ask);
    int rc = log_in(&l, err);
    sasl_client_end(l.sasl);
    secret_drop(l.password);
    secret_drop(l.token);
    return rc;
}
