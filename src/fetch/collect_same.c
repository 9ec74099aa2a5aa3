/* collect: is a message one that is known? Asked where its uid cannot tell: there is none, or it was gone and is back.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fetch/collect_state.h"

enum { PIECE = 64 * 1024 };

static bool is_settled(const struct plan_row *row)
{
    return row->state != SEEN_NEW && row->state != SEEN_SEEN && row->state != SEEN_FETCHED;
}

/* It is known: nothing is done with it, and it may go as the others may. */
static int known(struct collect *c, struct plan_row *row, struct err *err)
{
    row->take = PLAN_LEAVE;
    row->why = PLAN_KNOWN;
    row->failures = 0;
    row->whole = false; /* all of it is here */
    bool unsettled = row->state == SEEN_DELETED;
    if (unsettled)
        row->state = SEEN_DELIVERED;
    return row->was_gone || unsettled ? collect_note(c, row, 0, c->body.d.sha256, NULL, NULL, err) : 0;
}

struct kept {
    unsigned char sha256[DIGEST_SHA256];
    bool digested;
};

static void keep(void *arg, const struct seen_kept *kept)
{
    struct kept *k = arg;
    k->digested = kept->digested;
    memcpy(k->sha256, kept->sha256, sizeof k->sha256);
}

/* ---- under another uid */

struct search {
    const struct listing *listing;
    struct plan_row *found;
    bool was_there;
};

static bool find(void *arg, const struct seen_row *seen)
{
    struct search *s = arg;
    struct plan_row *row = *seen->uid == '=' ? NULL : listing_find(s->listing, span_of(seen->uid));
    bool here = row && (row->state == SEEN_DELIVERED || row->state == SEEN_DELETED || row->state == SEEN_QUARANTINED);
    if (here && !row->msg && !(s->was_there && row->was_gone))
        s->found = row;
    return !s->found;
}

/* What is here, and was known by a uid that the server lists no more, or gives to several now. `was_there`: in the last
 * check. *row is NULL: there is none. */
static int by_other_uid(struct collect *c, bool was_there, struct plan_row **row, struct err *err)
{
    struct search s = {.listing = &c->listing, .was_there = was_there};
    *row = NULL;
    if (c->has_uids && seen_same(c->seen, c->body.d.sha256, find, &s, err) < 0)
        return -1;
    *row = s.found;
    return 0;
}

/* Without a uid: one is made of the content. */
static int by_content(struct collect *c, bool *same, struct err *err)
{
    struct plan_row *row;
    if (by_other_uid(c, false, &row, err))
        return -1;
    if (row)
        listing_is(&c->listing, c->body.d.at, row);
    else
        row = listing_name(&c->listing, c->body.d.at, c->body.d.sha256);
    if (!row) {
        err_set(&c->body.failed, ERR_INPUT, "the server has more than %d copies of it, and gives it no uid",
                LISTING_COPIES);
        return 0;
    }
    row->tried = true;
    *same = is_settled(row);
    if (*same)
        return known(c, row, err);
    row->take = PLAN_FETCH;
    return 0;
}

/* It has a uid now, and had none, or another. */
static int by_old_content(struct collect *c, struct plan_row *row, bool *same, struct err *err)
{
    struct plan_row *old = listing_content(&c->listing, c->body.d.sha256);
    row->take = PLAN_FETCH;
    if (!old && by_other_uid(c, true, &old, err))
        return -1;
    *same = old && is_settled(old);
    if (!*same)
        return 0;
    row->state = old->state;
    row->first = old->first;
    row->was_gone = true;
    old->state = SEEN_NEW;
    return collect_note_uid(c, old, row->uid, err) || known(c, row, err) ? -1 : 0;
}

/* Its uid was gone and is back: the same message, or another one that has it now. */
static int by_digest(struct collect *c, bool *same, struct err *err)
{
    struct plan_row *row = c->listing.rows[c->body.d.at];
    struct kept kept = {.digested = false};
    if (row->state <= SEEN_SEEN)
        return by_old_content(c, row, same, err);
    if (seen_find(c->seen, row->uid, keep, &kept, err) < 0)
        return -1;
    *same = kept.digested && memcmp(kept.sha256, c->body.d.sha256, sizeof kept.sha256) == 0;
    if (*same)
        return known(c, row, err);
    row->turn++;
    row->first = 0;
    row->state = SEEN_NEW;
    row->failures = 0;
    return by_old_content(c, row, same, err);
}

/* From the spool to the destination. What cannot be read is as what cannot be written: body.failed. */
static void hand_over(struct collect *c)
{
    struct collect_body *b = &c->body;
    char piece[PIECE];
    off_t at = 0;
    if (spool_ready(&b->spool, &b->failed) < 0)
        return;
    collect_draft(c);
    for (ssize_t n; b->d.draft && (n = pread(b->spool.fd, piece, sizeof piece, at)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        int ret = n < 0 ? err_set(&b->failed, ERR_TEMP, "a temporary file cannot be read: %s", strerror(errno))
                        : out_write(c->out, b->d.draft, (struct span){piece, (size_t)n}, &b->failed);
        if (ret < 0) {
            out_abort(c->out, b->d.draft);
            b->d.draft = NULL;
        }
        at += n;
    }
}

int collect_same(struct collect *c, bool *same, struct err *err)
{
    struct plan_row *row = c->listing.rows[c->body.d.at];
    bool named = *row->uid && !row->twice;
    row->untold = false;
    if ((named ? by_digest : by_content)(c, same, err))
        return -1;
    if (!*same && c->body.failed.kind == ERR_NONE)
        hand_over(c);
    return 0;
}
