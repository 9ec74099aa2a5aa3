/* open: see the header. A row for each kind of destination. */
#include "post/open.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/mem.h"
#include "post/out_command.h"
#include "post/out_mailbox.h"
#include "post/out_maildir.h"
#include "post/out_smtp.h"

/* What an account says, taken apart. */
struct wanted {
    const struct account *account;
    const char *rest; /* behind the first colon */
    const char *conf_file;
};

/* ---- a row's function each */

static int open_maildir(struct out **o, const struct wanted *w, struct err *err)
{
    const char *why = NULL;
    char *path = account_path(w->rest, &why);
    if (!path)
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s: the path %s", w->account->name,
                       log_escape(span_of(w->account->deliver)), why);
    int result = out_maildir(o, path, err);
    mem_free(path);
    return result;
}

/* What is not fatal there is for `bustia check` to say. */
static int open_mailbox(struct out **o, const struct wanted *w, struct err *err)
{
    struct conf c;
    struct conf_problems problems = {0};
    int result = conf_load(&c, w->conf_file, &problems, err);
    if (result == 0 && problems.fatal)
        result = err_set(
            err, ERR_CONFIG,
            "account %s: deliver = %s: the server's configuration %s has errors; `bustia check --server` names them",
            w->account->name, log_escape(span_of(w->account->deliver)), w->conf_file);
    if (result == 0)
        result = out_mailbox(o, &c, w->rest, w->account->deliver_from, err);
    conf_problems_free(&problems);
    conf_free(&c);
    return result;
}

static int open_address(struct out **o, const struct wanted *w, struct out_smtp_to *to, unsigned port, struct err *err)
{
    char *host = NULL;
    to->from = w->account->deliver_from;
    to->to = w->account->deliver_to;
    if (!*to->to)
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s needs deliver_to", w->account->name,
                       log_escape(span_of(w->account->deliver)));
    if (*w->rest == '/') {
        to->host = w->rest;
        return out_smtp(o, to, err);
    }
    if (!account_address(w->rest, port, &host, &to->port))
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s names no server", w->account->name,
                       log_escape(span_of(w->account->deliver)));
    to->host = host;
    int result = out_smtp(o, to, err);
    mem_free(host);
    return result;
}

static int open_lmtp(struct out **o, const struct wanted *w, struct err *err)
{
    return open_address(o, w, &(struct out_smtp_to){.lmtp = true, .tls = ACCOUNT_CLEAR}, 0, err);
}

static int open_smtp(struct out **o, const struct wanted *w, struct err *err)
{
    const char *ca = w->account->deliver_tls_ca;
    enum account_tls tls = w->account->deliver_tls;
    return open_address(o, w, &(struct out_smtp_to){.tls = tls, .ca = ca && *ca ? ca : NULL},
                        tls == ACCOUNT_TLS ? ACCOUNT_PORT_SUBMITS : ACCOUNT_PORT_SMTP, err);
}

static int open_command(struct out **o, const struct wanted *w, struct err *err)
{
    (void)err;
    *o = out_command(w->account->name, w->rest, OUT_COMMAND_MS);
    return 0;
}

static int (*const ways[ACCOUNT_WAYS])(struct out **o, const struct wanted *w, struct err *err) = {
    [ACCOUNT_MAILDIR] = open_maildir, [ACCOUNT_MAILBOX] = open_mailbox, [ACCOUNT_LMTP] = open_lmtp,
    [ACCOUNT_SMTP] = open_smtp,       [ACCOUNT_COMMAND] = open_command,
};

int out_open(struct out **o, const struct account *a, const char *conf_file, struct err *err)
{
    enum account_way way;
    struct wanted w = {.account = a, .conf_file = conf_file};
    const char *wrong = account_deliver(a->deliver, &way, &w.rest);
    if (wrong)
        return err_set(err, ERR_CONFIG, "account %s: deliver = %s %s", a->name, log_escape(span_of(a->deliver)), wrong);
    return ways[way](o, &w, err);
}
