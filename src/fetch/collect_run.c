/* collect: one check of an account, from the connection to QUIT. The order is what keeps mail from being lost and from
 * coming twice: a message is durable at its destination, then noted, then DELE is asked for; QUIT is asked once that is
 * noted, too. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fetch/collect_state.h"

static void init(struct collect *c, const struct collect_job *job, void (*tell)(void *arg, const struct event *e),
                 void *arg)
{
    *c = (struct collect){.job = job,
                          .account = job->account,
                          .tell = tell,
                          .arg = arg,
                          .now = clock_wall().tv_sec,
                          .board = {.expires = -1}};
    listing_init(&c->listing);
    char *host;
    unsigned port;
    account_server(job->account, &host, &port);
    snprintf(c->maildrop, sizeof c->maildrop, "%.150s at %.200s", log_escape(span_of(job->account->user)),
             log_escape(span_of(host)));
    mem_free(host);
}

static void fini(struct collect *c)
{
    collect_drop(c);
    for (unsigned i = 0; i < c->group_count; i++)
        out_abort(c->out, c->group[i].draft);
    out_close(c->out);
    pop3_close(c->session);
    if (c->seen)
        seen_abandon(c->seen);
    seen_close(c->seen);
    listing_fini(&c->listing);
    mem_free(c->deletes);
    mem_free(c->uids.p);
}

static int log_in(struct collect *c, struct err *err)
{
    struct pop3_client_limits limits = {.message =
                                            c->account->size_limit > COLLECT_MESSAGE_MAX ? 0 : COLLECT_MESSAGE_MAX,
                                        .window = (unsigned)c->account->window};
    char *host;
    unsigned port;
    account_server(c->account, &host, &port);
    collect_say(c, EVENT_STEP, NULL, "connecting to %s", log_escape(span_of(host)));
    mem_free(host);
    int ret = pop3_open(&c->session, c->account, c->job->ask, &limits, err);
    collect_logged_in(c);
    if (ret == 0 && c->account->check_timeout) {
        c->session->link->to.whole_ms = c->account->check_timeout;
        c->session->link->ends_at = clock_ms() + c->account->check_timeout;
    }
    return ret;
}

/* Without an answer it is not known what of the marked messages is gone. The next listing tells: until then they count
 * as there. */
static int quit(struct collect *c, struct err *err)
{
    struct err unknown;
    collect_say(c, EVENT_STEP, NULL, "leaving");
    if (collect_note_deletes(c, err))
        return -1;
    if (pop3_quit(c->session, &unknown) == 0)
        return collect_note_gone(c, err);
    if (!c->delete_next)
        return 0;
    *err = c->trouble.kind == ERR_NONE ? unknown : c->trouble; /* nothing else will tell that */
    return -1;
}

/* What the job asks for, in TRANSACTION. */
static int work(struct collect *c, struct err *err)
{
    switch (c->job->what) {
    case COLLECT_PLAN:
        collect_plan(c);
        return 0;
    case COLLECT_TEST:
        collect_test(c);
        return 0;
    case COLLECT_MARK_SEEN:
        return collect_mark(c, err);
    case COLLECT_FETCH:
        break;
    }
    return c->is_quiet ? 0 : collect_fetch(c, err);
}

static int check(struct collect *c, struct err *err)
{
    if (log_in(c, err) || collect_list(c, err) || work(c, err))
        return -1;
    if (quit(c, err) || (c->seen && !c->is_quiet && c->job->what == COLLECT_FETCH &&
                         (collect_note_listing(c, err) || collect_noted(c, err))))
        return -1;
    if (c->trouble.kind == ERR_NONE)
        return 0;
    *err = c->trouble;
    return -1;
}

int collect_run(const struct collect_job *job, void (*tell)(void *arg, const struct event *e), void *arg,
                struct err *err)
{
    struct collect *c = mem_alloc(sizeof *c);
    struct err why = {.kind = ERR_NONE};
    init(c, job, tell, arg);
    int ret = collect_begin(c, &why);
    if (ret == 0 && !*c->early) {
        ret = check(c, &why);
        collect_board(c, &why);
    }
    collect_say_done(c, &why);
    fini(c);
    mem_free(c);
    *err = why;
    return ret;
}
