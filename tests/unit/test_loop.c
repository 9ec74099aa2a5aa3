/* base/loop: what runs when, what may be freed when, and that a call which lasts holds up nobody else.
 *
 * After a takeover handlers run in other threads, where cmocka's assertions may not: they take notes, and the test
 * looks at them when loop_run has returned. Calls that "last" wait for a handler to release them: a loop that is held
 * up would never get there, and the alarm in main ends the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"

static char notes[4096];
static size_t noted;

static void note(char c)
{
    if (noted < sizeof notes - 1)
        notes[noted++] = c;
}

static struct loop *loop;

static int setup(void **state)
{
    memset(notes, 0, sizeof notes);
    noted = 0;
    loop = loop_new();
    return 0;
}

static int teardown(void **state)
{
    loop_free(loop);
    return 0;
}

static void note_arg(void *arg)
{
    note(*(const char *)arg);
}

struct run {
    struct loop_timer *end;
    unsigned rounds; /* still to come: a machine that stands still takes not all of them away */
};

static void run_on(void *arg)
{
    struct run *r = arg;
    if (r->rounds-- > 0)
        loop_timer_set(r->end, 1);
    else
        loop_stop(loop);
}

/* Runs the loop for so long. */
static void run_for(uint64_t ms)
{
    struct run r = {.rounds = 8};
    r.end = loop_timer_new(loop, run_on, &r);
    loop_timer_set(r.end, ms);
    loop_run(loop);
    loop_timer_free(r.end);
}

/* ---- timers */

static void timers_in_order(void **state)
{
    struct loop_timer *a = loop_timer_new(loop, note_arg, "a"), *b = loop_timer_new(loop, note_arg, "b");
    struct loop_timer *c = loop_timer_new(loop, note_arg, "c");
    loop_timer_set(a, 60);
    loop_timer_set(b, 20);
    loop_timer_set(c, 40);
    uint64_t begin = clock_ms();
    run_for(100);
    assert_true(clock_ms() - begin >= 100);
    assert_string_equal(notes, "bca");
    run_for(30); /* one shot */
    assert_string_equal(notes, "bca");
    loop_timer_free(a);
    loop_timer_free(b);
    loop_timer_free(c);
    loop_timer_free(NULL);
}

static void a_timer_that_runs_is_not_put_off(void **state)
{
    struct loop_timer *t = loop_timer_new(loop, note_arg, "t");
    loop_timer_start(t, 40);
    loop_timer_start(t, 100000);
    run_for(80);
    assert_string_equal(notes, "t");
    loop_timer_start(t, 10); /* it has run: it can be set again, */
    run_for(40);
    assert_string_equal(notes, "tt");
    loop_timer_start(t, 100000);
    loop_timer_stop(t);
    loop_timer_start(t, 10); /* and when it was stopped */
    run_for(40);
    assert_string_equal(notes, "ttt");
    loop_timer_free(t);
}

static void timers_move_and_stop(void **state)
{
    struct loop_timer *later = loop_timer_new(loop, note_arg, "l"), *sooner = loop_timer_new(loop, note_arg, "s");
    struct loop_timer *stopped = loop_timer_new(loop, note_arg, "x"), *again = loop_timer_new(loop, note_arg, "g");
    loop_timer_set(later, 10);
    loop_timer_set(later, 440);
    loop_timer_set(sooner, 100000);
    loop_timer_set(sooner, 400);
    loop_timer_set(stopped, 20);
    loop_timer_stop(stopped);
    loop_timer_set(again, 5);
    loop_timer_stop(again);
    loop_timer_set(again, 420);
    run_for(30);
    assert_string_equal(notes, "");
    run_for(450);
    assert_string_equal(notes, "sgl");
    loop_timer_set(later, UINT64_MAX); /* does not wrap around to now */
    run_for(20);
    assert_string_equal(notes, "sgl");
    loop_timer_free(later);
    loop_timer_free(sooner);
    loop_timer_free(stopped);
    loop_timer_free(again);
}

