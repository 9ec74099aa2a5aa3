/* collect: a check that finds what the last one found, when that found nothing to do, is over with that. Nearly all
 * checks of a maildrop where mail is left are such, and of 20,000 messages that are known nothing is to be looked up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/collect_state.h"

/* What was listed is kept as it came: only what is not the same is compared with what is known. */
void collect_listed(struct collect *c, uint32_t msg, struct span uid)
{
    struct collect_uids *u = &c->uids;
    unsigned char n = (unsigned char)(uid.n < SEEN_UID ? uid.n : 0);
    if (u->room - u->n < sizeof msg + 1 + SEEN_UID) {
        u->room = u->room ? u->room * 2 : 4096;
        u->p = mem_resize(u->p, u->room);
    }
    memcpy(u->p + u->n, &msg, sizeof msg);
    u->p[u->n + sizeof msg] = (char)n;
    if (n)
        memcpy(u->p + u->n + sizeof msg + 1, uid.p, n);
    u->n += sizeof msg + 1 + n;
    u->count++;
}

void collect_list_again(struct collect *c)
{
    for (size_t at = 0; at < c->uids.n;) {
        uint32_t msg;
        memcpy(&msg, c->uids.p + at, sizeof msg);
        size_t n = (unsigned char)c->uids.p[at + sizeof msg];
        listing_uid(&c->listing, msg, (struct span){c->uids.p + at + sizeof msg + 1, n});
        at += sizeof msg + 1 + n;
    }
    mem_free(c->uids.p);
    c->uids.p = NULL;
}

/* All that decides what becomes of a message that is known: what the server lists, and what the account says. */
static void digest(struct collect *c)
{
    const struct account *a = c->account;
    char says[sizeof c->maildrop + 200];
    int n = snprintf(says, sizeof says, "%s\n%d %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64 "\n", c->maildrop,
                     a->remove, a->remove_after, a->keep_newest, a->size_limit, (int)a->oversize, a->attempts);
    struct digest *d = digest_new();
    digest_add(d, says, (size_t)n);
    if (c->uids.n)
        digest_add(d, c->uids.p, c->uids.n);
    digest_finish(d, c->listed);
}

bool collect_is_quiet(struct collect *c)
{
    digest(c);
    if (c->unread && !c->no_uids && !c->unsure && !c->board.not_before && c->board.expires == c->quiet.board.expires &&
        memcmp(c->listed, c->quiet.listing, sizeof c->listed) == 0)
        c->is_quiet = true;
    return c->is_quiet;
}

/* ---- is the next one quiet, if it finds the same? */

static bool rests(const struct plan_row *row)
{
    bool settled = row->state == SEEN_DELIVERED || row->state == SEEN_MARKED || row->state == SEEN_QUARANTINED ||
                   row->state == SEEN_HEADERS;
    return settled && row->take == PLAN_LEAVE && !row->remove && !row->was_gone && !row->whole && !row->twice &&
           *row->uid;
}

static bool nothing_done(const struct collect *c)
{
    return !c->changed && !c->fetched && !c->deleted && !c->failed && !c->delete_count && !c->todo && !c->no_uids &&
           !c->unsure && !c->broken && c->job->what == COLLECT_FETCH && !c->job->whole && !c->board.not_before &&
           !*c->board.error;
}

void collect_keep_quiet(struct collect *c)
{
    int64_t until = INT64_MAX, after = (int64_t)(c->account->remove_after / 1000);
    if (c->is_quiet)
        until = c->quiet.until;
    else if (!nothing_done(c))
        return;
    for (unsigned i = 0; i < c->listing.count; i++) {
        const struct plan_row *row = c->listing.rows[i];
        if (!rests(row))
            return;
        if (row->state == SEEN_DELIVERED && c->account->remove && row->first + after < until)
            until = row->first + after;
    }
    c->quiet.until = until;
    c->quiet.board = c->board;
    memcpy(c->quiet.listing, c->listed, sizeof c->listed);
    seen_keep_quiet(c->seen, &c->quiet);
}
