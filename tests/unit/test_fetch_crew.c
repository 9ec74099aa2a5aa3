/* fetch_crew: processes that do their work, die, say nothing, say nonsense or never end: each is told of, none stops
 * another. The work of a check is this test's own, by the account's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "tool/fetch_child.h"
#include "tool/fetch_crew.h"

enum { LIMIT_MS = 60000, ACCOUNTS = 100 };

/* ---- what a check does */

static int works(void (*tell)(void *arg, const struct event *e), void *arg)
{
    struct event e = {.kind = EVENT_STEP, .text = "connecting"};
    tell(arg, &e);
    e = (struct event){.kind = EVENT_LISTED, .count = 7, .todo = 3};
    tell(arg, &e);
    for (unsigned i = 1; i <= 3; i++) {
        e = (struct event){.kind = EVENT_DELIVERED, .uid = "u"};
        tell(arg, &e);
    }
    e = (struct event){.kind = EVENT_DONE, .fetched = 3, .left = 7};
    tell(arg, &e);
    return 0;
}

/* More than a socket holds: each is waited for. */
static int says_much(void (*tell)(void *arg, const struct event *e), void *arg)
{
    for (unsigned i = 0; i < 5000; i++)
        tell(arg, &(struct event){.kind = EVENT_DELIVERED});
    tell(arg, &(struct event){.kind = EVENT_DONE, .fetched = 5000});
    return 0;
}

static void says_nonsense(void (*tell)(void *arg, const struct event *e), void *arg)
{
    struct event e = {.kind = EVENT_STEP};
    memset(e.text, 'x', sizeof e.text); /* without an end */
    tell(arg, &e);
    for (;;)
        pause();
}

int collect_run(const struct collect_job *job, void (*tell)(void *arg, const struct event *e), void *arg,
                struct err *err)
{
    const char *name = job->account->name;
    if (strcmp(name, "much") == 0)
        return says_much(tell, arg);
    if (strcmp(name, "nonsense") == 0)
        says_nonsense(tell, arg);
    if (strcmp(name, "dies") == 0) {
        tell(arg, &(struct event){.kind = EVENT_DELIVERED});
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (strcmp(name, "dies-late") == 0) {
        works(tell, arg);
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (strcmp(name, "silent") == 0)
        _exit(3);
    while (strcmp(name, "stalls") == 0)
        pause();
    if (strcmp(name, "stubborn") == 0) {
        signal(SIGTERM, SIG_IGN);
        tell(arg, &(struct event){.kind = EVENT_STEP, .text = "stubborn"});
        for (;;)
            pause();
    }
    return works(tell, arg);
}

/* ---- who watches them */

struct one {
    struct account account;
    struct event done;
    unsigned events, delivered, dones;
    bool began;
};

struct world {
    struct loop *loop;
    struct crew *crew;
    struct loop_timer *limit, *end;
    struct one one[ACCOUNTS];
    unsigned count, at_work, most, ended, steps;
    bool idle;
};

static void on_began(void *arg, void *tag)
{
    struct world *w = arg;
    ((struct one *)tag)->began = true;
    if (++w->at_work > w->most)
        w->most = w->at_work;
}

static void on_event(void *arg, void *tag, const struct event *e)
{
    struct world *w = arg;
    struct one *o = tag;
    assert_int_not_equal(e->kind, EVENT_DONE);
    o->events++;
    o->delivered += e->kind == EVENT_DELIVERED;
    w->steps += e->kind == EVENT_STEP;
    if (strcmp(e->text, "stubborn") == 0)
        crew_end(w->crew);
}

static void on_ended(void *arg, void *tag, const struct event *done)
{
    struct world *w = arg;
    struct one *o = tag;
    assert_int_equal(done->kind, EVENT_DONE);
    o->done = *done;
    o->dones++;
    w->ended++;
    w->at_work -= o->began;
}

static void on_idle(void *arg)
{
    struct world *w = arg;
    w->idle = true;
    loop_stop(w->loop);
}

static void on_limit(void *arg)
{
    fail_msg("no end");
}

static void world_init(struct world *w, unsigned most)
{
    *w = (struct world){.loop = loop_new()};
    const struct crew_rules rules = {.loop = w->loop,
                                     .most = most,
                                     .began = on_began,
                                     .event = on_event,
                                     .ended = on_ended,
                                     .idle = on_idle,
                                     .arg = w};
    w->crew = crew_new(&rules);
    w->limit = loop_timer_new(w->loop, on_limit, w);
    loop_timer_set(w->limit, LIMIT_MS);
}

static struct one *add(struct world *w, const char *name)
{
    struct one *o = &w->one[w->count++];
    o->account.name = (char *)name;
    crew_check(w->crew, &(struct collect_job){.account = &o->account, .state_folder = "/nowhere"}, o);
    return o;
}

static void world_run(struct world *w)
{
    if (crew_busy(w->crew))
        loop_run(w->loop);
    assert_true(w->idle);
    assert_int_equal(w->ended, w->count);
    assert_int_equal(crew_busy(w->crew), 0);
    for (unsigned i = 0; i < w->count; i++)
        assert_int_equal(w->one[i].dones, 1);
    loop_timer_free(w->limit);
    loop_timer_free(w->end);
    crew_free(w->crew);
    loop_free(w->loop);
}

/* ---- tests */

static void each_is_told_of(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, CREW_MOST);
    const struct one *work = add(w, "work"), *dies = add(w, "dies"), *late = add(w, "dies-late"),
                     *silent = add(w, "silent");
    const struct one *nonsense = add(w, "nonsense"), *much = add(w, "much"), *home = add(w, "home");
    world_run(w);
    assert_int_equal(work->done.err.kind, ERR_NONE);
    assert_int_equal(work->done.fetched, 3);
    assert_int_equal(work->events, 5);
    assert_int_equal(home->done.left, 7);
    assert_int_equal(much->delivered, 5000);
    assert_int_equal(much->done.fetched, 5000);
    assert_int_equal(dies->done.err.kind, ERR_TEMP);
    assert_int_equal(dies->done.fetched, 1); /* as it told */
    assert_non_null(strstr(dies->done.err.text, "signal 11 (Segmentation fault)"));
    assert_int_equal(late->done.err.kind, ERR_TEMP);
    assert_int_equal(late->done.fetched, 3);
    assert_string_equal(silent->done.err.text, "its process ended without a word (status 3)");
    assert_int_equal(nonsense->done.err.kind, ERR_TEMP);
    assert_int_equal(nonsense->events, 0);
    mem_free(w);
}

static void only_so_many_at_a_time(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, 5);
    for (unsigned i = 0; i < 40; i++)
        add(w, "work");
    world_run(w);
    assert_int_equal(w->most, 5);
    mem_free(w);
}