static struct loop_timer *pair[2];

/* Both are due: whichever comes first stops, frees or moves the other. */
static void stop_other(void *arg)
{
    note('1');
    loop_timer_stop(pair[arg == &pair[0]]);
}

static void free_other(void *arg)
{
    unsigned other = arg == &pair[0];
    note('2');
    loop_timer_free(pair[other]);
    pair[other] = NULL;
}

static void move_other(void *arg)
{
    note('3');
    loop_timer_set(pair[arg == &pair[0]], 100000);
}

static void due_timers_can_be_taken_back(void **state)
{
    loop_timer_fn *fns[] = {stop_other, free_other, move_other};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 2; k++) {
            pair[k] = loop_timer_new(loop, fns[i], &pair[k]);
            loop_timer_set(pair[k], 5);
        }
        usleep(30000); /* so that both are due in one round */
        run_for(50);
        loop_timer_free(pair[0]);
        loop_timer_free(pair[1]);
    }
    assert_string_equal(notes, "123");
}

static void free_self(void *arg)
{
    struct loop_timer **t = arg;
    loop_timer_free(*t);
    note('f');
}

static void timer_frees_itself(void **state)
{
    struct loop_timer *t = loop_timer_new(loop, free_self, &t);
    loop_timer_set(t, 0);
    run_for(20);
    assert_string_equal(notes, "f");
}

/* ---- descriptors */

struct end {
    int fd[2];
    struct loop_fd *source;
    struct end *other;
    char name;
};

static void end_new(struct end *e, char name, loop_fd_fn *fn)
{
    assert_int_equal(pipe2(e->fd, O_NONBLOCK | O_CLOEXEC), 0);
    e->name = name;
    e->source = loop_fd_new(loop, e->fd[0], fn, e);
}

static void end_free(struct end *e)
{
    loop_fd_free(e->source);
    close(e->fd[0]);
    close(e->fd[1]);
}

static void poke(struct end *e)
{
    (void)!write(e->fd[1], "x", 1);
}

static void read_one(void *arg, bool readable, bool writable)
{
    struct end *e = arg;
    char c;
    note(writable ? 'W' : e->name);
    if (readable && read(e->fd[0], &c, 1) != 1)
        note('?');
}

static void descriptors_are_level_triggered(void **state)
{
    struct end e;
    end_new(&e, 'r', read_one);
    poke(&e);
    poke(&e);
    poke(&e);
    run_for(20);
    assert_string_equal(notes, ""); /* it wants nothing yet */
    loop_fd_want(e.source, true, false);
    run_for(20);
    assert_string_equal(notes, "rrr");
    loop_fd_want(e.source, false, false);
    poke(&e);
    run_for(20);
    assert_string_equal(notes, "rrr");
    end_free(&e);
}

static void write_once(void *arg, bool readable, bool writable)
{
    struct end *e = arg;
    note(readable ? 'R' : '-');
    note(writable ? 'W' : '-');
    loop_fd_want(e->source, false, false);
}

static void readable_and_writable_are_told_apart(void **state)
{
    struct end e;
    end_new(&e, 'w', write_once);
    struct loop_fd *w = loop_fd_new(loop, e.fd[1], write_once, &e);
    loop_fd_free(e.source);
    e.source = w;
    loop_fd_want(w, true, true);
    run_for(20);
    assert_string_equal(notes, "-W");
    loop_fd_want(w, true, false);
    loop_fd_want(w, false, true);
    run_for(20);
    assert_string_equal(notes, "-W-W");
    end_free(&e);
}

static void free_the_other(void *arg, bool readable, bool writable)
{
    struct end *e = arg;
    note('o');
    loop_fd_free(e->other->source);
    e->other->source = NULL;
    loop_fd_want(e->source, false, false);
}

static void unwant_the_other(void *arg, bool readable, bool writable)
{
    struct end *e = arg;
    note('u');
    loop_fd_want(e->other->source, false, false);
    loop_fd_want(e->source, false, false);
}

