/* accounts_fit: what does not fit together in accounts whose values are each right. Asks nothing of the system: that is
 * the check of the accounts (check/). */
#include "base/accounts_impl.h"

#include <string.h>
#include <strings.h>

#include "base/conf_value.h"
#include "base/mem.h"

enum { HOUR_MS = 3600 * 1000 };

struct fit {
    const struct account *a; /* one of */
    const struct accounts *all;
    const bool *wrong;
    struct conf_problems *p;
};

static bool is_wrong(const struct fit *f, const char *name)
{
    return f->wrong[conf_find(&conf_schema_accounts, span_of(name))];
}

/* Said by the account itself: what is said for all of them may well say nothing about one. */
static bool own(const struct fit *f, const char *name)
{
    return account_line(f->a, name) >= f->a->line;
}

/* Where to point at: the option's line, or where the account begins. */
static unsigned line_of(const struct fit *f, const char *name)
{
    unsigned line = account_line(f->a, name);
    return line ? line : f->a->line;
}

static bool has_word(const char *list, const char *word)
{
    struct span rest = span_of(list);
    for (struct span one = conf_word(&rest); one.n; one = conf_word(&rest))
        if (span_is(one, word))
            return true;
    return false;
}

/* Is nothing else than these words in the list? An empty list allows everything. */
static bool only(const char *list, const char *word, const char *other)
{
    struct span rest = span_of(list), one = conf_word(&rest);
    bool so = one.n > 0;
    for (; one.n; one = conf_word(&rest))
        so &= span_is(one, word) || span_is(one, other);
    return so;
}

/* ---- what each account needs */

static void fit_missing(const struct fit *f)
{
    const struct account *a = f->a;
    if (!*a->server && !is_wrong(f, "server"))
        conf_problem_add(f->p, line_of(f, "server"), true, "account %s has no server; write server = HOST below it",
                         a->name);
    if (!*a->user && !is_wrong(f, "user") && !only(a->auth, "EXTERNAL", "EXTERNAL"))
        conf_problem_add(f->p, line_of(f, "user"), true, "account %s has no user; write user = NAME below it", a->name);
    if (!*a->deliver && !is_wrong(f, "deliver"))
        conf_problem_add(
            f->p, line_of(f, "deliver"), true,
            "account %s does not say where its mail goes; write for instance deliver = maildir:~/Mail/%s below it",
            a->name, a->name);
}

static void fit_name(const struct fit *f)
{
    const struct account *first = accounts_find(f->all, f->a->name);
    if (*f->a->name && first != f->a)
        conf_problem_add(f->p, f->a->line, true,
                         "account %s stands on line %u already; take another name for one of them", f->a->name,
                         first->line);
}

/* ---- the server */

/* A port that is known for the other way to begin TLS: one side would wait for the other, or take TLS for a command. */
static void fit_port(const struct fit *f, const char *option, enum account_tls tls, unsigned port, unsigned begins_tls,
                     unsigned begins_clear)
{
    const struct account *a = f->a;
    const char *way = strcmp(option, "server") == 0 ? "tls" : "smtp_tls";
    if (is_wrong(f, way) || is_wrong(f, option))
        return;
    if (port == begins_tls && tls != ACCOUNT_TLS)
        conf_problem_add(f->p, line_of(f, option), false,
                         "account %s: on port %u TLS begins at once; write %s = implicit, or the port %u", a->name,
                         port, way, begins_clear);
    if (port == begins_clear && tls == ACCOUNT_TLS)
        conf_problem_add(f->p, line_of(f, option), false,
                         "account %s: on port %u nothing begins with TLS; write %s = starttls, or the port %u", a->name,
                         port, way, begins_tls);
}

static void fit_ports(const struct fit *f)
{
    char *host;
    unsigned port;
    account_server(f->a, &host, &port);
    if (*host)
        fit_port(f, "server", f->a->tls, port, ACCOUNT_PORT_POP3S, ACCOUNT_PORT_POP3);
    mem_free(host);
    account_smtp_server(f->a, &host, &port);
    if (*host)
        fit_port(f, "smtp_server", f->a->smtp_tls, port, ACCOUNT_PORT_SUBMITS, ACCOUNT_PORT_SUBMIT);
    mem_free(host);
}

