/* mail_scratch: see the header. */
#include "daemon/mail_scratch.h"

#include <pthread.h>

#include "base/mem.h"

enum { KEPT = 2 }; /* a piece as it is stored, and its wire form */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *kept[KEPT];
static unsigned count;
static bool used; /* since mail_scratch_rest */

char *mail_scratch_take(void)
{
    pthread_mutex_lock(&lock);
    char *block = count ? kept[--count] : NULL;
    used = true;
    pthread_mutex_unlock(&lock);
    return block ? block : mem_resize(NULL, MAIL_SCRATCH);
}

void mail_scratch_give(char *block)
{
    if (!block)
        return;
    pthread_mutex_lock(&lock);
    char *surplus = count == KEPT ? block : NULL;
    if (!surplus)
        kept[count++] = block;
    pthread_mutex_unlock(&lock);
    mem_free(surplus);
}

bool mail_scratch_rest(void)
{
    char *spare[KEPT];
    pthread_mutex_lock(&lock);
    unsigned n = used ? 0 : count;
    for (unsigned i = 0; i < n; i++)
        spare[i] = kept[i];
    count -= n;
    bool some = used || count;
    used = false;
    pthread_mutex_unlock(&lock);
    while (n)
        mem_free(spare[--n]);
    return some;
}
