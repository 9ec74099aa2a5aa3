/* check_ages: what the server announces with EXPIRE is done by `bustia expire`: does anybody start it? */
#include "check/check.h"

#include "base/clock_guard.h"
#include "check/check_parts.h"
#include "user/users_terms.h"

enum { OVERDUE = 2 * 24 * 3600 };

static int look_at(void *arg, const struct user *u)
{
    bool *any = arg;
    uint32_t days = u->has_expire ? u->expire : USER_NEVER;
    *any = days > 0 && days != USER_NEVER;
    return *any;
}

/* Somebody's mail is to be removed when it is old enough. */
static bool expires(const struct check *k, struct users *db)
{
    bool any = k->c->expire > 0 && k->c->expire != CONF_NEVER;
    struct err err;
    if (!any)
        (void)users_each(db, look_at, &any, &err); /* that it cannot be read is told elsewhere */
    return any;
}

void check_ages(const struct check *k, struct users *db)
{
    unsigned line = conf_line(k->c, "expire_state");
    struct clock_state last;
    struct clock_mark now;
    struct err err;
    if (!expires(k, db))
        return;
    if (clock_state_load(k->c->expire_state, &last, &err) < 0) {
        conf_problem_add(k->p, line, false,
                         "mail is to expire, and `bustia expire` has not run yet, or nothing is known of it (%s); it is to "
                         "run every hour: systemctl enable --now bustia-expire.timer, or cron(8)",
                         err.text);
        return;
    }
    if (clock_mark_now(&now, &err) < 0)
        return;
    if (clock_jumped(clock_moved(&last.mark, &now)))
        conf_problem_add(k->p, line, false,
                         "the clock has jumped since `bustia expire` ran, or the machine was off: no mail expires until "
                         "`bustia expire --confirm-clock` says that the clock is right");
    else if (now.wall - last.ran > OVERDUE)
        conf_problem_add(k->p, line, false,
                         "mail is to expire, and `bustia expire` has not run for over two days; see bustia-expire.timer, or "
                         "cron(8)");
}
