/* accounts_fit_server: what does not fit together in what an account says of its server (accounts_fit). */
#include <string.h>

#include "base/accounts_fit.h"
#include "base/mem.h"

/* ---- ports and TLS */

/* A port that is known for the other way to begin TLS: one side would wait for the other, or take TLS for a command. */
static void fit_port(const struct fit *f, const char *option, enum account_tls tls, unsigned port, unsigned begins_tls,
                     unsigned begins_clear)
{
    const struct account *a = f->a;
    const char *way = strcmp(option, "server") == 0 ? "tls" : "smtp_tls";
    if (fit_wrong(f, way) || fit_wrong(f, option))
        return;
    if (port == begins_tls && tls != ACCOUNT_TLS)
        conf_problem_add(f->p, fit_line(f, option), false,
                         "account %s: on port %u TLS begins at once; write %s = implicit, or the port %u", a->name,
                         port, way, begins_clear);
    if (port == begins_clear && tls == ACCOUNT_TLS)
        conf_problem_add(f->p, fit_line(f, option), false,
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
    if (*a->tls_cert && !*a->tls_key && !fit_wrong(f, "tls_key"))
        conf_problem_add(f->p, fit_line(f, "tls_cert"), true,
                         "tls_cert has no tls_key beside it; name its private key");
    if (*a->tls_key && !*a->tls_cert && !fit_wrong(f, "tls_cert"))
        conf_problem_add(f->p, fit_line(f, "tls_key"), true, "tls_key has no tls_cert beside it; name its certificate");
    if (a->tls != ACCOUNT_CLEAR || fit_wrong(f, "tls"))
        return;
    account_server(a, &host, &port);
    if (*host && !account_loopback(host))
        conf_problem_add(
            f->p, fit_line(f, "tls"), false,
            "account %s speaks to %s without TLS: whoever is on the way can read the mail and may learn the password; "
            "write tls = implicit, or starttls",
            a->name, host);
    mem_free(host);
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        if (*values[i] && fit_own(f, options[i]))
            conf_problem_add(f->p, fit_line(f, options[i]), false, "%s says nothing with tls = none", options[i]);
}

/* ---- the log-in */

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
        if (fit_own(f, ways[i]))
            conf_problem_add(f->p, fit_line(f, ways[i]), false,
                             "account %s has its password from %s already; %s is not used", a->name, ways[0], ways[i]);
    if (*a->smtp_password_command && *a->smtp_password_file && fit_own(f, "smtp_password_file"))
        conf_problem_add(
            f->p, fit_line(f, "smtp_password_file"), false,
            "account %s has its password for sending from smtp_password_command already; smtp_password_file is not "
            "used",
            a->name);
}

static bool has_word(const char *list, const char *word)
{
    struct span rest = span_of(list);
    for (struct span one = conf_word(&rest); one.n; one = conf_word(&rest))
        if (span_is(one, word))
            return true;
    return false;
}

static void fit_auth(const struct fit *f)
{
    const struct account *a = f->a;
    unsigned line = fit_line(f, "auth");
    if (fit_wrong(f, "auth"))
        return;
    if (fit_only(a->auth, "OAUTHBEARER", "XOAUTH2") && !*a->token_command && !fit_wrong(f, "token_command"))
        conf_problem_add(f->p, line, true, "auth = %s needs token_command; name the command that prints the token",
                         a->auth);
    if (fit_own(f, "token_command") && *a->token_command && *a->auth && !has_word(a->auth, "OAUTHBEARER") &&
        !has_word(a->auth, "XOAUTH2"))
        conf_problem_add(f->p, fit_line(f, "token_command"), false,
                         "token_command is not used; auth = %s allows neither OAUTHBEARER nor XOAUTH2", a->auth);
    if (fit_only(a->auth, "EXTERNAL", "EXTERNAL") && !*a->tls_cert && !fit_wrong(f, "tls_cert"))
        conf_problem_add(f->p, line, true,
                         "auth = EXTERNAL needs tls_cert and tls_key: the certificate is what logs in");
    if (a->tls == ACCOUNT_CLEAR && fit_only(a->auth, "EXTERNAL", "EXTERNAL") && !fit_wrong(f, "tls"))
        conf_problem_add(f->p, line, true, "auth = EXTERNAL needs TLS, in which the certificate is shown");
}

void accounts_fit_server(const struct fit *f)
{
    fit_ports(f);
    fit_tls(f);
    fit_password(f);
    fit_auth(f);
}