static void fit_tls(const struct fit *f)
{
    static const char *const options[] = {"tls_ca", "tls_fingerprint", "tls_cert"};
    const struct account *a = f->a;
    const char *values[] = {a->tls_ca, a->tls_fingerprint, a->tls_cert};
    char *host;
    unsigned port;
    if (*a->tls_cert && !*a->tls_key && !is_wrong(f, "tls_key"))
        conf_problem_add(f->p, line_of(f, "tls_cert"), true, "tls_cert has no tls_key beside it; name its private key");
    if (*a->tls_key && !*a->tls_cert && !is_wrong(f, "tls_cert"))
        conf_problem_add(f->p, line_of(f, "tls_key"), true, "tls_key has no tls_cert beside it; name its certificate");
    if (a->tls != ACCOUNT_CLEAR || is_wrong(f, "tls"))
        return;
    account_server(a, &host, &port);
    if (*host && !account_loopback(host))
        conf_problem_add(
            f->p, line_of(f, "tls"), false,
            "account %s speaks to %s without TLS: whoever is on the way can read the mail and may learn the password; "
            "write tls = implicit, or starttls",
            a->name, host);
    mem_free(host);
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        if (*values[i] && own(f, options[i]))
            conf_problem_add(f->p, line_of(f, options[i]), false, "%s says nothing with tls = none", options[i]);
}

static void fit_password(const struct fit *f)
{
    const struct account *a = f->a;
    const char *ways[4] = {NULL};
    unsigned n = 0;
    if (*a->password_command)
        ways[n++] = "password_command";
    if (*a->password_file)
        ways[n++] = "password_file";
    if (a->netrc)
        ways[n++] = "netrc";
    for (unsigned i = 1; i < n; i++)
        if (own(f, ways[i]))
            conf_problem_add(f->p, line_of(f, ways[i]), false,
                             "account %s has its password from %s already; %s is not used", a->name, ways[0], ways[i]);
    if (*a->smtp_password_command && *a->smtp_password_file && own(f, "smtp_password_file"))
        conf_problem_add(
            f->p, line_of(f, "smtp_password_file"), false,
            "account %s has its password for sending from smtp_password_command already; smtp_password_file is not "
            "used",
            a->name);
}

static void fit_auth(const struct fit *f)
{
    const struct account *a = f->a;
    unsigned line = line_of(f, "auth");
    if (is_wrong(f, "auth"))
        return;
    if (only(a->auth, "OAUTHBEARER", "XOAUTH2") && !*a->token_command && !is_wrong(f, "token_command"))
        conf_problem_add(f->p, line, true, "auth = %s needs token_command; name the command that prints the token",
                         a->auth);
    if (own(f, "token_command") && *a->token_command && *a->auth && !has_word(a->auth, "OAUTHBEARER") &&
        !has_word(a->auth, "XOAUTH2"))
        conf_problem_add(f->p, line_of(f, "token_command"), false,
                         "token_command is not used; auth = %s allows neither OAUTHBEARER nor XOAUTH2", a->auth);
    if (only(a->auth, "EXTERNAL", "EXTERNAL") && !*a->tls_cert && !is_wrong(f, "tls_cert"))
        conf_problem_add(f->p, line, true,
                         "auth = EXTERNAL needs tls_cert and tls_key: the certificate is what logs in");
    if (a->tls == ACCOUNT_CLEAR && only(a->auth, "EXTERNAL", "EXTERNAL") && !is_wrong(f, "tls"))
        conf_problem_add(f->p, line, true, "auth = EXTERNAL needs TLS, in which the certificate is shown");
}

/* ---- what is fetched, what is left */

static void fit_soon(const struct fit *f)
{
    char time[32] = "";
    FILE *to = fmemopen(time, sizeof time, "w");
    if (!to)
        return;
    conf_time_print(f->a->remove_after, to);
    fclose(to);
    conf_problem_add(f->p, line_of(f, "delete"), false,
                     "account %s deletes what it has delivered %s after it was first seen; if that is too soon write "
                     "for instance delete = 14d",
                     f->a->name, time);
}

static void fit_left(const struct fit *f)
{
    const struct account *a = f->a;
    if (a->remove && a->remove_after && a->remove_after < HOUR_MS && !is_wrong(f, "delete"))
        fit_soon(f);
    if (own(f, "keep_newest") && a->keep_newest && a->remove && !a->remove_after && !is_wrong(f, "delete"))
        conf_problem_add(f->p, line_of(f, "keep_newest"), false,
                         "keep_newest says nothing with delete = now, which leaves nothing");
    if (own(f, "oversize") && !a->size_limit && !is_wrong(f, "size_limit") && !is_wrong(f, "oversize"))
        conf_problem_add(f->p, line_of(f, "oversize"), false,
                         "oversize says nothing without size_limit; set how large is too large");
}

/* ---- where it goes */

static void fit_smtp_destination(const struct fit *f, const char *rest)
{
    char *host = NULL;
    unsigned port;
    if (account_address(rest, ACCOUNT_PORT_SMTP, &host, &port) && f->a->deliver_tls == ACCOUNT_CLEAR &&
        !account_loopback(host))
        conf_problem_add(
            f->p, line_of(f, "deliver"), false,
            "account %s hands its mail to %s without TLS: whoever is on the way can read it; write deliver_tls = "
            "starttls, or implicit",
            f->a->name, host);
    mem_free(host);
}

