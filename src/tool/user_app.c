/* user_app: see the header. */
#include "tool/user_app.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tool/column.h"
#include "tool/sub.h"
#include "tool/user_place.h"
#include "tool/user_when.h"
#include "user/app_password.h"
#include "user/secret.h"

/* The database, and in it the user that the first word names. */
static int open_for(struct sub_call *call, struct err *err)
{
    struct user u;
    if (user_place_open(&call->job, false, err))
        return -1;
    if (users_find(call->job.db, span_of(call->argv[0]), &u, err))
        return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", log_escape(span_of(call->argv[0]))) : -1;
    user_free(&u);
    return 0;
}

static int run_add(struct sub_call *call, struct err *err)
{
    char password[32];
    if (open_for(call, err))
        return -1;
    secret_generate(password);
    int ret = app_password_add(call->job.db, span_of(call->argv[0]), span_of(call->argv[1]), password, clock_wall().tv_sec, err);
    if (ret == 0) {
        printf("app password of %s for ", log_escape(span_of(call->argv[0])));
        printf("%s: %s\n", log_escape(span_of(call->argv[1])), password);
    }
    mem_wipe(password, sizeof password);
    return ret;
}

struct listing {
    int width;
    unsigned n;
};

static int measure(void *arg, const struct app_password *p)
{
    struct listing *l = arg;
    int w = column_width(log_escape(span_of(p->label)));
    l->width = w > l->width ? w : l->width;
    l->n++;
    return 0;
}

static int row(void *arg, const struct app_password *p)
{
    const struct listing *l = arg;
    char made[USER_WHEN], used[USER_WHEN];
    column_print(log_escape(span_of(p->label)), l->width);
    printf(" %-16s %-16s %s\n", user_when(p->created, made), user_when(p->used, used), log_escape(span_of(p->address)));
    return 0;
}

static int run_list(struct sub_call *call, struct err *err)
{
    struct listing l = {.width = 5};
    struct span user = span_of(call->argv[0]);
    if (open_for(call, err) || app_password_each(call->job.db, user, measure, &l, err))
        return -1;
    if (l.n == 0)
        return 0;
    column_print("label", l.width);
    printf(" %-16s %-16s %s\n", "made", "used last", "from");
    return app_password_each(call->job.db, user, row, &l, err);
}

static int run_revoke(struct sub_call *call, struct err *err)
{
    return open_for(call, err) ? -1 : app_password_revoke(call->job.db, span_of(call->argv[0]), span_of(call->argv[1]), err);
}

static const struct sub_command commands[] = {
    {"add", "NAME LABEL", NULL, 2, 2, run_add, "another password, for one program; it is shown once"},
    {"list", "NAME", NULL, 1, 1, run_list, "all that the user has"},
    {"revoke", "NAME LABEL", NULL, 2, 2, run_revoke, "it lets in nobody any more, from now on"},
};

static const struct sub sub = {
    "user app-password", commands, sizeof commands / sizeof *commands,
    "They are taken by USER and PASS, SASL PLAIN and LOGIN. SCRAM, CRAM-MD5 and APOP know the user's own password alone."};

int tool_user_app(struct conf *conf, int argc, char **argv)
{
    return sub_run(&sub, &(struct tool){.conf = conf}, argc, argv);
}
