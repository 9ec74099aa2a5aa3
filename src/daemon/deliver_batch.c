/* deliver_batch: the work of a batch, in a thread of the pool: what is asked of one mailbox, one thing after the other, and one fsync of
 * its directory for all that may be seen now. Touches nothing but the box, its batch, and the letters' texts, which nobody changes. */
#include "daemon/deliver_state.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/open.h"

enum { OPEN_MS = 2000, RECOUNT_S = 60 };

/* What is used in the mailbox, asked once in a batch. */
struct usage {
    bool known;
    struct store_used used;
    uint64_t added, added_octets;       /* by this batch, which no record knows yet */
    uint64_t prepared, prepared_octets; /* of those: not to be committed yet, and perhaps never */
};

/* ---- the store */

/* It is not kept open for long, and not at all when nothing more comes: a maildrop that has been moved away must not get mail
 * meant for the one in its place. */
static void close_unless_needed(struct deliver_box *b, uint64_t drafts, bool more)
{
    if (!b->store || drafts || (more && clock_ms() - b->opened < OPEN_MS))
        return;
    b->store->ops->close(b->store);
    b->store = NULL;
}

static int have_store(struct deliver_box *b, struct err *err)
{
    if (b->store)
        return 0;
    struct store *s = NULL;
    if (store_open(&s, &b->root, 1, b->where, STORE_DELIVER, err) < 0 || !s)
        return -1;
    if (!s->ops->begin) {
        s->ops->close(s);
        err_set(err, ERR_PERM, "a store of this kind takes no deliveries");
        return -1;
    }
    b->store = s;
    b->opened = clock_ms();
    return 0;
}

/* ---- verdicts */

/* Trouble of ours never becomes a bounce. */
static void fail(struct deliver_target *t, const struct err *err)
{
    t->err = *err;
    t->verdict = err->kind == ERR_LIMIT ? SMTP_OVER_QUOTA : SMTP_TEMP;
}

/* ---- quotas */

static bool fits(const struct deliver_target *t, const struct store_used *used, uint64_t octets)
{
    if (t->quota_octets && (used->octets >= t->quota_octets || t->quota_octets - used->octets < octets))
        return false;
    return !t->quota_messages || used->messages < t->quota_messages;
}

static int ask_used(struct deliver_box *b, struct usage *u, bool afresh, struct err *err)
{
    if (b->store->ops->used(b->store, afresh, &u->used, err) < 0)
        return -1;
    u->used.octets += b->draft_octets + u->added_octets;
    u->used.messages += b->drafts + u->added;
    u->known = true;
    return 0;
}

/* Other programs delete too: before anybody hears "over quota" the mailbox is counted, if that was not done a moment ago. */
static bool counted_now(const struct usage *u)
{
    int64_t age = clock_wall().tv_sec - u->used.counted;
    return age >= 0 && age < RECOUNT_S;
}

static int check_room(struct deliver_box *b, struct deliver_target *t, struct usage *u, uint64_t octets, struct err *err)
{
    if (!t->quota_octets && !t->quota_messages)
        return 0;
    if (!u->known && ask_used(b, u, false, err) < 0)
        return -1;
    if (!fits(t, &u->used, octets) && !counted_now(u) && ask_used(b, u, true, err) < 0)
        return -1;
    if (fits(t, &u->used, octets))
        return 0;
    struct store_used sure = u->used;
    sure.octets -= b->draft_octets + u->prepared_octets;
    sure.messages -= b->drafts + u->prepared;
    if (fits(t, &sure, octets)) /* what is only prepared may never be there: a refusal that lasts would be rash */
        return err_set(err, ERR_TEMP, "%llu octets in %llu messages are used or prepared, and %llu more do not fit now",
                       (unsigned long long)u->used.octets, (unsigned long long)u->used.messages, (unsigned long long)octets);
    return err_set(err, ERR_LIMIT, "%llu octets in %llu messages are used, and %llu more do not fit",
                   (unsigned long long)u->used.octets, (unsigned long long)u->used.messages, (unsigned long long)octets);
}

/* ---- one message */

static bool keeps_crlf(struct deliver_letter *l)
{
    int known = atomic_load(&l->keeps_crlf);
    if (!known) /* two threads may look: they see the same */
        atomic_store(&l->keeps_crlf, known = store_keeps_crlf((struct span){l->text, l->size}) ? 2 : 1);
    return known == 2;
}

