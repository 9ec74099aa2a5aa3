/* users_impl: the handle that the files of the users' database share. For user/users*.c and user/address*.c alone,
 * which hold all SQL about people and addresses. */
#ifndef USER_USERS_IMPL_H
#define USER_USERS_IMPL_H

#include <sqlite3.h>

#include "user/users.h"

/* One place in the handle for each statement that is kept prepared. The SQL stands where it is used. */
enum users_statement {
    USERS_FIND,
    USERS_FIND_ALONE,
    USERS_ADD,
    USERS_CHANGE,
    USERS_DEL,
    USERS_EACH,
    USERS_KEY_READ,
    USERS_TERMS,
    APP_ADD,
    APP_DEL,
    APP_EACH,
    APP_MATCH,
    LOGIN_NOTE,
    LOGIN_NOTE_APP,
    LOGIN_EACH,
    LOGIN_FIND,
    USERS_VERSION,
    USERS_READ_BEGIN,
    USERS_READ_END,
    DOMAIN_FIND,
    DOMAIN_ADD,
    DOMAIN_CHANGE,
    DOMAIN_DEL,
    DOMAIN_EACH,
    ALIAS_FIND,
    ALIAS_ADD,
    ALIAS_DEL,
    ALIAS_DEL_ALL,
    ALIAS_EACH,
    USERS_STATEMENTS
};

struct users {
    sqlite3 *sql; /* NULL: the file could not be opened again */
    sqlite3_stmt *statements[USERS_STATEMENTS];
    char *path;
    uint64_t opened; /* how often the file has been opened */
};

/* ---- users_open.c */

/* A file that was put in the place of the open one is the one that counts from now on. Before each read that auth asks
 * for. ERR_TEMP only. */
int users_fresh(struct users *db, struct err *err);

/* Whatever SQLite stumbles over is trouble inside (ERR_TEMP), never "nobody of this name". */
int users_trouble(const struct users *db, struct err *err);
int users_run(struct users *db, const char *sql, struct err *err);

/* How long to wait for a lock, in ms: for who reads, and for who writes. */
enum { USERS_WAIT_READ = 200, USERS_WAIT_WRITE = 10000 };

/* ---- users_person.c */

/* A person's columns, in the order in which users_read takes them. */
#define USERS_COLUMNS "name, verifier, scram1, scram256, apop, store, uid, gid, disabled, quota_octets, quota_messages, " \
                      "external, pop3, login_delay, expire"
enum { USERS_COLUMN_COUNT = 15 };
void users_read(sqlite3_stmt *s, struct user *u);

/* The statement in its place, prepared; NULL: ERR_TEMP. */
sqlite3_stmt *users_prepared(struct users *db, enum users_statement which, const char *sql, struct err *err);
/* Ends a statement, also its lock; what was bound is not kept. */
void users_done(sqlite3_stmt *s);
/* Binds without a copy: `text` must live until users_done. */
void users_bind(sqlite3_stmt *s, int at, struct span text);
/* Runs a statement that changes, with a writer's patience, and ends it. SQLite's result; *changes: how many rows. */
int users_write(struct users *db, sqlite3_stmt *s, int *changes);

/* users_find without a look at the file: 1: found, 0: nobody, -1: ERR_TEMP. */
int users_look_up(struct users *db, struct span name, struct user *u, struct err *err);

#endif
