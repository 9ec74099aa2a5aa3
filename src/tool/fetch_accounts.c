/* fetch_accounts: see the header. */
#include "tool/fetch_accounts.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* Where an account begins that is not the last, the one before it has ended. */
static const struct account *account_of_line(const struct accounts *all, unsigned line)
{
    const struct account *found = NULL;
    for (unsigned i = 0; i < all->count; i++)
        if (all->account[i].line && all->account[i].line <= line && (!found || found->line < all->account[i].line))
            found = &all->account[i];
    return found;
}

static const struct conf_problem *problem_of(const struct fetch_accounts *f, const struct account *a)
{
    for (unsigned i = 0; i < f->problems.count; i++)
        if (f->problems.list[i].fatal && account_of_line(f->all, f->problems.list[i].line) == a)
            return &f->problems.list[i];
    return NULL;
}

bool fetch_accounts_wrong(const struct fetch_accounts *f, const struct account *a, struct err *err)
{
    const struct conf_problem *p = problem_of(f, a);
    if (p)
        err_set(err, ERR_CONFIG, "%.160s (line %u of %s)", p->text, p->line, f->file);
    return p != NULL;
}

static int named(const struct fetch_accounts *f, const char *name, const struct account **a, struct err *err)
{
    *a = accounts_find(f->all, name);
    if (*a)
        return 0;
    const char *near = accounts_near(f->all, name);
    return err_set(err, ERR_USAGE, "%.80s has no account \"%.40s\"%s%.40s%s", f->file, log_escape(span_of(name)),
                   near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static int choose(struct fetch_accounts *f, char *const names[], unsigned count, struct err *err)
{
    if (!count)
        for (unsigned i = 0; i < f->all->count; i++)
            if (f->all->account[i].enabled)
                f->chosen[f->count++] = &f->all->account[i];
    for (unsigned i = 0; i < count; i++) {
        const struct account *a;
        bool again = false;
        if (named(f, names[i], &a, err) < 0)
            return -1;
        for (unsigned k = 0; k < f->count; k++)
            again |= f->chosen[k] == a;
        if (!again)
            f->chosen[f->count++] = a;
    }
    return 0;
}

int fetch_accounts_open(struct fetch_accounts *f, const char *file, char *const names[], unsigned count,
                        struct err *err)
{
    *f = (struct fetch_accounts){.all = mem_alloc(sizeof(struct accounts))};
    f->file = accounts_file_of(file, err);
    if (!f->file)
        return -1;
    if (accounts_load(f->all, f->file, &f->problems, err) < 0) {
        err->kind = ERR_CONFIG;
        return -1;
    }
    const struct conf_problem *whole = problem_of(f, NULL);
    if (whole && whole->line)
        return err_set(err, ERR_CONFIG, "%.80s:%u: %.140s", f->file, whole->line, whole->text);
    if (whole)
        return err_set(err, ERR_CONFIG, "%.80s: %.140s", f->file, whole->text);
    if (!f->all->count)
        return err_set(err, ERR_CONFIG, "%.80s names no account", f->file);
    return choose(f, names, count, err);
}

void fetch_accounts_close(struct fetch_accounts *f)
{
    if (f->all)
        accounts_free(f->all);
    mem_free(f->all);
    mem_free(f->file);
    conf_problems_free(&f->problems);
    *f = (struct fetch_accounts){0};
}

int fetch_accounts_width(const struct fetch_accounts *f)
{
    size_t width = 0;
    for (unsigned i = 0; i < f->count; i++)
        if (strlen(f->chosen[i]->name) > width)
            width = strlen(f->chosen[i]->name);
    return (int)width;
}
