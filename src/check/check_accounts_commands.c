/* check_accounts_commands: would sh find the first word of a command? Only where that word is plain; what the shell
 * makes of anything else only the shell knows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check_accounts_impl.h"

#define PATH_ELSE "/usr/local/bin:/usr/bin:/bin"

/* What sh knows itself (POSIX). */
static const char *const built_in[] = {
    ".",     "alias",  "bg",      "break",    "case",   "cd",   "command", "continue", "do",    "done", "echo", "eval",
    "exec",  "exit",   "export",  "false",    "fg",     "fi",   "for",     "getopts",  "hash",  "if",   "jobs", "kill",
    "pwd",   "read",   "printf",  "readonly", "return", "set",  "shift",   "test",     "times", "trap", "true", "type",
    "umask", "ulimit", "unalias", "unset",    "until",  "wait", "while",   ":",        NULL};

static bool is_built_in(const char *word)
{
    for (unsigned i = 0; built_in[i]; i++)
        if (strcmp(word, built_in[i]) == 0)
            return true;
    return false;
}

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._/+-@:", c));
}

/* The first word, with the home folder for "~/"; NULL: not one that can be judged here. Free with mem_free. */
static char *first_word(const char *words)
{
    const char *why = NULL, *start = words + strspn(words, " \t");
    size_t n = start[0] == '~' && start[1] == '/' ? 1 : 0;
    bool home = n;
    while (plain(start[n]))
        n++;
    if (n == 0 || (start[n] && !strchr(" \t;|&<>", start[n])))
        return NULL;
    char *word = mem_copy(start, n);
    if (!home)
        return word;
    char *path = account_path(word, &why);
    mem_free(word);
    return path;
}

static bool runs(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        err_set(err, ERR_GONE, "%s", strerror(errno));
        return false;
    }
    if (S_ISREG(st.st_mode) && access(path, X_OK) == 0)
        return true;
    err_set(err, ERR_PERM, "it is no program that uid %u may start", geteuid());
    return false;
}

static bool found(const char *word)
{
    const char *path = getenv("PATH");
    struct err err;
    bool is_there = false;
    char *all = mem_copy_text(path ? path : PATH_ELSE), *rest = all;
    for (const char *folder; !is_there && (folder = strsep(&rest, ":"));) {
        char *file = mem_alloc(strlen(folder) + strlen(word) + sizeof "./");
        sprintf(file, "%s/%s", *folder ? folder : ".", word);
        is_there = runs(file, &err);
        mem_free(file);
    }
    mem_free(all);
    return is_there;
}

void check_command(const struct check_person *k, const char *option, const char *words)
{
    char *word = first_word(words);
    struct err err;
    if (!word)
        return;
    if (*word == '/') {
        if (!runs(word, &err))
            check_tell(k, option, false, "%s: %s cannot be run: %s", option, word, err.text);
    } else if (strchr(word, '/'))
        check_tell(k, option, false,
                   "%s: %s is looked for in whatever folder bustia is started in; write it from the root \"/\" or from "
                   "\"~/\"",
                   option, word);
    else if (!is_built_in(word) && !found(word))
        check_tell(k, option, false, "%s: there is no program %s in the folders of PATH", option, word);
    mem_free(word);
}

void check_commands(const struct check_person *k)
{
    const struct account *a = k->a;
    check_command(k, "password_command", a->password_command);
    check_command(k, "token_command", a->token_command);
    check_command(k, "notice_command", a->notice_command);
    check_command(k, "smtp_password_command", a->smtp_password_command);
}
