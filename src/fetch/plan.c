/* plan: two questions a message: is it taken, and may it go. Only what is delivered, or is about to be, may go. */
#include "fetch/plan.h"

#include <stdio.h>
#include <string.h>

enum { DAY = 86400 };

struct decision {
    enum plan_take take;
    enum plan_why why;
};

/* ---- is it taken */

static bool has_uid(const struct plan_row *row)
{
    return *row->uid && !row->twice;
}

static struct decision too_large(const struct account *a, const struct plan_row *row)
{
    if (a->oversize == ACCOUNT_DELETE)
        return (struct decision){PLAN_DISCARD, PLAN_TOO_LARGE};
    if (a->oversize == ACCOUNT_HEADERS && has_uid(row)) /* without a uid they would come again each time */
        return (struct decision){PLAN_HEADERS, PLAN_TOO_LARGE};
    return (struct decision){PLAN_LEAVE, PLAN_TOO_LARGE};
}

/* Of messages that no row keeps from being taken. */
static struct decision open_for(const struct account *a, const struct plan_row *row, struct decision otherwise)
{
    return a->size_limit && row->size > a->size_limit ? too_large(a, row) : otherwise;
}

static bool is_delivered(const struct plan_row *row)
{
    return row->state == SEEN_DELIVERED || row->state == SEEN_DELETED;
}

static struct decision take_of(const struct account *a, const struct plan_row *row)
{
    if (row->whole && !is_delivered(row))
        return (struct decision){PLAN_FETCH, PLAN_WHOLE};
    switch ((enum seen_state)row->state) {
    case SEEN_SEEN:
        return open_for(a, row, (struct decision){PLAN_FETCH, row->failures ? PLAN_AGAIN : PLAN_NEW});
    case SEEN_FETCHED:
        return (struct decision){PLAN_FETCH, PLAN_AGAIN};
    case SEEN_DELETED: /* it is there still, or another has its uid: nothing is deleted unseen */
        return (struct decision){PLAN_COMPARE, row->was_gone ? PLAN_BACK : PLAN_UNSETTLED};
    case SEEN_DELIVERED:
        if (row->was_gone) /* the same again is left in peace whatever its size: only its content can tell */
            return (struct decision){PLAN_COMPARE, PLAN_BACK};
        return (struct decision){PLAN_LEAVE, PLAN_KNOWN};
    case SEEN_HEADERS:
        return (struct decision){PLAN_LEAVE, PLAN_TOO_LARGE};
    case SEEN_MARKED:
        return (struct decision){PLAN_LEAVE, PLAN_MARKED};
    case SEEN_QUARANTINED:
        if (row->was_gone)
            return (struct decision){PLAN_COMPARE, PLAN_BACK};
        return (struct decision){PLAN_LEAVE, PLAN_QUARANTINED};
    case SEEN_NEW:
    case SEEN_STATES:
        break;
    }
    return open_for(
        a, row, has_uid(row) ? (struct decision){PLAN_FETCH, PLAN_NEW} : (struct decision){PLAN_COMPARE, PLAN_NO_UID});
}

/* ---- may it go */

/* There is a whole copy of it here, or will be before it goes. */
static bool may_go(const struct plan_row *row)
{
    return row->take == PLAN_FETCH || (row->take == PLAN_LEAVE && is_delivered(row));
}

static bool is_old(const struct account *a, int64_t now, const struct plan_row *row)
{
    return row->first && now >= row->first && (uint64_t)(now - row->first) >= a->remove_after / 1000;
}

/* `newer`: how many that may go are newer. */
static void decide_removal(const struct account *a, int64_t now, struct plan_row *row, uint64_t newer)
{
    row->remove = true;
    if (a->remove && a->remove_after == 0)
        row->remove_why = PLAN_NOW;
    else if (a->remove && is_old(a, now, row))
        row->remove_why = PLAN_OLD;
    else if (a->keep_newest && newer >= a->keep_newest)
        row->remove_why = PLAN_NOT_NEWEST;
    else
        row->remove = false;
}

