/* master_metrics: a page of counters for each role that counts, made before any of them is started, and what only the master can see of
 * its processes: how many, and how much memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/master_state.h"
#include "net/inherited.h"
#include "net/sock.h"

enum { MEASURE_MS = 5000, BACKLOG = 64 };

_Static_assert((int)ROLES <= (int)METRIC_ROLES, "a role is a label's value");

/* Whose page it is; -1: that role counts nothing. */
static int page_of(enum role role)
{
    static const int pages[ROLES] = {[ROLE_MASTER] = METRIC_MASTER,   [ROLE_DOOR] = METRIC_DOOR,  [ROLE_AUTH] = METRIC_AUTH,
                                     [ROLE_MAIL] = METRIC_MAIL,       [ROLE_DELIVER] = METRIC_DELIVER, [ROLE_CONTROL] = -1,
                                     [ROLE_METRICS] = -1};
    return pages[role];
}

int master_metrics_open(struct master *m, struct err *err)
{
    const char *at = m->conf.metrics_listen;
    if (!*at)
        return 0;
    for (int i = 0; i < METRIC_PAGES; i++)
        if ((m->page_fd[i] = metric_page_new(err)) < 0)
            return -1;
    int fd = inherited_find(at);
    m->metrics_fd = fd >= 0 ? inherited_take(fd, err) : sock_listen(at, BACKLOG, err);
    return m->metrics_fd < 0 ? -1 : metric_use(m->page_fd[METRIC_MASTER], err);
}

/* The same file, but for reading: who answers whoever asks could otherwise write into all of them. */
static int to_read(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int hand_all(const struct master *m, int (*say)(struct child *c, const struct talk *t), struct child *c)
{
    for (int i = 0; i < METRIC_PAGES; i++) {
        int fd = to_read(m->page_fd[i]);
        int told = fd < 0 ? -1 : say(c, &(struct talk){.type = TALK_METRIC, .num = {(uint32_t)i}, .fd = fd});
        if (fd >= 0)
            close(fd);
        if (told < 0)
            return -1;
    }
    return 0;
}

int master_metrics_hand(struct master *m, enum role role, int (*say)(struct child *c, const struct talk *t), struct child *c)
{
    int i = page_of(role);
    if (m->metrics_fd < 0)
        return 0;
    if (role == ROLE_METRICS)
        return hand_all(m, say, c);
    return i < 0 ? 0 : say(c, &(struct talk){.type = TALK_METRIC, .num = {(uint32_t)i}, .fd = m->page_fd[i]});
}

/* Opened while the process is still root's: later a system that hides processes from others would hide it. */
void master_metrics_watch(struct master *m, struct child *c)
{
    char path[40];
    if (m->metrics_fd < 0)
        return;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)c->pid);
    c->statm_fd = open(path, O_RDONLY | O_CLOEXEC);
}

/* proc(5): the second number is the resident pages. */
static uint64_t resident(int fd)
{
    char text[128];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text, 0);
    struct span rest = {text, n > 0 ? (size_t)n : 0};
    uint64_t pages;
    (void)span_cut(&rest, ' ');
    return span_number(span_cut(&rest, ' '), &pages) ? pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void measure(void *arg)
{
    const struct master *m = arg;
    uint64_t n[ROLES] = {[ROLE_MASTER] = 1}, memory[ROLES] = {0};
    int self = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    memory[ROLE_MASTER] = resident(self);
    if (self >= 0)
        close(self);
    for (const struct child *c = m->children; c; c = c->next) {
        n[c->role]++;
        memory[c->role] += resident(c->statm_fd);
    }
    for (unsigned i = 0; i < ROLES; i++) {
        metric_set(METRIC_PROCESSES + i, n[i]);
        metric_set(METRIC_MEMORY + i, memory[i]);
    }
    loop_timer_set(m->measure, MEASURE_MS);
}

void master_metrics_start(struct master *m)
{
    if (m->metrics_fd < 0)
        return;
    metric_set(METRIC_STARTED, (uint64_t)clock_wall().tv_sec);
    m->measure = loop_timer_new(m->loop, measure, m);
    loop_timer_set(m->measure, 100);
}

void master_metrics_free(struct master *m)
{
    loop_timer_free(m->measure);
    m->measure = NULL;
}
