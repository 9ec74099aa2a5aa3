/* auth_busy: who comes to a maildrop that another session has. The lock itself is the mail process's, and decides; here is known who
 * may have it: so who waits does so without a mail process, watched by his door, and goes when the other one has ended.
 *
 * A session stands at its maildrop from its grant until the mail process says that the lock is given back (FREED, ENDED). Others
 * may hold the lock whom nobody here knows, as another program: for them the mail process waits (EXPECT says how long). */
#include "daemon/auth_state.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"

enum { WAITING_MOST = 8 }; /* for one maildrop; one more is refused at once */

/* A maildrop that somebody has, or waits for. */
struct auth_box {
    uint64_t key;
    struct auth_session *sessions; /* in the order in which they came; by `beside` */
    unsigned waiting;
};

struct auth_wait {
    struct auth_session *session;
    struct auth_wait *next;
};

/* ---- boxes */

static void join(struct auth *a, struct auth_session *s, struct span where)
{
    uint64_t key = digest_word(where);
    struct auth_box *b = map_get(&a->boxes, key);
    if (!b) {
        b = mem_alloc(sizeof *b);
        *b = (struct auth_box){.key = key};
        map_put(&a->boxes, key, b);
    }
    struct auth_session **at = &b->sessions;
    while (*at)
        at = &(*at)->beside;
    *at = s;
    s->box = b;
}

/* Whoever waits for it looks again, soon: not here, in the midst of the end of a session. */
static void leave(struct auth *a, struct auth_session *s)
{
    struct auth_box *b = s->box;
    struct auth_session **at = &b->sessions;
    while (*at != s)
        at = &(*at)->beside;
    *at = s->beside;
    s->beside = NULL;
    s->box = NULL;
    if (b->waiting)
        loop_timer_set(a->busy_timer, 0);
    if (b->sessions)
        return;
    map_take(&a->boxes, b->key);
    mem_free(b);
}

static bool is_held(const struct auth_box *b)
{
    for (const struct auth_session *s = b->sessions; s; s = s->beside)
        if (s->step == AUTH_NEED || s->step == AUTH_RUNNING)
            return true;
    return false;
}

/* ---- who waits */

static struct auth_wait **wait_of(struct auth *a, const struct auth_session *s)
{
    struct auth_wait **at = &a->waits;
    while (*at && (*at)->session != s)
        at = &(*at)->next;
    return at;
}

static void take_wait(struct auth_wait **at)
{
    struct auth_wait *w = *at;
    *at = w->next;
    w->session->box->waiting--;
    mem_free(w);
}

static void wait_for_it(struct auth *a, struct auth_session *s, const struct user *u)
{
    struct auth_wait *w = mem_alloc(sizeof *w), **at = wait_of(a, NULL);
    *w = (struct auth_wait){.session = s};
    auth_begin_wait(a, s, u);
    *at = w;
    s->step = AUTH_WAIT;
    s->box->waiting++;
    loop_timer_set(a->busy_timer, 0);
}

/* s is gone then, and waits for nothing more. */
static void refuse(struct auth *a, struct auth_session *s)
{
    log_info("busy", "user=%s addr=%s the maildrop is in use", log_quote_text(s->user), talk_word(s->address));
    auth_refuse(a, s, ERR_BUSY);
}

static void go_on(struct auth *a, struct auth_session *s)
{
    struct user u;
    if (!auth_still(a, s, &u))
        return;
    auth_place(a, s, &u);
    user_free(&u);
}

/* Lets go on whose maildrop is free, and turns away whose time is over. One by one: each may change what is to be seen of the
 * next. */
static void look(void *arg)
{
    struct auth *a = arg;
    uint64_t now = clock_ms(), next = UINT64_MAX;
    for (struct auth_wait **at = &a->waits; *at;) {
        struct auth_session *s = (*at)->session;
        if (!is_held(s->box)) {
            take_wait(at);
            go_on(a, s);
        } else if (s->wait_until <= now) {
            take_wait(at);
            refuse(a, s);
        } else {
            if (s->wait_until < next)
                next = s->wait_until;
            at = &(*at)->next;
        }
    }
    if (next != UINT64_MAX)
        loop_timer_set(a->busy_timer, next - now);
}

/* ---- who has it */

/* Its mail process asks a plain connection, its door one over TLS. */
static void ask(struct auth *a, const struct auth_session *s, bool takeover)
{
    if (s->worker)
        talk_send(s->worker->chan, &(struct talk){.type = TALK_YIELD, .id = s->id, .num = {takeover ? TALK_TAKEOVER : 0}, .fd = -1});
    if (!takeover && s->flags & TALK_TLS)
        auth_say(a, &(struct talk){.type = TALK_PROBE, .id = s->id, .fd = -1});
}

/* Of several that want to take it over the last one is to have it: who waits, or has no mail process yet, gives way at once. */
static void ask_all(struct auth *a, const struct auth_session *but, bool takeover)
{
    struct auth_session *next;
    for (struct auth_session *s = but->box->sessions; s; s = next) {
        next = s->beside;
        if (s == but)
            continue;
        if (s->step == AUTH_RUNNING)
            ask(a, s, takeover);
        else if (takeover && (s->step == AUTH_WAIT || s->step == AUTH_NEED))
            refuse(a, s);
    }
}

bool auth_must_wait(struct auth *a, struct auth_session *s, const struct user *u)
{
    enum conf_busy how = a->start.conf.busy;
    s->wait_until = how == CONF_BUSY_REFUSE ? 0 : clock_ms() + a->start.conf.busy_wait;
    join(a, s, span_of(u->where));
    ask_all(a, s, how == CONF_BUSY_TAKEOVER);
    s->step = AUTH_WAIT; /* for is_held */
    if (how == CONF_BUSY_REFUSE || !is_held(s->box)) /* refused by whoever has the lock: they are told apart by it */
        return false;
    if (s->box->waiting >= WAITING_MOST)
        refuse(a, s);
    else
        wait_for_it(a, s, u);
    return true;
}

void auth_busy_runs(struct auth *a, struct auth_session *s, struct span where)
{
    if (where.n)
        join(a, s, where);
}

void auth_busy_freed(struct auth *a, struct auth_session *s)
{
    if (s->box)
        leave(a, s);
}

void auth_busy_drop(struct auth *a, struct auth_session *s)
{
    if (!s->box)
        return;
    struct auth_wait **at = wait_of(a, s);
    if (*at)
        take_wait(at);
    leave(a, s);
}

void auth_busy_end(struct auth *a)
{
    while (a->waits) {
        struct auth_session *s = a->waits->session;
        take_wait(&a->waits);
        auth_refuse(a, s, ERR_TEMP);
    }
}

void auth_busy_init(struct auth *a)
{
    a->busy_timer = loop_timer_new(a->loop, look, a);
}
