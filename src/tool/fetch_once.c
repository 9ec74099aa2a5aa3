/* fetch_once: see the header.
 *
 * Accounts whose password is asked for at the terminal begin one after the other: the next is asked once the one before
 * is past its log-in, and meanwhile nothing is shown. All others begin at once. */
#include "tool/fetch_once.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tool/fetch_board.h"
#include "tool/fetch_show.h"

enum { TICK_MS = 200, EXIT_SIGNAL = 128 };

struct once_account {
    struct once *once;
    const struct account *account;
    struct fetch_line line;
    struct fetch_board board;
    bool asks, past_login;
    bool whole_met; /* something was said of the message that --whole names */
};

struct once {
    const struct fetch_accounts *accounts;
    const struct fetch_options *options;
    const char *conf_file;
    struct loop *loop;
    struct crew *crew;
    struct fetch_show *show;
    struct loop_timer *tick;
    struct fetch_sum sum;
    struct termios terminal; /* as it was */
    int terminal_fd, signo;  /* -1: there is none; what ended us, 0: nothing */
    unsigned count, asking;  /* the next who asks; count: nobody any more */
    struct once_account account[ACCOUNTS_MAX];
};

/* ---- the terminal */

static void terminal_open(struct once *o)
{
    o->terminal_fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (o->terminal_fd >= 0 && (!isatty(STDIN_FILENO) || tcgetattr(o->terminal_fd, &o->terminal) < 0)) {
        close(o->terminal_fd);
        o->terminal_fd = -1;
    }
}

/* A child that was ended while it asked leaves the terminal without echo. */
static void terminal_close(struct once *o)
{
    if (o->terminal_fd < 0)
        return;
    tcsetattr(o->terminal_fd, TCSANOW, &o->terminal);
    close(o->terminal_fd);
}

static bool given(const char *text)
{
    return text && *text;
}

static bool would_ask(const struct account *a)
{
    return !given(a->password_command) && !given(a->password_file) && !given(a->token_command) &&
           !(a->auth && strcasecmp(a->auth, "EXTERNAL") == 0);
}

static const struct fetch_form *form_of(const struct fetch_options *o)
{
    const char *term = getenv("TERM");
    if (o->json)
        return &fetch_json;
    return isatty(STDOUT_FILENO) && given(term) && strcmp(term, "dumb") != 0 ? &fetch_terminal : &fetch_plain;
}

/* ---- one account */

static void check(struct once *o, struct once_account *a)
{
    struct collect_job job = {.account = a->account,
                              .state_folder = o->accounts->all->state_folder,
                              .conf_file = o->conf_file,
                              .what = o->options->what,
                              .ask = a->asks,
                              .by_hand =
                                  o->options->what != COLLECT_FETCH || o->options->count || isatty(STDOUT_FILENO),
                              .moved = o->options->moved,
                              .whole = o->options->whole};
    if (given(a->account->notice_command)) /* else nobody is told */
        fetch_board_read(&a->board, a->account, job.state_folder);
    crew_check(o->crew, &job, a);
}

/* Lets the next be asked; after the last what is shown may move. */
static void ask_next(struct once *o)
{
    while (o->asking < o->count && (!o->account[o->asking].asks || o->account[o->asking].past_login))
        o->asking++;
    if (o->asking < o->count)
        check(o, &o->account[o->asking]);
    else
        fetch_show_hold(o->show, false);
}

static void past_login(struct once_account *a)
{
    struct once *o = a->once;
    if (a->past_login)
        return;
    a->past_login = true;
    if (a->asks && !o->signo)
        ask_next(o);
}

static void on_began(void *arg, void *tag)
{
    struct once *o = arg;
    struct once_account *a = tag;
    fetch_show_begin(o->show, &a->line, a->account->name, clock_ms());
}

static void on_event(void *arg, void *tag, const struct event *e)
{
    struct once *o = arg;
    struct once_account *a = tag;
    fetch_show_event(o->show, &a->line, e, clock_ms());
    a->whole_met = a->whole_met || (o->options->whole && strcmp(e->uid, o->options->whole) == 0);
    if (e->kind != EVENT_STEP && e->kind != EVENT_FOUND)
        past_login(a);
}

