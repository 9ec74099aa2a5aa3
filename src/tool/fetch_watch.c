/* fetch_watch: see the header.
 *
 * Each account has a timer, monotonic, that is set when its check has ended: so there are never two of one account, and
 * a step of the clock neither stops nor hurries them. SIGHUP reads the accounts file again; a check that is at work
 * ends by what it began with, so what was read is kept until nobody works by it any more. SIGUSR1 checks all at once.
 */
#include "tool/fetch_watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tool/fetch_board.h"
#include "tool/fetch_show.h"
#include "tool/notify.h"

enum { JITTER_MS = 1000 };

/* A reading of the accounts file. */
struct reading {
    struct fetch_accounts accounts;
    unsigned users;
};

struct watched {
    TAILQ_ENTRY(watched) link;
    struct watch *watch;
    char *name;
    struct reading *reading; /* what `account` is part of */
    const struct account *account;
    struct loop_timer *timer;
    struct fetch_line line;
    struct fetch_board board;
    bool at_work, by_hand;
};
TAILQ_HEAD(watched_list, watched);

struct watch {
    const struct fetch_options *options;
    const char *conf_file;
    struct loop *loop;
    struct crew *crew;
    struct fetch_show *show;
    struct reading *reading; /* the newest */
    struct watched_list all;
    bool ending;
};

/* ---- readings */

static void leave(struct reading *r)
{
    if (--r->users)
        return;
    fetch_accounts_close(&r->accounts);
    mem_free(r);
}

static void say_wrong(const struct fetch_accounts *f)
{
    for (unsigned i = 0; i < f->problems.count; i++) {
        const struct conf_problem *p = &f->problems.list[i];
        log_warning("accounts", "file=%s line=%u %s=%s", log_quote_text(f->file), p->line,
                    p->fatal ? "error" : "warning", log_quote_text(p->text));
    }
}

static const struct account *chosen(const struct reading *r, const char *name)
{
    for (unsigned i = 0; i < r->accounts.count; i++)
        if (strcmp(r->accounts.chosen[i]->name, name) == 0)
            return r->accounts.chosen[i];
    return NULL;
}

/* ---- one account */

static const char *state_of(const struct watched *a)
{
    return a->reading->accounts.all->state_folder;
}

static void on_time(void *arg)
{
    struct watched *a = arg;
    struct collect_job job = {.account = a->account,
                              .state_folder = state_of(a),
                              .conf_file = a->watch->conf_file,
                              .what = COLLECT_FETCH,
                              .by_hand = a->by_hand};
    a->at_work = true;
    a->by_hand = false;
    fetch_board_read(&a->board, a->account, state_of(a));
    crew_check(a->watch->crew, &job, a);
}

/* `done`: of the check that has just ended, or NULL. */
static void schedule(struct watched *a, const struct event *done)
{
    uint64_t ms = fetch_board_next(&a->board, a->account, state_of(a), done);
    if (ms)
        ms += clock_us() % JITTER_MS;
    if (!a->watch->ending)
        loop_timer_set(a->timer, ms);
}

static void watched_free(struct watched *a)
{
    TAILQ_REMOVE(&a->watch->all, a, link);
    loop_timer_free(a->timer);
    leave(a->reading);
    mem_free(a->name);
    mem_free(a);
}

/* Takes up the newest reading; false: it has no such account any more, and `a` is gone. */
static bool renew(struct watched *a)
{
    struct reading *r = a->watch->reading;
    const struct account *account = chosen(r, a->name);
    if (!account || fetch_accounts_wrong(&r->accounts, account)) {
        watched_free(a);
        return false;
    }
    r->users++;
    leave(a->reading);
    a->reading = r;
    a->account = account;
    return true;
}

static void watched_new(struct watch *w, const struct account *account)
{
    struct watched *a = mem_alloc(sizeof *a);
    a->watch = w;
    a->name = mem_copy_text(account->name);
    a->reading = w->reading;
    a->reading->users++;
    a->account = account;
    a->timer = loop_timer_new(w->loop, on_time, a);
    TAILQ_INSERT_TAIL(&w->all, a, link);
    schedule(a, NULL);
}

static void on_began(void *arg, void *tag)
{
    struct watch *w = arg;
    struct watched *a = tag;
    fetch_show_begin(w->show, &a->line, a->name, clock_ms());
}

static void on_event(void *arg, void *tag, const struct event *e)
{
    struct watch *w = arg;
    struct watched *a = tag;
    fetch_show_event(w->show, &a->line, e, clock_ms());
}

static void on_ended(void *arg, void *tag, const struct event *done)
{
    struct watch *w = arg;
    struct watched *a = tag;
    a->at_work = false;
    if (!w->ending || a->line.name)
        fetch_show_event(w->show, &a->line, done, clock_ms());
    a->line = (struct fetch_line){0};
    if (w->ending)
        return;
    fetch_board_tell(&a->board, a->account, state_of(a), done, w->crew);
    if (renew(a))
        schedule(a, done);
}

