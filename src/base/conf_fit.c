/* conf_fit: what does not fit together in a configuration whose values are each right. Asks nothing of the system: that
 * is the check of the server (check/). */
#include "base/conf_table.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/control.h"

struct fit {
    const struct conf *c;
    const bool *wrong;
    struct conf_problems *p;
};

static bool is_wrong(const struct fit *f, const char *name)
{
    return f->wrong[conf_find(&conf_schema_server, span_of(name))];
}

/* ---- TLS */

static void fit_tls(const struct fit *f)
{
    const struct conf *c = f->c;
    if (is_wrong(f, "tls_cert") || is_wrong(f, "tls_key"))
        return;
    if (*c->tls_cert && !*c->tls_key)
        conf_problem_add(f->p, conf_line(c, "tls_cert"), true,
                         "tls_cert has no tls_key beside it; name its private key");
    if (*c->tls_key && !*c->tls_cert)
        conf_problem_add(f->p, conf_line(c, "tls_key"), true,
                         "tls_key has no tls_cert beside it; name its certificate");
    if (c->tls_pairs && !*c->tls_cert)
        conf_problem_add(f->p, c->tls_also[0].line, true,
                         "tls_also needs tls_cert and tls_key, for whoever asks for no name or for another");
    if (*c->tls_client_ca && !*c->tls_cert && !is_wrong(f, "tls_client_ca"))
        conf_problem_add(f->p, conf_line(c, "tls_client_ca"), true,
                         "tls_client_ca needs tls_cert and tls_key: certificates are shown inside TLS");
    if (*c->tls_cert || *c->tls_key)
        return;
    bool clear_far = false;
    for (unsigned i = 0; i < c->listeners; i++) {
        const struct conf_listener *l = &c->listen[i];
        struct conf_address a;
        clear_far |=
            l->service == CONF_POP3 && !conf_address_read(span_of(l->address), &a) && !conf_address_loopback(&a);
        if (l->service == CONF_POP3S)
            conf_problem_add(f->p, l->line, true, "listen = %s pop3s needs tls_cert and tls_key", l->address);
        else if (l->service == CONF_POP3 && !l->cleartext)
            conf_problem_add(f->p, l->line, false,
                             "listen = %s takes no passwords at all: it has cleartext=no, and there is no tls_cert",
                             l->address);
    }
    if (clear_far)
        conf_problem_add(
            f->p, 0, false,
            "there is no tls_cert, so passwords from outside of cleartext_networks are refused; set tls_cert and "
            "tls_key");
}

/* ---- listeners */

static bool clash(const struct conf_listener *a, const struct conf_listener *b)
{
    struct conf_address x, y;
    if (conf_listener_unix(a) || conf_listener_unix(b))
        return strcmp(a->address, b->address) == 0;
    return !conf_address_read(span_of(a->address), &x) && !conf_address_read(span_of(b->address), &y) &&
           conf_address_clash(&x, &y);
}

/* Is one of the networks somewhere else than on this machine? */
static bool reaches_far(const char *networks)
{
    struct span rest = span_of(networks);
    for (struct span word = conf_word(&rest); word.n; word = conf_word(&rest)) {
        struct conf_address network;
        unsigned prefix;
        if (!conf_network_read(word, &network, &prefix) && (!conf_address_loopback(&network) || prefix < 8))
            return true;
    }
    return false;
}

static void fit_listener(const struct fit *f, const struct conf_listener *l)
{
    struct conf_address a;
    if (l->service != CONF_POP3 && !l->cleartext)
        conf_problem_add(f->p, l->line, false, "cleartext=no says nothing with %s, %s", conf_service_name(l->service),
                         l->service == CONF_POP3S ? "which is never in the clear" : "which takes no passwords");
    if (l->service == CONF_LMTP && !conf_address_read(span_of(l->address), &a) && !conf_address_loopback(&a) &&
        !is_wrong(f, "lmtp_networks") && !reaches_far(f->c->lmtp_networks))
        conf_problem_add(
            f->p, l->line, false,
            "listen = %s lmtp is open to other machines, and lmtp_networks lets none of them in; name them "
            "there, or listen on 127.0.0.1",
            l->address);
}

static void fit_proxies(const struct fit *f)
{
    const struct conf *c = f->c;
    const struct conf_listener *behind = NULL;
    for (unsigned i = 0; i < c->listeners && !behind; i++)
        behind = c->listen[i].proxy ? &c->listen[i] : NULL;
    if (is_wrong(f, "proxy_networks") || is_wrong(f, "listen"))
        return;
    if (behind && !*c->proxy_networks)
        conf_problem_add(f->p, behind->line, true,
                         "listen = %s has proxy=required, and proxy_networks names no proxy; nobody could connect; name it "
                         "there", behind->address);
    if (!behind && *c->proxy_networks)
        conf_problem_add(f->p, conf_line(c, "proxy_networks"), false,
                         "proxy_networks is not used; it is for listeners with proxy=required");
}

