/* log_kept: see the header. Lines come from several threads. */
#include "base/log_kept.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct log_kept lines[LOG_KEPT];
static unsigned count; /* that there ever were */

void log_keep(unsigned level, const char *event, const char *text)
{
    struct log_kept fresh = {.seconds = clock_wall().tv_sec, .level = level};
    snprintf(fresh.text, sizeof fresh.text, "%.60s: %s", event, text);
    pthread_mutex_lock(&mutex);
    lines[count++ % LOG_KEPT] = fresh;
    pthread_mutex_unlock(&mutex);
}

bool log_kept(unsigned i, struct log_kept *line)
{
    pthread_mutex_lock(&mutex);
    unsigned there = count < LOG_KEPT ? count : LOG_KEPT;
    if (i < there)
        *line = lines[(count - there + i) % LOG_KEPT];
    pthread_mutex_unlock(&mutex);
    return i < there;
}
