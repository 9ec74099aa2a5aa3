/* seen_impl: the handle that the files of the state share. For fetch/seen*.c alone. */
#ifndef FETCH_SEEN_IMPL_H
#define FETCH_SEEN_IMPL_H

#include <sqlite3.h>

#include "fetch/seen.h"

enum { SEEN_PATH = 4096 };
enum seen_statement { SEEN_SQL_PUT, SEEN_SQL_FORGET, SEEN_STATEMENTS };

struct seen {
    sqlite3 *sql;
    sqlite3_stmt *statements[SEEN_STATEMENTS];
    char *path;
    const char *account; /* the end of path, for words */
    int lock;            /* descriptor; -1: to read */
    bool group;
    bool is_quiet;
    struct seen_quiet quiet; /* to be written once the database is closed */
};

/* ---- seen_quiet.c; `path`: the database's */
bool seen_quiet_read(const char *path, struct seen_quiet *q);
void seen_quiet_write(const char *path, const struct seen_quiet *q);
void seen_quiet_remove(const char *path);

/* ---- seen.c: what SQLite stumbled over, in words with the remedy: a damaged file is ERR_PERM, the rest ERR_TEMP. -1. */
int seen_trouble(const struct seen *s, struct err *err);
int seen_run(struct seen *s, const char *sql, struct err *err);
int seen_prepare(struct seen *s, const char *sql, sqlite3_stmt **stmt, struct err *err);
/* Runs a prepared change to its end and makes it ready again. */
int seen_step(struct seen *s, sqlite3_stmt *stmt, struct err *err);

#endif
