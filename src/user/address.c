/* address: see the header. Resolving: in auth, once for each recipient of each message, so a few look-ups by key in one
 * read transaction (one lock, one state of the database). */
#include "user/address.h"

#include <string.h>

#include "base/mem.h"
#include "user/address_impl.h"

void address_free(struct address_found *f)
{
    for (unsigned i = 0; i < f->count; i++)
        user_free(&f->users[i]);
    mem_free(f->users);
    *f = (struct address_found){0};
}

/* ---- a text that is looked for */

void address_key(struct address_key *k, struct span local, struct span domain, bool lower)
{
    k->n = 0;
    if (local.n + 1 + domain.n > ADDRESS_MAX)
        return;
    char *to = mempcpy(k->text, local.n ? local.p : "", local.n);
    if (domain.n) {
        *to++ = '@';
        to = mempcpy(to, domain.p, domain.n);
    }
    k->n = (size_t)(to - k->text);
    *to = '\0';
    for (size_t i = lower ? 0 : local.n; i < k->n; i++)
        if (k->text[i] >= 'A' && k->text[i] <= 'Z')
            k->text[i] += 'a' - 'A';
}

/* ---- the look-ups. Each: 1: found, 0: nobody, -1: trouble */

struct search {
    struct users *db;
    struct span local, domain;
    enum domain_names names; /* of the domain */
    struct address_found *found;
    struct err *err;
};

static int in_table(struct search *q)
{
    struct address_key k;
    address_key(&k, (struct span){0}, q->domain, true);
    sqlite3_stmt *s = users_prepared(q->db, DOMAIN_FIND, "SELECT names FROM domain WHERE name = ?1", q->err);
    if (!s || k.n == 0)
        return s ? 0 : -1;
    users_bind(s, 1, (struct span){k.text + 1, k.n - 1});
    int rc = sqlite3_step(s), ret = 0;
    if (rc == SQLITE_ROW) {
        q->names = sqlite3_column_int(s, 0) == DOMAIN_FULL ? DOMAIN_FULL : DOMAIN_ALL;
        ret = 1;
    } else if (rc != SQLITE_DONE) {
        ret = users_trouble(q->db, q->err);
    }
    users_done(s);
    return ret;
}

/* Targets that are gone do not count; an alias without one is as if it were not there. */
static int by_alias(struct search *q, const struct address_key *k)
{
    static const char sql[] = "SELECT " USERS_COLUMNS " FROM alias JOIN person ON name = target WHERE address = ?1";
    struct address_found *f = q->found;
    sqlite3_stmt *s = users_prepared(q->db, ALIAS_FIND, sql, q->err);
    if (!s || k->n == 0)
        return s ? 0 : -1;
    int rc, ret = 0;
    users_bind(s, 1, (struct span){k->text, k->n});
    while (ret == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (f->count == ADDRESS_TARGETS) {
            ret = err_set(q->err, ERR_TEMP, "an alias leads to more than %d users", ADDRESS_TARGETS);
            break;
        }
        f->users = mem_resize(f->users, (f->count + 1) * sizeof *f->users);
        users_read(s, &f->users[f->count++]);
    }
    if (ret == 0 && rc != SQLITE_DONE)
        ret = users_trouble(q->db, q->err);
    users_done(s);
    return ret ? ret : f->count > 0;
}

static int by_name(struct search *q, struct span name)
{
    struct user u;
    int ret = name.n ? users_look_up(q->db, name, &u, q->err) : 0;
    if (ret > 0) {
        q->found->users = mem_alloc(sizeof u);
        *q->found->users = u;
        q->found->count = 1;
    }
    return ret;
}

/* One spelling of an address: the alias, then the user of that name, as given, then in lower case. */
static int by_spelling(struct search *q, struct span local, struct span domain)
{
    struct address_key given, lower;
    address_key(&given, local, domain, false);
    address_key(&lower, local, domain, true);
    /* What a stranger wrote in quotes, "@example.org" or "info@example.org", names no alias of a domain. */
    bool whole = domain.n == 0 && memchr(lower.text, '@', lower.n);
    int ret = whole ? 0 : by_alias(q, &lower);
    if (ret == 0)
        ret = by_name(q, (struct span){given.text, given.n});
    if (ret == 0 && memcmp(given.text, lower.text, given.n) != 0)
        ret = by_name(q, (struct span){lower.text, lower.n});
    return ret;
}

static int by_local(struct search *q, struct span local)
{
    int ret = 0;
    if (local.n == 0)
        return 0;
    if (q->domain.n)
        ret = by_spelling(q, local, q->domain);
    /* At a domain the bare name is one without '@': "anna@other"@here is not anna@other. */
    if (ret == 0 && (q->domain.n == 0 || (q->names == DOMAIN_ALL && !memchr(local.p, '@', local.n))))
        ret = by_spelling(q, local, (struct span){0});
    return ret;
}

static int search(struct search *q, const char *own, const char *postmaster)
{
    int ret = q->domain.n ? in_table(q) : 1;
    if (ret < 0)
        return -1;
    if (ret == 0 && !(*own && span_is_nocase(q->domain, own)))
        return err_set(q->err, ERR_AUTH, "not a domain of this server");
    ret = by_local(q, q->local);
    struct span rest = q->local, base = span_cut(&rest, '+');
    if (ret == 0 && rest.p && base.n)
        ret = by_local(q, base);
    if (ret == 0 && span_is_nocase(base, "postmaster"))
        ret = by_name(q, span_of(postmaster));
    if (ret == 0 && q->domain.n) {
        struct address_key all;
        address_key(&all, (struct span){0}, q->domain, true);
        ret = by_alias(q, &all);
    }
    return ret ? ret : err_set(q->err, ERR_GONE, "no such address");
}

/* ---- one state of the database for all look-ups of an address */

static int read_begin(struct users *db, bool *own, struct err *err)
{
    if (users_fresh(db, err))
        return -1;
    *own = sqlite3_get_autocommit(db->sql);
    if (!*own)
        return 0; /* within users_begin … users_commit */
    sqlite3_stmt *s = users_prepared(db, USERS_READ_BEGIN, "BEGIN", err);
    int ret = !s ? -1 : sqlite3_step(s) == SQLITE_DONE ? 0 : users_trouble(db, err);
    if (s)
        users_done(s);
    return ret;
}

/* Nothing was changed, and a rollback cannot fail for want of a lock. */
static void read_end(struct users *db, bool own)
{
    sqlite3_stmt *s = own ? users_prepared(db, USERS_READ_END, "ROLLBACK", NULL) : NULL;
    if (s) {
        sqlite3_step(s);
        users_done(s);
    }
    if (own)
        users_rollback(db); /* should that have failed: what is read next must not be of this state, for ever */
}

int address_resolve(struct users *db, struct span local, struct span domain, const char *own, const char *postmaster,
                    struct address_found *found, struct err *err)
{
    struct search q = {.db = db, .local = local, .domain = domain, .found = found, .err = err};
    bool ours;
    *found = (struct address_found){0};
    if (read_begin(db, &ours, err))
        return -1;
    int ret = search(&q, own, postmaster);
    read_end(db, ours);
    if (ret > 0)
        return 0;
    address_free(found);
    return -1;
}
