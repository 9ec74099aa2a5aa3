/* net/conn and peers that read slowly: none is cut off while he reads, and each gets his last bytes; plain, TLS, relayed. And what was cut
 * off never looks whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/conn.h"
#include "net_help.h"

enum { LINGER_MS = 2000 }; /* as conn.h says */

static struct tls_context *context;

struct owner {
    struct loop *l;
    struct conn *c;
    size_t given, to_give;
    bool finish; /* once all is given */
    bool secure, ended, wrong;
    enum conn_end why;
};

/* All that there is room for. */
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
    conn_flush(o->c);
}

static void on_input(void *arg)
{
    struct owner *o = arg;
    buf_take(conn_in(o->c), conn_in(o->c)->len);
}

static void on_drained(void *arg)
{
    struct owner *o = arg;
    if (o->given < o->to_give)
        give(o);
    else if (o->finish)
        conn_finish(o->c);
}

static void on_secure(void *arg)
{
    struct owner *o = arg;
    o->secure = true;
    if (o->to_give)
        give(o);
}

static void on_ended(void *arg, enum conn_end why)
{
    struct owner *o = arg;
    o->wrong |= o->ended;
    o->ended = true;
    o->why = why;
    conn_free(o->c);
    o->c = NULL;
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

static void own(struct owner *o, struct loop *l, int fd, unsigned stall_ms)
{
    const struct conn_limits limits = {16384 + 1024, 131072, stall_ms, NULL};
    *o = (struct owner){.l = l};
    o->c = conn_new(l, fd, &limits, &events, o);
}

static void expect_end(struct owner *o, enum conn_end why)
{
    if (!run_until(o->l, &o->ended, 60000))
        fail_msg("no end");
    assert_string_equal(conn_end_text(o->why), conn_end_text(why));
    assert_false(o->wrong);
}

/* A client in another thread, whose own beginning is plain or TLS. */
static void start_client(struct pump *p, struct owner *o, int fd, bool tls)
{
    p->fd = fd;
    if (tls) {
        p->ssl = client_new(fd, 0, 0, NULL);
        conn_start_tls(o->c, context);
    }
    pump_start(p);
}

static void leave(struct pump *p)
{
    client_free(p->ssl);
    close(p->fd);
}

/* ---- the last bytes */

/* What the socket holds at the end takes him longer than the linger; and he talks on, so that a close would be a reset. */
static void gives_the_last_bytes_to_a_slow_reader(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct owner o;
        int fds[2];
        far_pair(fds);
        own(&o, *state, fds[0], 60000);
        o.to_give = 300000;
        o.finish = true;
        struct pump p = {.to_send = 1 << 30, .to_receive = o.to_give, .pause_ms = 20, .piece = 2048};
        start_client(&p, &o, fds[1], tls);
        if (!tls)
            give(&o);
        while (!o.given || o.given < o.to_give || conn_out(o.c)->len)
            run_for(*state, 1);
        uint64_t left = clock_ms();
        while (!p.done)
            run_for(*state, 5);
        print_message("all had left %u ms before the end\n", (unsigned)(clock_ms() - left));
        assert_true(clock_ms() - left > LINGER_MS); /* else this shows nothing */
        pump_join(&p);
        assert_false(p.wrong || p.failed);
        assert_int_equal(p.received, o.to_give);
        assert_true(p.ended);
        leave(&p);
        expect_end(&o, CONN_DONE);
    }
}

/* One whose system takes all, and who reads none of it, talks on as long as he likes; and one whose system does not. */
static void ends_who_lingers(void **state)
{
    struct owner o;
    int fds[2];
    static char rubbish[1000];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], 1000);
    buf_add_text(conn_out(o.c), "bye\r\n");
    conn_finish(o.c);
    uint64_t start = clock_ms();
    while (!o.ended && clock_ms() - start < 30000) {
        (void)send(fds[1], rubbish, sizeof rubbish, MSG_DONTWAIT | MSG_NOSIGNAL);
        run_for(*state, 20);
    }
    expect_end(&o, CONN_DONE);
    assert_in_range(clock_ms() - start, LINGER_MS, 15000);
    close(fds[1]);
    far_pair(fds);
    own(&o, *state, fds[0], 400);
    o.to_give = 300000; /* all of it leaves for the socket, and a part of it for the peer */
    o.finish = true;
    give(&o);
    expect_end(&o, CONN_STALLED);
    close(fds[1]);
}

/* ---- a steady reader. The socket's buffer is so large that it has room again only after longer than the limit. */

enum { STALL_MS = 1000, BODY = 1500000 };