static void handlers_may_free_what_is_ready(void **state)
{
    loop_fd_fn *fns[] = {free_the_other, unwant_the_other};
    for (unsigned i = 0; i < 2; i++) {
        struct end a, b;
        end_new(&a, 'a', fns[i]);
        end_new(&b, 'b', fns[i]);
        a.other = &b;
        b.other = &a;
        poke(&a);
        poke(&b);
        loop_fd_want(a.source, true, false);
        loop_fd_want(b.source, true, false);
        run_for(20);
        end_free(&a);
        end_free(&b);
    }
    assert_string_equal(notes, "ou");
}

static void free_own(void *arg, bool readable, bool writable)
{
    struct end *e = arg;
    loop_fd_free(e->source);
    e->source = NULL;
    note('f');
}

static void a_handler_may_free_its_own(void **state)
{
    struct end e;
    end_new(&e, 'f', free_own);
    poke(&e);
    loop_fd_want(e.source, true, true);
    run_for(20);
    assert_string_equal(notes, "f");
    end_free(&e);
}

/* Is fd in any of this process's epolls? */
static bool in_epoll(int fd)
{
    char want[32], path[64], line[256];
    bool found = false;
    snprintf(want, sizeof want, "tfd: %8d ", fd);
    for (int i = 0; i < 64 && !found; i++) {
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", i);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        while (fgets(line, sizeof line, f))
            found = found || strncmp(line, want, strlen(want)) == 0;
        fclose(f);
    }
    return found;
}

/* A descriptor that is closed or handed over while it is in epoll leaves a registration behind. */
static void a_freed_descriptor_has_left_epoll(void **state)
{
    struct end e;
    end_new(&e, 'r', read_one);
    loop_fd_want(e.source, true, false);
    run_for(5);
    assert_true(in_epoll(e.fd[0]));
    loop_fd_free(e.source);
    e.source = NULL;
    assert_false(in_epoll(e.fd[0]));
    end_free(&e);
}

/* ---- signals */

static void note_signal(void *arg, int signo)
{
    note(*(char *)arg);
    note(signo == SIGUSR1 ? '1' : '2');
}

static void raise_both(void *arg)
{
    raise(SIGUSR2);
    raise(SIGUSR1);
    note('h'); /* the signals' handlers come after this one */
}

static void signals_run_as_handlers(void **state)
{
    loop_signal(loop, SIGUSR1, note_signal, "s");
    loop_signal(loop, SIGUSR2, note_signal, "s");
    struct loop_timer *t = loop_timer_new(loop, raise_both, NULL);
    loop_timer_set(t, 5);
    run_for(50);
    loop_timer_free(t);
    assert_int_equal(strlen(notes), 5);
    assert_int_equal(notes[0], 'h');
    assert_non_null(strstr(notes, "s1"));
    assert_non_null(strstr(notes, "s2"));
}

/* ---- calls in line */

static void work_note(struct loop_call *c)
{
    note(*(char *)c->arg);
}

static void done_note(struct loop_call *c)
{
    note('.');
}

static struct loop_call three[3];

static void ask_three(void *arg)
{
    for (unsigned i = 0; i < 3; i++) {
        three[i] = (struct loop_call){.work = work_note, .done = done_note, .arg = &"abc"[i]};
        loop_call(loop, &three[i]);
    }
    note('h');
}

static void calls_run_in_order_after_the_handler(void **state)
{
    struct loop_timer *t = loop_timer_new(loop, ask_three, NULL);
    loop_timer_set(t, 0);
    run_for(20);
    assert_string_equal(notes, "ha.b.c.");
    loop_timer_free(t);
}

static struct end busy;

static void done_again(struct loop_call *c)
{
    if (noted < 10)
        loop_call(loop, c);
}

