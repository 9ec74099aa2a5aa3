/* collect: what is noted of messages. Notes are gathered in one group of the state until collect_noted makes them
 * durable. */
#include <string.h>

#include "fetch/collect_state.h"

enum { DAY = 86400 };

static int begin(struct collect *c, struct err *err)
{
    if (c->noting)
        return 0;
    if (seen_begin(c->seen, err))
        return -1;
    c->noting = c->changed = true;
    return 0;
}

int collect_note(struct collect *c, struct plan_row *row, int64_t gone, const unsigned char sha256[32], const char *id,
                 const char *reason, struct err *err)
{
    if (!row->first)
        row->first = c->now;
    const struct seen_row seen = {.uid = row->uid,
                                  .first = row->first,
                                  .gone = gone,
                                  .size = row->size,
                                  .failures = row->failures,
                                  .turn = row->turn,
                                  .state = (enum seen_state)row->state,
                                  .whole = row->whole};
    row->was_gone = gone != 0;
    return begin(c, err) || seen_put(c->seen, &seen, sha256, id, reason, err) ? -1 : 0;
}

int collect_note_uid(struct collect *c, const struct plan_row *row, const char *now, struct err *err)
{
    return begin(c, err) || seen_rename(c->seen, row->uid, now, err) ? -1 : 0;
}

int collect_noted(struct collect *c, struct err *err)
{
    if (!c->noting)
        return 0;
    c->noting = false;
    return seen_commit(c->seen, err);
}

int collect_note_deletes(struct collect *c, struct err *err)
{
    for (unsigned i = 0; i < c->delete_next; i++) {
        struct plan_row *row = c->listing.rows[c->deletes[i]];
        if (row->state != SEEN_DELIVERED || !row->deleted)
            continue;
        row->state = SEEN_DELETED;
        if (collect_note(c, row, 0, NULL, NULL, NULL, err))
            return -1;
    }
    return collect_noted(c, err);
}

/* A uid that is made of the content is that of the same message whenever it comes again: nothing of it is kept. */
int collect_note_gone(struct collect *c, struct err *err)
{
    for (unsigned i = 0; i < c->delete_next; i++) {
        struct plan_row *row = c->listing.rows[c->deletes[i]];
        if (!row->deleted)
            continue;
        c->deleted++;
        c->left--;
        if (*row->uid == '=' || (row->take == PLAN_DISCARD && row->state == SEEN_SEEN)) {
            if (begin(c, err) || seen_forget(c->seen, row->uid, err))
                return -1;
        } else if (row->state == SEEN_DELETED && collect_note(c, row, c->now, NULL, NULL, NULL, err)) {
            return -1;
        }
    }
    return 0;
}

/* What was never fetched is not remembered: a server that lists others each time would fill the state, and our memory
 * with it. */
static int note_unlisted(struct collect *c, struct plan_row *row, struct err *err)
{
    if (row->twice || row->was_gone || row->state == SEEN_NEW)
        return 0;
    if (*row->uid != '=' && row->state != SEEN_SEEN)
        return collect_note(c, row, c->now, NULL, NULL, NULL, err);
    return begin(c, err) || seen_forget(c->seen, row->uid, err) ? -1 : 0;
}

/* A server that keeps messages for some days only (EXPIRE, RFC 2449 §6.7) keeps this one no longer. */
static void say_left(struct collect *c, const struct plan_row *row)
{
    char text[PLAN_TEXT];
    plan_text(c->account, c->now, row, text);
    const char *why = strchr(text, ' ') ? strchr(text, ' ') + 1 : text;
    if (c->board.expires < 0)
        collect_say(c, EVENT_SKIPPED, row, "%s", why);
    else
        collect_say(c, EVENT_SKIPPED, row, "%s; the server deletes it by itself within %lld days (EXPIRE)", why,
                    (long long)(c->board.expires / DAY));
}

/* What was left because of its size has its row, so that it is known since when it is there; what was thought to be
 * gone is back. */
static int note_listed(struct collect *c, struct plan_row *row, struct err *err)
{
    bool left =
        row->why == PLAN_TOO_LARGE && !row->tried && !row->asked && row->state == SEEN_NEW && *row->uid && !row->twice;
    if (left) {
        row->state = SEEN_SEEN;
        say_left(c, row);
    }
    bool back = row->was_gone && !row->asked && row->take != PLAN_COMPARE && row->state != SEEN_NEW;
    return left || back ? collect_note(c, row, 0, NULL, NULL, NULL, err) : 0;
}

/* Only its content tells of a message without a uid whether it is known: as long as one of them was not looked at,
 * nothing that is known by its content is gone. */
static bool all_named(const struct collect *c)
{
    for (unsigned i = 0; i < c->listing.count; i++)
        if (!*c->listing.rows[i]->uid || c->listing.rows[i]->twice)
            return false;
    return true;
}

/* As long as a message was to be compared and was not, it may be any of those that are not listed; but for one that the server refuses
 * each time nothing is kept for ever. */
static bool all_compared(const struct collect *c)
{
    for (unsigned i = 0; i < c->listing.count; i++)
        if (c->listing.rows[i]->untold && c->listing.rows[i]->failures < c->account->attempts)
            return false;
    return true;
}

/* A message that the listing does not have is not there, unless the listing cannot be all. */
static bool is_unlisted(const struct plan_row *row, bool named, bool sure)
{
    if (*row->uid == '=')
        return !row->msg && named && sure;
    return !row->msg && (sure || row->state == SEEN_SEEN);
}

int collect_note_listing(struct collect *c, struct err *err)
{
    size_t at = 0;
    bool named = all_named(c), sure = !c->unsure && all_compared(c);
    for (unsigned i = 0; i < c->listing.count; i++)
        if (note_listed(c, c->listing.rows[i], err))
            return -1;
    for (struct plan_row *row; (row = listing_next(&c->listing, &at));)
        if (is_unlisted(row, named, sure) && note_unlisted(c, row, err))
            return -1;
    return c->noting ? seen_forget_gone(c->seen, c->now - (int64_t)SEEN_KEEP_DAYS * DAY, err) : 0;
}
