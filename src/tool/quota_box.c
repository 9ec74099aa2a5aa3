/* quota_box: see the header. */
#include "tool/quota_box.h"

#include "tool/owner.h"

struct asking {
    const struct user_job *job;
    const struct quota_person *people;
    void (*tell)(void *arg, size_t i, const struct quota_answer *a);
    void *arg;
    bool afresh;
};

static struct owner_ids ids(void *arg, size_t i)
{
    const struct asking *q = arg;
    return (struct owner_ids){q->people[i].uid, q->people[i].gid};
}

/* ---- the child */

static int look(const struct asking *q, const struct quota_person *p, struct quota_answer *a)
{
    struct store *s;
    if (owner_open(q->job, p->where, STORE_DELIVER, &s, &a->err))
        return -1;
    int ret = s->ops->used ? s->ops->used(s, q->afresh, &a->used, &a->err)
                           : err_set(&a->err, ERR_CONFIG, "such a store keeps no account of what is used");
    s->ops->close(s);
    return ret;
}

static void work(void *arg, size_t i, int to)
{
    const struct asking *q = arg;
    struct quota_answer a = {.err = {.kind = ERR_NONE}};
    look(q, &q->people[i], &a);
    owner_answer(to, &a, sizeof a);
}

/* ---- the parent */

static bool tell(void *arg, size_t i, const void *row)
{
    const struct asking *q = arg;
    q->tell(q->arg, i, row);
    return true;
}

static void lost(void *arg, size_t i, const struct err *why)
{
    const struct asking *q = arg;
    struct quota_answer a = {.err = *why};
    q->tell(q->arg, i, &a);
}

void quota_box_ask(struct user_job *job, const struct quota_person *people, size_t n, bool afresh,
                   void (*tell_person)(void *arg, size_t i, const struct quota_answer *a), void *arg)
{
    struct asking q = {job, people, tell_person, arg, afresh};
    struct owner_asking asking = {job, sizeof(struct quota_answer), ids, work, tell, lost, &q};
    owner_ask(&asking, n);
}
