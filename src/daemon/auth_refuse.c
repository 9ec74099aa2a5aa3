/* auth_refuse: how somebody is turned away.
 *
 * A refusal tells nothing: same text, and the same time for an unknown name and a wrong password. Its answer leaves at a common
 * tick, no earlier than failure_delay after the question. */
#include "daemon/auth_state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { TICK_MS = 100 };

static void arm_failures(struct auth *a)
{
    uint64_t now = clock_ms(), next = UINT64_MAX;
    for (size_t i = 0; i < a->n_failures; i++)
        if (a->failures[i].due < next)
            next = a->failures[i].due;
    if (next != UINT64_MAX)
        loop_timer_set(a->failure_timer, next > now ? next - now : 0);
}

static void answer_failures(void *arg)
{
    struct auth *a = arg;
    uint64_t now = clock_ms();
    size_t kept = 0;
    for (size_t i = 0; i < a->n_failures; i++) {
        struct auth_failure f = a->failures[i];
        if (f.due > now) {
            a->failures[kept++] = f;
            continue;
        }
        struct auth_session *s = auth_find(a, f.id);
        if (s && s->step == AUTH_FAILED)
            auth_drop(a, s);
        auth_say(a, &(struct talk){.type = TALK_DENIED, .id = f.id, .num = {f.kind}, .fd = -1});
    }
    a->n_failures = kept;
    arm_failures(a);
}

void auth_refuse(struct auth *a, struct auth_session *s, enum err_kind kind)
{
    if (kind == ERR_AUTH) {
        auth_limit_failed(a, s);
        auth_refuse_slowly(a, s, kind);
        return;
    }
    /* Our own trouble: no secret in how long it takes. */
    auth_limit_not_failed(a, s);
    auth_say(a, &(struct talk){.type = TALK_DENIED, .id = s->id, .num = {kind}, .fd = -1});
    auth_drop(a, s);
}

void auth_refuse_slowly(struct auth *a, struct auth_session *s, enum err_kind kind)
{
    uint64_t due = s->started + a->start.conf.failure_delay, now = clock_ms();
    if (due < now)
        due = now;
    due = (due / TICK_MS + 1) * TICK_MS;
    if (a->n_failures == a->room_failures) {
        a->room_failures = a->room_failures ? a->room_failures * 2 : 64;
        a->failures = mem_resize(a->failures, a->room_failures * sizeof *a->failures);
    }
    a->failures[a->n_failures++] = (struct auth_failure){s->id, due, kind};
    sasl_end(auth_exchange_leave(a, s));
    s->step = AUTH_FAILED;
    if (kind == ERR_AUTH)
        log_info("refused", "user=%s addr=%s", log_quote_text(s->user ? s->user : ""), talk_word(s->address));
    arm_failures(a);
}

void auth_refuse_init(struct auth *a)
{
    a->failure_timer = loop_timer_new(a->loop, answer_failures, a);
}
