/* fetch_watch: see the header.
 *
 * SIGHUP reads the accounts file again, SIGUSR1 checks all accounts at once, SIGTERM and SIGINT end. The service
 * manager, if there is one, is told what goes on, and that the loop turns. */
#include "tool/fetch_watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/notify.h"
#include "tool/fetch_watched.h"

struct watch {
    const struct fetch_options *options;
    struct loop *loop;
    struct loop_timer *watchdog; /* NULL: nobody asked for it */
    struct fetch_show *show;
    struct watched_all *all;
    bool ending;
};

static void say_wrong(const struct fetch_accounts *f)
{
    for (unsigned i = 0; i < f->problems.count; i++) {
        const struct conf_problem *p = &f->problems.list[i];
        log_warning("accounts", "file=%s line=%u %s=%s", log_quote_text(f->file), p->line,
                    p->fatal ? "error" : "warning", log_quote_text(p->text));
    }
}

/* ---- the service manager */

static void status(const struct watch *w, const char *first)
{
    char text[160];
    struct watched_counts n = watched_count(w->all);
    snprintf(text, sizeof text, "%sSTATUS=%u account%s watched, %u checked now, %u failing", first, n.accounts,
             fetch_s(n.accounts), n.at_work, n.failing);
    notify_manager(text);
}

static void on_changed(void *arg)
{
    const struct watch *w = arg;
    if (!w->ending)
        status(w, "");
}

static void on_watchdog(void *arg)
{
    struct watch *w = arg;
    notify_manager("WATCHDOG=1");
    loop_timer_set(w->watchdog, notify_watchdog_ms());
}

/* ---- signals */

static void on_hangup(void *arg, int signo)
{
    struct watch *w = arg;
    const struct fetch_options *o = w->options;
    char text[80];
    struct fetch_accounts f;
    struct err err;
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_us());
    notify_manager(text);
    int opened = fetch_accounts_open(&f, o->file, o->names, o->count, &err);
    say_wrong(&f);
    if (opened < 0)
        log_error("accounts", "kept=yes error=%s", log_quote_text(err.text));
    else if (f.problems.fatal)
        log_error("accounts", "kept=yes error=\"the accounts file has errors; the accounts stay as they were\"");
    else {
        log_info("accounts", "file=%s accounts=%u", log_quote_text(f.file), f.count);
        watched_take(w->all, &f);
    }
    fetch_accounts_close(&f);
    status(w, "READY=1\n");
}

static void on_now(void *arg, int signo)
{
    struct watch *w = arg;
    watched_check_now(w->all);
}

static void on_end(void *arg, int signo)
{
    struct watch *w = arg;
    if (w->ending)
        return;
    w->ending = true;
    log_info("end", "signal=%d", signo);
    notify_manager("STOPPING=1");
    watched_end(w->all);
}

static void on_ended(void *arg)
{
    struct watch *w = arg;
    loop_stop(w->loop);
}

/* ---- the whole */

static void make(struct watch *w, const char *conf_file)
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
    w->show = fetch_show_new(&shown);
    w->all = watched_new(&(struct watched_rules){
        .loop = w->loop, .show = w->show, .conf_file = conf_file, .changed = on_changed, .ended = on_ended, .arg = w});
    loop_signal(w->loop, SIGHUP, on_hangup, w);
    loop_signal(w->loop, SIGUSR1, on_now, w);
    loop_signal(w->loop, SIGTERM, on_end, w);
    loop_signal(w->loop, SIGINT, on_end, w);
    if (notify_watchdog_ms()) {
        w->watchdog = loop_timer_new(w->loop, on_watchdog, w);
        loop_timer_set(w->watchdog, 0);
    }
}

int fetch_watch(struct fetch_accounts *f, const struct fetch_options *o, const char *conf_file)
{
    struct watch w = {.options = o};
    make(&w, conf_file);
    say_wrong(f);
    log_info("watch", "file=%s accounts=%u", log_quote_text(f->file), f->count);
    watched_take(w.all, f);
    status(&w, "READY=1\n");
    loop_run(w.loop);
    watched_free(w.all);
    fetch_show_free(w.show);
    loop_timer_free(w.watchdog);
    loop_free(w.loop);
    return EX_OK;
}
