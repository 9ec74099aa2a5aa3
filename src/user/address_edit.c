/* address_edit: domains and aliases are added, deleted and listed. The tool's part. */
#include <string.h>

#include "user/address_impl.h"
#include "user/address.h"

/* ---- what may be written */

static bool domain_octet(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c >= 0x80;
}

/* Dot-separated labels that are not empty (RFC 5321 §4.1.2, 6531 §3.3). */
static int check_domain(struct span domain, struct err *err)
{
    struct span rest = domain;
    if (domain.n == 0 || domain.n > DOMAIN_MAX)
        return err_set(err, ERR_INPUT, "a domain has 1 to %d octets", DOMAIN_MAX);
    if (memchr(domain.p, '@', domain.n))
        return err_set(err, ERR_INPUT, "a domain is what follows the \"@\": example.org");
    while (rest.p) {
        struct span label = span_cut(&rest, '.');
        if (label.n == 0)
            return err_set(err, ERR_INPUT, "a domain has no empty parts: example.org, without a dot at its end");
        for (size_t i = 0; i < label.n; i++)
            if (!domain_octet((unsigned char)label.p[i] | (label.p[i] >= 'A' && label.p[i] <= 'Z' ? 0x20 : 0)))
                return err_set(err, ERR_INPUT, "a domain has letters, digits, \"-\" and \".\": example.org");
        if (label.p[0] == '-' || label.p[label.n - 1] == '-')
            return err_set(err, ERR_INPUT, "a part of a domain neither begins nor ends with \"-\"");
    }
    return users_check_text(domain, "a domain", err);
}

static int domain_key(struct address_key *k, struct span domain, struct err *err)
{
    if (check_domain(domain, err))
        return -1;
    address_key(k, (struct span){0}, domain, true);
    return 0;
}

/* The domain follows the last '@': a local part may have one, in quotes. */
static int alias_key(struct address_key *k, struct span address, struct err *err)
{
    const char *at = address.n ? memrchr(address.p, '@', address.n) : NULL;
    struct span local = address, domain = {0};
    if (address.n == 0)
        return err_set(err, ERR_INPUT, "an address may not be empty");
    if (at) {
        local.n = (size_t)(at - address.p);
        domain = span_from(address, local.n + 1);
        if (check_domain(domain, err))
            return -1;
    }
    address_key(k, local, domain, true);
    if (k->n == 0 || local.n > ADDRESS_MAX - DOMAIN_MAX - 1)
        return err_set(err, ERR_INPUT, "what stands before the \"@\" has at most %d octets",
                       ADDRESS_MAX - DOMAIN_MAX - 1);
    return users_check_text(local, "an address", err);
}

static struct span span_key(const struct address_key *k)
{
    return (struct span){k->text, k->n};
}

static struct span span_domain(const struct address_key *k)
{
    return span_from(span_key(k), 1);
}

/* ---- domains */

/* Runs a change of one domain. */
static int change_domain(struct users *db, sqlite3_stmt *s, const struct address_key *k, struct err *err)
{
    int changes, rc = users_write(db, s, &changes);
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return err_set(err, ERR_INPUT, "domain %s exists already", k->text + 1);
    if (rc != SQLITE_DONE)
        return users_trouble(db, err);
    return changes ? 0 : err_set(err, ERR_GONE, "no domain %s", k->text + 1);
}

