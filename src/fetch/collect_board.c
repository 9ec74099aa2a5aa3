/* collect: when a check may begin, and what is noted of it as a whole. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "fetch/backoff.h"
#include "fetch/collect_state.h"

static bool notes(const struct collect *c)
{
    return c->job->what == COLLECT_FETCH || c->job->what == COLLECT_MARK_SEEN;
}

/* To look at: what was never collected has no state, and needs none. */
static int open_to_look(struct collect *c, struct err *err)
{
    if (seen_open(&c->seen, c->job->state_folder, c->account->name, false, err) == 0)
        return seen_board_get(c->seen, &c->board, err);
    c->seen = NULL;
    return err->kind == ERR_GONE ? 0 : -1;
}

int collect_open(struct collect *c, struct err *err)
{
    bool unread = c->unread;
    c->unread = false;
    if (seen_ready(c->seen, err)) {
        seen_close(c->seen);
        c->seen = NULL;
        return -1;
    }
    if (seen_maildrop(c->seen, c->maildrop, c->job->moved, err) || seen_board_get(c->seen, &c->board, err))
        return -1;
    if (unread)
        collect_logged_in(c);
    return 0;
}

/* What a quiet check said of the board makes no check wait. */
static int open_to_note(struct collect *c, struct err *err)
{
    bool quiet = false;
    if (seen_lock(&c->seen, c->job->state_folder, c->account->name, &c->quiet, &quiet, err) < 0) {
        c->seen = NULL;
        return -1;
    }
    bool all = c->job->what != COLLECT_FETCH || c->job->whole || c->job->moved;
    if (all || !quiet || c->now < c->quiet.board.checked || c->now >= c->quiet.until)
        return collect_open(c, err);
    c->unread = true;
    c->board = c->quiet.board;
    return 0;
}

/* As `bustia status` says it. */
static const char *span_text(int64_t s, char out[32])
{
    const char *unit = s < 100 ? "s" : s < 6000 ? "min" : "h";
    snprintf(out, 32, "%" PRId64 " %s", s < 100 ? s : s < 6000 ? s / 60 : s / 3600, unit);
    return out;
}

/* LOGIN-DELAY (RFC 2449 §6.7) binds also a person; a back-off is ours. A clock that was put back keeps nobody out. */
static int is_time(struct collect *c, struct err *err)
{
    int64_t wait = c->board.not_before - c->now;
    int64_t pause = c->now < c->board.checked ? 0 : c->board.next - c->now;
    bool delayed = wait > 0 && wait <= COLLECT_DELAY_MAX;
    char span[32];
    if (c->job->by_hand && delayed)
        return err_set(err, ERR_LIMIT, "the server wants no log-in for another %s (LOGIN-DELAY)",
                       span_text(wait, span));
    if (c->job->by_hand || (!delayed && pause <= 0))
        return 0;
    if (!delayed && c->board.failures == 0)
        return 0; /* whoever starts the checks keeps their interval */
    snprintf(c->early, sizeof c->early, "not checked: %s in %s",
             delayed ? "the server allows the next log-in (LOGIN-DELAY)" : "the last check failed, the next is due",
             span_text(delayed ? wait : pause, span));
    collect_say(c, EVENT_STEP, NULL, "%s", c->early);
    return 0;
}

int collect_begin(struct collect *c, struct err *err)
{
    if ((notes(c) ? open_to_note : open_to_look)(c, err))
        return -1;
    err->kind = ERR_NONE;
    return is_time(c, err);
}

void collect_logged_in(struct collect *c)
{
    if (!c->session)
        return;
    const struct pop3_capa *capa = &c->session->machine.capa;
    if (c->session->code == POP3_CODE_LOGIN_DELAY || capa->login_delay_known) {
        uint64_t delay = capa->login_delay_known ? capa->login_delay : c->account->interval / 1000;
        c->board.not_before = clock_wall().tv_sec + (int64_t)(delay < COLLECT_DELAY_MAX ? delay : COLLECT_DELAY_MAX);
    }
    if (capa->expire_known)
        c->board.expires =
            capa->expire_never || capa->expire_days > COLLECT_EXPIRE_MAX ? -1 : (int64_t)capa->expire_days * 86400;
}

/* What cannot be noted has been told: the check itself is what it is. */
void collect_board(struct collect *c, const struct err *result)
{
    struct err unnoted;
    uint32_t random;
    bool well = result->kind == ERR_NONE;
    if (!notes(c) || !c->seen || (c->unread && !(c->is_quiet && well) && collect_open(c, &unnoted)))
        return;
    struct seen_board *b = &c->board;
    int64_t now = clock_wall().tv_sec;
    digest_random(&random, sizeof random);
    seen_abandon(c->seen);
    b->checked = now;
    b->succeeded = well ? now : b->succeeded;
    b->failures = well ? 0 : b->failures + 1;
    b->fetched = c->fetched;
    if (c->listing.ready || c->is_quiet)
        b->left = c->left;
    b->next = backoff_next(now, c->account->interval, b->failures, result->kind, random);
    snprintf(b->error, sizeof b->error, "%s", well ? "" : result->text);
    if (well && c->failed)
        snprintf(b->error, sizeof b->error, "%u message%s could not be delivered", c->failed,
                 c->failed == 1 ? "" : "s");
    bool noted = c->unread || seen_board_put(c->seen, b, &unnoted) == 0;
    if (well && noted)
        collect_keep_quiet(c);
}
