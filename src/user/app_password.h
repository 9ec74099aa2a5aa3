/* app_password: passwords of a user for single programs, each with a label, revocable alone. In the users' database.
 *
 * Nobody chooses them: secret_generate makes them, with 99 bits of chance. Guessing one is out of reach however fast a guess can be
 * checked, so what is kept is a salted HMAC-SHA-256. Looking through all of a user's costs microseconds: none need be remembered, and
 * revoking one takes effect at once; and a wrong password costs one dear hash, that of the user's own, whether he has some or not. */
#ifndef USER_APP_PASSWORD_H
#define USER_APP_PASSWORD_H

#include "user/users.h"

enum { APP_PASSWORDS_MAX = 25, APP_LABEL_MAX = 64 };

struct app_password {
    const char *label, *address;
    int64_t created, used; /* seconds since 1970; used: 0 = never */
};

/* ERR_INPUT: there is one of this label, or there are APP_PASSWORDS_MAX; or no good label (users_check_text). ERR_GONE: no such user. */
int app_password_add(struct users *db, struct span user, struct span label, const char *password, int64_t now, struct err *err);
int app_password_revoke(struct users *db, struct span user, struct span label, struct err *err); /* ERR_GONE */
/* In order of label, until fn returns non-zero; fn must not use the handle. */
int app_password_each(struct users *db, struct span user, int (*fn)(void *arg, const struct app_password *p), void *arg, struct err *err);
/* 1: the password is one of the user's, and its label; 0: it is not; -1: ERR_TEMP. */
int app_password_match(struct users *db, struct span user, struct span password, char label[APP_LABEL_MAX + 1], struct err *err);

#endif
