/* accounts_place: where a person's files are (XDG Base Directory), hosts with ports, and destinations taken apart. */
#include "base/accounts_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf_value.h"
#include "base/mem.h"

/* ---- folders */

/* A variable with a path; one that does not begin at the root is none ("All paths … must be absolute"). */
static const char *folder_of(const char *variable)
{
    const char *path = getenv(variable);
    return path && *path == '/' ? path : NULL;
}

static char *join(const char *folder, const char *rest)
{
    char *path = mem_alloc(strlen(folder) + strlen(rest) + 1);
    strcpy(path, folder);
    strcat(path, rest);
    return path;
}

static char *xdg(const char *variable, const char *else_below_home, const char *rest)
{
    const char *folder = folder_of(variable), *home = folder_of("HOME");
    if (folder)
        return join(folder, rest);
    if (!home)
        return NULL;
    char *below = join(home, else_below_home), *path = join(below, rest);
    mem_free(below);
    return path;
}

char *accounts_file(void)
{
    const char *named = getenv("BUSTIA_ACCOUNTS");
    return named && *named ? mem_copy_text(named) : xdg("XDG_CONFIG_HOME", "/.config", "/bustia/accounts");
}

char *accounts_file_of(const char *named, struct err *err)
{
    char *file = named ? mem_copy_text(named) : accounts_file();
    if (!file) {
        err_set(err, ERR_CONFIG, "neither HOME nor BUSTIA_ACCOUNTS says where the accounts are; -a FILE names them");
        return NULL;
    }
    if (access(file, F_OK) == 0 || errno != ENOENT)
        return file;
    err_set(err, ERR_CONFIG, "there is no %.150s; `bustia conf --accounts --sample` prints one to begin with", file);
    mem_free(file);
    return NULL;
}

char *accounts_state_folder(void)
{
    return xdg("XDG_STATE_HOME", "/.local/state", "/bustia");
}

const char account_quoted[] = "begins with a quote; leave out the quotes";

char *account_path(const char *text, const char **why)
{
    const char *home = folder_of("HOME");
    if (text[0] != '~') {
        char *path = conf_path_read(span_of(text), why);
        if (!path && (*text == '"' || *text == '\''))
            *why = account_quoted;
        else if (!path && *text != '/')
            *why = "is not absolute; write it from the root \"/\", or from the home folder \"~/\"";
        return path;
    }
    *why = text[1] == '/' ? "begins with \"~/\", and HOME names no home folder"
                          : "begins with \"~\"; write \"~/\" for the home folder, or the path from the root \"/\"";
    if (text[1] != '/' || !home)
        return NULL;
    char *whole = join(home, text + 1), *path = conf_path_read(span_of(whole), why);
    mem_free(whole);
    return path;
}

/* ---- hosts */