/* A call that asks for the next one does not keep the descriptors waiting. */
static void calls_and_descriptors_take_turns(void **state)
{
    struct loop_call c = {.work = work_note, .done = done_again, .arg = "c"};
    end_new(&busy, 'd', read_one);
    loop_fd_want(busy.source, true, false);
    poke(&busy);
    poke(&busy);
    poke(&busy);
    loop_call(loop, &c);
    run_for(20);
    assert_memory_equal(notes, "dcdcdcccc", 9);
    end_free(&busy);
}

/* ---- calls that last */

struct slow {
    struct loop_call call;
    sem_t release;
};

static _Atomic int inside, inside_most, released, done_count;
static pthread_t done_by;

static void work_slow(struct loop_call *c)
{
    struct slow *s = c->arg;
    int n = ++inside;
    if (n > inside_most)
        inside_most = n;
    while (sem_wait(&s->release) < 0 && errno == EINTR)
        ;
    inside--;
}

static void done_slow(struct loop_call *c)
{
    done_by = pthread_self();
    note('.');
    done_count++;
}

static void slow_call(struct slow *s, bool says_so)
{
    sem_init(&s->release, 0, 0);
    s->call = (struct loop_call){.work = work_slow, .done = done_slow, .arg = s, .slow = says_so};
    loop_call(loop, &s->call);
}

enum { SLOW = 6 };
static struct slow slow[SLOW];
static unsigned slow_used;

static void reset_slow(unsigned n)
{
    inside = inside_most = released = done_count = 0;
    slow_used = n;
    for (unsigned i = 0; i < n; i++)
        slow_call(&slow[i], false);
}

static void release_all(void *arg)
{
    note('r');
    released = 1;
    for (unsigned i = 0; i < slow_used; i++)
        sem_post(&slow[i].release);
}

static struct loop_timer *until;

static void stop_when_done(void *arg)
{
    if (done_count == (int)slow_used)
        loop_stop(loop);
    else
        loop_timer_set(until, 10);
}

static void run_until_done(void)
{
    until = loop_timer_new(loop, stop_when_done, NULL);
    loop_timer_set(until, 10);
    loop_run(loop);
    loop_timer_free(until);
}

static void a_call_that_lasts_holds_up_nobody(void **state)
{
    struct loop_timer *t = loop_timer_new(loop, release_all, NULL);
    struct end e;
    loop_threads(loop, 2, 20);
    for (unsigned round = 0; round < 3; round++) {
        memset(notes, 0, sizeof notes);
        noted = 0;
        end_new(&e, 'd', read_one);
        loop_fd_want(e.source, true, false);
        poke(&e);
        reset_slow(1);
        loop_timer_set(t, 100); /* due while the call lasts */
        run_until_done();
        assert_string_equal(notes, "dr.");
        end_free(&e);
    }
    loop_timer_free(t);
}

static _Atomic uint64_t served_ms; /* 0: not yet */

/* Sleeps until the other has been served. */
static void work_sleep(struct loop_call *c)
{
    bool *while_it_slept = c->arg;
    for (unsigned i = 0; i < 20000 && !served_ms; i++)
        usleep(1000);
    *while_it_slept = served_ms;
}

static void note_time(void *arg)
{
    served_ms = clock_ms();
}

/* The promise of the store contract: another is served while one store sleeps. It holds in every round; the limit of time, twice 200 ms,
 * in one of them, as a machine at work may hold up any. */
static void others_are_served_in_time(void **state)
{
    enum { ROUNDS = 8 };
    struct loop_timer *t = loop_timer_new(loop, note_time, NULL);
    bool while_it_slept, in_time = false;
    struct loop_call c = {.work = work_sleep, .done = done_slow, .arg = &while_it_slept};
    loop_threads(loop, 2, 50);
    for (unsigned i = 0; i < ROUNDS && !in_time; i++) {
        reset_slow(0);
        slow_used = 1;
        served_ms = 0;
        uint64_t begin = clock_ms();
        loop_timer_set(t, 5);
        loop_call(loop, &c);
        run_until_done();
        assert_true(while_it_slept);
        in_time = served_ms - begin < 400;
    }
    assert_true(in_time);
    loop_timer_free(t);
}