/* ---- all of them */

static void status(const struct watch *w)
{
    unsigned count = 0;
    char text[64];
    const struct watched *a;
    for (a = TAILQ_FIRST(&w->all); a; a = TAILQ_NEXT(a, link))
        count++;
    snprintf(text, sizeof text, "READY=1\nSTATUS=%u account%s watched", count, fetch_s(count));
    notify_manager(text);
}

static void add_new(struct watch *w)
{
    const struct fetch_accounts *f = &w->reading->accounts;
    for (unsigned i = 0; i < f->count; i++) {
        const struct watched *a;
        bool known = false;
        for (a = TAILQ_FIRST(&w->all); a; a = TAILQ_NEXT(a, link))
            known |= strcmp(a->name, f->chosen[i]->name) == 0;
        if (!known && !fetch_accounts_wrong(f, f->chosen[i]))
            watched_new(w, f->chosen[i]);
    }
}

static void take_up(struct watch *w, struct reading *r)
{
    struct watched *a, *next;
    leave(w->reading);
    w->reading = r;
    for (a = TAILQ_FIRST(&w->all); a; a = next) {
        next = TAILQ_NEXT(a, link);
        if (!a->at_work && renew(a))
            schedule(a, NULL);
    }
    add_new(w);
    log_info("accounts", "file=%s accounts=%u", log_quote_text(r->accounts.file), r->accounts.count);
}

static void on_hangup(void *arg, int signo)
{
    struct watch *w = arg;
    char text[80];
    struct err err;
    struct reading *r = mem_alloc(sizeof *r);
    r->users = 1;
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us());
    notify_manager(text);
    int opened = fetch_accounts_open(&r->accounts, w->options->file, w->options->names, w->options->count, &err);
    say_wrong(&r->accounts);
    if (opened == 0 && !r->accounts.problems.fatal)
        take_up(w, r);
    else {
        log_error("accounts", "kept=yes error=%s",
                  opened < 0 ? log_quote_text(err.text)
                             : "\"the accounts file has errors; the accounts stay as they were\"");
        leave(r);
    }
    status(w);
}

static void on_now(void *arg, int signo)
{
    struct watch *w = arg;
    struct watched *a;
    for (a = TAILQ_FIRST(&w->all); a; a = TAILQ_NEXT(a, link))
        if (!a->at_work) {
            a->by_hand = true;
            loop_timer_set(a->timer, 0);
        }
}

static void on_idle(void *arg)
{
    struct watch *w = arg;
    if (w->ending)
        loop_stop(w->loop);
}

static void on_end(void *arg, int signo)
{
    struct watch *w = arg;
    struct watched *a;
    if (w->ending)
        return;
    w->ending = true;
    log_info("end", "signal=%d", signo);
    notify_manager("STOPPING=1");
    for (a = TAILQ_FIRST(&w->all); a; a = TAILQ_NEXT(a, link))
        loop_timer_stop(a->timer);
    crew_end(w->crew);
}

static void make(struct watch *w)
{
    const struct fetch_show_rules shown = {.form = w->options->json ? &fetch_json : &fetch_log,
                                           .out = stdout,
                                           .trouble = stderr,
                                           .what = COLLECT_FETCH,
                                           .quiet = w->options->quiet};
    log_program("bustia");
    log_open(STDERR_FILENO, LOG_TO_STREAM, "fetch");
    log_level_set(w->options->quiet ? LOG_L_WARNING : LOG_L_INFO);
    w->loop = loop_new();
    const struct crew_rules rules = {.loop = w->loop,
                                     .most = CREW_MOST,
                                     .apart = true,
                                     .began = on_began,
                                     .event = on_event,
                                     .ended = on_ended,
                                     .idle = on_idle,
                                     .arg = w};
    w->show = fetch_show_new(&shown);
    w->crew = crew_new(&rules);
    loop_signal(w->loop, SIGHUP, on_hangup, w);
    loop_signal(w->loop, SIGUSR1, on_now, w);
    loop_signal(w->loop, SIGTERM, on_end, w);
    loop_signal(w->loop, SIGINT, on_end, w);
}

int fetch_watch(struct fetch_accounts *f, const struct fetch_options *o, const char *conf_file)
{
    struct watch w = {.options = o, .conf_file = conf_file, .reading = mem_alloc(sizeof *w.reading)};
    TAILQ_INIT(&w.all);
    *w.reading = (struct reading){.accounts = *f, .users = 1};
    *f = (struct fetch_accounts){0};
    make(&w);
    say_wrong(&w.reading->accounts);
    add_new(&w);
    log_info("watch", "file=%s accounts=%u", log_quote_text(w.reading->accounts.file), w.reading->accounts.count);
    status(&w);
    loop_run(w.loop);
    while (!TAILQ_EMPTY(&w.all))
        watched_free(TAILQ_FIRST(&w.all));
    leave(w.reading);
    fetch_show_free(w.show);
    crew_free(w.crew);
    loop_free(w.loop);
    return EX_OK;
}
