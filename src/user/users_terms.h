/* users_terms: what holds for all users together, for what is announced before anybody has said who he is (RFC 2449 §6.7). */
#ifndef USER_USERS_TERMS_H
#define USER_USERS_TERMS_H

#include "user/users.h"

/* Over all who may log in, and the configuration's value where there is nobody: days, or USER_NEVER. */
struct users_terms {
    uint32_t expire_least, expire_most;
    uint32_t delay_least, delay_most; /* seconds */
};

/* `expire` and `delay`: what holds for who has none of his own. */
int users_terms(struct users *db, uint32_t expire, uint32_t delay, struct users_terms *t, struct err *err);

/* A number that changes when anything in the database has been changed by another handle; 0: it cannot be told. */
uint64_t users_version(struct users *db);

/* What holds for this user. */
static inline uint32_t user_expire(const struct user *u, uint64_t configured)
{
    return u->has_expire ? u->expire : (uint32_t)configured;
}

static inline uint32_t user_delay(const struct user *u, uint64_t configured_ms)
{
    return u->has_login_delay ? u->login_delay : (uint32_t)((configured_ms + 999) / 1000);
}

#endif
