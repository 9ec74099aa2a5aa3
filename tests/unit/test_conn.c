/* net/conn over plain sockets: bytes, limits, ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net_help.h"

struct owner {
    struct loop *l;
    struct conn *c;
    void (*input)(struct owner *o);
    void (*drained)(struct owner *o);
    unsigned inputs, drains;
    size_t got, given, to_give;
    bool wrong, any_input, any_drain, ended;
    bool in_call; /* a call of conn_* runs: no handler may */
    enum conn_end why;
};

static void on_input(void *arg)
{
    struct owner *o = arg;
    o->wrong |= o->in_call;
    o->any_input = true;
    o->inputs++;
    if (o->input)
        o->input(o);
}

static void on_drained(void *arg)
{
    struct owner *o = arg;
    o->wrong |= o->in_call || conn_out(o->c)->len;
    o->any_drain = true;
    o->drains++;
    if (o->drained)
        o->drained(o);
}

static void on_secure(void *arg)
{
    struct owner *o = arg;
    o->wrong = true;
}

static void on_ended(void *arg, enum conn_end why)
{
    struct owner *o = arg;
    o->wrong |= o->ended || o->in_call;
    o->ended = true;
    o->why = why;
    conn_free(o->c);
    o->c = NULL;
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};
static const struct conn_limits limits = {16384 + 1024, 131072, 60000, NULL};

static void own(struct owner *o, struct loop *l, int fd, const struct conn_limits *lim)
{
    *o = (struct owner){.l = l};
    o->c = conn_new(l, fd, lim, &events, o);
}

static void flush(struct owner *o)
{
    o->in_call = true;
    conn_flush(o->c);
    o->in_call = false;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void expect_end(struct owner *o, enum conn_end why)
{
    if (!run_until(o->l, &o->ended, 5000))
        fail_msg("no end");
    assert_string_equal(conn_end_text(o->why), conn_end_text(why));
    assert_false(o->wrong);
}

/* ---- what owners do */

static void take(struct owner *o)
{
    struct span in = buf_span(conn_in(o->c));
    o->wrong |= !matches(in.p, in.n, o->got);
    o->got += in.n;
    buf_take(conn_in(o->c), in.n);
}

static void echo(struct owner *o)
{
    struct span in = buf_span(conn_in(o->c));
    if (in.n > buf_room(conn_out(o->c)))
        in.n = buf_room(conn_out(o->c));
    buf_add_span(conn_out(o->c), in);
    buf_take(conn_in(o->c), in.n);
    o->got += in.n;
    flush(o);
}

static void give(struct owner *o)
{
    char piece[5000];
    struct buf *out = conn_out(o->c);
    size_t n;
    while (o->given < o->to_give && (n = buf_room(out)) > 0) {
        n = n < sizeof piece ? n : sizeof piece;
        n = n < o->to_give - o->given ? n : o->to_give - o->given;
        fill(piece, n, o->given);
        buf_add(out, piece, n);
        o->given += n;
    }
    flush(o);
}

static void give_and_finish(struct owner *o)
{
    if (o->given < o->to_give)
        give(o);
    else
        conn_finish(o->c);
}

static void free_it(struct owner *o)
{
    conn_free(o->c);
    o->c = NULL;
}

static void leave_it(struct owner *o)
{
}

/* ---- bytes */

static void echoes_megabytes_through_small_buffers(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 8192);
    own(&o, *state, fds[0], &limits);
    o.input = o.drained = echo;
    struct pump p = {.fd = fds[1], .to_send = 4 << 20, .to_receive = 4 << 20, .close_first = true};
    pump_start(&p);
    assert_true(run_until(*state, &o.ended, 30000));
    pump_join(&p);
    assert_int_equal(o.why, CONN_EOF); /* he closed his half first, and has all his answers */
    assert_false(o.wrong || p.wrong || p.failed);
    assert_int_equal(p.received, 4 << 20);
    assert_true(p.ended);
    close(fds[1]);
}

