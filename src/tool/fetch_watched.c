/* fetch_watched: see the header.
 *
 * Each account has a timer that is set when its check has ended: so there are never two of one account, and a step of
 * the clock neither stops nor hurries them. What was read of the accounts file is kept until nobody works by it any
 * more. */
#include "tool/fetch_watched.h"

#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tool/fetch_board.h"

enum { JITTER_MS = 1000, NAP_MS = 60000 };

/* A reading of the accounts file. */
struct reading {
    struct fetch_accounts accounts;
    unsigned users;
};

struct watched {
    TAILQ_ENTRY(watched) link;
    struct watched_all *all;
    char *name;
    struct reading *reading; /* what `account` is part of */
    const struct account *account;
    struct loop_timer *timer;
    uint64_t due; /* ms, of boot_ms */
    struct fetch_line line;
    struct fetch_board board;
    bool at_work, by_hand;
};
TAILQ_HEAD(watched_list, watched);

struct watched_all {
    struct watched_rules rules;
    struct crew *crew;
    struct reading *reading; /* the newest */
    struct watched_list list;
    bool ending;
};

static void leave(struct reading *r)
{
    if (--r->users)
        return;
    fetch_accounts_close(&r->accounts);
    mem_free(r);
}

/* The account as this reading has it; NULL: it is not there, or not right. */
static const struct account *account_in(const struct reading *r, const char *name)
{
    struct err why;
    for (unsigned i = 0; i < r->accounts.count; i++)
        if (strcmp(r->accounts.chosen[i]->name, name) == 0)
            return fetch_accounts_wrong(&r->accounts, r->accounts.chosen[i], &why) ? NULL : r->accounts.chosen[i];
    return NULL;
}

static const char *state_of(const struct watched *a)
{
    return a->reading->accounts.all->state_folder;
}

/* ---- its time */

