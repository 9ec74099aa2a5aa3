/* users: who may log in, in SQLite (WAL). The only SQL about people.
 *
 * Used by auth (which reads) and by `bustia user` and `bustia quota` (which write). A handle is used by one thread at a
 * time. */
#ifndef USER_USERS_H
#define USER_USERS_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "user/name.h"

enum { USER_WHERE_MAX = 1024, USER_DELAY_MAX = 7 * 24 * 3600, USER_DAYS_MAX = 36500 };
#define USER_NEVER UINT32_MAX /* of expire: messages stay for ever */

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
    bool external; /* may log in with a certificate that bears his name */
    bool no_pop3;  /* may not log in; gets his mail */
    bool has_app;  /* has app passwords (app_password.h), or it cannot be known. Of users_find alone */
    bool has_login_delay, has_expire; /* else the configuration's */
    uint64_t quota_octets, quota_messages; /* of the mailbox; 0 = no limit */
    uint32_t login_delay; /* seconds between log-ins (LOGIN-DELAY, RFC 2449 §6.5); 0 = none */
    uint32_t expire;      /* days that messages stay (EXPIRE, RFC 2449 §6.7), 0 among them; or USER_NEVER */
};

void user_free(struct user *u); /* wipes secrets; leaves zeroes */
void user_wipe(char *text);     /* wipes and frees one text of a user; NULL is allowed */

struct users;

/* Makes an empty file (mode 0600) for a database where there is none, for an owner ((uid_t)-1: the caller). 0 also when
 * there is a file already: then its owner stays as it is. */
int users_make(const char *path, uint32_t uid, uint32_t gid, struct err *err);

/* Opens the database. create: makes file and tables if missing (mode 0600). Needs nothing but the path and its
 * directory (writable: WAL). ERR_GONE: no such file, or nobody has made the tables; ERR_TEMP: locked, broken, not
 * permitted; ERR_CONFIG: it is another program's, or a newer version's. An older
 * version's is taken over: the older programs open it no more. */
int users_open(struct users **db, const char *path, bool create, struct err *err);
void users_close(struct users *db); /* NULL is allowed */
/* Without a change: 1: an older version made it, and users_open would take it over; 0: no. -1 as users_open. */
int users_old(const char *path, struct err *err);

/* 0: found; -1 with ERR_GONE: nobody of this name; ERR_TEMP: trouble. Names are compared bytewise, as given. Who is
 * disabled is found too. Reads the database each time (a prepared statement), so that a change takes effect at once,
 * also when the file has been put back from a backup. */
int users_find(struct users *db, struct span name, struct user *u, struct err *err);

int users_add(struct users *db, const struct user *u, struct err *err);    /* ERR_INPUT: exists, bad name */
int users_change(struct users *db, const struct user *u, struct err *err); /* by name; ERR_GONE */
/* ERR_GONE. The aliases that lead to him lead there no more: where he was the last, the alias is gone too. */
int users_del(struct users *db, struct span name, struct err *err);
/* Calls fn for each in order of name until it returns non-zero. fn must not use the handle. */
int users_each(struct users *db, int (*fn)(void *arg, const struct user *u), void *arg, struct err *err);
/* Several changes as one. After a change or a commit that failed only users_rollback is of use. */
int users_begin(struct users *db, struct err *err);
int users_commit(struct users *db, struct err *err);
void users_rollback(struct users *db);
/* Leaves nothing of what was in the database before in the write-ahead log, if others permit that soon. After all changes. */
void users_sweep(struct users *db);

/* A random key that was made with the database and stays: for SCRAM's false salts (sasl_salt_key), which would betray
 * who does not exist if they changed when a process is started again. */
enum { USERS_KEY = 32 };
int users_key(struct users *db, unsigned char key[USERS_KEY], struct err *err);

#endif
