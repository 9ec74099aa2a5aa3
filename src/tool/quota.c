/* quota: see the header. */
#include "tool/quota.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tool/column.h"
#include "tool/quota_box.h"
#include "tool/quota_value.h"
#include "tool/sub.h"
#include "tool/user_place.h"

/* ---- set */

static int set(struct sub_call *call, uint64_t octets, const uint64_t *messages, struct err *err)
{
    struct user u;
    struct users *db = call->job.db;
    if (users_find(db, span_of(call->argv[0]), &u, err))
        return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", log_escape(span_of(call->argv[0]))) : -1;
    u.quota_octets = octets;
    if (messages)
        u.quota_messages = *messages;
    int ret = users_change(db, &u, err);
    user_free(&u);
    return ret;
}

static int run_set(struct sub_call *call, struct err *err)
{
    uint64_t octets, messages, *given = call->argc > 2 ? &messages : NULL;
    if (quota_octets_read(call->argv[1], &octets, err) || (given && quota_messages_read(call->argv[2], given, err)) ||
        user_place_open(&call->job, false, err) || users_begin(call->job.db, err))
        return -1;
    int ret = set(call, octets, given, err);
    if (ret == 0)
        ret = users_commit(call->job.db, err);
    if (ret)
        users_rollback(call->job.db);
    return ret;
}

/* ---- show, recount */

struct report {
    struct quota_person *people;
    size_t n, room;
    int width;
    unsigned failed;
    bool all; /* nobody was named: who cannot be looked into is no failure */
    struct err first;
};

static int add_person(void *arg, const struct user *u)
{
    struct report *r = arg;
    int w = column_width(log_escape(span_of(u->name)));
    if (r->n == r->room) {
        r->room = 2 * r->room + 64;
        r->people = mem_resize(r->people, r->room * sizeof *r->people);
    }
    r->people[r->n++] = (struct quota_person){
        .name = mem_copy_text(u->name),
        .where = mem_copy_text(u->where),
        .uid = u->uid,
        .gid = u->gid,
        .octets = u->quota_octets,
        .messages = u->quota_messages,
    };
    r->width = w > r->width ? w : r->width;
    return 0;
}

static int gather(struct sub_call *call, struct report *r, struct err *err)
{
    if (user_place_open(&call->job, false, err))
        return -1;
    if (call->argc == 0)
        return users_each(call->job.db, add_person, r, err);
    for (int i = 0; i < call->argc; i++) {
        struct user u;
        if (users_find(call->job.db, span_of(call->argv[i]), &u, err))
            return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", log_escape(span_of(call->argv[i])))
                                         : -1;
        add_person(r, &u);
        user_free(&u);
    }
    return 0;
}

static void print_limit(uint64_t limit)
{
    if (limit)
        printf(" %15" PRIu64, limit);
    else
        printf(" %15s", "none");
}

static void print_counted(int64_t counted)
{
    char text[40] = "never";
    time_t t = (time_t)counted;
    struct tm tm;
    if (counted && localtime_r(&t, &tm))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    printf("  %s\n", text);
}

static void print_row(void *arg, size_t i, const struct quota_answer *a)
{
    struct report *r = arg;
    const struct quota_person *p = &r->people[i];
    bool known = a->err.kind == ERR_NONE;
    column_print(log_escape(span_of(p->name)), r->width);
    if (known)
        printf(" %15" PRIu64, a->used.octets);
    else
        printf(" %15s", "?");
    print_limit(p->octets);
    if (known)
        printf(" %10" PRIu64, a->used.messages);
    else
        printf(" %10s", "?");
    print_limit(p->messages);
    if (known) {
        print_counted(a->used.counted);
        return;
    }
    printf("  %s\n", a->err.text);
    if (a->err.kind != ERR_AUTH || !r->all) {
        if (r->failed++ == 0)
            err_set(&r->first, a->err.kind, "%s: %s", log_escape(span_of(p->name)), a->err.text);
    }
}

static int report(struct sub_call *call, bool afresh, struct err *err)
{
    struct report r = {.width = 4, .all = call->argc == 0 && !afresh};
    int ret = gather(call, &r, err);
    users_close(call->job.db); /* no other process has anything of it */
    call->job.db = NULL;
    if (ret == 0) {
        column_print("name", r.width);
        printf(" %15s %15s %10s %15s  %s\n", "octets", "limit", "messages", "limit", "counted");
        quota_box_ask(&call->job, r.people, r.n, afresh, print_row, &r);
    }
    if (ret == 0 && r.failed) {
        *err = r.first;
        ret = -1;
    }
    for (size_t i = 0; i < r.n; i++) {
        mem_free(r.people[i].name);
        mem_free(r.people[i].where);
    }
    mem_free(r.people);
    return ret;
}

static int run_show(struct sub_call *call, struct err *err)
{
    return report(call, false, err);
}

static int run_recount(struct sub_call *call, struct err *err)
{
    if (call->flag == (call->argc > 0))
        return err_set(err, ERR_USAGE, "usage: bustia quota recount USER… | --all");
    return report(call, true, err);
}

/* clang-format off */
static const struct sub_command commands[] = {
    {"set",     "USER OCTETS [MESSAGES]", NULL,    2, 3,       run_set,     "how much the mailbox may hold: 500k, 200M, 2G, none"},
    {"show",    "[USER…]",                NULL,    0, SUB_ANY, run_show,    "what is used, by the mailbox's own record, and the limits"},
    {"recount", "USER… | --all",          "--all", 0, SUB_ANY, run_recount, "counts message by message, and shows it"},
};
/* clang-format on */

int tool_quota(const struct tool *t, int argc, char **argv)
{
    static const struct sub quota = {
        "quota", commands, sizeof commands / sizeof *commands,
        "Without MESSAGES that limit stays as it is. What is used can be seen by root, and by the mailbox's own user."};
    return sub_run(&quota, t, argc, argv);
}