static void sends_as_the_peer_reads_and_ends_in_order(void **state)
{
    struct owner o;
    int fds[2];
    static char rubbish[100000];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.drained = give_and_finish;
    o.to_give = 8 << 20;
    /* Commands that nobody will read any more: the end is no reset all the same. */
    assert_true(send(fds[1], rubbish, sizeof rubbish, 0) > 0);
    give(&o);
    struct pump p = {.fd = fds[1], .to_receive = 8 << 20, .to_send = 1 << 19, .close_first = true, .pause_ms = 1};
    pump_start(&p);
    expect_end(&o, CONN_DONE);
    pump_join(&p);
    assert_false(p.wrong || p.failed);
    assert_true(p.ended);
    assert_int_equal(p.received, 8 << 20);
    close(fds[1]);
}

static void counts_bytes(void **state)
{
    struct owner o;
    int fds[2];
    unix_pair(fds);
    own(&o, *state, fds[0], &limits);
    o.input = echo;
    say(fds[1], "hello");
    assert_true(run_until(*state, &o.any_drain, 5000));
    assert_int_equal(conn_bytes_in(o.c), 5);
    assert_int_equal(conn_bytes_out(o.c), 5);
    assert_false(conn_is_tls(o.c));
    assert_null(conn_tls(o.c));
    assert_int_equal(conn_fd(o.c), fds[0]);
    assert_string_equal(conn_trouble(o.c), "");
    assert_null(conn_in(o.c)->mem); /* given back when empty */
    assert_null(conn_out(o.c)->mem);
    conn_free(o.c);
    conn_free(NULL);
    close(fds[1]);
}

static void calls_drained_from_the_loop_only(void **state)
{
    struct owner o;
    int fds[2];
    unix_pair(fds);
    own(&o, *state, fds[0], &limits);
    buf_add_text(conn_out(o.c), "+OK\r\n");
    flush(&o);
    assert_int_equal(conn_out(o.c)->len, 0);
    assert_int_equal(o.drains, 0);
    assert_true(run_until(*state, &o.any_drain, 5000));
    run_for(*state, 10);
    assert_int_equal(o.drains, 1);
    flush(&o); /* nothing to send */
    run_for(*state, 10);
    assert_int_equal(o.drains, 1);
    assert_false(o.wrong);
    conn_free(o.c);
    close(fds[1]);
}

static void stops_reading_when_nobody_takes(void **state)
{
    struct owner o;
    int fds[2];
    static char out[200000];
    struct conn_limits small = limits;
    small.in_max = 1000;
    unix_pair(fds);
    own(&o, *state, fds[0], &small);
    o.input = leave_it;
    fill(out, sizeof out, 0);
    assert_true(send(fds[1], out, 100000, MSG_DONTWAIT) > 50000);
    run_for(*state, 20);
    assert_int_equal(conn_in(o.c)->len, 1000);
    assert_int_equal(o.inputs, 1);
    o.input = take;
    take(&o);
    conn_resume(o.c);
    run_for(*state, 50);
    assert_true(o.got > 50000);
    assert_false(o.wrong);
    conn_free(o.c);
    close(fds[1]);
}

