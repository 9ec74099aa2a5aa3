/* collect: messages that are not delivered. A failure is a message's own where it was refused for good, or where others
 * fare better; what befalls all of them is trouble of the server or of the destination, ends this check, and is counted
 * for no message. After `attempts` of its own a message goes to quarantine, as its octets came. */
#include <limits.h>
#include <stdio.h>

#include "base/log.h"
#include "fetch/collect_state.h"
#include "fetch/quarantine.h"

enum { WORDS = 120 };

/* It is the message's own failure. */
static int count(struct collect *c, unsigned at, const struct err *why, struct err *err)
{
    struct plan_row *row = c->listing.rows[at];
    if (row->failures < UINT16_MAX)
        row->failures++;
    if (row->state == SEEN_NEW)
        row->state = SEEN_SEEN;
    c->failed++;
    collect_say(c, EVENT_FAILED, row, "%s", why->text);
    if (!*row->uid || row->twice) /* there is nothing by which it would be known again */
        return 0;
    /* Whether it is the one that had its uid is still the question. */
    int64_t gone = row->take == PLAN_COMPARE && row->was_gone ? c->now : 0;
    return collect_note(c, row, gone, NULL, NULL, why->text, err);
}

/* One after the other is refused, each for good: nobody is asked to take a whole maildrop so. */
static int refusal(struct collect *c, struct collect_doubts *d, unsigned at, const struct err *why, struct err *err)
{
    if (++d->refusals >= COLLECT_REFUSALS && !d->works)
        collect_stop(c, why);
    return count(c, at, why, err);
}

int collect_taken(struct collect *c, struct collect_doubts *d, struct err *err)
{
    d->works = true;
    d->refusals = d->failing = 0;
    for (unsigned i = 0; i < d->count; i++)
        if (count(c, d->doubt[i].at, &d->doubt[i].why, err))
            return -1;
    d->count = 0;
    return 0;
}

static void doubt(struct collect_doubts *d, unsigned at, const struct err *why)
{
    d->doubt[d->count].at = at;
    d->doubt[d->count++].why = *why;
}

static void end(struct collect *c, struct collect_doubts *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        c->failed++;
        collect_say(c, EVENT_FAILED, c->listing.rows[d->doubt[i].at], "%s", d->doubt[i].why.text);
    }
    if (d->count)
        collect_stop(c, &d->doubt[d->count - 1].why);
    d->count = 0;
}

void collect_doubts_end(struct collect *c)
{
    end(c, &c->destination);
    end(c, &c->server);
}

/* ---- quarantine */

/* false: it cannot be kept, and why is in *why. */
static bool keep(struct collect *c, const unsigned char sha256[32], const char *reason, char *path, struct err *why)
{
    char name[2 * DIGEST_SHA256 + 1];
    digest_hex(sha256, DIGEST_SHA256, name);
    return spool_ready(&c->body.spool, why) == 0 &&
           quarantine_keep(c->job->state_folder, c->account->name, name, c->body.spool.fd, reason, path, why) == 0;
}

static int quarantine(struct collect *c, unsigned at, const unsigned char sha256[32], const struct err *why,
                      struct err *err)
{
    struct plan_row *row = c->listing.rows[at];
    struct err trouble;
    char path[PATH_MAX];
    if (!keep(c, sha256, why->text, path, &trouble)) {
        collect_stop(c, &trouble);
        return count(c, at, &trouble, err);
    }
    row->state = SEEN_QUARANTINED;
    row->failures++;
    row->whole = false; /* it was asked for, and tried */
    if (collect_note(c, row, 0, sha256, path, why->text, err) || collect_noted(c, err))
        return -1;
    c->failed++;
    collect_say(c, EVENT_QUARANTINED, row, "%s: %s", path, why->text);
    return 0;
}

/* ---- what befell a message */

int collect_not_taken(struct collect *c, unsigned at, const unsigned char sha256[32], const struct err *why,
                      struct err *err)
{
    const struct plan_row *row = c->listing.rows[at];
    bool own = why->kind == ERR_INPUT;
    if (!own && ++c->destination.failing >= COLLECT_DOUBTS)
        collect_stop(c, why); /* also one that worked may work no more */
    if (c->stopping && !own)
        return 0; /* trouble says it, once */
    if ((own || c->destination.works) && c->body.spooled && c->body.d.at == at && *row->uid && !row->twice &&
        row->failures + 1u >= c->account->attempts)
        return quarantine(c, at, sha256, why, err);
    if (own)
        return refusal(c, &c->destination, at, why, err);
    if (c->destination.works)
        return count(c, at, why, err);
    doubt(&c->destination, at, why);
    return 0;
}

int collect_refused(struct collect *c, unsigned at, const struct pop3_got *got, struct err *err)
{
    struct err why;
    struct span words = got->text;
    words.n = words.n < WORDS ? words.n : WORDS;
    err_set(&why, got->code == POP3_CODE_SYS_TEMP ? ERR_TEMP : ERR_INPUT, "the server does not give it: %s",
            log_quote(words));
    if (c->stopping)
        return 0;
    return refusal(c, &c->server, at, &why, err);
}

/* The connection broke within it: that says little about it, but next time it comes after the others. */
int collect_interrupted(struct collect *c, const struct err *why, struct err *err)
{
    bool cut = c->body.begun;
    unsigned at = c->body.d.at;
    collect_drop(c);
    if (!cut || c->stopping || !c->awaited || c->asked[c->first].at != at)
        return 0;
    return count(c, at, why, err);
}
