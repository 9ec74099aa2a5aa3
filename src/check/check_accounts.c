/* check_accounts: see the header. Here: the accounts one by one, those that get in each other's way, the state. */
#include "check/check_accounts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check_accounts_impl.h"
#include "check/check_parts.h"

static bool told_already(const struct conf_problems *p, unsigned line, const char *text)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->list[i].line == line && strcmp(p->list[i].text, text) == 0)
            return true;
    return false;
}

void check_tell(const struct check_person *k, const char *option, bool fatal, const char *format, ...)
{
    unsigned line = account_line(k->a, option);
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        abort(); /* out of memory */
    if (!line)
        line = k->a->line;
    if (!told_already(k->p, line, text))
        conf_problem_add(k->p, line, fatal, "%s", text);
    free(text);
}

/* ---- one maildrop in two accounts; with the same destination, too, the reading has said so */

static bool same_maildrop(const struct account *a, const struct account *b)
{
    char *x, *y;
    unsigned x_port, y_port;
    account_server(a, &x, &x_port);
    account_server(b, &y, &y_port);
    bool same = *x && *a->user && strcasecmp(x, y) == 0 && x_port == y_port && strcmp(a->user, b->user) == 0 &&
                strcmp(a->deliver, b->deliver) != 0;
    mem_free(x);
    mem_free(y);
    return same;
}

static void check_twice(const struct check_person *k)
{
    for (const struct account *other = k->all->account; other < k->a; other++)
        if (same_maildrop(other, k->a)) {
            conf_problem_add(k->p, k->a->line, false,
                             "account %s has the server and the user of account %s on line %u: most servers let only "
                             "one of them in at a time%s",
                             k->a->name, other->name, other->line,
                             k->a->remove || other->remove || k->a->keep_newest || other->keep_newest
                                 ? ", and what one has deleted the other does not get"
                                 : "");
            return;
        }
}

/* ---- the state */

/* The first folder on the way up that is there; free with mem_free. */
static char *there(const char *path, struct stat *st)
{
    char *folder = mem_copy_text(path);
    while (stat(folder, st) < 0 && errno == ENOENT && strcmp(folder, "/") != 0) {
        char *above = check_folder_of(folder);
        mem_free(folder);
        folder = above;
    }
    return folder;
}

static void check_state_folder(const struct accounts *a, struct conf_problems *p)
{
    struct stat st = {0};
    const char *path = a->state_folder;
    char *folder = there(path, &st);
    bool made = strcmp(folder, path) == 0;
    if (stat(folder, &st) < 0)
        conf_problem_add(p, 0, true, "%s, where what was fetched is remembered, cannot be looked at: %s", path,
                         strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        conf_problem_add(p, 0, true, "%s, where what was fetched is remembered, cannot be a folder: %s is a file", path,
                         folder);
    else if (access(folder, W_OK | X_OK) < 0)
        conf_problem_add(p, 0, true, "%s, where what was fetched is remembered, %s: %s may not be written by uid %u",
                         path, made ? "is of no use" : "cannot be made", folder, geteuid());
    else if (made && st.st_mode & (S_IWGRP | S_IWOTH))
        conf_problem_add(p, 0, st.st_mode & S_IWOTH ? true : false,
                         "%s, where what was fetched is remembered, may be written by others (mode %04o); chmod 700 %s",
                         path, st.st_mode & 07777, path);
    mem_free(folder);
}

static void check_state_file(const struct check_person *k)
{
    const char *folder = k->all->state_folder, *name = k->a->name;
    size_t room = strlen(folder) + strlen(name) + sizeof "/.db";
    char *path = mem_alloc(room);
    struct stat st;
    snprintf(path, room, "%s/%s.db", folder, name);
    if (stat(path, &st) == 0 && (!S_ISREG(st.st_mode) || access(path, R_OK | W_OK) < 0))
        conf_problem_add(k->p, k->a->line, true,
                         "%s, which remembers what was fetched of account %s, is no file that uid %u may read and "
                         "write",
                         path, name, geteuid());
    mem_free(path);
}

void check_accounts(const struct accounts *a, const char *conf_file, struct conf_problems *p)
{
    struct check_person k = {.all = a, .conf_file = conf_file, .p = p};
    if (*a->state_folder)
        check_state_folder(a, p);
    for (unsigned i = 0; i < a->count; i++) {
        k.a = &a->account[i];
        check_passwords(&k);
        check_person_tls(&k);
        check_commands(&k);
        check_deliver(&k);
        check_twice(&k);
        if (*a->state_folder && *k.a->name)
            check_state_file(&k);
    }
    if (k.conf)
        conf_free(k.conf);
    mem_free(k.conf);
    conf_problems_free(&k.conf_problems);
}
