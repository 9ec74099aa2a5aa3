/* users: who may log in, in SQLite (WAL). The only SQL about people. */
#ifndef USER_USERS_H
#define USER_USERS_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum { USER_NAME_MAX = 249, USER_WHERE_MAX = 1024 };

/* One person. All text is NUL-terminated and belongs to the struct (user_free). "" = none. */
struct user {
    char *name;
    char *verifier; /* libcrypt's "$y$…" (or an imported scheme); "" = no password log-in */
    char *scram1;   /* "iterations:salt64:stored64:server64" for SCRAM-SHA-1, or "" */
    char *scram256; /* the same for SCRAM-SHA-256 */
    char *apop;     /* APOP's shared secret in clear, only for users who asked for it, or "" */
    char *where;    /* "maildir:/srv/mail/anna" */
    uint32_t uid, gid;
    bool disabled;
};

void user_free(struct user *u); /* wipes secrets; leaves zeroes */

struct users;

/* Opens the database. create: makes file and tables if missing (mode 0600). ERR_TEMP: locked or broken. */
int users_open(struct users **db, const char *path, bool create, struct err *err);
void users_close(struct users *db);

/* 0: found; -1 with ERR_GONE: nobody of this name; ERR_TEMP: trouble. Names are compared bytewise as given
 * after users_fold. Reads the database each time (a prepared statement), so that a change takes effect at once. */
int users_find(struct users *db, struct span name, struct user *u, struct err *err);

int users_add(struct users *db, const struct user *u, struct err *err); /* ERR_INPUT: exists, bad name */
int users_change(struct users *db, const struct user *u, struct err *err); /* by name; ERR_GONE */
int users_del(struct users *db, struct span name, struct err *err);
/* Calls fn for each in order of name until it returns non-zero. */
int users_each(struct users *db, int (*fn)(void *arg, const struct user *u), void *arg, struct err *err);
/* Several changes as one. */
int users_begin(struct users *db, struct err *err);
int users_commit(struct users *db, struct err *err);
void users_rollback(struct users *db);

/* A name is 1..249 bytes of valid UTF-8 without control characters, spaces, '/', and not "." or "..". */
int users_check_name(struct span name, struct err *err);

#endif
