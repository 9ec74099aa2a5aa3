/* fetch_crew: see the header. */
#include "tool/fetch_crew.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "tool/fetch_child.h"

enum { AT_ONCE = 64 /* events taken before others have their turn */ };

struct hand {
    TAILQ_ENTRY(hand) link;
    struct crew *crew;
    struct collect_job job;
    void *tag;
    struct loop_fd *source;   /* NULL: there will be no events any more, or it is a command */
    struct loop_timer *limit; /* of a command; of who was asked to end */
    struct event done;
    pid_t pid;      /* 0: waits its turn */
    int fd, status; /* -1: none; waitpid's */
    uint32_t delivered;
    bool command, gone, said; /* its process is no more; EVENT_DONE came */
};
TAILQ_HEAD(hands, hand);

struct crew {
    struct crew_rules rules;
    struct hands at_work, waiting;
    unsigned checks, all;
    bool ending;
};

static void on_child(void *arg, int signo);

struct crew *crew_new(const struct crew_rules *rules)
{
    struct crew *c = mem_alloc(sizeof *c);
    c->rules = *rules;
    TAILQ_INIT(&c->at_work);
    TAILQ_INIT(&c->waiting);
    loop_signal(rules->loop, SIGCHLD, on_child, c);
    return c;
}

void crew_free(struct crew *c)
{
    mem_free(c);
}

unsigned crew_busy(const struct crew *c)
{
    return c->all;
}

/* ---- the end of one */

static void how_it_ended(const struct hand *h, struct event *done)
{
    int status = h->status, signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    *done = h->done;
    if (h->said && !signo)
        return;
    *done = (struct event){.kind = EVENT_DONE, .fetched = h->delivered};
    if (h->crew->ending && (!signo || signo == SIGTERM || signo == SIGINT || signo == SIGKILL))
        err_set(&done->err, ERR_TEMP, "interrupted");
    else if (signo)
        err_set(&done->err, ERR_TEMP, "its process was ended by signal %d (%s); what it had delivered stays delivered",
                signo, strsignal(signo));
    else
        err_set(&done->err, ERR_TEMP, "its process ended without a word (status %d)", WEXITSTATUS(status));
}

static void start_waiting(struct crew *c);

static void dismiss(struct hand *h)
{
    struct crew *c = h->crew;
    struct event done;
    bool command = h->command;
    void *tag = h->tag;
    if (!command)
        how_it_ended(h, &done);
    loop_fd_free(h->source);
    loop_timer_free(h->limit);
    if (h->fd >= 0)
        close(h->fd);
    TAILQ_REMOVE(h->pid ? &c->at_work : &c->waiting, h, link);
    c->all--;
    c->checks -= !command && h->pid;
    mem_free(h);
    if (!command)
        c->rules.ended(c->rules.arg, tag, &done);
    start_waiting(c);
    if (!c->all && c->rules.idle)
        c->rules.idle(c->rules.arg);
}

/* ---- events */

static void take(struct hand *h, const struct event *e)
{
    if (e->kind == EVENT_DONE) {
        h->done = *e;
        h->said = true;
        return;
    }
    h->delivered += e->kind == EVENT_DELIVERED;
    h->crew->rules.event(h->crew->rules.arg, h->tag, e);
}

/* Up to `most` events; false: there will be none any more. */
static bool take_some(struct hand *h, unsigned most)
{
    struct event e;
    for (unsigned i = 0; i < most; i++) {
        int got = fetch_child_receive(h->fd, &e);
        if (got <= 0)
            return got == 0;
        take(h, &e);
    }
    return true;
}

static void on_event(void *arg, bool readable, bool writable)
{
    struct hand *h = arg;
    if (take_some(h, AT_ONCE))
        return;
    loop_fd_free(h->source);
    h->source = NULL;
    if (!h->gone)
        kill(h->pid, SIGTERM); /* who says nothing any more, or nonsense, has nothing to do here */
}

static void on_child(void *arg, int signo)
{
    struct crew *c = arg;
    struct hand *h, *next;
    /* Who is new came at the end and has its own signal; who goes is taken out by itself. */
    for (h = TAILQ_FIRST(&c->at_work); h; h = next) {
        next = TAILQ_NEXT(h, link);
        if (waitpid(h->pid, &h->status, WNOHANG) != h->pid)
            continue;
        h->gone = true;
        if (h->source)
            take_some(h, UINT32_MAX);
        dismiss(h);
    }
}

/* ---- the start of one */

static struct hand *hand_new(struct crew *c, void *tag)
{
    struct hand *h = mem_alloc(sizeof *h);
    h->crew = c;
    h->tag = tag;
    h->fd = -1;
    c->all++;
    return h;
}

static void set_off(struct crew *c, struct hand *h)
{
    struct err err;
    pid_t pid = fetch_child_start(&h->job, c->rules.apart, &h->fd, &err);
    if (pid < 0) {
        h->done = (struct event){.kind = EVENT_DONE, .err = err};
        h->said = true;
        dismiss(h);
        return;
    }
    TAILQ_REMOVE(&c->waiting, h, link);
    TAILQ_INSERT_TAIL(&c->at_work, h, link);
    c->checks++;
    h->pid = pid;
    h->source = loop_fd_new(c->rules.loop, h->fd, on_event, h);
    loop_fd_want(h->source, true, false);
}

static void start_waiting(struct crew *c)
{
    struct hand *h;
    while (!c->ending && c->checks < c->rules.most && (h = TAILQ_FIRST(&c->waiting))) {
        if (c->rules.began)
            c->rules.began(c->rules.arg, h->tag);
        set_off(c, h);
    }
}

void crew_check(struct crew *c, const struct collect_job *job, void *tag)
{
    struct hand *h = hand_new(c, tag);
    h->job = *job;
    TAILQ_INSERT_TAIL(&c->waiting, h, link);
    start_waiting(c);
}

/* ---- who must end */

static void on_limit(void *arg)
{
    struct hand *h = arg;
    kill(h->command || h->crew->rules.apart ? -h->pid : h->pid, SIGKILL);
}

static void limit(struct hand *h, uint64_t ms)
{
    if (!h->limit)
        h->limit = loop_timer_new(h->crew->rules.loop, on_limit, h);
    loop_timer_set(h->limit, ms);
}

bool crew_command(struct crew *c, const char *command, char *const environment[], struct err *err)
{
    pid_t pid = fetch_child_command(command, environment, err);
    if (pid < 0)
        return false;
    struct hand *h = hand_new(c, NULL);
    h->command = true;
    h->pid = pid;
    TAILQ_INSERT_TAIL(&c->at_work, h, link);
    limit(h, CREW_COMMAND_MS);
    return true;
}

void crew_end(struct crew *c)
{
    struct hand *h;
    c->ending = true;
    for (h = TAILQ_FIRST(&c->at_work); h; h = TAILQ_NEXT(h, link)) {
        kill(h->command || c->rules.apart ? -h->pid : h->pid, SIGTERM);
        limit(h, CREW_END_MS);
    }
    while ((h = TAILQ_FIRST(&c->waiting)))
        dismiss(h);
    if (!c->all && c->rules.idle)
        c->rules.idle(c->rules.arg);
}
