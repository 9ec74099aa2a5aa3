/* collect: what is there. LIST is asked only for messages that may be fetched: of 20,000 that are known it would say
 * nothing new. */
#include <string.h>

#include "fetch/collect_state.h"

enum { FEW = 8 /* so many sizes are asked one by one */ };

static void known(void *arg, const struct seen_row *row)
{
    struct collect *c = arg;
    listing_known(&c->listing, row);
    if (*row->uid == '=')
        c->has_contents = true;
    else
        c->has_uids = true;
}

/* ---- UIDL */

static bool ask_uidl(struct collect *c)
{
    if (c->uidl)
        return false;
    c->uidl = true;
    pop3_client_uidl(&c->session->machine);
    return true;
}

static int take_uidl(struct collect *c, enum pop3_client_want want, struct err *err)
{
    const struct pop3_got *got = &c->session->machine.got;
    if (got->row && got->msg)
        collect_listed(c, got->msg, got->uid);
    else if (got->row)
        c->unsure = true;
    else
        c->no_uids = !got->ok;
    return 0;
}

/* ---- LIST */

/* May it be fetched, so that its size counts? */
static bool needs_size(const struct plan_row *row)
{
    return row->state <= SEEN_FETCHED || row->state == SEEN_DELETED || row->was_gone || row->whole;
}

static bool ask_list(struct collect *c)
{
    if (c->list)
        return false;
    c->list = true;
    pop3_client_list(&c->session->machine);
    return true;
}

static bool ask_few(struct collect *c)
{
    while (c->list_next < c->listing.count) {
        const struct plan_row *row = c->listing.rows[c->list_next++];
        if (!needs_size(row))
            continue;
        pop3_client_list_one(&c->session->machine, row->msg);
        return true;
    }
    return false;
}

static int take_list(struct collect *c, enum pop3_client_want want, struct err *err)
{
    const struct pop3_got *got = &c->session->machine.got;
    bool has_size = got->row || (got->what == POP3_ASK_LIST_ONE && got->ok);
    if (has_size && got->msg)
        listing_size(&c->listing, got->msg, got->number);
    else if (got->row)
        c->unsure = true;
    else if (got->what == POP3_ASK_LIST && !got->ok && c->no_uids)
        return err_set(err, ERR_TEMP, "the server answers neither UIDL nor LIST");
    return 0;
}

static int sizes(struct collect *c, struct err *err)
{
    unsigned needed = 0;
    for (unsigned i = 0; i < c->listing.count; i++)
        needed += needs_size(c->listing.rows[i]);
    if (!needed && !c->no_uids)
        return 0;
    /* Some know no LIST of one, or answer it in their own way: what failed is not asked so once more. */
    bool few = !c->no_uids && !c->board.failures && needed <= FEW && needed < c->listing.count / 4;
    return collect_talk(c, few ? ask_few : ask_list, take_list, err) || listing_ready(&c->listing, err) ? -1 : 0;
}

/* ---- the plan */

static int mark_whole(struct collect *c, struct err *err)
{
    const char *uid = c->job->whole;
    if (!uid)
        return 0;
    struct plan_row *row = strlen(uid) < SEEN_UID ? listing_find(&c->listing, span_of(uid)) : NULL;
    if (!row || !row->msg)
        return err_set(err, ERR_GONE, "the server has no message with this uid");
    row->whole = true;
    row->failures = 0;
    return 0;
}

static bool is_taken(const struct plan_row *row)
{
    return row->take != PLAN_LEAVE && row->take != PLAN_DISCARD;
}

/* What is here, whatever became of its DELE. */
static bool is_here(const struct plan_row *row)
{
    return row->state == SEEN_DELIVERED || row->state == SEEN_DELETED || row->state == SEEN_QUARANTINED;
}

/* A message that was there is listed no more: it may be that the server has given it, or all, another uid. Uids that
 * are known say nothing against it: they may be what a check has found so that was cut off. */
static bool has_others(const struct collect *c)
{
    size_t at = 0;
    for (const struct plan_row *row; (row = listing_next(&c->listing, &at));)
        if (!row->msg && is_here(row) && !row->was_gone)
            return true;
    return false;
}

/* What is to be fetched is counted; what only has to go is asked for first. */
static void look_over(struct collect *c)
{
    const struct pop3_capa *capa = &c->session->machine.capa;
    bool compare = c->has_contents || has_others(c);
    for (unsigned i = 0; i < c->listing.count; i++) {
        struct plan_row *row = c->listing.rows[i];
        if (row->take == PLAN_HEADERS && capa->known && !capa->top)
            row->take = PLAN_LEAVE;
        if (row->take == PLAN_FETCH && row->state <= SEEN_SEEN && compare)
            row->take = PLAN_COMPARE; /* it may be known from before the server gave it this uid */
        row->untold = row->take == PLAN_COMPARE;
        if (row->take == PLAN_DISCARD || (row->take == PLAN_LEAVE && row->remove))
            collect_delete(c, i);
        if (!is_taken(row))
            continue;
        c->todo++;
        c->todo_octets += row->take == PLAN_HEADERS ? 0 : row->size;
    }
}

/* After a check that failed any message may be the first: the same few that fail each time, or that break the
 * connection, would hold up all others, and nobody would know that it is they. */
static void choose_start(struct collect *c)
{
    uint32_t skip;
    if (!c->board.failures || !c->todo)
        return;
    digest_random(&skip, sizeof skip);
    skip %= c->todo;
    while (!is_taken(c->listing.rows[c->start]) || skip--)
        c->start++;
}

/* What is listed, with what is known of it. */
static int compare(struct collect *c, struct err *err)
{
    if ((c->unread && collect_open(c, err)) || (c->seen && seen_each(c->seen, known, c, err)))
        return -1;
    /* Whoever has given uids has them: all of it would come again. */
    if (c->no_uids && c->has_uids)
        return err_set(err, ERR_TEMP, "the server refuses UIDL, which it answered before");
    collect_list_again(c);
    return listing_ready(&c->listing, err);
}

int collect_list(struct collect *c, struct err *err)
{
    collect_say(c, EVENT_STEP, NULL, "listing");
    if (collect_talk(c, ask_uidl, take_uidl, err))
        return -1;
    if (collect_is_quiet(c)) {
        c->left = c->uids.count;
        collect_say_listed(c);
        return 0;
    }
    if (compare(c, err) || mark_whole(c, err) || sizes(c, err))
        return -1;
    plan_make(c->account, c->now, c->listing.rows, c->listing.count);
    c->left = c->listing.count;
    look_over(c);
    choose_start(c);
    collect_say_listed(c);
    return 0;
}