/* What says of itself that it will last is not waited for at all. */
static void a_slow_call_is_left_at_once(void **state)
{
    struct loop_timer *t = loop_timer_new(loop, note_arg, "t"), *end = loop_timer_new(loop, release_all, NULL);
    loop_threads(loop, 2, 3600000); /* nobody takes over for any other reason */
    for (unsigned round = 0; round < 2; round++) {
        memset(notes, 0, sizeof notes);
        noted = 0;
        reset_slow(0);
        slow_used = 1;
        loop_timer_set(t, 5);
        loop_timer_set(end, 10);
        slow_call(&slow[0], true);
        run_until_done();
        assert_string_equal(notes, "tr.");
    }
    loop_timer_free(t);
    loop_timer_free(end);
}

static struct loop_timer *full;
static unsigned looks;

/* Once two last, and some time later, in which a third would have come to it. */
static void release_when_full(void *arg)
{
    enum { LOOKS = 2000, MORE = 10 };
    if (looks < LOOKS)
        looks = inside < 2 ? looks + 1 : LOOKS;
    else
        looks++;
    if (looks > LOOKS + MORE)
        release_all(NULL);
    else
        loop_timer_set(full, 10);
}

/* Three and more that last, two threads beside the first: the rest wait in line, and the loop goes on. */
static void threads_are_bounded(void **state)
{
    struct loop_timer *t = full = loop_timer_new(loop, release_when_full, NULL);
    loop_threads(loop, 2, 10);
    for (unsigned n = 3; n <= SLOW; n++) {
        looks = 0;
        reset_slow(n);
        loop_timer_set(t, 10);
        run_until_done();
        assert_int_equal(released, 1);
        assert_int_equal(inside_most, 2);
        assert_int_equal(done_count, n);
        assert_int_equal(inside, 0);
    }
    loop_timer_free(t);
}

static pthread_t stopped_by;

static void stop_and_note(void *arg)
{
    stopped_by = pthread_self();
    loop_stop(loop);
}

static void release_late(void *arg)
{
    loop_stop(loop);
    release_all(NULL);
}

/* Another thread leads and stops the loop: loop_run returns in the first thread, once that is free, and can be called
 * again. */
static void the_first_thread_returns(void **state)
{
    struct loop_timer *t = loop_timer_new(loop, release_late, NULL);
    struct loop_timer *end = loop_timer_new(loop, stop_and_note, NULL);
    loop_threads(loop, 1, 10);
    for (unsigned round = 0; round < 5; round++) {
        reset_slow(1);
        loop_timer_set(t, 60);
        loop_run(loop);
        assert_int_equal(inside, 0);
        loop_timer_set(end, 30);
        loop_run(loop); /* its done comes now, or came before */
        assert_int_equal(done_count, 1);
    }
    loop_timer_free(t);
    loop_timer_free(end);
}

/* ---- an idle process sleeps */

static unsigned long switches(void)
{
    unsigned long sum = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], line[200];
        unsigned long n;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        FILE *f = fopen(path, "r");
        if (!f)
            continue;
        while (fgets(line, sizeof line, f))
            if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
                sum += n;
        fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

static unsigned long counted[2];

static void count(void *arg)
{
    *(unsigned long *)arg = switches();
}

static void an_idle_loop_does_not_wake_up(void **state)
{
    struct loop_timer *first = loop_timer_new(loop, count, &counted[0]),
                      *last = loop_timer_new(loop, count, &counted[1]);
    struct loop_timer *release = loop_timer_new(loop, release_all, NULL);
    loop_threads(loop, 3, 10); /* would wake up 100 times a second */
    reset_slow(3);
    loop_timer_set(release, 100);
    loop_timer_set(first, 400);
    loop_timer_set(last, 1200);
    run_for(1300);
    assert_int_equal(done_count, 3);
    assert_true(counted[0] > 0);
    assert_in_range(counted[1] - counted[0], 0, 25); /* a sanitizer's own thread wakes up 8 times */
    loop_timer_free(first);
    loop_timer_free(last);
    loop_timer_free(release);
}

