/* auth_terms: what the doors announce before a log-in: the least age and the
 * greatest LOGIN-DELAY that hold for anybody (RFC 2449 §6.7, §6.5). The database is
 * looked at when somebody else has changed it; nobody has to tell. */
#include "daemon/auth_state.h"

#include "base/log.h"
#include "user/users_terms.h"

enum { LOOK_MS = 2000 };

uint32_t auth_term(uint32_t days)
{
    return days == USER_NEVER ? TALK_FOR_EVER : days + 1;
}

void auth_tell_terms(struct auth *a, struct auth_door *d)
{
    if (a->terms_known)
        talk_send(d->chan, &(struct talk){.type = TALK_TERMS,
                                          .num = {auth_term(a->terms.expire_least), auth_term(a->terms.expire_most),
                                                  a->terms.delay_least, a->terms.delay_most},
                                          .fd = -1});
}

/* While the database cannot be read the doors keep what they were told. */
void auth_terms_look(struct auth *a)
{
    struct users_terms fresh;
    struct err err;
    struct users *db = auth_users(a, &err);
    uint64_t version = db ? users_version(db) : 0;
    if (!version || users_terms(db, (uint32_t)a->start.conf.expire, (uint32_t)((a->start.conf.login_delay + 999) / 1000), &fresh, &err) < 0)
        return;
    a->terms_version = version;
    bool same = a->terms_known && fresh.expire_least == a->terms.expire_least &&
                fresh.expire_most == a->terms.expire_most && fresh.delay_least == a->terms.delay_least &&
                fresh.delay_most == a->terms.delay_most;
    a->terms = fresh;
    a->terms_known = true;
    for (struct auth_door *d = a->doors; d && !same; d = d->next)
        auth_tell_terms(a, d);
}

static void look(void *arg)
{
    struct auth *a = arg;
    struct err err;
    struct users *db = auth_users(a, &err);
    if (db && users_version(db) != a->terms_version)
        auth_terms_look(a);
    if (!a->stopping)
        loop_timer_set(a->terms_timer, LOOK_MS);
}

void auth_terms_init(struct auth *a)
{
    a->terms_timer = loop_timer_new(a->loop, look, a);
    look(a);
}
