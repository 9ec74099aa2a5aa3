/* check_addresses: domains, aliases and the postmaster, of a server that takes mail. All of it warnings: one address
 * that leads nowhere is no reason to refuse the others' mail. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "check/check_parts.h"
#include "user/address.h"

enum { TOLD = 20 }; /* of each kind, one by one; the rest are counted */

struct domain {
    char *name;
    enum domain_names names;
    bool used; /* somebody gets mail there */
};

struct town {
    const struct check *k;
    struct users *db;
    char **users; /* sorted: users_each goes by name */
    size_t n_users;
    struct domain *domains; /* sorted */
    size_t n_domains;
    unsigned lost, foreign; /* aliases without their user, at no domain of ours */
};

static bool takes_mail(const struct conf *c)
{
    for (unsigned i = 0; i < c->listeners; i++)
        if (c->listen[i].service == CONF_LMTP || c->listen[i].service == CONF_SMTP)
            return true;
    return false;
}

/* ---- who and what there is */

static void *grown(void *list, size_t n, size_t size)
{
    return n & (n - 1) ? list : mem_resize(list, (n ? 2 * n : 1) * size);
}

static int take_domain(void *arg, const char *domain, enum domain_names names)
{
    struct town *t = arg;
    t->domains = grown(t->domains, t->n_domains, sizeof *t->domains);
    t->domains[t->n_domains++] = (struct domain){mem_copy_text(domain), names, false};
    return 0;
}

static int by_domain(const void *key, const void *row)
{
    return strcmp(key, ((const struct domain *)row)->name);
}

static struct domain *domain_of(const struct town *t, const char *name)
{
    return t->n_domains ? bsearch(name, t->domains, t->n_domains, sizeof *t->domains, by_domain) : NULL;
}

/* Somebody gets mail for this address or, being a bare name, at every domain where bare names count. */
static void use(struct town *t, const char *address)
{
    const char *at = strrchr(address, '@');
    struct domain *d = at ? domain_of(t, at + 1) : NULL;
    if (d)
        d->used = true;
    for (size_t i = 0; !at && i < t->n_domains; i++)
        t->domains[i].used |= t->domains[i].names == DOMAIN_ALL;
}

static int take_user(void *arg, const struct user *u)
{
    struct town *t = arg;
    t->users = grown(t->users, t->n_users, sizeof *t->users);
    t->users[t->n_users++] = mem_copy_text(u->name);
    use(t, u->name);
    return 0;
}

static int by_user(const void *key, const void *row)
{
    return strcmp(key, *(char *const *)row);
}

static int take_alias(void *arg, const char *address, const char *target)
{
    struct town *t = arg;
    unsigned line = conf_line(t->k->c, "users_db");
    const char *at = strrchr(address, '@');
    if (!t->n_users || !bsearch(target, t->users, t->n_users, sizeof *t->users, by_user)) {
        if (++t->lost <= TOLD)
            conf_problem_add(t->k->p, line, false,
                             "alias %.100s leads to %.60s, who does not exist; `bustia alias del` removes it",
                             log_escape(span_of(address)), log_escape(span_of(target)));
        return 0;
    }
    use(t, address);
    if (at && !domain_of(t, at + 1) && !span_is_nocase(span_of(at + 1), t->k->c->hostname) && ++t->foreign <= TOLD)
        conf_problem_add(
            t->k->p, line, false,
            "alias %.100s gets no mail: its domain is none of this server; `bustia domain add` makes it one",
            log_escape(span_of(address)));
    return 0;
}

static void check_domains(const struct town *t)
{
    unsigned empty = 0;
    for (size_t i = 0; i < t->n_domains; i++)
        if (!t->domains[i].used && ++empty <= TOLD)
            conf_problem_add(t->k->p, conf_line(t->k->c, "users_db"), false,
                             "domain %.100s has no user and no alias: all mail to it is refused",
                             log_escape(span_of(t->domains[i].name)));
    if (empty > TOLD)
        conf_problem_add(t->k->p, conf_line(t->k->c, "users_db"), false, "and %u more domains have none", empty - TOLD);
}

/* ---- the postmaster, whose mail must be taken at every domain (RFC 5321 §4.5.1) */

static bool nobody_is_postmaster(const struct town *t, const char *domain)
{
    struct address_found f;
    struct err err;
    if (address_resolve(t->db, span_of("postmaster"), span_of(domain), t->k->c->hostname, t->k->c->postmaster, &f,
                        &err) == 0) {
        address_free(&f);
        return false;
    }
    return err.kind == ERR_GONE;
}

/* The configuration names one. */
static void check_named(const struct town *t)
{
    const struct check *k = t->k;
    unsigned line = conf_line(k->c, "postmaster");
    const char *name = log_escape(span_of(k->c->postmaster));
    struct user u;
    struct err err;
    if (users_find(t->db, span_of(k->c->postmaster), &u, &err) == 0) {
        if (u.disabled)
            conf_problem_add(k->p, line, false, "postmaster = %s is disabled: postmaster's mail is refused", name);
        user_free(&u);
    } else if (err.kind == ERR_GONE) {
        conf_problem_add(k->p, line, false, "postmaster = %s is no user; `bustia user add` makes one", name);
    }
}

/* It names none: then an alias, a user or a catch-all must stand in, bare and at each domain. */
static void check_unnamed(const struct town *t)
{
    unsigned missing = nobody_is_postmaster(t, "");
    const char *at = "", *domain = "";
    for (size_t i = 0; i < t->n_domains; i++)
        if (nobody_is_postmaster(t, t->domains[i].name) && missing++ == 0) {
            at = "@";
            domain = t->domains[i].name;
        }
    char more[60] = "";
    if (missing > 1)
        snprintf(more, sizeof more, ", nor to %u more of its kind", missing - 1);
    if (missing)
        conf_problem_add(
            t->k->p, conf_line(t->k->c, "postmaster"), false,
            "nobody gets the mail to postmaster%s%.100s%s, which every server must take; postmaster = USER "
            "names somebody",
            at, log_escape(span_of(domain)), more);
}

static void look_at_all(struct town *t)
{
    const struct check *k = t->k;
    unsigned line = conf_line(k->c, "users_db");
    struct err err;
    if (domain_each(t->db, take_domain, t, &err) || users_each(t->db, take_user, t, &err) ||
        alias_each(t->db, take_alias, t, &err)) {
        conf_problem_add(k->p, line, true, "users_db = %s cannot be read: %s", k->c->users_db, err.text);
        return;
    }
    if (t->lost > TOLD)
        conf_problem_add(k->p, line, false, "and %u more aliases lead to nobody", t->lost - TOLD);
    if (t->foreign > TOLD)
        conf_problem_add(k->p, line, false, "and %u more aliases get no mail", t->foreign - TOLD);
    check_domains(t);
    if (*k->c->postmaster)
        check_named(t);
    else
        check_unnamed(t);
}

void check_addresses(const struct check *k, struct users *db)
{
    struct town t = {.k = k, .db = db};
    if (!takes_mail(k->c))
        return;
    look_at_all(&t);
    for (size_t i = 0; i < t.n_users; i++)
        mem_free(t.users[i]);
    for (size_t i = 0; i < t.n_domains; i++)
        mem_free(t.domains[i].name);
    mem_free(t.users);
    mem_free(t.domains);
}
