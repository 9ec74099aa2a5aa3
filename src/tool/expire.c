/* expire: see the header. Who has no age, or 0 days (whose mail goes at QUIT), is no concern of it. */
#include "tool/expire.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tool/column.h"
#include "tool/expire_show.h"
#include "tool/user_place.h"
#include "user/users_terms.h"

static const char usage[] = "expire [--plan] [--json] [USER…] | --confirm-clock";

struct words {
    bool plan, json, confirm;
    int names;
    char **name;
};

/* ---- whose mail */

struct people {
    const struct conf *conf;
    struct expire_person *list;
    size_t n, room;
    int width;
};

static int add_person(void *arg, const struct user *u)
{
    struct people *p = arg;
    uint32_t days = user_expire(u, p->conf->expire);
    if (days == 0 || days == USER_NEVER)
        return 0;
    if (p->n == p->room) {
        p->room = 2 * p->room + 64;
        p->list = mem_resize(p->list, p->room * sizeof *p->list);
    }
    p->list[p->n++] =
        (struct expire_person){mem_copy_text(u->name), mem_copy_text(u->where), u->uid, u->gid, days};
    int width = column_width(log_escape(span_of(u->name)));
    p->width = width > p->width ? width : p->width;
    return 0;
}

static int add_named(struct users *db, struct people *p, const char *name, struct err *err)
{
    struct user u;
    if (users_find(db, span_of(name), &u, err) < 0)
        return err->kind == ERR_GONE ? err_set(err, ERR_GONE, "no user %s", log_escape(span_of(name))) : -1;
    uint32_t days = user_expire(&u, p->conf->expire);
    if (days == 0 || days == USER_NEVER)
        fprintf(stderr, "bustia: the mail of %s %s\n", log_escape(span_of(name)),
                days ? "stays for ever" : "is removed at QUIT, once it was read; age removes nothing");
    add_person(p, &u);
    user_free(&u);
    return 0;
}

static int gather(struct user_job *job, const struct words *w, struct people *p, struct err *err)
{
    int ret = user_place_open(job, false, err);
    if (ret == 0 && w->names == 0)
        ret = users_each(job->db, add_person, p, err);
    for (int i = 0; ret == 0 && i < w->names; i++)
        ret = add_named(job->db, p, w->name[i], err);
    users_close(job->db); /* no other process has anything of it */
    job->db = NULL;
    return ret;
}

static void people_free(struct people *p)
{
    for (size_t i = 0; i < p->n; i++) {
        mem_free(p->list[i].name);
        mem_free(p->list[i].where);
    }
    mem_free(p->list);
}

/* ---- the clock */

static int jumped(int64_t moved, const struct clock_state *last, struct err *err)
{
    int64_t by = moved < 0 ? -moved : moved;
    struct clock_date d = clock_date(last->mark.wall);
    return err_set(err, ERR_TEMP,
                   "the clock has gone %s by %" PRId64 " h %02" PRId64 " min since %04d-%02d-%02d %02d:%02d UTC, or the "
                   "machine was off: nothing is removed. `bustia expire --plan` shows what would go; "
                   "--confirm-clock says that the clock is right",
                   moved < 0 ? "back" : "forward", by / 3600, by / 60 % 60, d.year, d.month, d.day, d.hour, d.minute);
}

/* *how: what may be done with the clock as it is now. */
static int judge_clock(const struct conf *c, struct clock_state *state, struct expire_how *how, struct err *err)
{
    if (clock_mark_now(&how->began, err) < 0)
        return -1;
    if (clock_state_load(c->expire_state, state, err) < 0) {
        *state = (struct clock_state){0};
        how->only_record = true;
        return err->kind == ERR_GONE ? 0 : -1;
    }
    int64_t moved = clock_moved(&state->mark, &how->began);
    return clock_jumped(moved) ? jumped(moved, state, err) : 0;
}

static int confirm(const struct conf *c, struct err *err)
{
    struct clock_state state;
    struct err none;
    if (clock_state_load(c->expire_state, &state, &none) < 0)
        state = (struct clock_state){0};
    if (clock_mark_now(&state.mark, err) < 0)
        return -1;
    return clock_state_save(c->expire_state, &state, err);
}

/* ---- the command */

/* *looked: it is known whose mail there is, whatever became of it. */
static int look(const struct words *w, struct user_job *job, const struct expire_how *how, bool *looked, struct err *err)
{
    struct people p = {.conf = job->conf, .width = 4};
    int ret = gather(job, w, &p, err);
    *looked = ret == 0;
    if (ret == 0) {
        struct expire_show show = {p.list, how->began.wall, p.width, w->json, w->plan, 0, {.kind = ERR_NONE}};
        expire_box_run(job, p.list, p.n, how, expire_show_row, &show);
        if (show.failed) {
            *err = show.first;
            ret = -1;
        }
    }
    people_free(&p);
    return ret;
}

static int run(const struct words *w, struct user_job *job, struct err *err)
{
    struct clock_state state;
    struct expire_how how = {.plan = w->plan};
    struct err saving = {.kind = ERR_NONE};
    if (judge_clock(job->conf, &state, &how, err) < 0) {
        if (!w->plan)
            return -1;
        fprintf(stderr, "bustia: %s\n", err->text);
    }
    if (how.only_record)
        fprintf(stderr, "bustia: no earlier run is known (%s): %s what is there, and removes nothing\n",
                job->conf->expire_state, w->plan ? "the next one records" : "this one records");
    bool looked;
    int ret = look(w, job, &how, &looked, err);
    if (w->plan)
        return ret;
    state.mark = how.began;
    if (w->names == 0 && looked) /* else `bustia check` is to say that nothing is removed */
        state.ran = how.began.wall;
    if (clock_state_save(job->conf->expire_state, &state, &saving) == 0)
        return ret;
    if (ret == 0)
        *err = saving;
    else
        fprintf(stderr, "bustia: %s\n", saving.text);
    return -1;
}

static int take_words(int argc, char **argv, struct words *w)
{
    static const char *const options[] = {"--plan", "--json", "--confirm-clock", NULL};
    bool only_words = false;
    w->name = argv + 1;
    for (int i = 1; i < argc; i++) {
        if (only_words || argv[i][0] != '-')
            w->name[w->names++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (strcmp(argv[i], "--plan") == 0)
            w->plan = true;
        else if (strcmp(argv[i], "--json") == 0)
            w->json = true;
        else if (strcmp(argv[i], "--confirm-clock") == 0)
            w->confirm = true;
        else
            return tool_no_option(usage, argv[i], options);
    }
    if (w->confirm && (w->plan || w->json || w->names))
        return tool_wrong(usage, "--confirm-clock stands alone: it says that the clock is right, and removes nothing");
    return 0;
}

int tool_expire(const struct tool *t, int argc, char **argv)
{
    struct words w = {0};
    struct user_job job = {0};
    struct err err = {.kind = ERR_NONE};
    int wrong = take_words(argc, argv, &w);
    if (wrong)
        return wrong;
    user_place_begin(&job, t->conf);
    int ret = w.confirm ? confirm(t->conf, &err) : run(&w, &job, &err);
    users_close(job.db);
    return ret == 0 ? err_row(ERR_NONE)->exit_status : tool_fail(&err);
}