static void fit_deliver(const struct fit *f)
{
    const struct account *a = f->a;
    enum account_way way;
    const char *rest;
    if (!*a->deliver || account_deliver(a->deliver, &way, &rest))
        return;
    bool handed = way == ACCOUNT_LMTP || way == ACCOUNT_SMTP;
    if (handed && !*a->deliver_to && !is_wrong(f, "deliver_to"))
        conf_problem_add(f->p, line_of(f, "deliver"), true,
                         "deliver = %s needs deliver_to; name the address that account %s's mail is for", a->deliver,
                         a->name);
    if (way == ACCOUNT_SMTP && !is_wrong(f, "deliver_tls"))
        fit_smtp_destination(f, rest);
    if (own(f, "deliver_tls_ca") && (way != ACCOUNT_SMTP || a->deliver_tls == ACCOUNT_CLEAR) &&
        !is_wrong(f, "deliver_tls"))
        conf_problem_add(f->p, line_of(f, "deliver_tls_ca"), false,
                         "deliver_tls_ca says nothing without smtp and deliver_tls");
    if ((handed || way == ACCOUNT_COMMAND) && a->remove && !a->remove_after && !is_wrong(f, "delete"))
        conf_problem_add(
            f->p, line_of(f, "delete"), false,
            "account %s deletes at once, and %s cannot be asked whether a message arrived: after a crash one may come "
            "twice; none is lost",
            a->name, a->deliver);
}

/* The same mail twice to the same place: two collectors of it would take it from each other. */
static bool same_mail(const struct account *a, const struct account *b)
{
    char *x, *y;
    unsigned x_port, y_port;
    account_server(a, &x, &x_port);
    account_server(b, &y, &y_port);
    bool same = *x && strcasecmp(x, y) == 0 && x_port == y_port && strcmp(a->user, b->user) == 0 && *a->deliver &&
                strcmp(a->deliver, b->deliver) == 0;
    mem_free(x);
    mem_free(y);
    return same;
}

static void fit_twice(const struct fit *f)
{
    for (const struct account *other = f->all->account; other < f->a; other++)
        if (same_mail(other, f->a)) {
            conf_problem_add(
                f->p, f->a->line, false,
                "account %s has the server, the user and the destination of account %s on line %u: each message would "
                "come twice; take one of them out",
                f->a->name, other->name, other->line);
            return;
        }
}

/* ---- who is told, and sending */

static void fit_rest(const struct fit *f)
{
    static const char *const options[] = {"smtp_tls",  "smtp_tls_ca",           "smtp_tls_fingerprint", "smtp_user",
                                          "smtp_auth", "smtp_password_command", "smtp_password_file"};
    const struct account *a = f->a;
    if (own(f, "notice_after") && !is_wrong(f, "notice_after") && !*a->notice_command && !is_wrong(f, "notice_command"))
        conf_problem_add(f->p, line_of(f, "notice_after"), false, "notice_after says nothing without notice_command");
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        if (own(f, options[i]) && !is_wrong(f, options[i]) && !*a->smtp_server && !is_wrong(f, "smtp_server"))
            conf_problem_add(f->p, line_of(f, options[i]), false, "%s says nothing without smtp_server", options[i]);
    char *host;
    unsigned port;
    account_smtp_server(a, &host, &port);
    if (*host && a->smtp_tls == ACCOUNT_CLEAR && !account_loopback(host) && !is_wrong(f, "smtp_tls"))
        conf_problem_add(f->p, line_of(f, "smtp_tls"), false,
                         "account %s sends through %s without TLS: whoever is on the way can read the mail, and no "
                         "password is shown; "
                         "write smtp_tls = implicit, or starttls",
                         a->name, host);
    mem_free(host);
}

void accounts_fit(const struct accounts *a, const accounts_wrong *wrong, struct conf_problems *p)
{
    if (!a->count)
        conf_problem_add(p, 0, true,
                         "there is no account here; write account = NAME, and below it its server, user and deliver");
    if (!*a->state_folder)
        conf_problem_add(p, 0, true,
                         "neither XDG_STATE_HOME nor HOME names a folder, to remember in what was fetched; set one");
    for (unsigned i = 0; i < a->count; i++) {
        struct fit f = {&a->account[i], a, wrong[i], p};
        fit_name(&f);
        fit_missing(&f);
        fit_ports(&f);
        fit_tls(&f);
        fit_password(&f);
        fit_auth(&f);
        fit_left(&f);
        fit_deliver(&f);
        fit_twice(&f);
        fit_rest(&f);
    }
}