static void serves_who_reads_steadily(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct owner o;
        int fds[2];
        far_pair(fds);
        own(&o, *state, fds[0], STALL_MS);
        o.to_give = BODY;
        struct pump p = {.to_receive = BODY, .pause_ms = 20, .piece = 4096};
        start_client(&p, &o, fds[1], tls);
        if (!tls)
            give(&o);
        while (!p.done && !o.ended)
            run_for(*state, 5);
        assert_false(o.ended);
        pump_join(&p);
        assert_false(p.wrong || p.failed);
        assert_int_equal(p.received, BODY);
        conn_free(o.c);
        leave(&p);
    }
}

static void ends_who_reads_nothing_within_twice_the_limit(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct owner o;
        int fds[2];
        tcp_pair(fds, 0);
        own(&o, *state, fds[0], STALL_MS);
        o.to_give = 64 << 20;
        struct pump p = {.to_receive = tls};
        if (tls) {
            start_client(&p, &o, fds[1], tls); /* reads the first piece and leaves */
            while (!p.done)
                run_for(*state, 1);
            pump_join(&p);
        } else {
            p.fd = fds[1];
            give(&o);
        }
        uint64_t start = clock_ms();
        expect_end(&o, CONN_STALLED);
        assert_in_range(clock_ms() - start, STALL_MS / 2, STALL_MS * 2 + 500);
        leave(&p);
    }
}

/* ---- relays: the same with a worker behind */

struct relay {
    struct owner door, worker;
    struct pump client;
};

static void begin_relay(struct relay *r, struct loop *l, unsigned stall_ms, const struct pump *client)
{
    int fds[2], pair[2];
    far_pair(fds);
    own(&r->door, l, fds[0], stall_ms);
    r->client = *client;
    start_client(&r->client, &r->door, fds[1], true);
    assert_true(run_until(l, &r->door.secure, 10000));
    unix_pair(pair);
    conn_relay(r->door.c, pair[0]);
    own(&r->worker, l, pair[1], stall_ms);
    conn_relayed(r->worker.c);
}

static void end_relay(struct relay *r, enum conn_end why)
{
    expect_end(&r->door, why);
    while (!r->client.done)
        run_for(r->door.l, 1);
    pump_join(&r->client);
    leave(&r->client);
}

static void serves_who_reads_steadily_behind_a_relay(void **state)
{
    struct relay r;
    begin_relay(&r, *state, STALL_MS, &(struct pump){.to_receive = BODY + 1, .pause_ms = 20, .piece = 4096});
    r.worker.to_give = BODY;
    r.worker.finish = true;
    give(&r.worker);
    while (!r.worker.ended && !r.door.ended)
        run_for(*state, 5);
    expect_end(&r.worker, CONN_DONE);
    end_relay(&r, CONN_DONE);
    assert_int_equal(r.client.received, BODY);
    assert_true(r.client.ended);
}

static void ends_who_reads_nothing_behind_a_relay(void **state)
{
    struct relay r;
    begin_relay(&r, *state, STALL_MS, &(struct pump){.to_receive = 1});
    r.worker.to_give = 64 << 20;
    uint64_t start = clock_ms();
    give(&r.worker);
    while (!r.client.done)
        run_for(*state, 1);
    expect_end(&r.door, CONN_STALLED);
    assert_in_range(clock_ms() - start, STALL_MS, STALL_MS * 2 + 500);
    expect_end(&r.worker, CONN_STALLED); /* so that the log of the session tells it */
    end_relay(&r, CONN_STALLED);
}

/* The relay's time began at the last that the client took, which was before the last that the relay took. */
static void a_relay_that_gives_up_a_little_early_has_seen_a_stall(void **state)
{
    static const struct {
        unsigned stall_ms, taken_ms;
        enum conn_end end;
    } ways[] = {{STALL_MS, STALL_MS * 9 / 10, CONN_STALLED}, {60000, 1, CONN_RESET}};
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct owner o;
        int pair[2];
        unix_pair(pair);
        own(&o, *state, pair[1], ways[i].stall_ms);
        conn_relayed(o.c);
        o.to_give = 1 << 20;
        give(&o);
        run_for(*state, ways[i].taken_ms);
        assert_false(o.ended);
        close(pair[0]);
        expect_end(&o, ways[i].end);
    }
}

/* ---- what was cut off never looks whole */

enum { PART = 300000 };

static void give_part(struct relay *r, struct loop *l)
{
    begin_relay(r, l, 60000, &(struct pump){.to_receive = PART + 1, .pause_ms = 1});
    r->worker.to_give = PART;
    give(&r->worker);
    for (unsigned t = 0; t < 10000 && conn_bytes_out(r->worker.c) < PART; t++)
        run_for(l, 1);
}

static void a_worker_that_dies_ends_without_close_notify(void **state)
{
    struct relay r;
    give_part(&r, *state);
    conn_free(r.worker.c); /* as the kernel closes what a process had */
    end_relay(&r, CONN_RESET);
    assert_int_equal(r.client.received, PART); /* what there was */
    assert_true(r.client.failed && !r.client.ended);
}