static void does_not_read_from_who_does_not_read(void **state)
{
    struct owner o;
    int fds[2];
    static char out[65536];
    size_t sent = 0;
    tcp_pair(fds, 8192);
    own(&o, *state, fds[0], &limits);
    o.input = o.drained = echo;
    for (unsigned i = 0; i < 200; i++) {
        ssize_t n = send(fds[1], out, sizeof out, MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        run_for(*state, 1);
        assert_in_range(conn_out(o.c)->len, 0, limits.out_max / 2 + 4096);
        assert_in_range(conn_in(o.c)->len, 0, limits.in_max);
    }
    assert_in_range(sent, 0, 1 << 20);
    conn_free(o.c);
    close(fds[1]);
}

/* ---- time */

static void ends_when_nothing_can_be_written(void **state)
{
    struct owner o;
    int fds[2];
    struct conn_limits quick = limits;
    quick.write_stall_ms = 150;
    tcp_pair(fds, 8192);
    own(&o, *state, fds[0], &quick);
    o.drained = give;
    o.to_give = 4 << 20;
    uint64_t before = clock_ms();
    give(&o);
    expect_end(&o, CONN_STALLED);
    assert_true(clock_ms() - before >= 150);
    close(fds[1]);
}

static void waits_as_long_as_something_is_written(void **state)
{
    struct owner o;
    int fds[2];
    static char in[65536];
    struct conn_limits quick = limits;
    quick.write_stall_ms = 400;
    tcp_pair(fds, 8192);
    own(&o, *state, fds[0], &quick);
    o.drained = give;
    o.to_give = 64 << 20;
    give(&o);
    for (unsigned i = 0; i < 12; i++) { /* 1.2 s, three times the limit */
        run_for(*state, 100);
        while (recv(fds[1], in, sizeof in, MSG_DONTWAIT) > 0)
            ; /* what the kernel holds: the next piece is on its way only when the loop runs */
        assert_false(o.ended);
    }
    expect_end(&o, CONN_STALLED);
    close(fds[1]);
}

static void keeps_deadlines(void **state)
{
    struct owner o;
    int fds[2];
    unix_pair(fds);
    own(&o, *state, fds[0], &limits);
    conn_deadline(o.c, 100);
    for (unsigned i = 0; i < 5; i++) {
        run_for(*state, 30);
        assert_false(o.ended);
        conn_deadline(o.c, 1000);
    }
    conn_deadline(o.c, 0);
    run_for(*state, 1200);
    assert_false(o.ended);
    conn_deadline(o.c, 10000);
    conn_deadline(o.c, 20); /* sooner */
    uint64_t before = clock_ms();
    expect_end(&o, CONN_TIMEOUT);
    assert_in_range(clock_ms() - before, 0, 5000);
    close(fds[1]);
}

/* ---- ends */

static void reset(int fd)
{
    const struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void tells_an_end_from_a_reset(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    close(fds[1]);
    expect_end(&o, CONN_EOF);
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    reset(fds[1]);
    expect_end(&o, CONN_RESET);
    /* A reset that is met while writing is reported from the loop, too. */
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    reset(fds[1]);
    buf_add_text(conn_out(o.c), "+OK\r\n");
    flush(&o);
    buf_add_text(conn_out(o.c), "+OK\r\n");
    flush(&o);
    assert_false(o.ended);
    expect_end(&o, CONN_RESET);
}

static void may_be_freed_by_any_handler(void **state)
{
    struct owner o;
    int fds[2];
    unix_pair(fds);
    own(&o, *state, fds[0], &limits);
    o.input = free_it;
    say(fds[1], "hello");
    assert_true(run_until(*state, &o.any_input, 5000));
    run_for(*state, 10);
    close(fds[1]);
    unix_pair(fds);
    own(&o, *state, fds[0], &limits);
    o.drained = free_it;
    buf_add_text(conn_out(o.c), "+OK\r\n");
    flush(&o);
    assert_true(run_until(*state, &o.any_drain, 5000));
    run_for(*state, 10);
    assert_false(o.ended || o.wrong);
    close(fds[1]);
}

static void finishes_although_the_peer_talks_on(void **state)
{
    struct owner o;
    int fds[2];
    char in[10];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    buf_add_text(conn_out(o.c), "bye\r\n");
    conn_finish(o.c);
    conn_finish(o.c);
    for (unsigned i = 0; i < 20; i++) {
        say(fds[1], "NOOP\r\n");
        run_for(*state, 2);
    }
    assert_int_equal(o.inputs, 0);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 5);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 0); /* not ECONNRESET */
    assert_false(o.ended);
    close(fds[1]);
    expect_end(&o, CONN_DONE);
}