void plan_make(const struct account *a, int64_t now, struct plan_row *const *rows, unsigned count)
{
    uint64_t newer = 0;
    for (unsigned i = count; i-- > 0;) {
        struct plan_row *row = rows[i];
        struct decision d = take_of(a, row);
        row->take = (uint8_t)d.take;
        row->why = (uint8_t)d.why;
        row->remove = d.take == PLAN_DISCARD;
        row->remove_why = PLAN_TOO_LARGE;
        if (may_go(row))
            decide_removal(a, now, row, newer++);
    }
}

/* ---- in words */

static const char *size_text(uint64_t octets, char out[24])
{
    static const char *const units[] = {"octets", "kB", "MB", "GB", "TB"};
    double n = (double)octets;
    unsigned unit = 0;
    for (; n >= 1024 && unit < 4; unit++)
        n /= 1024;
    snprintf(out, 24, unit && n < 100 ? "%.1f %s" : "%.0f %s", n, units[unit]);
    return out;
}

static void why_text(const struct account *a, int64_t now, const struct plan_row *row, enum plan_why why, char out[100])
{
    static const char *const texts[PLAN_WHYS] = {
        [PLAN_NEW] = "new",
        [PLAN_WHOLE] = "all of it was asked for",
        [PLAN_NO_UID] = "the server gives it no uid: its content tells whether it is known",
        [PLAN_BACK] = "its uid was gone and is back: its content tells whether it is the same",
        [PLAN_KNOWN] = "delivered",
        [PLAN_MARKED] = "marked as seen",
        [PLAN_QUARANTINED] = "in quarantine",
        [PLAN_NOW] = "the account leaves nothing on the server",
        [PLAN_UNSETTLED] =
            "deleted before, and the server did not say that it is gone: its content tells whether it is the same",
    };
    char size[24], limit[24];
    if (why == PLAN_AGAIN)
        snprintf(out, 100, row->failures ? "failed %u time%s before" : "whether it arrived is not known", row->failures,
                 row->failures == 1 ? "" : "s");
    else if (why == PLAN_TOO_LARGE && row->state == SEEN_HEADERS)
        snprintf(out, 100, "too large, its headers are delivered");
    else if (why == PLAN_TOO_LARGE)
        snprintf(out, 100, "too large, %s of at most %s", size_text(row->size, size), size_text(a->size_limit, limit));
    else if (why == PLAN_OLD)
        snprintf(out, 100, "first seen %lld days ago", (long long)(now - row->first) / DAY);
    else if (why == PLAN_NOT_NEWEST)
        snprintf(out, 100, "not one of the newest %llu", (unsigned long long)a->keep_newest);
    else
        snprintf(out, 100, "%s", why < PLAN_WHYS ? texts[why] : "?");
}

void plan_text(const struct account *a, int64_t now, const struct plan_row *row, char out[PLAN_TEXT])
{
    static const char *const takes[] = {[PLAN_LEAVE] = "leave",
                                        [PLAN_FETCH] = "fetch",
                                        [PLAN_COMPARE] = "fetch",
                                        [PLAN_HEADERS] = "headers",
                                        [PLAN_DISCARD] = "delete"};
    char why[100], remove_why[100];
    why_text(a, now, row, (enum plan_why)row->why, why);
    why_text(a, now, row, (enum plan_why)row->remove_why, remove_why);
    if (row->take == PLAN_DISCARD || !row->remove)
        snprintf(out, PLAN_TEXT, "%s: %s", takes[row->take], why);
    else if (row->take == PLAN_LEAVE)
        snprintf(out, PLAN_TEXT, "delete: %s", remove_why);
    else
        snprintf(out, PLAN_TEXT, "%s: %s; then delete: %s", takes[row->take], why, remove_why);
}
