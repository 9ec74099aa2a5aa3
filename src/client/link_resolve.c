/* link_resolve: see the header. */
#include "client/link_resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { PORT = 8 };

/* What is looked up. The thread and who waits for it have it together: the last to leave frees it. */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t done;
    char *host;
    struct addrinfo *list;
    int result;
    int error; /* errno of EAI_SYSTEM */
    char port[PORT];
    bool ready;
    _Atomic unsigned holders;
};

static struct addrinfo wanted(int flags)
{
    return (struct addrinfo){.ai_flags = AI_NUMERICSERV | flags, .ai_socktype = SOCK_STREAM};
}

static void leave(struct lookup *l)
{
    if (--l->holders)
        return;
    if (l->list)
        freeaddrinfo(l->list);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    mem_free(l->host);
    mem_free(l);
}

static void *look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = wanted(0), *list = NULL;
    int result = getaddrinfo(l->host, l->port, &hints, &list);
    int error = errno;
    pthread_mutex_lock(&l->lock);
    l->list = list;
    l->result = result;
    l->error = error;
    l->ready = true;
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->lock);
    leave(l);
    return NULL;
}

static struct lookup *begin(const char *host, const char *port)
{
    struct lookup *l = mem_alloc(sizeof *l);
    pthread_condattr_t monotonic;
    l->host = mem_copy_text(host);
    snprintf(l->port, sizeof l->port, "%s", port);
    l->holders = 2;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return l;
}

/* Signals are for the thread that waits. */
static int start(struct lookup *l)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, look_up, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        leave(l); /* the thread's part */
    else
        pthread_detach(thread);
    return error;
}

/* false: the time is over. */
static bool wait_for(struct lookup *l, uint64_t until)
{
    struct timespec end = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    pthread_mutex_lock(&l->lock);
    while (!l->ready)
        if ((until ? pthread_cond_timedwait(&l->done, &l->lock, &end) : pthread_cond_wait(&l->done, &l->lock)) ==
            ETIMEDOUT)
            break;
    bool ready = l->ready;
    pthread_mutex_unlock(&l->lock);
    return ready;
}

static int refused(int result, int error, struct err *err)
{
    if (result == EAI_NONAME || result == EAI_NODATA)
        return err_set(err, ERR_TEMP, "there is no such host, or it has no address");
    return err_set(err, ERR_TEMP, "its address cannot be found: %s",
                   result == EAI_SYSTEM ? strerror(error) : gai_strerror(result));
}

int link_resolve(struct addrinfo **list, const char *host, unsigned port, uint64_t until, struct err *err)
{
    char service[PORT];
    struct addrinfo hints = wanted(AI_NUMERICHOST);
    snprintf(service, sizeof service, "%u", port % 65536);
    *list = NULL;
    if (getaddrinfo(host, service, &hints, list) == 0)
        return 0;
    struct lookup *l = begin(host, service);
    int failed = -1, error = start(l);
    if (error)
        err_set(err, ERR_TEMP, "its address cannot be looked up: %s", strerror(error));
    else if (!wait_for(l, until))
        err_set(err, ERR_TEMP, "no answer came to the question for its address");
    else if (l->result)
        refused(l->result, l->error, err);
    else {
        *list = l->list;
        l->list = NULL;
        failed = 0;
    }
    leave(l);
    return failed;
}
