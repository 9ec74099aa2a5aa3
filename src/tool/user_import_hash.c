/* user_import_hash: see the header. Every password gets its own salt, so equal ones cost as much as different ones. */
#include "tool/user_import_hash.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "user/secret.h"

enum { THREADS = 64 }; /* 17 MB each */

struct work {
    struct user_import_entry *entries;
    size_t n;
    atomic_size_t next;
};

static void *run(void *arg)
{
    struct work *w = arg;
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->n;) {
        struct user_import_entry *e = &w->entries[i];
        if (!e->password || e->skip)
            continue;
        e->hashed = secret_make(&e->user, e->password, false, &e->failed) == 0;
        secret_free(e->password);
        e->password = NULL;
    }
    return NULL;
}

static unsigned cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set))
        return 1;
    unsigned n = (unsigned)CPU_COUNT(&set);
    return n < THREADS ? n : THREADS;
}

void user_import_hash(struct user_import_entry *entries, size_t n)
{
    struct work w = {.entries = entries, .n = n};
    pthread_t threads[THREADS];
    unsigned started = 0, want = cpus() < n ? cpus() : (unsigned)n;
    /* This thread works too; where no other can be started it does all of it. */
    while (started + 1 < want && pthread_create(&threads[started], NULL, run, &w) == 0)
        started++;
    run(&w);
    while (started)
        pthread_join(threads[--started], NULL);
}