/* Letters, digits, "-", "." and "_" (some servers' names have it), or an IPv6 address in brackets. */
static bool host_ok(struct span host, bool brackets)
{
    struct conf_address a;
    unsigned prefix;
    if (brackets)
        return !memchr(host.p, '/', host.n) && !conf_network_read(host, &a, &prefix) && a.v6;
    bool ok = host.n > 0 && host.n <= 255 && host.p[0] != '.' && host.p[0] != '-';
    for (size_t i = 0; ok && i < host.n; i++) {
        char c = host.p[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._", c);
    }
    return ok;
}

bool account_address(const char *text, unsigned port_else, char **host, unsigned *port)
{
    struct span rest = span_of(text), name;
    bool brackets = *text == '[', has_port;
    uint64_t number = port_else;
    *host = NULL;
    *port = port_else;
    if (brackets) {
        rest = span_from(rest, 1);
        name = span_cut(&rest, ']');
        has_port = rest.n > 0;
        if (!rest.p || (has_port && rest.p[0] != ':'))
            return false;
        rest = span_from(rest, 1);
    } else {
        name = span_cut(&rest, ':');
        has_port = rest.p != NULL;
    }
    if (!host_ok(name, brackets) || (has_port && !span_number(rest, &number)))
        return false;
    if (number < 1 || number > 65535)
        return false;
    *host = mem_copy(name.p, name.n);
    *port = (unsigned)number;
    return true;
}

bool account_loopback(const char *host)
{
    struct conf_address a;
    unsigned prefix;
    return *host == '/' || span_is_nocase(span_of(host), "localhost") ||
           (!strchr(host, '/') && !conf_network_read(span_of(host), &a, &prefix) && conf_address_loopback(&a));
}

static void server_of(const char *text, enum account_tls tls, const unsigned ports[3], char **host, unsigned *port)
{
    if (!account_address(text, ports[tls], host, port))
        *host = mem_copy_text("");
}

void account_server(const struct account *a, char **host, unsigned *port)
{
    static const unsigned ports[] = {[ACCOUNT_TLS] = ACCOUNT_PORT_POP3S,
                                     [ACCOUNT_STARTTLS] = ACCOUNT_PORT_POP3,
                                     [ACCOUNT_CLEAR] = ACCOUNT_PORT_POP3};
    server_of(a->server, a->tls, ports, host, port);
}

void account_smtp_server(const struct account *a, char **host, unsigned *port)
{
    static const unsigned ports[] = {[ACCOUNT_TLS] = ACCOUNT_PORT_SUBMITS,
                                     [ACCOUNT_STARTTLS] = ACCOUNT_PORT_SUBMIT,
                                     [ACCOUNT_CLEAR] = ACCOUNT_PORT_SMTP};
    server_of(a->smtp_server, a->smtp_tls, ports, host, port);
}

/* ---- destinations */

static const char *const ways[ACCOUNT_WAYS] = {[ACCOUNT_MAILDIR] = "maildir",
                                               [ACCOUNT_MAILBOX] = "mailbox",
                                               [ACCOUNT_LMTP] = "lmtp",
                                               [ACCOUNT_SMTP] = "smtp",
                                               [ACCOUNT_COMMAND] = "command"};

static const char *wrong_path(const char *text)
{
    const char *why = NULL;
    mem_free(account_path(text, &why));
    return why;
}

/* One word: the server's names have no blanks. */
static const char *wrong_user(const char *text)
{
    size_t n = strlen(text);
    return n > 0 && n <= 255 && !strpbrk(text, " \t") ? NULL
                                                      : "is no mailbox:USER; write the name of one user of the server";
}

static const char *wrong_host(const char *text, unsigned port_else, const char *why)
{
    char *host = NULL;
    unsigned port;
    bool ok = account_address(text, port_else, &host, &port);
    mem_free(host);
    return ok ? NULL : why;
}

static const char *wrong_lmtp(const char *text)
{
    if (*text != '/')
        return wrong_host(text, 0, "is no lmtp:HOST:PORT nor lmtp:/SOCKET; write for instance lmtp:localhost:24");
    return strlen(text) <= CONF_SOCKET_PATH ? wrong_path(text)
                                            : "is longer than the name of a socket can be (107 bytes)";
}

const char *account_deliver(const char *deliver, enum account_way *way, const char **rest)
{
    const char *colon = strchr(deliver, ':');
    struct span word = {deliver, colon ? (size_t)(colon - deliver) : 0};
    unsigned i = 0;
    while (i < ACCOUNT_WAYS && !span_is(word, ways[i]))
        i++;
    *way = i;
    *rest = colon ? colon + 1 : deliver;
    switch ((enum account_way)i) {
    case ACCOUNT_MAILDIR:
        return wrong_path(*rest);
    case ACCOUNT_MAILBOX:
        return wrong_user(*rest);
    case ACCOUNT_LMTP:
        return wrong_lmtp(*rest);
    case ACCOUNT_SMTP:
        return wrong_host(*rest, ACCOUNT_PORT_SMTP,
                          "is no smtp:HOST or smtp:HOST:PORT; write for instance smtp:localhost:25");
    case ACCOUNT_COMMAND:
        return (*rest)[strspn(*rest, " \t")] ? NULL : "names no command; write for instance command:procmail";
    case ACCOUNT_WAYS:
        break;
    }
    if (*deliver == '"' || *deliver == '\'')
        return account_quoted;
    return "names no way to deliver; write maildir:PATH, mailbox:USER, lmtp:HOST:PORT, lmtp:/SOCKET, smtp:HOST:PORT or "
           "command:WORDS";
}

const char *account_way_name(enum account_way way)
{
    return (unsigned)way < ACCOUNT_WAYS ? ways[way] : "?";
}