static void finishes_in_bounded_time(void **state)
{
    struct owner o;
    int fds[2];
    struct conn_limits quick = limits;
    quick.write_stall_ms = 100;
    tcp_pair(fds, 0); /* one that neither reads nor closes, but has room for all */
    own(&o, *state, fds[0], &quick);
    buf_add_text(conn_out(o.c), "bye\r\n");
    conn_finish(o.c);
    expect_end(&o, CONN_DONE);
    close(fds[1]);
    tcp_pair(fds, 8192); /* one that has not */
    own(&o, *state, fds[0], &quick);
    o.to_give = 4 << 20;
    do {
        give(&o);
        run_for(*state, 5);
    } while (!conn_out(o.c)->len);
    conn_finish(o.c);
    expect_end(&o, CONN_STALLED);
    close(fds[1]);
}

/* ---- pause */

static void pauses(void **state)
{
    struct owner o;
    int fds[2];
    for (int watch = 0; watch < 2; watch++) {
        tcp_pair(fds, 0);
        own(&o, *state, fds[0], &limits);
        o.input = take;
        conn_pause(o.c, watch);
        static char out[30000];
        fill(out, sizeof out, 0);
        assert_int_equal(send(fds[1], out, sizeof out, 0), sizeof out);
        run_for(*state, 20);
        assert_int_equal(o.inputs, 0);
        assert_int_equal(conn_in(o.c)->len, 0);
        conn_resume(o.c);
        run_for(*state, 50);
        assert_int_equal(o.got, sizeof out);
        conn_pause(o.c, watch);
        shutdown(fds[1], SHUT_WR);
        run_for(*state, 20);
        assert_int_equal(o.ended, watch);
        if (!watch)
            conn_resume(o.c);
        expect_end(&o, CONN_EOF);
        close(fds[1]);
    }
}

static void notices_a_reset_while_paused(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    conn_pause(o.c, true);
    run_for(*state, 5);
    reset(fds[1]);
    expect_end(&o, CONN_RESET);
}

static void answers_who_closed_his_half_after_a_pipeline(void **state)
{
    struct owner o;
    int fds[2];
    char in[20];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.input = leave_it;
    say(fds[1], "PASS\r\nSTAT\r\n");
    assert_true(run_until(*state, &o.any_input, 5000));
    conn_pause(o.c, true); /* STAT waits in conn_in */
    shutdown(fds[1], SHUT_WR);
    run_for(*state, 20);
    assert_false(o.ended);
    buf_take(conn_in(o.c), 6);
    conn_resume(o.c);
    echo(&o);
    expect_end(&o, CONN_EOF);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 6);
    close(fds[1]);
}

static void answers_who_closed_his_half_while_the_owner_works(void **state)
{
    struct owner o;
    int fds[2];
    char in[20];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.input = leave_it;
    say(fds[1], "RETR 1\r\n");
    assert_true(run_until(*state, &o.any_input, 5000));
    buf_take(conn_in(o.c), 8); /* nothing is unread */
    conn_occupy(o.c, true);
    shutdown(fds[1], SHUT_WR);
    run_for(*state, 20);
    assert_false(o.ended);
    conn_occupy(o.c, false);
    buf_add(conn_out(o.c), "+OK\r\n", 5);
    conn_flush(o.c);
    expect_end(&o, CONN_EOF);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 5);
    close(fds[1]);
}

/* ---- lend */

