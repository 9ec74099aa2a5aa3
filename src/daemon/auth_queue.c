/* auth_queue: whose password is checked next. A check is dear, and only so many run at once: those that wait stand in the line of
 * their address, and addresses take turns, so that one right password does not stand behind a thousand wrong ones of somebody else.
 * Most turns are those of users who have logged in from their address lately, then of addresses that nobody has failed from lately;
 * and some of them everybody's. Whose turn it is may leave the line without a check: as his password has been found right while he waited,
 * or as he has gone. When as many wait as may (password_waiting), the last of the longest line is put off. */
#include "daemon/auth_state.h"

enum { TURNS = 8 };

/* Whose turn it is, if he is there; else that of the first who is. */
static const enum auth_line turns[TURNS] = {AUTH_KNOWN, AUTH_KNOWN, AUTH_STRANGE, AUTH_KNOWN,
                                            AUTH_KNOWN, AUTH_KNOWN, AUTH_STRANGE, AUTH_SUSPECT};

static struct crowd *next_line(struct auth *a)
{
    struct crowd *due = &a->checks[turns[a->turns++ % TURNS]];
    for (int i = 0; i < AUTH_LINES && !due->count; i++)
        due = &a->checks[i];
    return due;
}

/* Who was a stranger when he came, and from whose address somebody has failed meanwhile, waits with those. */
static bool falls_behind(struct auth *a, const struct crowd *line, struct auth_queued *q)
{
    if (line != &a->checks[AUTH_STRANGE] || auth_limit_line(a, q->session) != AUTH_SUSPECT)
        return false;
    crowd_join(&a->checks[AUTH_SUSPECT], q->key, &q->member);
    return true;
}

/* Hands over as many as there are threads for. */
static void pump(struct auth *a)
{
    while (a->checking < a->start.conf.password_threads) {
        struct crowd *line = next_line(a);
        struct crowd_member *m = crowd_turn(line);
        if (!m)
            return;
        crowd_leave(line, m);
        struct auth_queued *q = m->owner;
        if (q->abandoned) /* he has left: nobody pays for it */
            q->drop(q);
        else if (!auth_limit_may_fail(a, q->session)) /* others of his address have failed while he waited */
            q->put_off(q, true);
        else if (q->answer(q) || falls_behind(a, line, q)) /* the same password may have been checked while he waited */
            continue;
        else if (pool_call(a->pool, q->call))
            a->checking++;
        else /* not while fewer run than there are threads */
            q->put_off(q, false);
    }
}

/* For one of `line`, at an address: the last of the longest line of those who come after him, or of his own if his address has fewer. */
static bool make_room(struct auth *a, enum auth_line line, uint64_t key)
{
    size_t all = 0;
    for (int i = 0; i < AUTH_LINES; i++)
        all += a->checks[i].count;
    if (all < a->start.conf.password_waiting)
        return true;
    int from = AUTH_LINES - 1;
    while (from > (int)line && !a->checks[from].count)
        from--;
    struct crowd *c = &a->checks[from];
    if (from == (int)line && c->longest <= crowd_line(c, key) + 1)
        return false;
    struct crowd_member *m = crowd_last(c);
    if (!m)
        return false;
    struct auth_queued *q = m->owner;
    crowd_leave(c, m);
    q->put_off(q, false);
    limit_reached(&a->crowded, "password_waiting");
    return true;
}

bool auth_queue_add(struct auth *a, struct auth_queued *q, const struct auth_session *s)
{
    q->key = auth_line_of(s);
    q->session = s;
    enum auth_line line = auth_limit_line(a, s);
    if (a->checking >= a->start.conf.password_threads && !make_room(a, line, q->key)) {
        limit_reached(&a->crowded, "password_waiting");
        return false;
    }
    q->member.owner = q;
    crowd_join(&a->checks[line], q->key, &q->member);
    pump(a);
    return true;
}

void auth_queue_done(struct auth *a)
{
    a->checking--;
    pump(a);
}
