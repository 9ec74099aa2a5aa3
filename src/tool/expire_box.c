/* expire_box: see the header. */
#include "tool/expire_box.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tool/owner.h"

enum { DAY = 86400 };

struct running {
    const struct user_job *job;
    const struct expire_person *people;
    const struct expire_how *how;
    void (*tell)(void *arg, size_t i, const struct expire_row *row);
    void *arg;
};

static struct owner_ids ids(void *arg, size_t i)
{
    const struct running *r = arg;
    return (struct owner_ids){r->people[i].uid, r->people[i].gid};
}

/* ---- the child */

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* What was met in one run goes in one run. */
static void tell_plan(const struct expire_person *p, int64_t *first, unsigned count, int to)
{
    if (count)
        qsort(first, count, sizeof *first, by_time);
    for (unsigned i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && first[end] == first[i];)
            end++;
        struct expire_row row = {.kind = EXPIRE_WILL, .due = first[i] + (int64_t)p->days * DAY, .messages = end - i};
        owner_answer(to, &row, sizeof row);
    }
}

/* A mailbox may be large, and the clock is set at any time: it is looked at again for each. `now` must not have begun
 * yet for what is recorded, and must be over for what is removed. */
static int look_at_clock(const struct running *r, struct timespec *now, struct err *err)
{
    struct clock_mark mark;
    if (clock_mark_now(&mark, err) < 0)
        return -1;
    *now = clock_wall();
    if (clock_jumped(clock_moved(&r->how->began, &mark)))
        return err_set(err, ERR_TEMP, "the clock has jumped meanwhile");
    return 0;
}

static int remove_old(struct store *s, struct drop *drop, const int64_t *first, int64_t until, struct expire_row *row)
{
    size_t left = 0;
    for (unsigned i = 0; i < drop->count; i++)
        if (first[i] <= until)
            drop_mark(drop, i);
    if (drop->deleted == 0)
        return 0;
    int result = s->ops->remove(s, drop, &left, &row->err);
    row->removed = drop->deleted - left;
    return result;
}

static int look_inside(const struct running *r, const struct expire_person *p, struct store *s, struct expire_row *row,
                       int to)
{
    struct timespec now;
    struct drop drop;
    int64_t *first = NULL;
    if (!s->ops->ages)
        return err_set(&row->err, ERR_CONFIG, "such a store keeps no record of ages");
    if (look_at_clock(r, &now, &row->err) < 0)
        return -1;
    drop_init(&drop);
    int known = s->ops->ages(s, now.tv_sec + (now.tv_nsec > 0), !r->how->plan, &drop, &first, &row->unkept);
    row->messages = drop.count;
    int result = 0;
    if (known < 0)
        row->err = row->unkept;
    else if (r->how->plan)
        tell_plan(p, first, drop.count, to);
    else if (!r->how->only_record)
        result = remove_old(s, &drop, first, now.tv_sec - (int64_t)p->days * DAY, row);
    if (known != 1)
        row->unkept.kind = ERR_NONE;
    mem_free(first);
    drop_fini(&drop);
    return known < 0 ? -1 : result;
}

static void work(void *arg, size_t i, int to)
{
    const struct running *r = arg;
    const struct expire_person *p = &r->people[i];
    struct expire_row row;
    struct store *s = NULL;
    memset(&row, 0, sizeof row);
    row.kind = EXPIRE_DONE;
    if (owner_open(r->job, p->where, STORE_PRESENT, &s, &row.err) < 0) {
        if (row.err.kind == ERR_GONE) /* who never had mail has none that is too old */
            row.err.kind = ERR_NONE;
    } else {
        look_inside(r, p, s, &row, to);
        s->ops->close(s);
    }
    owner_answer(to, &row, sizeof row);
}

/* ---- the parent */

static bool tell(void *arg, size_t i, const void *row)
{
    const struct running *r = arg;
    const struct expire_row *told = row;
    r->tell(r->arg, i, told);
    return told->kind == EXPIRE_DONE;
}

static void lost(void *arg, size_t i, const struct err *why)
{
    const struct running *r = arg;
    struct expire_row row = {.kind = EXPIRE_DONE, .err = *why};
    r->tell(r->arg, i, &row);
}

void expire_box_run(struct user_job *job, const struct expire_person *people, size_t n, const struct expire_how *how,
                    void (*tell_person)(void *arg, size_t i, const struct expire_row *row), void *arg)
{
    struct running r = {job, people, how, tell_person, arg};
    struct owner_asking q = {job, sizeof(struct expire_row), ids, work, tell, lost, &r};
    owner_ask(&q, n);
}
