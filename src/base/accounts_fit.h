/* accounts_fit: what its files have in common. */
#ifndef BASE_ACCOUNTS_FIT_H
#define BASE_ACCOUNTS_FIT_H

#include "base/accounts_impl.h"
#include "base/conf_value.h"

struct fit {
    const struct account *a; /* one of */
    const struct accounts *all;
    const bool *wrong;
    struct conf_problems *p;
};

static inline bool fit_wrong(const struct fit *f, const char *name)
{
    return f->wrong[conf_find(&conf_schema_accounts, span_of(name))];
}

/* Said by the account itself: what is said for all of them may well say nothing about one. */
static inline bool fit_own(const struct fit *f, const char *name)
{
    return account_line(f->a, name) >= f->a->line;
}

/* Where to point at: the option's line, or where the account begins. */
static inline unsigned fit_line(const struct fit *f, const char *name)
{
    unsigned line = account_line(f->a, name);
    return line ? line : f->a->line;
}

/* Is nothing else than these words in the list? An empty list allows everything. */
static inline bool fit_only(const char *list, const char *word, const char *other)
{
    struct span rest = span_of(list), one = conf_word(&rest);
    bool so = one.n > 0;
    for (; one.n; one = conf_word(&rest))
        so &= span_is(one, word) || span_is(one, other);
    return so;
}

/* accounts_fit_server: the server, TLS, and the log-in. */
void accounts_fit_server(const struct fit *f);

#endif
