/* collect: messages that are committed together, so that they share what durability costs. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "fetch/collect_state.h"
#include "post/open.h"

enum { KEY = 2 * DIGEST_SHA256 + 1 };

/* What a destination knows a message by: whoever delivers it once more, even with a new state, meets it there. Its
 * size, because a destination remembers for longer than the state: a uid that another message had, years ago, is not
 * its. */
static void make_key(const struct collect *c, const struct collect_draft *d, char key[KEY])
{
    const struct plan_row *row = c->listing.rows[d->at];
    struct digest *digest = digest_new();
    unsigned char sum[DIGEST_SHA256];
    char tail[64];
    uint64_t size = *row->uid == '=' ? 0 : row->size; /* a uid of the content needs none */
    int n = snprintf(tail, sizeof tail, "%u %" PRIu64 " %s", row->turn, size, d->headers ? "headers" : "whole");
    const struct span parts[] = {span_of(c->maildrop), span_of(row->uid), {tail, (size_t)n}};
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        digest_add(digest, parts[i].p, parts[i].n);
        digest_add(digest, "", 1); /* parts cannot run into each other */
    }
    digest_finish(digest, sum);
    digest_hex(sum, sizeof sum, key);
}

/* The destination as a whole is not to be had: that is not a message's fault. */
static bool open_out(struct collect *c)
{
    struct err *why = &c->body.failed;
    if (c->out || out_open(&c->out, c->account, c->job->conf_file, why) == 0)
        return true;
    c->out = NULL;
    if (why->kind == ERR_INPUT) /* what is said there of the destination is nothing to do with the message */
        why->kind = ERR_CONFIG;
    collect_stop(c, why);
    return false;
}

void collect_draft(struct collect *c)
{
    struct collect_body *b = &c->body;
    const struct plan_row *row = c->listing.rows[b->d.at];
    char key[KEY];
    if (!open_out(c))
        return;
    make_key(c, &b->d, key);
    const struct out_about about = {.key = key, .uid = row->uid, .wire = true, .size = row->size};
    if (out_begin(c->out, &about, &b->d.draft, &b->failed) < 0)
        b->d.draft = NULL;
}

bool collect_due(const struct collect *c)
{
    if (!c->group_count)
        return false;
    unsigned together = c->out->together < COLLECT_TOGETHER ? c->out->together : COLLECT_TOGETHER;
    return c->group_count >= together || c->group_octets >= COLLECT_GROUP_OCTETS ||
           clock_ms() - c->group_since >= COLLECT_GROUP_MS;
}

int collect_add(struct collect *c, struct err *err)
{
    if (!c->group_count)
        c->group_since = clock_ms();
    c->group[c->group_count++] = c->body.d;
    c->group_octets += c->body.d.octets;
    c->body.d.draft = NULL;
    return collect_due(c) ? collect_commit(c, err) : 0;
}

/* ---- committing */

/* Of a destination that cannot be asked it is noted before that it may have them: whoever finds the note knows that
 * they may come twice. */
static int note_before(struct collect *c, struct err *err)
{
    if (c->out->keys)
        return 0;
    for (unsigned i = 0; i < c->group_count; i++) {
        struct plan_row *row = c->listing.rows[c->group[i].at];
        row->state = SEEN_FETCHED;
        if (collect_note(c, row, 0, c->group[i].sha256, NULL, NULL, err))
            return -1;
    }
    return collect_noted(c, err);
}

static int note_taken(struct collect *c, unsigned i, struct err *err)
{
    const struct collect_draft *d = &c->group[i];
    struct plan_row *row = c->listing.rows[d->at];
    row->state = d->headers ? SEEN_HEADERS : SEEN_DELIVERED;
    row->failures = 0;
    row->whole = false;
    return collect_note(c, row, 0, d->sha256, c->ids[i], "", err) || collect_taken(c, &c->destination, err) ? -1 : 0;
}

/* Where it is not there for certain, it is as it was before. */
static int note_not_taken(struct collect *c, unsigned i, struct err *err)
{
    struct plan_row *row = c->listing.rows[c->group[i].at];
    if (!c->out->keys && c->errs[i].kind != ERR_UNKNOWN) {
        row->state = SEEN_SEEN;
        if (collect_note(c, row, 0, NULL, NULL, NULL, err))
            return -1;
    }
    return collect_not_taken(c, c->group[i].at, c->group[i].sha256, &c->errs[i], err);
}

/* Only what is durably noted is told, and may go from the server. */
static void after_note(struct collect *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct plan_row *row = c->listing.rows[c->group[i].at];
        if (c->errs[i].kind != ERR_NONE)
            continue;
        c->fetched++;
        collect_say(c, EVENT_DELIVERED, row, "%s", c->ids[i]);
        row->take = PLAN_LEAVE;
        if (row->remove)
            collect_delete(c, c->group[i].at);
    }
}

int collect_commit(struct collect *c, struct err *err)
{
    struct out_draft *drafts[COLLECT_TOGETHER];
    unsigned n = c->group_count;
    if (!n)
        return 0;
    if (note_before(c, err))
        return -1; /* the drafts are aborted at the end */
    for (unsigned i = 0; i < n; i++)
        drafts[i] = c->group[i].draft;
    c->group_count = 0;
    c->group_octets = 0;
    out_commit(c->out, drafts, n, c->errs, c->ids);
    for (unsigned i = 0; i < n; i++)
        if (c->errs[i].kind == ERR_NONE && note_taken(c, i, err))
            return -1;
    for (unsigned i = 0; i < n; i++)
        if (c->errs[i].kind != ERR_NONE && note_not_taken(c, i, err))
            return -1;
    if (collect_noted(c, err))
        return -1;
    after_note(c, n);
    return 0;
}