/* ---- sealed processes */

/* From now on system call `nr` fails with `error`. */
static int refuse(unsigned nr, unsigned error)
{
    struct sock_filter rows[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof rows / sizeof *rows, rows};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int in_child(int (*fn)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(30);
        _exit(fn());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int take_over_sealed(void)
{
    struct loop_timer *t = loop_timer_new(loop, release_all, NULL);
    if (refuse(SYS_clone3, ENOSYS) < 0)
        return 77;
    loop_threads(loop, 2, 10);
    reset_slow(1);
    loop_timer_set(t, 60);
    run_until_done();
    loop_timer_free(t);
    loop_free(loop);
    return strcmp(notes, "r.") == 0 ? 0 : 1;
}

static void threads_start_without_clone3(void **state)
{
    assert_int_equal(in_child(take_over_sealed), 0);
}

static int call_without_threads(void)
{
    struct loop_call c = {.work = work_note, .done = done_note, .arg = "w"};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO); /* it says that it has no thread */
    if (refuse(SYS_clone3, ENOSYS) < 0 || refuse(SYS_clone, EAGAIN) < 0)
        return 77;
    loop_threads(loop, 2, 10);
    loop_call(loop, &c);
    run_for(30);
    loop_free(loop);
    return strcmp(notes, "w.") == 0 ? 0 : 1;
}

static void calls_run_in_line_when_there_are_no_threads(void **state)
{
    assert_int_equal(in_child(call_without_threads), 0);
}

/* ---- all at once: for the thread sanitizer */

enum { TURNS = 400, CALLERS = 12 };

struct caller {
    struct loop_call call;
    unsigned turns, value;
};

static unsigned callers_left;

static void work_mixed(struct loop_call *c)
{
    struct caller *me = c->arg;
    me->value = me->value * 1103515245 + 12345;
    unsigned pick = me->value >> 16;
    if (pick % 50 == 0)
        usleep(pick % 20000);
}

static void done_mixed(struct loop_call *c)
{
    struct caller *me = c->arg;
    me->turns++;
    if (me->turns < TURNS)
        loop_call(loop, c);
    else if (--callers_left == 0)
        loop_stop(loop);
}

static void calls_of_all_lengths(void **state)
{
    static struct caller callers[CALLERS];
    loop_threads(loop, 3, 2);
    callers_left = CALLERS;
    for (unsigned i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.call = {.work = work_mixed, .done = done_mixed, .arg = &callers[i]}, .value = i};
        loop_call(loop, &callers[i].call);
    }
    loop_run(loop);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(callers[i].turns, TURNS);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_in_order),
        TEST(a_timer_that_runs_is_not_put_off),
        TEST(timers_move_and_stop),
        TEST(due_timers_can_be_taken_back),
        TEST(timer_frees_itself),
        TEST(descriptors_are_level_triggered),
        TEST(readable_and_writable_are_told_apart),
        TEST(handlers_may_free_what_is_ready),
        TEST(a_handler_may_free_its_own),
        TEST(a_freed_descriptor_has_left_epoll),
        TEST(signals_run_as_handlers),
        TEST(calls_run_in_order_after_the_handler),
        TEST(calls_and_descriptors_take_turns),
        TEST(a_call_that_lasts_holds_up_nobody),
        TEST(others_are_served_in_time),
        TEST(a_slow_call_is_left_at_once),
        TEST(threads_are_bounded),
        TEST(the_first_thread_returns),
        TEST(an_idle_loop_does_not_wake_up),
        TEST(threads_start_without_clone3),
        TEST(calls_run_in_line_when_there_are_no_threads),
        TEST(calls_of_all_lengths),
    };
    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