int domain_add(struct users *db, struct span domain, enum domain_names names, struct err *err)
{
    struct address_key k = {0};
    if (domain_key(&k, domain, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, DOMAIN_ADD, "INSERT INTO domain(name, names) VALUES(?1, ?2)", err);
    if (!s)
        return -1;
    users_bind(s, 1, span_domain(&k));
    sqlite3_bind_int(s, 2, names);
    return change_domain(db, s, &k, err);
}

int domain_change(struct users *db, struct span domain, enum domain_names names, struct err *err)
{
    struct address_key k = {0};
    if (domain_key(&k, domain, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, DOMAIN_CHANGE, "UPDATE domain SET names = ?2 WHERE name = ?1", err);
    if (!s)
        return -1;
    users_bind(s, 1, span_domain(&k));
    sqlite3_bind_int(s, 2, names);
    return change_domain(db, s, &k, err);
}

int domain_del(struct users *db, struct span domain, struct err *err)
{
    struct address_key k = {0};
    if (domain_key(&k, domain, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, DOMAIN_DEL, "DELETE FROM domain WHERE name = ?1", err);
    if (!s)
        return -1;
    users_bind(s, 1, span_domain(&k));
    return change_domain(db, s, &k, err);
}

/* A column's text; never NULL. */
static const char *column(sqlite3_stmt *s, int at)
{
    const unsigned char *text = sqlite3_column_text(s, at);
    return text ? (const char *)text : "";
}

int domain_each(struct users *db, int (*fn)(void *arg, const char *domain, enum domain_names names), void *arg,
                struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, DOMAIN_EACH, "SELECT name, names FROM domain ORDER BY name", err);
    int rc = SQLITE_DONE, stop = 0;
    if (!s)
        return -1;
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW)
        stop = fn(arg, column(s, 0), sqlite3_column_int(s, 1) == DOMAIN_FULL ? DOMAIN_FULL : DOMAIN_ALL);
    int ret = stop || rc == SQLITE_DONE ? 0 : users_trouble(db, err);
    users_done(s);
    return ret;
}

/* ---- aliases */

int alias_add(struct users *db, struct span address, struct span target, struct err *err)
{
    /* The ceiling stands in the statement, so that two who add at once do not pass it together. */
    static const char sql[] = "INSERT INTO alias(address, target) SELECT ?1, ?2"
                              " WHERE (SELECT count(*) FROM alias WHERE address = ?1) < ?3";
    struct address_key k = {0};
    int changes;
    if (alias_key(&k, address, err) || users_check_name(target, err))
        return -1;
    sqlite3_stmt *s = users_prepared(db, ALIAS_ADD, sql, err);
    if (!s)
        return -1;
    users_bind(s, 1, span_key(&k));
    users_bind(s, 2, target);
    sqlite3_bind_int(s, 3, ADDRESS_TARGETS);
    int rc = users_write(db, s, &changes), n = (int)target.n;
    if (rc == SQLITE_CONSTRAINT_PRIMARYKEY)
        return err_set(err, ERR_INPUT, "%.100s leads to %.*s already", k.text, n, target.p);
    if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
        return err_set(err, ERR_GONE, "no user %.*s; an alias leads to users only", n, target.p);
    if (rc != SQLITE_DONE)
        return users_trouble(db, err);
    return changes ? 0
                   : err_set(err, ERR_INPUT, "%.100s leads to %d users, and cannot to more", k.text, ADDRESS_TARGETS);
}

int alias_del(struct users *db, struct span address, struct span target, struct err *err)
{
    struct address_key k = {0};
    int changes;
    if (alias_key(&k, address, err))
        return -1;
    sqlite3_stmt *s = target.n
                          ? users_prepared(db, ALIAS_DEL, "DELETE FROM alias WHERE address = ?1 AND target = ?2", err)
                          : users_prepared(db, ALIAS_DEL_ALL, "DELETE FROM alias WHERE address = ?1", err);
    if (!s)
        return -1;
    users_bind(s, 1, span_key(&k));
    if (target.n)
        users_bind(s, 2, target);
    if (users_write(db, s, &changes) != SQLITE_DONE)
        return users_trouble(db, err);
    if (changes)
        return 0;
    return target.n ? err_set(err, ERR_GONE, "%.100s does not lead to %.*s", k.text,
                              (int)(target.n < USER_NAME_MAX ? target.n : USER_NAME_MAX), target.p)
                    : err_set(err, ERR_GONE, "no alias %.200s", k.text);
}

int alias_each(struct users *db, int (*fn)(void *arg, const char *address, const char *target), void *arg,
               struct err *err)
{
    sqlite3_stmt *s = users_prepared(db, ALIAS_EACH, "SELECT address, target FROM alias ORDER BY address, target", err);
    int rc = SQLITE_DONE, stop = 0;
    if (!s)
        return -1;
    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW)
        stop = fn(arg, column(s, 0), column(s, 1));
    int ret = stop || rc == SQLITE_DONE ? 0 : users_trouble(db, err);
    users_done(s);
    return ret;
}
