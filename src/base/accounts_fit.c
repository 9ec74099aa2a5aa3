/* accounts_fit: what does not fit together in accounts whose values are each right. Asks nothing of the system: that is
 * the check of the accounts (check/). */
#include "base/accounts_fit.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { HOUR_MS = 3600 * 1000 };

/* ---- what each account needs */

static void fit_missing(const struct fit *f)
{
    const struct account *a = f->a;
    if (!*a->server && !fit_wrong(f, "server"))
        conf_problem_add(f->p, fit_line(f, "server"), true, "account %s has no server; write server = HOST below it",
                         a->name);
    if (!*a->user && !fit_wrong(f, "user") && !fit_only(a->auth, "EXTERNAL", "EXTERNAL"))
        conf_problem_add(f->p, fit_line(f, "user"), true, "account %s has no user; write user = NAME below it",
                         a->name);
    if (!*a->deliver && !fit_wrong(f, "deliver"))
        conf_problem_add(
            f->p, fit_line(f, "deliver"), true,
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

/* ---- what is fetched, what is left */

static void fit_soon(const struct fit *f)
{
    char time[32] = "";
    FILE *to = fmemopen(time, sizeof time, "w");
    if (!to)
        return;
    conf_time_print(f->a->remove_after, to);
    fclose(to);
    conf_problem_add(f->p, fit_line(f, "delete"), false,
                     "account %s deletes what it has delivered %s after it was first seen; if that is too soon write "
                     "for instance delete = 14d",
                     f->a->name, time);
}

static void fit_left(const struct fit *f)
{
    const struct account *a = f->a;
    if (a->remove && a->remove_after && a->remove_after < HOUR_MS && !fit_wrong(f, "delete"))
        fit_soon(f);
    if (fit_own(f, "keep_newest") && a->keep_newest && a->remove && !a->remove_after && !fit_wrong(f, "delete"))
        conf_problem_add(f->p, fit_line(f, "keep_newest"), false,
                         "keep_newest says nothing with delete = now, which leaves nothing");
    if (fit_own(f, "oversize") && !a->size_limit && !fit_wrong(f, "size_limit") && !fit_wrong(f, "oversize"))
        conf_problem_add(f->p, fit_line(f, "oversize"), false,
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
            f->p, fit_line(f, "deliver"), false,
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
    if (handed && !*a->deliver_to && !fit_wrong(f, "deliver_to"))
        conf_problem_add(f->p, fit_line(f, "deliver"), true,
                         "deliver = %s needs deliver_to; name the address that account %s's mail is for", a->deliver,
                         a->name);
    if (way == ACCOUNT_SMTP && !fit_wrong(f, "deliver_tls"))
        fit_smtp_destination(f, rest);
    if (fit_own(f, "deliver_tls_ca") && (way != ACCOUNT_SMTP || a->deliver_tls == ACCOUNT_CLEAR) &&
        !fit_wrong(f, "deliver_tls"))
        conf_problem_add(f->p, fit_line(f, "deliver_tls_ca"), false,
                         "deliver_tls_ca says nothing without smtp and deliver_tls");
    if ((handed || way == ACCOUNT_COMMAND) && a->remove && !a->remove_after && !fit_wrong(f, "delete"))
        conf_problem_add(
            f->p, fit_line(f, "delete"), false,
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
    if (fit_own(f, "notice_after") && !fit_wrong(f, "notice_after") && !*a->notice_command &&
        !fit_wrong(f, "notice_command"))
        conf_problem_add(f->p, fit_line(f, "notice_after"), false, "notice_after says nothing without notice_command");
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        if (fit_own(f, options[i]) && !fit_wrong(f, options[i]) && !*a->smtp_server && !fit_wrong(f, "smtp_server"))
            conf_problem_add(f->p, fit_line(f, options[i]), false, "%s says nothing without smtp_server", options[i]);
    char *host;
    unsigned port;
    account_smtp_server(a, &host, &port);
    if (*host && a->smtp_tls == ACCOUNT_CLEAR && !account_loopback(host) && !fit_wrong(f, "smtp_tls"))
        conf_problem_add(f->p, fit_line(f, "smtp_tls"), false,
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
        accounts_fit_server(&f);
        fit_left(&f);
        fit_deliver(&f);
        fit_twice(&f);
        fit_rest(&f);
    }
}
