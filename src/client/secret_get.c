/* secret_get: see secret.h. Here: which of its places a secret comes from. */
#include "client/secret.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "client/secret_impl.h"

/* The places of one secret, in their order; what is NULL or "" is not named. */
struct places {
    const char *command, *command_is, *file; /* command_is: the option's name */
    const char *host, *user;
    unsigned port;
    bool netrc, ask;
};

int secret_first_line(struct span in, const char *what, enum err_kind kind, char **text, struct err *err)
{
    struct span line = span_cut(&in, '\n');
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (!line.n)
        return err_set(err, kind, "%s: its first line is empty, where the secret is awaited", what);
    if (line.n > SECRET_LINE_MAX)
        return err_set(err, kind, "%s: its first line has more than %d octets", what, SECRET_LINE_MAX);
    if (memchr(line.p, '\0', line.n))
        return err_set(err, kind, "%s: there is a NUL in its first line", what);
    *text = mem_copy(line.p, line.n);
    return 0;
}

void secret_drop(char *text)
{
    if (text)
        mem_wipe(text, strlen(text));
    mem_free(text);
}

static bool given(const char *text)
{
    return text && *text;
}

/* Where nothing is named, or netrc has no entry. */
static int last_resort(const struct places *p, const struct err *netrc, char **text, struct err *err)
{
    struct err why = {.kind = ERR_GONE};
    if (p->ask && secret_from_terminal(p->user, p->host, text, &why) == 0)
        return 0;
    if (p->ask && why.kind != ERR_GONE)
        return err_set(err, why.kind, "%s", why.text);
    if (netrc->kind != ERR_NONE)
        return err_set(err, ERR_CONFIG, "%s", netrc->text);
    return err_set(err, ERR_CONFIG, "the account names no password (password_command, password_file or netrc)%s",
                   p->ask ? ", and there is no terminal to ask for it" : "");
}

static int look(const struct places *p, char **text, struct err *err)
{
    struct err why = {.kind = ERR_NONE};
    *text = NULL;
    if (given(p->command))
        return secret_from_command(p->command, p->command_is, SECRET_COMMAND_MS, text, err);
    if (given(p->file))
        return secret_from_file(p->file, text, err);
    if (p->netrc && secret_from_netrc(p->host, p->port, p->user, text, &why) == 0)
        return 0;
    if (p->netrc && why.kind != ERR_GONE)
        return err_set(err, why.kind, "%s", why.text);
    return last_resort(p, &why, text, err);
}

static int token_of(const struct account *a, char **text, struct err *err)
{
    *text = NULL;
    if (!given(a->token_command))
        return err_set(err, ERR_CONFIG, "the account has no token_command");
    return secret_from_command(a->token_command, "token_command", SECRET_COMMAND_MS, text, err);
}

static struct places places_of(const struct account *a, bool ask)
{
    return (struct places){.command = a->password_command,
                           .command_is = "password_command",
                           .file = a->password_file,
                           .user = a->user ? a->user : "",
                           .netrc = a->netrc,
                           .ask = ask};
}

int secret_get(const struct account *a, bool token, bool ask, char **text, struct err *err)
{
    struct places p = places_of(a, ask);
    char *host;
    if (token)
        return token_of(a, text, err);
    account_server(a, &host, &p.port);
    p.host = host;
    int rc = look(&p, text, err);
    mem_free(host);
    return rc;
}

int secret_get_smtp(const struct account *a, bool token, bool ask, char **text, struct err *err)
{
    struct places p = places_of(a, ask);
    char *host;
    if (token)
        return token_of(a, text, err);
    if (given(a->smtp_password_command)) {
        p.command = a->smtp_password_command;
        p.command_is = "smtp_password_command";
    } else if (given(a->smtp_password_file)) {
        p.command = NULL;
        p.file = a->smtp_password_file;
    }
    if (given(a->smtp_user))
        p.user = a->smtp_user;
    account_smtp_server(a, &host, &p.port);
    p.host = host;
    int rc = look(&p, text, err);
    mem_free(host);
    return rc;
}
