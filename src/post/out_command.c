/* out_command: see the header. */
#include "post/out_command.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/mem.h"
#include "post/command_run.h"
#include "post/spool.h"

struct command {
    struct out out;
    char *account, *words;
    unsigned limit_ms;
};

struct out_draft {
    struct command *command;
    char *uid;
    struct spool spool;
};

static int begin(struct out *o, const struct out_about *about, struct out_draft **out, struct err *err)
{
    struct out_draft *d = mem_alloc(sizeof *d);
    if (spool_open(&d->spool, about->wire, err) < 0) {
        mem_free(d);
        return -1;
    }
    d->command = (struct command *)o;
    d->uid = about->uid ? mem_copy_text(about->uid) : NULL;
    *out = d;
    return 0;
}

static int write_piece(struct out_draft *d, struct span in, struct err *err)
{
    return spool_write(&d->spool, in, err);
}

static void abort_draft(struct out_draft *d)
{
    spool_close(&d->spool);
    mem_free(d->uid);
    mem_free(d);
}

/* ---- the end */

/* Only of what is wrong with a message's own octets is it said that this message will never be taken. */
static enum err_kind kind_of(int status)
{
    bool for_ever = status >= EX_USAGE && status <= EX_CONFIG && status != EX_TEMPFAIL;
    if (status == EX_DATAERR || status == EX_PROTOCOL)
        return ERR_INPUT;
    return status == EX_NOUSER ? ERR_GONE : for_ever ? ERR_PERM : ERR_TEMP;
}

static void judge(const struct command_end *end, unsigned limit_ms, struct err *err)
{
    const char *colon = *end->said ? ": " : "";
    if (!end->known)
        err_set(err, ERR_UNKNOWN, "the command had not ended after %u s and was ended%s%s", limit_ms / 1000, colon,
                end->said);
    else if (WIFSIGNALED(end->status))
        err_set(err, ERR_UNKNOWN, "the command was ended by signal %d (%s)%s%s", WTERMSIG(end->status),
                strsignal(WTERMSIG(end->status)), colon, end->said);
    else if (WEXITSTATUS(end->status))
        err_set(err, kind_of(WEXITSTATUS(end->status)), "the command ended with %d%s%s", WEXITSTATUS(end->status),
                colon, end->said);
}

static void run_one(struct out_draft *d, struct err *err)
{
    const struct command *c = d->command;
    struct command_end end = {.known = false};
    *err = (struct err){.kind = ERR_NONE};
    if (spool_ready(&d->spool, err) < 0)
        return;
    struct command_job job = {.words = c->words,
                              .account = c->account,
                              .uid = d->uid,
                              .size = d->spool.size,
                              .input = d->spool.fd,
                              .limit_ms = c->limit_ms};
    if (command_run(&job, &end, err) == 0)
        judge(&end, c->limit_ms, err);
}

static void commit(struct out_draft **d, unsigned n, struct err *errs, char (*ids)[OUT_ID])
{
    for (unsigned i = 0; i < n; i++) {
        run_one(d[i], &errs[i]);
        if (ids)
            snprintf(ids[i], OUT_ID, "%s", errs[i].kind == ERR_NONE ? "exit 0" : "");
        abort_draft(d[i]);
    }
}

static void close_command(struct out *o)
{
    struct command *c = (struct command *)o;
    mem_free(c->account);
    mem_free(c->words);
    mem_free(c);
}

static const struct out_ops ops = {begin, write_piece, commit, abort_draft, close_command};

struct out *out_command(const char *account, const char *words, unsigned limit_ms)
{
    struct command *c = mem_alloc(sizeof *c);
    *c = (struct command){.out = {.ops = &ops, .together = 1},
                          .account = mem_copy_text(account),
                          .words = mem_copy_text(words),
                          .limit_ms = limit_ms};
    return &c->out;
}
