/* users_login: when somebody logged in last, from where, and with which app password. In the users' database, in a table that auth
 * writes and the tool reads. */
#ifndef USER_USERS_LOGIN_H
#define USER_USERS_LOGIN_H

#include "user/users.h"

struct users_login {
    char *user, *label, *address; /* label: of the app password, or "" */
    int64_t time;                 /* seconds since 1970 */
};

/* All as one change. Who, or what, is gone meanwhile is passed over. */
int users_login_note(struct users *db, const struct users_login *list, size_t n, struct err *err);
typedef int users_login_fn(void *arg, const char *user, int64_t time, const char *address); /* must not use the handle */
/* In order of name, until fn returns non-zero. */
int users_login_each(struct users *db, users_login_fn *fn, void *arg, struct err *err);
/* Once, if he has ever logged in. */
int users_login_find(struct users *db, struct span user, users_login_fn *fn, void *arg, struct err *err);

#endif