/* Goes on while the machine sleeps, which timers do not. */
static uint64_t boot_ms(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void wait_for_it(struct watched *a)
{
    uint64_t now = boot_ms(), ms = a->due > now ? a->due - now : 0;
    loop_timer_set(a->timer, ms < NAP_MS ? ms : NAP_MS);
}

static void on_time(void *arg)
{
    struct watched *a = arg;
    if (boot_ms() < a->due) {
        wait_for_it(a);
        return;
    }
    struct collect_job job = {.account = a->account,
                              .state_folder = state_of(a),
                              .conf_file = a->all->rules.conf_file,
                              .what = COLLECT_FETCH,
                              .by_hand = a->by_hand};
    a->at_work = true;
    a->by_hand = false;
    fetch_board_read(&a->board, a->account, state_of(a));
    crew_check(a->all->crew, &job, a);
}

/* `done`: of the check that has just ended, or NULL. */
static void schedule(struct watched *a, const struct event *done)
{
    uint64_t ms = fetch_board_next(&a->board, a->account, state_of(a), done);
    if (ms)
        ms += clock_us() % JITTER_MS;
    a->due = boot_ms() + ms;
    wait_for_it(a);
}

/* ---- one account */

static void forget(struct watched *a)
{
    TAILQ_REMOVE(&a->all->list, a, link);
    loop_timer_free(a->timer);
    leave(a->reading);
    mem_free(a->name);
    mem_free(a);
}

/* Takes up the newest reading; false: it has no such account any more, and `a` is gone. */
static bool renew(struct watched *a)
{
    struct reading *r = a->all->reading;
    const struct account *account = account_in(r, a->name);
    if (!account) {
        forget(a);
        return false;
    }
    r->users++;
    leave(a->reading);
    a->reading = r;
    a->account = account;
    return true;
}

static void begin_with(struct watched_all *w, const struct account *account)
{
    struct watched *a = mem_alloc(sizeof *a);
    a->all = w;
    a->name = mem_copy_text(account->name);
    a->reading = w->reading;
    a->reading->users++;
    a->account = account;
    a->timer = loop_timer_new(w->rules.loop, on_time, a);
    TAILQ_INSERT_TAIL(&w->list, a, link);
    fetch_board_read(&a->board, account, state_of(a));
    schedule(a, NULL);
}

/* ---- what the crew tells */

static void on_began(void *arg, void *tag)
{
    struct watched_all *w = arg;
    struct watched *a = tag;
    fetch_show_begin(w->rules.show, &a->line, a->name, clock_ms());
    w->rules.changed(w->rules.arg);
}

static void on_event(void *arg, void *tag, const struct event *e)
{
    struct watched_all *w = arg;
    struct watched *a = tag;
    fetch_show_event(w->rules.show, &a->line, e, clock_ms());
}

static void on_ended(void *arg, void *tag, const struct event *done)
{
    struct watched_all *w = arg;
    struct watched *a = tag;
    a->at_work = false;
    if (a->line.name) /* else its turn never came */
        fetch_show_event(w->rules.show, &a->line, done, clock_ms());
    a->line = (struct fetch_line){0};
    if (w->ending)
        return;
    fetch_board_tell(&a->board, a->account, state_of(a), done, w->crew);
    if (renew(a))
        schedule(a, done);
    w->rules.changed(w->rules.arg);
}

static void on_idle(void *arg)
{
    struct watched_all *w = arg;
    if (w->ending)
        w->rules.ended(w->rules.arg);
}

/* ---- all of them */

struct watched_all *watched_new(const struct watched_rules *rules)
{
    struct watched_all *w = mem_alloc(sizeof *w);
    w->rules = *rules;
    TAILQ_INIT(&w->list);
    const struct crew_rules crew = {.loop = rules->loop,
                                    .most = CREW_MOST,
                                    .apart = true,
                                    .began = on_began,
                                    .event = on_event,
                                    .ended = on_ended,
                                    .idle = on_idle,
                                    .arg = w};
    w->crew = crew_new(&crew);
    return w;
}

void watched_free(struct watched_all *w)
{
    while (!TAILQ_EMPTY(&w->list))
        forget(TAILQ_FIRST(&w->list));
    if (w->reading)
        leave(w->reading);
    crew_free(w->crew);
    mem_free(w);
}

static void add_new(struct watched_all *w)
{
    const struct fetch_accounts *f = &w->reading->accounts;
    for (unsigned i = 0; i < f->count; i++) {
        const struct watched *a;
        struct err why;
        bool known = false;
        for (a = TAILQ_FIRST(&w->list); a; a = TAILQ_NEXT(a, link))
            known |= strcmp(a->name, f->chosen[i]->name) == 0;
        if (!known && !fetch_accounts_wrong(f, f->chosen[i], &why))
            begin_with(w, f->chosen[i]);
    }
}

void watched_take(struct watched_all *w, struct fetch_accounts *f)
{
    struct watched *a, *next;
    struct reading *r = mem_alloc(sizeof *r);
    *r = (struct reading){.accounts = *f, .users = 1};
    *f = (struct fetch_accounts){0};
    if (w->reading)
        leave(w->reading);
    w->reading = r;
    for (a = TAILQ_FIRST(&w->list); a; a = next) {
        next = TAILQ_NEXT(a, link);
        if (!a->at_work && renew(a))
            schedule(a, NULL);
    }
    add_new(w);
}

void watched_check_now(struct watched_all *w)
{
    struct watched *a;
    for (a = TAILQ_FIRST(&w->list); a; a = TAILQ_NEXT(a, link))
        if (!a->at_work) {
            a->by_hand = true;
            a->due = 0;
            wait_for_it(a);
        }
}

void watched_end(struct watched_all *w)
{
    struct watched *a;
    w->ending = true;
    for (a = TAILQ_FIRST(&w->list); a; a = TAILQ_NEXT(a, link))
        loop_timer_stop(a->timer);
    crew_end(w->crew);
}

struct watched_counts watched_count(const struct watched_all *w)
{
    struct watched_counts n = {0};
    const struct watched *a;
    for (a = TAILQ_FIRST(&w->list); a; a = TAILQ_NEXT(a, link)) {
        n.accounts++;
        n.at_work += a->at_work;
        n.failing += a->board.failures != 0;
    }
    return n;
}
