/* reader: see the header. */
#include "reader/reader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "reader/terminal.h"

/* ---- words to people */

void reader_say(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    char *clean = terminal_line(span_of(text), terminal_ascii(STDERR_FILENO));
    fprintf(stderr, "%s\n", clean);
    mem_free(clean);
    free(text);
}

int reader_fail(const struct err *err)
{
    reader_say("bustia: %s", err->text);
    return err_row(err->kind)->exit_status;
}

/* ---- accounts */

/* Is the problem one of this account, or of what holds for all? Another account's stops nobody here. */
static bool concerns(const struct accounts *all, const struct account *a, const struct conf_problem *p)
{
    const struct account *at = NULL; /* in which account the line stands */
    for (unsigned i = 0; i < all->count; i++)
        if (all->account[i].line && all->account[i].line <= p->line && (!at || at->line < all->account[i].line))
            at = &all->account[i];
    return p->fatal && (!at || at == a);
}

static int sound(const struct accounts *all, const struct account *a, const struct conf_problems *problems,
                 struct err *err)
{
    for (unsigned i = 0; i < problems->count; i++)
        if (concerns(all, a, &problems->list[i]))
            return err_set(err, ERR_CONFIG, "%.80s:%u: %.140s", all->file, problems->list[i].line,
                           problems->list[i].text);
    return 0;
}

static int find(const struct accounts *all, const char *name, const struct account **a, struct err *err)
{
    *a = accounts_find(all, name);
    if (*a)
        return 0;
    if (strchr(name, '/'))
        return err_set(err, ERR_USAGE, "there is no account \"%.100s\"; a folder is written maildir:%.100s", name,
                       name);
    const char *near = accounts_near(all, name);
    return err_set(err, ERR_USAGE, "there is no account \"%.64s\"%s%.64s%s", name, near ? "; did you mean \"" : "",
                   near ? near : "", near ? "\"?" : "");
}

static int load(struct reader *r, const char *name, const struct account **a, struct err *err)
{
    struct conf_problems problems = {0};
    char *file = accounts_file_of(r->file, err);
    if (!file)
        return -1;
    r->accounts = mem_alloc(sizeof *r->accounts);
    int result = accounts_load(r->accounts, file, &problems, err);
    if (result < 0)
        err->kind = ERR_CONFIG;
    if (result == 0)
        result = find(r->accounts, name, a, err);
    if (result == 0)
        result = sound(r->accounts, *a, &problems, err);
    conf_problems_free(&problems);
    mem_free(file);
    return result;
}

int reader_account(struct reader *r, const char *name, const struct account **a, struct err *err)
{
    return r->accounts ? find(r->accounts, name, a, err) : load(r, name, a, err);
}

void reader_end(struct reader *r)
{
    struct option_texts *texts[] = {&r->to, &r->cc, &r->bcc, &r->attach, &r->only};
    for (size_t i = 0; i < sizeof texts / sizeof(void *); i++)
        mem_free(texts[i]->text);
    if (r->accounts)
        accounts_free(r->accounts);
    mem_free(r->accounts);
    *r = (struct reader){.accounts = NULL};
}

/* ---- sources */

static const char *maildir_path(const char *word)
{
    static const char scheme[] = "maildir:";
    return strncmp(word, scheme, sizeof scheme - 1) == 0 ? word + sizeof scheme - 1 : NULL;
}

/* "~/" is the home folder, as where mail is delivered. */
static int open_folder(const char *path, struct source **s, struct err *err)
{
    const char *why;
    if (path[0] != '~')
        return source_maildir(s, path, err);
    char *whole = account_path(path, &why);
    if (!whole)
        return err_set(err, ERR_CONFIG, "%.150s: %.80s", path, why);
    int result = source_maildir(s, whole, err);
    mem_free(whole);
    return result;
}

int reader_source(struct reader *r, const char *word, struct source **s, struct err *err)
{
    const struct account *a = NULL;
    if (maildir_path(word))
        return open_folder(maildir_path(word), s, err);
    if (reader_account(r, word, &a, err) < 0)
        return -1;
    return r->collected ? source_collected(s, r->accounts, a, err) : source_server(s, a, err);
}

/* ---- messages */

int reader_pick(const struct source *s, const char *word, unsigned *msg, struct err *err)
{
    uint64_t number;
    const struct drop *d = &s->drop;
    if (span_number(span_of(word), &number)) {
        if (number == 0 || number > d->count)
            return err_set(err, ERR_GONE, "there is no message %.40s: there are %u", word, d->count);
        *msg = (unsigned)number - 1;
        return 0;
    }
    const char *uid = strncmp(word, "uid:", 4) == 0 ? word + 4 : word;
    unsigned found = 0;
    for (unsigned i = 0; i < d->count; i++)
        if (*uid && strcmp(d->messages[i].uid, uid) == 0 && found++ == 0)
            *msg = i;
    if (found > 1)
        return err_set(err, ERR_INPUT, "the server gives the uid %.70s to %u messages: their numbers name them", uid,
                       found);
    return found ? 0 : err_set(err, ERR_GONE, "there is no message with the uid %.70s", uid);
}
