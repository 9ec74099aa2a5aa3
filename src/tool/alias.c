/* alias: see the header. */
#include "tool/alias.h"

#include <string.h>

#include "base/log.h"
#include "tool/column.h"
#include "tool/sub.h"
#include "tool/user_place.h"
#include "user/address.h"

/* Several targets are one change: all, or none. */
static int each_target(struct sub_call *call,
                       int (*fn)(struct users *db, struct span address, struct span target, struct err *err),
                       struct err *err)
{
    struct users *db = call->job.db;
    int ret = users_begin(db, err);
    if (ret)
        return ret;
    for (int i = 1; ret == 0 && i < call->argc; i++)
        ret = fn(db, span_of(call->argv[0]), span_of(call->argv[i]), err);
    if (ret == 0)
        ret = users_commit(db, err);
    if (ret)
        users_rollback(db);
    return ret;
}

/* ---- add, del */

struct wanted {
    struct span domain;
    bool found;
};

static int look_for(void *arg, const char *domain, enum domain_names names)
{
    struct wanted *w = arg;
    w->found = span_is_nocase(w->domain, domain);
    return w->found;
}

/* An alias at a domain that is nobody's here gets no mail. */
static int note_domain(struct sub_call *call, struct err *err)
{
    const char *at = strrchr(call->argv[0], '@');
    if (!at)
        return 0;
    struct wanted w = {.domain = span_of(at + 1)};
    if (domain_each(call->job.db, look_for, &w, err))
        return -1;
    if (!w.found && !span_is_nocase(w.domain, call->job.conf->hostname))
        fprintf(stderr, "bustia: note: %s is no domain of this server yet; `bustia domain add %s`\n",
                log_escape(w.domain), log_escape(w.domain));
    return 0;
}

static int run_add(struct sub_call *call, struct err *err)
{
    if (user_place_open(&call->job, false, err) || each_target(call, alias_add, err))
        return -1;
    return note_domain(call, err);
}

static int run_del(struct sub_call *call, struct err *err)
{
    if (user_place_open(&call->job, false, err))
        return -1;
    if (call->argc == 1)
        return alias_del(call->job.db, span_of(call->argv[0]), (struct span){0}, err);
    return each_target(call, alias_del, err);
}

/* ---- list */

struct listing {
    int width;
    char last[1024]; /* the address of the line that is being written */
};

static int widest(void *arg, const char *address, const char *target)
{
    struct listing *l = arg;
    int w = column_width(log_escape(span_of(address)));
    l->width = w > l->width ? w : l->width;
    return 0;
}

static int row(void *arg, const char *address, const char *target)
{
    struct listing *l = arg;
    if (strcmp(l->last, address) != 0) {
        printf("%s", *l->last ? "\n" : "");
        column_print(log_escape(span_of(address)), l->width);
        snprintf(l->last, sizeof l->last, "%s", address);
    }
    printf(" %s", log_escape(span_of(target)));
    return 0;
}

static int run_list(struct sub_call *call, struct err *err)
{
    struct listing l = {0};
    if (user_place_open(&call->job, false, err) || alias_each(call->job.db, widest, &l, err) ||
        alias_each(call->job.db, row, &l, err))
        return -1;
    printf("%s", *l.last ? "\n" : "");
    return 0;
}

/* clang-format off */
static const struct sub_command commands[] = {
    {"add",  "ADDRESS USER…",   NULL, 2, SUB_ANY, run_add,  "mail to ADDRESS goes to these users, too"},
    {"del",  "ADDRESS [USER…]", NULL, 1, SUB_ANY, run_del,  "not to these users any more; without USER: the alias is gone"},
    {"list", "",                NULL, 0, 0,       run_list, "all aliases, and to whom they lead"},
};
/* clang-format on */

int tool_alias(const struct tool *t, int argc, char **argv)
{
    static const struct sub alias = {"alias", commands, sizeof commands / sizeof *commands,
                                     "ADDRESS: \"info@example.org\"; \"info\", at every domain where bare names count; "
                                     "\"@example.org\", whatever nobody\n"
                                     "else at that domain gets. An alias stands before the user of the same name, who "
                                     "gets his mail only if named too."};
    return sub_run(&alias, t, argc, argv);
}
