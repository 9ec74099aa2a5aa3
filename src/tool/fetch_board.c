/* fetch_board: see the header. The database may be unreadable, and the clock may have been put back: neither makes
 * checks follow each other without a pause, nor never. */
#include "tool/fetch_board.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"

enum { DAY_MS = 86400000, DOUBLINGS = 6, PAUSE_MS = 1000 };

static bool board_of(const struct account *a, const char *state, struct seen_board *b)
{
    struct err err;
    return seen_board_of(state, a->name, b, &err) == 0;
}

/* ---- when */

/* Up to a tenth more, so that many accounts of one server do not come at the same moment. */
static uint64_t spread(uint64_t ms)
{
    uint32_t r = 0;
    if (getrandom(&r, sizeof r, 0) < 0)
        r = (uint32_t)clock_us();
    return ms + (ms / 10) * (r % 1000) / 1000;
}

/* Twice as long with each failure of a row. */
static uint64_t longer(uint64_t interval, uint64_t failures)
{
    uint64_t ms = interval << (failures < DOUBLINGS ? failures : DOUBLINGS);
    return ms < DAY_MS ? ms : DAY_MS;
}

/* s since 1970; the board says it, but an account whose interval has become shorter does not wait for the old one. */
static int64_t next_of(const struct seen_board *b, const struct account *a)
{
    int64_t next = b->next, regular = b->checked + (int64_t)(a->interval / 1000);
    if (!b->failures && regular < next)
        next = regular;
    return next > b->not_before ? next : b->not_before;
}

uint64_t fetch_board_next(const struct fetch_board *b, const struct account *a, const char *state,
                          const struct event *done)
{
    struct seen_board board;
    int64_t now = clock_wall().tv_sec, next = board_of(a, state, &board) ? next_of(&board, a) : 0;
    if (next > now) {
        uint64_t ms = (uint64_t)(next - now) * 1000;
        return ms < DAY_MS ? ms : DAY_MS;
    }
    if (!done)
        return 0;
    uint64_t ms = longer(a->interval, b->failures);
    return spread(ms > PAUSE_MS ? ms : PAUSE_MS);
}

/* ---- who is told */

void fetch_board_read(struct fetch_board *b, const struct account *a, const char *state)
{
    struct seen_board board;
    if (!board_of(a, state, &board))
        return;
    b->failures = board.failures;
    b->told = board.told != 0;
}

/* Only where nobody else collects the account in this moment: what is not noted is told once more, at worst. */
static void note(const struct account *a, const char *state, bool told)
{
    struct seen *s = NULL;
    struct seen_board board;
    struct err err;
    if (seen_open(&s, state, a->name, true, &err) == 0 && seen_board_get(s, &board, &err) == 0) {
        board.told = told ? clock_wall().tv_sec : 0;
        seen_board_put(s, &board, &err);
    }
    seen_close(s);
}

static void run_command(const struct fetch_board *b, const struct account *a, const char *error, struct crew *crew)
{
    char account[ACCOUNT_NAME_MAX + 32], text[ERR_TEXT + 32], failures[64];
    char *const environment[] = {account, text, failures, NULL};
    struct err err;
    snprintf(account, sizeof account, "BUSTIA_ACCOUNT=%s", a->name);
    snprintf(text, sizeof text, "BUSTIA_ERROR=%s", error);
    snprintf(failures, sizeof failures, "BUSTIA_FAILURES=%" PRIu64, b->failures);
    if (!crew_command(crew, a->notice_command, environment, &err))
        log_warning("notice", "account=%s error=%s", a->name, log_quote_text(err.text));
}

/* The check itself notes how it went. A check that was not made, because it is too early or another process collects
 * the account, is no failure, and no success either. What could not be noted is counted here. */
static void count(struct fetch_board *b, const struct account *a, const char *state, const struct event *done)
{
    struct seen_board board;
    enum err_kind kind = done->err.kind;
    bool noted = board_of(a, state, &board);
    if (noted && (kind == ERR_NONE || board.failures > b->failures))
        b->failures = board.failures;
    else if (kind == ERR_NONE)
        b->failures = 0;
    else if (kind != ERR_BUSY && kind != ERR_LIMIT)
        b->failures++;
}

void fetch_board_tell(struct fetch_board *b, const struct account *a, const char *state, const struct event *done,
                      struct crew *crew)
{
    bool told = b->told;
    count(b, a, state, done);
    if (!a->notice_command || !*a->notice_command)
        return;
    if (!b->failures && told) {
        run_command(b, a, "", crew);
        b->told = false;
    } else if (!told && b->failures >= a->notice_after && done->err.kind != ERR_NONE) {
        run_command(b, a, done->err.text, crew);
        b->told = true;
    }
    if (b->told != told)
        note(a, state, b->told);
}