static void end_them(void *arg)
{
    struct world *w = arg;
    crew_end(w->crew);
}

static void who_is_asked_to_end_ends(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, 2);
    const struct one *a = add(w, "stalls"), *b = add(w, "stalls"), *waits = add(w, "work");
    w->end = loop_timer_new(w->loop, end_them, w);
    loop_timer_set(w->end, 100);
    world_run(w);
    assert_string_equal(a->done.err.text, "interrupted");
    assert_string_equal(b->done.err.text, "interrupted");
    assert_string_equal(waits->done.err.text, "interrupted");
    assert_false(waits->began);
    mem_free(w);
}

static void who_does_not_is_ended(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    world_init(w, 2);
    const struct one *o = add(w, "stubborn");
    world_run(w);
    assert_string_equal(o->done.err.text, "interrupted");
    mem_free(w);
}

static void a_command_is_told(void **state)
{
    char path[] = "/tmp/crew-XXXXXX", account[] = "BUSTIA_ACCOUNT=work", text[100], command[200];
    char *const environment[] = {account, NULL};
    struct err err;
    struct world *w = mem_alloc(sizeof *w);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    snprintf(command, sizeof command, "cat; echo \"$BUSTIA_ACCOUNT $(ls /proc/self/fd | wc -l)\" > %s", path);
    world_init(w, 2);
    assert_true(crew_command(w->crew, command, environment, &err));
    add(w, "work");
    world_run(w);
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_string_equal(text, "work 4\n"); /* 0, 1, 2 and the folder that ls reads */
    close(fd);
    unlink(path);
    mem_free(w);
}

static void what_is_no_event_is_none(void **state)
{
    int pair[2];
    struct event e = {.kind = (enum event_kind)99}, got;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(fetch_child_receive(pair[0], &got), 0);
    send(pair[1], &e, sizeof e, 0);
    assert_int_equal(fetch_child_receive(pair[0], &got), -1);
    e.kind = EVENT_DONE;
    send(pair[1], &e, sizeof e - 1, 0);
    assert_int_equal(fetch_child_receive(pair[0], &got), -1);
    send(pair[1], &e, sizeof e, 0);
    assert_int_equal(fetch_child_receive(pair[0], &got), 1);
    close(pair[1]);
    assert_int_equal(fetch_child_receive(pair[0], &got), -1);
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_told_of),          cmocka_unit_test(only_so_many_at_a_time),
        cmocka_unit_test(who_is_asked_to_end_ends), cmocka_unit_test(who_does_not_is_ended),
        cmocka_unit_test(a_command_is_told),        cmocka_unit_test(what_is_no_event_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