static void fit_listeners(const struct fit *f)
{
    const struct conf *c = f->c;
    for (unsigned i = 0; i < c->listeners; i++) {
        const struct conf_listener *l = &c->listen[i];
        fit_listener(f, l);
        for (unsigned k = 0; k < i; k++) {
            if (!clash(l, &c->listen[k]))
                continue;
            conf_problem_add(f->p, l->line, true, "listen = %s clashes with %s on line %u; take one of them out",
                             l->address, c->listen[k].address, c->listen[k].line);
            break;
        }
    }
}

static void fit_metrics(const struct fit *f)
{
    const struct conf *c = f->c;
    struct conf_address a, b;
    if (!*c->metrics_listen || conf_address_read(span_of(c->metrics_listen), &a))
        return;
    for (unsigned i = 0; i < c->listeners; i++)
        if (!conf_listener_unix(&c->listen[i]) && !conf_address_read(span_of(c->listen[i].address), &b) && conf_address_clash(&a, &b))
            conf_problem_add(f->p, conf_line(c, "metrics_listen"), true, "metrics_listen = %s clashes with listen = %s; take another port",
                             c->metrics_listen, c->listen[i].address);
}

/* The server's own socket in run_dir is not to be listened on as well, and none may stand where mailboxes' users write.
 */
static void fit_socket(const struct fit *f, const struct conf_listener *l)
{
    const struct conf *c = f->c;
    size_t n = strlen(c->run_dir);
    if (!conf_listener_unix(l))
        return;
    if (strncmp(l->address, c->run_dir, n) == 0 && l->address[n] == '/' &&
        strcmp(l->address + n + 1, CONTROL_SOCKET) == 0)
        conf_problem_add(f->p, l->line, true, "listen = %s is the name of the control socket; take another",
                         l->address);
    for (unsigned i = 0; i < c->mail_roots; i++)
        if (conf_path_below(l->address, c->mail_root[i])) {
            conf_problem_add(
                f->p, l->line, true,
                "listen = %s lies in mail_root = %s, where users of mailboxes may write; keep it elsewhere", l->address,
                c->mail_root[i]);
            break;
        }
}

static void fit_networks(const struct fit *f, const char *name, const char *list, const char *what)
{
    struct span rest = span_of(list);
    for (struct span word = conf_word(&rest); word.n; word = conf_word(&rest)) {
        struct conf_address network;
        unsigned prefix = 1;
        if (!conf_network_read(word, &network, &prefix) && prefix == 0)
            conf_problem_add(f->p, conf_line(f->c, name), false, "%s has %.*s in it: %s from everywhere", name,
                             (int)word.n, word.p, what);
    }
}

/* ---- folders */

static void fit_root(const struct fit *f, unsigned i)
{
    const struct conf *c = f->c;
    const char *inner = c->mail_root[i];
    for (unsigned k = 0; k < c->mail_roots; k++) {
        const char *outer = c->mail_root[k];
        bool same = strcmp(inner, outer) == 0;
        if (!conf_path_below(inner, outer) || (same && i <= k))
            continue;
        if (same)
            conf_problem_add(f->p, c->mail_root_line[i], true, "mail_root = %s stands on line %u already", inner,
                             c->mail_root_line[k]);
        else
            conf_problem_add(
                f->p, c->mail_root_line[i], true,
                "mail_root = %s lies in mail_root = %s on line %u, which holds it already; take one of them out", inner,
                outer, c->mail_root_line[k]);
        return;
    }
}

/* What belongs to the server must not lie where mailboxes' users write. */
static void fit_outside_roots(const struct fit *f, const char *name, const char *path)
{
    const struct conf *c = f->c;
    unsigned i = 0;
    while (i < c->mail_roots && !conf_path_below(path, c->mail_root[i]))
        i++;
    if (i < c->mail_roots)
        conf_problem_add(f->p, conf_line(c, name), true,
                         "%s = %s lies in mail_root = %s, where users of mailboxes may write; keep it elsewhere", name,
                         path, c->mail_root[i]);
}

static void fit_store_default(const struct fit *f)
{
    const struct conf *c = f->c;
    struct span path = span_of(c->store_default), scheme = span_cut(&path, ':');
    unsigned line = conf_line(c, "store_default");
    bool inside = false;
    for (unsigned i = 0; i < c->mail_roots; i++)
        inside |= path.p && conf_path_below(path.p, c->mail_root[i]) && strcmp(path.p, c->mail_root[i]) != 0;
    if (is_wrong(f, "store_default") || is_wrong(f, "mail_root"))
        return;
    if (!inside && line)
        conf_problem_add(f->p, line, true, "store_default = %s lies in no mail_root; name one that holds it",
                         c->store_default);
    else if (!inside)
        conf_problem_add(f->p, conf_line(c, "mail_root"), false,
                         "mail_root does not hold the default of store_default, %s; set store_default too",
                         c->store_default);
    if (span_is(scheme, "memory") && !c->allow_memory_store)
        conf_problem_add(f->p, line, true, "store_default = %s keeps mail in memory, and allow_memory_store is no",
                         c->store_default);
}

/* The control socket's name must fit into a socket's address (unix(7)). */
static void fit_run_dir(const struct fit *f)
{
    enum { MOST = 107 - sizeof "/" CONTROL_SOCKET + 1 };
    if (strlen(f->c->run_dir) > MOST)
        conf_problem_add(f->p, conf_line(f->c, "run_dir"), true,
                         "run_dir is longer than the %d bytes that a socket in it allows", (int)MOST);
}