/* Whoever names a message and hears nothing of it would wonder. */
static void tell_whole(struct once *o, struct once_account *a, const struct event *done)
{
    struct event e = {.kind = EVENT_SKIPPED};
    if (!o->options->whole || a->whole_met || o->options->what != COLLECT_FETCH || done->err.kind != ERR_NONE)
        return;
    snprintf(e.uid, sizeof e.uid, "%s", o->options->whole);
    snprintf(e.text, sizeof e.text, "it was delivered whole before, and is not fetched again");
    fetch_show_event(o->show, &a->line, &e, clock_ms());
}

static void on_ended(void *arg, void *tag, const struct event *done)
{
    struct once *o = arg;
    struct once_account *a = tag;
    if (!a->line.name) /* its turn never came */
        fetch_show_begin(o->show, &a->line, a->account->name, clock_ms());
    tell_whole(o, a, done);
    fetch_show_event(o->show, &a->line, done, clock_ms());
    fetch_sum_add(&o->sum, done);
    if (o->options->what == COLLECT_FETCH && !o->signo && given(a->account->notice_command))
        fetch_board_tell(&a->board, a->account, o->accounts->all->state_folder, done, o->crew);
    past_login(a);
}

/* ---- all of them */

static void on_idle(void *arg)
{
    struct once *o = arg;
    if (o->asking >= o->count || o->signo)
        loop_stop(o->loop);
}

static void on_tick(void *arg)
{
    struct once *o = arg;
    fetch_show_tick(o->show, clock_ms());
    loop_timer_set(o->tick, TICK_MS);
}

static void on_signal(void *arg, int signo)
{
    struct once *o = arg;
    if (o->signo)
        return;
    o->signo = signo;
    o->sum.interrupted = true;
    if (o->asking < o->count)
        dprintf(o->terminal_fd, "\n"); /* what follows does not stand beside the question */
    crew_end(o->crew);
}

static void begin(struct once *o)
{
    struct event wrong = {.kind = EVENT_DONE};
    unsigned asks = 0;
    for (unsigned i = 0; i < o->count; i++) {
        struct once_account *a = &o->account[i];
        *a = (struct once_account){.once = o, .account = o->accounts->chosen[i]};
        a->asks =
            o->terminal_fd >= 0 && would_ask(a->account) && !fetch_accounts_wrong(o->accounts, a->account, &wrong.err);
        asks += a->asks;
    }
    if (asks)
        fetch_show_hold(o->show, true);
    for (unsigned i = 0; i < o->count; i++) {
        struct once_account *a = &o->account[i];
        if (fetch_accounts_wrong(o->accounts, a->account, &wrong.err))
            on_ended(o, a, &wrong);
        else if (!a->asks)
            check(o, a);
    }
    ask_next(o);
}

static void make(struct once *o, const struct fetch_accounts *f, const struct fetch_options *options)
{
    const struct fetch_show_rules shown = {.form = form_of(options),
                                           .out = stdout,
                                           .trouble = stderr,
                                           .what = options->what,
                                           .quiet = options->quiet,
                                           .name_width = fetch_accounts_width(f)};
    o->loop = loop_new();
    const struct crew_rules rules = {.loop = o->loop,
                                     .most = CREW_MOST,
                                     .began = on_began,
                                     .event = on_event,
                                     .ended = on_ended,
                                     .idle = on_idle,
                                     .arg = o};
    o->show = fetch_show_new(&shown);
    o->crew = crew_new(&rules);
    o->tick = loop_timer_new(o->loop, on_tick, o);
    loop_timer_set(o->tick, TICK_MS);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before;
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup(1) */
            loop_signal(o->loop, signals[i], on_signal, o);
}

int fetch_once(const struct fetch_accounts *f, const struct fetch_options *options, const char *conf_file)
{
    struct once *o = mem_alloc(sizeof *o);
    *o = (struct once){.accounts = f, .options = options, .conf_file = conf_file, .count = f->count};
    log_program("bustia");
    log_open(STDERR_FILENO, LOG_TO_STREAM, "fetch"); /* whoever reads may go: the mail is fetched all the same */
    log_level_set(LOG_L_ERROR);                      /* all else would stand in the middle of what is shown */
    terminal_open(o);
    make(o, f, options);
    begin(o);
    if (crew_busy(o->crew))
        loop_run(o->loop);
    int status = o->signo ? EXIT_SIGNAL + o->signo : fetch_sum_status(&o->sum, options->exit_new);
    fetch_show_sum(o->show, &o->sum, status);
    terminal_close(o);
    fetch_show_free(o->show);
    loop_timer_free(o->tick);
    crew_free(o->crew);
    loop_free(o->loop);
    mem_free(o);
    return status;
}