static void lends(void **state)
{
    struct owner o;
    int fds[2];
    char in[20];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.input = leave_it;
    say(fds[1], "STAT\r\n");
    assert_true(run_until(*state, &o.any_input, 5000));
    conn_pause(o.c, true);
    assert_int_equal(conn_lend(o.c), fds[0]);
    int copy = dup(fds[0]);
    say(fds[1], "QUIT\r\n");
    run_for(*state, 20);
    assert_int_equal(conn_in(o.c)->len, 6);
    assert_int_equal(recv(copy, in, 3, 0), 3); /* the borrower reads */
    assert_memory_equal(in, "QUI", 3);
    assert_int_equal(send(copy, "-ERR\r\n", 6, 0), 6);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 6);
    close(copy);
    o.any_input = false;
    conn_resume(o.c); /* refused: ours again */
    assert_true(run_until(*state, &o.any_input, 5000));
    assert_true(span_is(buf_span(conn_in(o.c)), "STAT\r\nT\r\n"));
    copy = dup(conn_lend(o.c));
    conn_free(o.c); /* taken: the connection lives on */
    assert_int_equal(send(copy, "+OK\r\n", 5, 0), 5);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 5);
    close(copy);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 0);
    close(fds[1]);
}

/* ---- memory */

static void shares_a_budget(void **state)
{
    enum { N = 40 };
    struct budget budget = {0, 300000};
    struct conn_limits lim = limits;
    struct owner o[N];
    int fds[N][2];
    lim.budget = &budget;
    for (unsigned i = 0; i < N; i++) {
        tcp_pair(fds[i], 8192);
        own(&o[i], *state, fds[i][0], &lim);
        o[i].drained = give;
        o[i].to_give = 1 << 20;
        give(&o[i]);
    }
    run_for(*state, 50);
    assert_in_range(budget.used, 300000, 300000 + limits.out_max + N * BUF_SMALL);
    struct pump p = {.fd = fds[N - 1][1], .to_receive = 1 << 20}; /* one that came late is served, in small pieces */
    pump_start(&p);
    for (unsigned i = 0; i < 20000 && !p.done; i++)
        run_for(*state, 1);
    pump_join(&p);
    assert_int_equal(p.received, 1 << 20);
    assert_false(p.wrong || p.failed);
    for (unsigned i = 0; i < N; i++) {
        conn_free(o[i].c);
        close(fds[i][1]);
    }
    assert_int_equal(budget.used, 0);
}

static void costs_little_when_idle(void **state)
{
    enum { N = 1000 };
    struct rlimit files;
    static struct owner o[N];
    static int peers[N];
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &files);
    unsigned n = files.rlim_cur > 2 * N + 100 ? N : (unsigned)files.rlim_cur / 2 - 50;
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < n; i++) {
        int fds[2];
        unix_pair(fds);
        own(&o[i], *state, fds[0], &limits);
        conn_deadline(o[i].c, 600000);
        o[i].input = echo;
        peers[i] = fds[1];
        say(peers[i], "NOOP\r\n");
    }
    run_for(*state, 200);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(o[i].got, 6);
    print_message("an idle plain connection costs %zu bytes\n", (mallinfo2().uordblks - before) / n);
    for (unsigned i = 0; i < n; i++) {
        conn_free(o[i].c);
        close(peers[i]);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, loop_begin, loop_finish)
    const struct CMUnitTest tests[] = {
        TEST(echoes_megabytes_through_small_buffers),
        TEST(sends_as_the_peer_reads_and_ends_in_order),
        TEST(counts_bytes),
        TEST(calls_drained_from_the_loop_only),
        TEST(stops_reading_when_nobody_takes),
        TEST(does_not_read_from_who_does_not_read),
        TEST(ends_when_nothing_can_be_written),
        TEST(waits_as_long_as_something_is_written),
        TEST(keeps_deadlines),
        TEST(tells_an_end_from_a_reset),
        TEST(may_be_freed_by_any_handler),
        TEST(finishes_although_the_peer_talks_on),
        TEST(finishes_in_bounded_time),
        TEST(pauses),
        TEST(notices_a_reset_while_paused),
        TEST(answers_who_closed_his_half_after_a_pipeline),
        TEST(answers_who_closed_his_half_while_the_owner_works),
        TEST(lends),
        TEST(shares_a_budget),
        TEST(costs_little_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
