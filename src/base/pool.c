/* pool: see base/loop.h. Auth's password hashes run here, beside its loop. Threads are started when there is work for
 * them and stay; their results come back through the loop's list of finished calls. */
#include "base/calls.h"

#include "base/loop.h"
#include "base/mem.h"

struct pool {
    struct loop *loop;
    unsigned threads_max, waiting_max;
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* under the lock */
    struct call_queue queued;
    pthread_t *threads;
    unsigned alive, busy;
    bool ending;
};

struct pool *pool_new(struct loop *l, unsigned threads, unsigned waiting_max)
{
    struct pool *p = mem_alloc(sizeof *p);
    *p = (struct pool){.loop = l, .threads_max = threads, .waiting_max = waiting_max};
    p->threads = mem_alloc(threads * sizeof *p->threads);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    return p;
}

static void *thread_main(void *arg)
{
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        struct loop_call *call = call_queue_take(&p->queued);
        if (!call) {
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        p->busy++;
        pthread_mutex_unlock(&p->lock);
        call->work(call);
        pthread_mutex_lock(&p->lock);
        p->busy--;
        calls_finish(loop_calls(p->loop), call);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* How many calls wait for a thread that is not free; under the lock. */
static unsigned waiting(const struct pool *p)
{
    unsigned idle = p->threads_max - p->busy;
    return p->queued.count > idle ? p->queued.count - idle : 0;
}

/* A thread for each call until there are as many as allowed. false: there is none at all. */
static bool have_thread(struct pool *p)
{
    if (p->alive < p->threads_max && p->queued.count >= p->alive - p->busy &&
        calls_thread_start(&p->threads[p->alive], thread_main, p))
        p->alive++;
    return p->alive > 0;
}

bool pool_call(struct pool *p, struct loop_call *c)
{
    bool room, thread = true;
    pthread_mutex_lock(&p->lock);
    room = p->queued.count < p->threads_max - p->busy + p->waiting_max;
    if (room && (thread = have_thread(p))) {
        call_queue_add(&p->queued, c);
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    if (!thread) /* the system has none to give: slowly is better than not at all */
        loop_call(p->loop, c);
    return room;
}

unsigned pool_waiting(const struct pool *p)
{
    struct pool *own = (struct pool *)p;
    pthread_mutex_lock(&own->lock);
    unsigned n = waiting(p);
    pthread_mutex_unlock(&own->lock);
    return n;
}

void pool_free(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->alive; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->threads);
    mem_free(p);
}