static void a_worker_that_ends_in_good_order_ends_with_close_notify(void **state)
{
    struct relay r;
    give_part(&r, *state);
    conn_finish(r.worker.c);
    end_relay(&r, CONN_DONE);
    expect_end(&r.worker, CONN_DONE);
    assert_int_equal(r.client.received, PART);
    assert_true(r.client.ended && !r.client.wrong);

    give_part(&r, *state); /* an idle one */
    conn_deadline(r.worker.c, 20);
    expect_end(&r.worker, CONN_TIMEOUT);
    end_relay(&r, CONN_DONE);
    assert_int_equal(r.client.received, PART);
    assert_true(r.client.ended && !r.client.wrong);
}

/* The mark waits for room as bytes do, and is the last of all; also when the worker has gone long since. */
static void a_mark_waits_its_turn(void **state)
{
    struct owner o;
    int pair[2];
    char in[10000];
    size_t got = 0;
    ssize_t n = 0;
    unix_pair(pair);
    own(&o, *state, pair[1], 100);
    conn_relayed(o.c);
    o.to_give = 1 << 20;
    o.finish = true;
    give(&o);
    run_for(*state, 500); /* five times the limit, which is not his to judge */
    assert_false(o.ended);
    struct iovec iov = {in, sizeof in};
    struct msghdr m;
    bool marked = false;
    for (unsigned t = 0; t < 10000 && !marked; t++) {
        m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
        n = recvmsg(pair[0], &m, MSG_DONTWAIT);
        if (n > 0) {
            marked = m.msg_flags & MSG_CTRUNC;
            assert_true(matches(in, (size_t)n - marked, got));
            got += (size_t)n - marked;
        }
        if (n < 0)
            run_for(*state, 1);
    }
    assert_true(marked);
    assert_int_equal(got, o.to_give);
    run_for(*state, 5);
    assert_int_equal(recv(pair[0], in, sizeof in, MSG_DONTWAIT), 0);
    assert_false(o.ended);
    close(pair[0]);
    expect_end(&o, CONN_DONE);
}

/* What it said is with the relay, whole, also when nobody has looked yet. */
static void who_said_little_waits_for_no_relay(void **state)
{
    struct owner o;
    int pair[2];
    char in[100];
    unix_pair(pair);
    own(&o, *state, pair[1], 60000);
    conn_relayed(o.c);
    o.to_give = 40;
    o.finish = true;
    give(&o);
    assert_int_equal(send(pair[0], "NOOP\r\n", 6, 0), 6); /* behind QUIT */
    expect_end(&o, CONN_DONE);
    struct iovec iov = {in, sizeof in};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    assert_int_equal(recvmsg(pair[0], &m, MSG_DONTWAIT), 40 + 1);
    assert_true(m.msg_flags & MSG_CTRUNC && matches(in, 40, 0));
    close(pair[0]);
}

/* An answer that waits when a deadline passes is not followed by close_notify. */
static void an_answer_cut_off_by_a_deadline_ends_without_close_notify(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 8192);
    own(&o, *state, fds[0], 60000);
    struct pump first = {.to_receive = 1};
    o.to_give = 1 << 20;
    start_client(&first, &o, fds[1], true);
    while (!first.done)
        run_for(*state, 1);
    pump_join(&first);
    run_for(*state, 50);
    assert_true(conn_out(o.c)->len > 0);
    conn_deadline(o.c, 1);
    expect_end(&o, CONN_TIMEOUT);
    struct pump rest = {.fd = fds[1], .ssl = first.ssl, .to_receive = 1 << 20};
    pump_start(&rest);
    pump_join(&rest);
    assert_true(rest.failed && !rest.ended);
    leave(&rest);
}

static unsigned descriptors;

static int begin(void **state)
{
    descriptors = open_descriptors();
    *state = loop_new();
    context = make_context();
    return 0;
}

static int finish(void **state)
{
    loop_free(*state);
    tls_context_free(context);
    return open_descriptors() != descriptors;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(gives_the_last_bytes_to_a_slow_reader),
        TEST(ends_who_lingers),
        TEST(serves_who_reads_steadily),
        TEST(ends_who_reads_nothing_within_twice_the_limit),
        TEST(serves_who_reads_steadily_behind_a_relay),
        TEST(ends_who_reads_nothing_behind_a_relay),
        TEST(a_relay_that_gives_up_a_little_early_has_seen_a_stall),
        TEST(a_worker_that_dies_ends_without_close_notify),
        TEST(a_worker_that_ends_in_good_order_ends_with_close_notify),
        TEST(a_mark_waits_its_turn),
        TEST(who_said_little_waits_for_no_relay),
        TEST(an_answer_cut_off_by_a_deadline_ends_without_close_notify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
