/* address: whose mail is it? Domains, aliases and catch-alls, in the users' database. The only SQL about addresses.
 *
 * Used by auth (which resolves) and by `bustia alias` and `bustia domain` (which write). */
#ifndef USER_ADDRESS_H
#define USER_ADDRESS_H

#include "user/users.h"

enum { ADDRESS_TARGETS = 100 }; /* users one alias may lead to */

/* How the bare name of a user becomes an address. */
enum domain_names {
    DOMAIN_ALL, /* anna@DOMAIN is the user "anna@DOMAIN", else the user "anna" */
    DOMAIN_FULL /* only users whose name is the whole address: anna@DOMAIN and anna@OTHER are two people */
};

/* Who gets it: each found as users_find would, also who is disabled. */
struct address_found {
    struct user *users;
    unsigned count;
};
void address_free(struct address_found *f);

/* The mailboxes of local@domain (RFC 5321 §2.3.11; domain "" = bare). `own`: a domain that counts as ours (DOMAIN_ALL)
 * without being in the table (hostname), or "". `postmaster`: the user who gets postmaster's mail where nobody else is
 * named, or "".
 *
 * Domains, and the addresses of aliases, are compared without case (ASCII); names of users as given, then in lower
 * case. In this order: the alias, then the user of that exact name, and where bare names count (DOMAIN_ALL) the alias
 * and the user of the bare name; the same without "+detail" (what follows the first '+', if something stands before
 * it); "postmaster" in any case: the postmaster; the domain's catch-all ("@domain"). Bare: aliases and users of that
 * name alone, and the postmaster. Targets of an alias that are gone do not count: without any it is as if not there.
 *
 * 0: found. -1: ERR_GONE: nobody (550 5.1.1); ERR_AUTH: not our domain (550 5.7.1: no relaying); ERR_TEMP: trouble,
 * never to be taken for one of the others. */
int address_resolve(struct users *db, struct span local, struct span domain, const char *own, const char *postmaster,
                    struct address_found *found, struct err *err);

/* ---- for the tool. Names are checked: ERR_INPUT with the remedy; ERR_GONE: no such one. */
int domain_add(struct users *db, struct span domain, enum domain_names names, struct err *err); /* ERR_INPUT: exists */
int domain_change(struct users *db, struct span domain, enum domain_names names, struct err *err);
int domain_del(struct users *db, struct span domain, struct err *err);
/* domain_each and alias_each: in order, until fn returns non-zero; fn must not use the handle. */
int domain_each(struct users *db, int (*fn)(void *arg, const char *domain, enum domain_names names), void *arg,
                struct err *err);

/* address: "info@example.org", "@example.org" (catch-all) or a bare name; kept in lower case. target: the name of a
 * user that exists (ERR_GONE); when he is deleted, the alias leads to him no more. */
int alias_add(struct users *db, struct span address, struct span target, struct err *err);
int alias_del(struct users *db, struct span address, struct span target, struct err *err); /* target.n = 0: all of it */
int alias_each(struct users *db, int (*fn)(void *arg, const char *address, const char *target), void *arg,
               struct err *err);

#endif
