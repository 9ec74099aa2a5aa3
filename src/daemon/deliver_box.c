/* deliver_box: the mailboxes of a deliver process, side by side; in each of them one batch after the other. What comes
 * while a batch runs goes into the next one, so that the busier a mailbox is, the more deliveries share a directory's
 * fsync. */
#include "daemon/deliver_state.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/open.h"

enum {
    BATCH_MOST = 64,         /* targets; the first of a batch waits for its last */
    BATCH_OCTETS = 32 << 20, /* of their messages */
    SWEEP_EVERY_MS = 24 * 3600000,
};

/* ---- queues */

static void queue_add(struct deliver_queue *q, struct deliver_target *t)
{
    t->next = NULL;
    if (q->last)
        q->last->next = t;
    else
        q->first = t;
    q->last = t;
    q->count++;
}

static struct deliver_target *queue_take(struct deliver_queue *q)
{
    struct deliver_target *t = q->first;
    if (!t)
        return NULL;
    q->first = t->next;
    if (!q->first)
        q->last = NULL;
    q->count--;
    return t;
}

/* ---- boxes */

static uint64_t hash(const char *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a: the names are auth's, not a stranger's */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return h;
}

struct deliver_box *deliver_box_of(struct deliver *d, const char *where)
{
    uint64_t key = hash(where);
    struct deliver_box *first = map_get(&d->boxes, key), *b = first;
    unsigned root;
    struct err err;
    while (b && strcmp(b->where, where) != 0)
        b = b->same;
    if (b || store_where_check(d->roots, d->n_roots, where, &root, &err) < 0)
        return b;
    b = mem_alloc(sizeof *b);
    *b = (struct deliver_box){.deliver = d, .where = mem_copy_text(where), .root = d->roots[root], .same = first};
    map_put(&d->boxes, key, b);
    return b;
}

/* ---- batches */

static void done(struct loop_call *call);

static bool unwanted(const struct deliver_target *t)
{
    return t->forgotten && (t->job == JOB_ROOM || t->job == JOB_WRITE);
}

static void fill_batch(struct deliver_box *b)
{
    size_t octets = 0;
    while (b->waiting.first && b->batch.count < BATCH_MOST && octets < BATCH_OCTETS) {
        struct deliver_target *t = queue_take(&b->waiting);
        if (unwanted(t)) {
            deliver_target_end(t);
            continue;
        }
        octets += t->job == JOB_WRITE ? t->letter->size : 0;
        t->step = TARGET_AT_WORK;
        queue_add(&b->batch, t);
    }
    atomic_store(&b->more, b->waiting.count);
}

static void go_on(struct deliver_box *b)
{
    uint64_t now = clock_ms();
    if (b->busy)
        return;
    b->busy = true; /* also while targets end here */
    fill_batch(b);
    b->sweep = b->batch.count == 0 && b->used_once && (!b->swept || now - b->swept >= SWEEP_EVERY_MS);
    if (b->batch.count == 0 && !b->sweep) {
        b->busy = false;
        return;
    }
    if (b->sweep)
        b->swept = now;
    b->used_once = true;
    b->call = (struct loop_call){deliver_batch_work, done, b, NULL};
    bool taken = pool_call(b->deliver->pool, &b->call);
    assert(taken); /* it holds as many as there are mailboxes */
    (void)taken;
}

void deliver_box_add(struct deliver_target *t, enum deliver_job job)
{
    t->job = job;
    t->step = TARGET_WAITING;
    queue_add(&t->box->waiting, t);
    atomic_store(&t->box->more, t->box->waiting.count);
    go_on(t->box);
}

/* ---- what has come of a target */

static void log_delivered(const struct deliver_target *t)
{
    const struct deliver_letter *l = t->letter;
    log_info("delivered", "user=%s id=%llu.%llu size=%zu store=%s ms=%llu", log_quote_text(t->user),
             (unsigned long long)l->id.door, (unsigned long long)l->id.n, t->n_trace + l->size,
             log_quote_text(t->box->where), (unsigned long long)(clock_ms() - t->asked));
}

static void log_failed(const struct deliver_target *t)
{
    const struct deliver_letter *l = t->letter;
    const char *user = log_quote_text(t->user), *where = log_quote_text(t->box->where);
    unsigned long long door = l->id.door, n = l->id.n;
    if (t->verdict == SMTP_OVER_QUOTA)
        log_info("quota", "user=%s id=%llu.%llu refused: %s", user, door, n, t->err.text);
    else
        log_error("delivery", "user=%s id=%llu.%llu store=%s failed: %s: %s", user, door, n, where,
                  err_row(t->err.kind)->name, t->err.text);
}

static void room_asked(struct deliver_target *t)
{
    if (t->verdict != SMTP_OK)
        log_failed(t);
    t->step = TARGET_ADMITTED;
    if (t->forgotten)
        deliver_target_end(t);
    else
        deliver_answer(t, TALK_ROOM, t->verdict);
}

static void written(struct deliver_target *t)
{
    struct deliver_box *b = t->box;
    if (t->verdict != SMTP_OK)
        log_failed(t);
    else if (t->commit_now)
        log_delivered(t);
    if (t->commit_now || t->verdict != SMTP_OK) {
        deliver_answer(t, t->commit_now ? TALK_DELIVERED : TALK_PREPARED, t->verdict);
        return;
    }
    b->drafts++;
    b->draft_octets += t->octets;
    t->step = TARGET_PREPARED;
    if (t->forgotten)
        deliver_box_add(t, JOB_ABORT);
    else
        deliver_answer(t, TALK_PREPARED, SMTP_OK);
}

static void ended(struct deliver_target *t)
{
    t->box->drafts--;
    t->box->draft_octets -= t->octets;
    if (t->job == JOB_ABORT) {
        deliver_target_end(t);
        return;
    }
    if (t->verdict == SMTP_OK)
        log_delivered(t);
    else
        log_failed(t);
    deliver_answer(t, TALK_DELIVERED, t->verdict);
}

static void done(struct loop_call *call)
{
    struct deliver_box *b = call->arg;
    if (b->err.kind != ERR_NONE)
        log_warning("sweep", "store=%s %s", log_quote_text(b->where), b->err.text);
    for (struct deliver_target *t; (t = queue_take(&b->batch));)
        switch (t->job) {
        case JOB_ROOM:
            room_asked(t);
            break;
        case JOB_WRITE:
            written(t);
            break;
        case JOB_COMMIT:
        case JOB_ABORT:
            ended(t);
            break;
        }
    b->busy = false;
    go_on(b);
}