/* ---- the log and the limits */

static void fit_log(const struct fit *f)
{
    const struct conf *c = f->c;
    if (is_wrong(f, "log") || is_wrong(f, "log_file"))
        return;
    if (c->log == CONF_LOG_FILE && !*c->log_file)
        conf_problem_add(f->p, conf_line(c, "log"), true, "log = file needs log_file; name the file");
    if (c->log != CONF_LOG_FILE && *c->log_file)
        conf_problem_add(f->p, conf_line(c, "log_file"), false, "log_file is not used; it needs log = file");
}

static void fit_limits(const struct fit *f)
{
    const struct conf *c = f->c;
    if (c->tls_waiting > c->connections && conf_line(c, "tls_waiting"))
        conf_problem_add(f->p, conf_line(c, "tls_waiting"), false,
                         "tls_waiting is more than connections, which then is the limit");
    if (c->address_waiting > c->connections && conf_line(c, "address_waiting"))
        conf_problem_add(f->p, conf_line(c, "address_waiting"), false,
                         "address_waiting is more than connections: one address may take all of them");
    if (c->failure_delay >= c->authorization_timeout)
        conf_problem_add(
            f->p, conf_line(c, "failure_delay"), false,
            "failure_delay is not less than authorization_timeout: nobody sees that his password was wrong");
    if (c->busy != CONF_BUSY_REFUSE && c->busy_wait >= c->authorization_timeout && !is_wrong(f, "busy_wait"))
        conf_problem_add(f->p, conf_line(c, conf_line(c, "busy_wait") ? "busy_wait" : "authorization_timeout"), false,
                         "busy_wait is not less than authorization_timeout: who waits for his maildrop is cut off");
    if (c->busy == CONF_BUSY_REFUSE && conf_line(c, "busy_wait"))
        conf_problem_add(f->p, conf_line(c, "busy_wait"), false, "busy_wait is not used with busy = refuse");
    if (c->login_delay % 1000)
        conf_problem_add(f->p, conf_line(c, "login_delay"), false,
                         "login_delay is announced in whole seconds: it is taken as the next one");
    if (c->idle_timeout < 600000)
        conf_problem_add(f->p, conf_line(c, "idle_timeout"), false,
                         "idle_timeout is less than the 10m that RFC 1939 asks for");
    if (c->first_uid < 1000)
        conf_problem_add(f->p, conf_line(c, "first_uid"), false,
                         "first_uid is less than 1000: mailboxes may be opened as system accounts");
    if (c->allow_memory_store)
        conf_problem_add(f->p, conf_line(c, "allow_memory_store"), false, "allow_memory_store = yes is for tests only");
}

static void fit_reception(const struct fit *f)
{
    const struct conf *c = f->c;
    if (c->message_size > c->messages_memory && !is_wrong(f, "message_size") && !is_wrong(f, "messages_memory"))
        conf_problem_add(f->p, conf_line(c, conf_line(c, "messages_memory") ? "messages_memory" : "message_size"), true,
                         "message_size is more than messages_memory: a message of that size could never come in");
    if (c->smtp_timeout < 300000)
        conf_problem_add(f->p, conf_line(c, "smtp_timeout"), false,
                         "smtp_timeout is less than the 5m that RFC 5321 asks for");
}

void conf_fit(const struct conf *c, const bool wrong[CONF_OPTIONS], struct conf_problems *p)
{
    struct fit f = {c, wrong, p};
    fit_tls(&f);
    fit_listeners(&f);
    fit_proxies(&f);
    fit_metrics(&f);
    for (unsigned i = 0; i < c->listeners; i++)
        fit_socket(&f, &c->listen[i]);
    fit_networks(&f, "cleartext_networks", c->cleartext_networks, "passwords are taken without TLS");
    fit_networks(&f, "trusted_networks", c->trusted_networks, "no limit per address holds");
    fit_networks(&f, "proxy_networks", c->proxy_networks, "anybody may say whose a connection is");
    fit_networks(&f, "lmtp_networks", c->lmtp_networks, "mail is delivered without a limit");
    fit_networks(&f, "xclient_networks", c->xclient_networks, "anybody may say who he is");
    for (unsigned i = 0; i < c->mail_roots; i++)
        fit_root(&f, i);
    fit_outside_roots(&f, "users_db", c->users_db);
    fit_outside_roots(&f, "tls_key", c->tls_key);
    for (unsigned i = 0; i < c->tls_pairs; i++)
        fit_outside_roots(&f, "tls_also", c->tls_also[i].key);
    fit_outside_roots(&f, "run_dir", c->run_dir);
    fit_outside_roots(&f, "pid_file", c->pid_file);
    fit_outside_roots(&f, "expire_state", c->expire_state);
    fit_outside_roots(&f, "log_file", c->log_file);
    fit_run_dir(&f);
    fit_store_default(&f);
    fit_log(&f);
    fit_limits(&f);
    fit_reception(&f);
}
