/* auth_who: the operator's questions, which come through control. `who` asks the mail processes first, so that its counts are of now. */
#include "daemon/auth_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { ASK_MS = 1000 }; /* a mail process that has not answered by then is reported as it was known */

struct auth_ask {
    uint32_t token;
    unsigned waiting; /* mail processes that have not answered */
    uint64_t until;
    struct auth_ask *next;
};

static void answer(struct auth *a, uint32_t token)
{
    size_t at = 0;
    uint32_t count = 0;
    uint64_t now = clock_ms();
    if (!a->control)
        return;
    for (struct auth_session *s; (s = map_next(&a->sessions, &at));) {
        if (!s->worker && s->step != AUTH_WAIT)
            continue;
        uint32_t uid = s->worker ? s->worker->uid : auth_waits_as(s);
        count++;
        talk_send(a->control, &(struct talk){.type = TALK_ROW,
                                             .id = {s->read, s->deleted},
                                             .num = {token, uid, s->flags | (s->worker ? 0 : TALK_WAITS), (uint32_t)((now - s->started) / 1000)},
                                             .text = {span_of(s->user), span_of(s->address)},
                                             .fd = -1});
    }
    talk_send(a->control, &(struct talk){.type = TALK_DONE, .num = {token, count}, .fd = -1});
}

/* Answers those whom nobody keeps waiting any more. */
static void answer_due(void *arg)
{
    struct auth *a = arg;
    uint64_t now = clock_ms();
    for (struct auth_ask **at = &a->asks; *at;) {
        struct auth_ask *ask = *at;
        if (ask->waiting && ask->until > now) {
            at = &ask->next;
            continue;
        }
        *at = ask->next;
        answer(a, ask->token);
        mem_free(ask);
    }
    if (a->asks)
        loop_timer_set(a->ask_timer, ASK_MS);
}

void auth_who_reported(struct auth *a, uint32_t token)
{
    for (struct auth_ask *ask = a->asks; ask; ask = ask->next)
        if (ask->token == token && ask->waiting)
            ask->waiting--;
    answer_due(a);
}

static void who(struct auth *a, uint32_t token)
{
    struct auth_ask *ask = mem_alloc(sizeof *ask);
    *ask = (struct auth_ask){.token = token, .until = clock_ms() + ASK_MS, .next = a->asks};
    a->asks = ask;
    for (struct auth_worker *w = a->workers; w; w = w->next)
        if (w->sessions && talk_send(w->chan, &(struct talk){.type = TALK_REPORT, .num = {token}, .fd = -1}) == 0)
            ask->waiting++;
    answer_due(a);
}

/* Who has shown who he is and waits; first, or the end of a session would let the next one in. */
static uint32_t kick_waiting(struct auth *a, struct span user)
{
    struct auth_session *s;
    uint32_t count = 0;
    do { /* from the beginning each time: it goes from the map */
        size_t at = 0;
        while ((s = map_next(&a->sessions, &at)) &&
               ((s->step != AUTH_WAIT && s->step != AUTH_NEED) || !span_equal(span_of(s->user), user)))
            continue;
        if (s) {
            count++;
            auth_refuse(a, s, ERR_TEMP);
        }
    } while (s);
    return count;
}

static void kick(struct auth *a, uint32_t token, struct span user)
{
    size_t at = 0;
    uint32_t count = kick_waiting(a, user);
    for (struct auth_session *s; (s = map_next(&a->sessions, &at));)
        if (s->worker && span_equal(span_of(s->user), user)) {
            count++;
            talk_send(s->worker->chan, &(struct talk){.type = TALK_END, .id = s->id, .fd = -1});
        }
    log_info("kick", "user=%s sessions=%u", log_quote(user), count);
    talk_send(a->control, &(struct talk){.type = TALK_DONE, .num = {token, count}, .fd = -1});
}

static void control_closed(void *arg)
{
    struct auth *a = arg;
    chan_free(a->control);
    a->control = NULL;
}

static void control_message(void *arg, const void *p, size_t n, int fd)
{
    struct auth *a = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_CONTROL, ROLE_AUTH, &t) < 0)
        control_closed(a);
    else if (t.type == TALK_WHO)
        who(a, t.num[0]);
    else if (t.type == TALK_TEST)
        auth_test(a, &t);
    else
        kick(a, t.num[0], t.text[0]);
}

static const struct chan_events control_events = {control_message, control_closed};

void auth_take_control(struct auth *a, int fd)
{
    if (a->control)
        control_closed(a);
    a->control = chan_new(a->loop, fd, &control_events, a);
}

void auth_who_init(struct auth *a)
{
    a->ask_timer = loop_timer_new(a->loop, answer_due, a);
}