static uint64_t lines(const char *p, size_t n)
{
    uint64_t count = 0;
    for (const char *end = p + n; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
        count++;
    return count;
}

/* As it will be stored. */
static uint64_t octets_of(const struct deliver_box *b, const struct deliver_target *t, bool keep_crlf)
{
    const struct deliver_letter *l = t->letter;
    uint64_t sent = t->n_trace + l->size;
    if (b->root.wire_ends || keep_crlf || (!t->quota_octets && !t->quota_messages))
        return sent;
    return sent - lines(t->trace, t->n_trace) - lines(l->text, l->size);
}

static int write_draft(struct deliver_box *b, struct deliver_target *t, bool keep_crlf, struct err *err)
{
    const struct store_ops *ops = b->store->ops;
    struct store_about about = {.wire = true, .keep_crlf = keep_crlf};
    if (ops->begin(b->store, &about, &t->draft, err) < 0) {
        t->draft = NULL;
        return -1;
    }
    if (ops->write(t->draft, (struct span){t->trace, t->n_trace}, err) == 0 &&
        ops->write(t->draft, (struct span){t->letter->text, t->letter->size}, err) == 0 && ops->ready(t->draft, err) == 0)
        return 0;
    ops->abort(t->draft);
    t->draft = NULL;
    return -1;
}

static void write_one(struct deliver_box *b, struct deliver_target *t, struct usage *u)
{
    struct err err;
    bool keep_crlf = keeps_crlf(t->letter);
    t->octets = octets_of(b, t, keep_crlf);
    if (check_room(b, t, u, t->octets, &err) < 0 || write_draft(b, t, keep_crlf, &err) < 0) {
        fail(t, &err);
        return;
    }
    u->used.octets += t->octets;
    u->used.messages++;
    u->added_octets += t->octets;
    u->added++;
    u->prepared_octets += t->commit_now ? 0 : t->octets;
    u->prepared += !t->commit_now;
}

/* ---- the batch */

static void run(struct deliver_box *b, struct deliver_target *t, struct usage *u)
{
    struct err err;
    switch (t->job) {
    case JOB_ROOM: /* a size that was not said is that of the least message */
        if (check_room(b, t, u, t->declared ? t->declared : 1, &err) < 0)
            fail(t, &err);
        break;
    case JOB_WRITE:
        write_one(b, t, u);
        break;
    case JOB_ABORT:
        b->store->ops->abort(t->draft);
        t->draft = NULL;
        break;
    case JOB_COMMIT: /* all together */
        break;
    }
}

static bool to_commit(const struct deliver_target *t)
{
    return t->draft && (t->job == JOB_COMMIT || (t->job == JOB_WRITE && t->commit_now));
}

static void commit(struct deliver_box *b)
{
    unsigned n = 0;
    struct store_draft **drafts = mem_alloc(b->batch.count * sizeof(void *));
    struct err *errs = mem_alloc(b->batch.count * sizeof *errs);
    for (struct deliver_target *t = b->batch.first; t; t = t->next)
        if (to_commit(t))
            drafts[n++] = t->draft;
    if (n)
        b->store->ops->commit(drafts, n, errs);
    n = 0;
    for (struct deliver_target *t = b->batch.first; t; t = t->next) {
        if (!to_commit(t))
            continue;
        t->draft = NULL;
        if (errs[n].kind != ERR_NONE)
            fail(t, &errs[n]);
        n++;
    }
    mem_free(errs);
    mem_free(drafts);
}

/* How many drafts stay when this batch is over. */
static uint64_t drafts_left(const struct deliver_box *b)
{
    uint64_t n = b->drafts;
    for (const struct deliver_target *t = b->batch.first; t; t = t->next) {
        n += t->job == JOB_WRITE && t->draft;
        n -= t->job == JOB_COMMIT || t->job == JOB_ABORT;
    }
    return n;
}

void deliver_batch_work(struct loop_call *call)
{
    struct deliver_box *b = call->arg;
    struct usage u = {0};
    struct err err;
    close_unless_needed(b, b->drafts, true);
    bool ok = have_store(b, &err) == 0;
    b->err = (struct err){0};
    for (struct deliver_target *t = b->batch.first; t; t = t->next) {
        t->verdict = SMTP_OK;
        t->err = (struct err){0};
        if (ok)
            run(b, t, &u);
        else
            fail(t, &err);
    }
    if (ok)
        commit(b);
    if (ok && b->sweep)
        (void)b->store->ops->sweep(b->store, &b->err);
    close_unless_needed(b, drafts_left(b), atomic_load(&b->more) > 0 || !b->swept);
}
