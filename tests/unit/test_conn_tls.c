/* net/conn over TLS: STLS, the end of a stream, and the relay to a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "net_help.h"

static struct tls_context *context;

struct owner {
    struct loop *l;
    struct conn *c;
    void (*input)(struct owner *o);
    void (*drained)(struct owner *o);
    void (*at_secure)(struct owner *o);
    unsigned inputs;
    size_t got;
    bool wrong, any_input, secure, ended, keep;
    enum conn_end why;
    char trouble[100];
};

static void on_input(void *arg)
{
    struct owner *o = arg;
    o->any_input = true;
    o->inputs++;
    if (o->input)
        o->input(o);
}

static void on_drained(void *arg)
{
    struct owner *o = arg;
    if (o->drained)
        o->drained(o);
}

static void on_secure(void *arg)
{
    struct owner *o = arg;
    o->wrong |= o->secure;
    o->secure = true;
    if (o->at_secure)
        o->at_secure(o);
}

static void on_ended(void *arg, enum conn_end why)
{
    struct owner *o = arg;
    o->wrong |= o->ended;
    o->ended = true;
    o->why = why;
    snprintf(o->trouble, sizeof o->trouble, "%s", conn_trouble(o->c));
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

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* As long as octets move the machine may take its time. */
static bool ends(struct owner *o)
{
    for (uint64_t seen = 0, moved; !run_until(o->l, &o->ended, 10000); seen = moved) {
        moved = conn_bytes_in(o->c) + conn_bytes_out(o->c);
        if (moved == seen)
            return false;
    }
    return true;
}

static void expect_end(struct owner *o, enum conn_end why)
{
    if (!ends(o))
        fail_msg("no end");
    if (o->why != why)
        fail_msg("%s %s, not %s", conn_end_text(o->why), o->trouble, conn_end_text(why));
    assert_false(o->wrong);
}

/* ---- a client in this thread */

static bool shake(struct owner *o, SSL *client)
{
    for (unsigned i = 0; i < 2000; i++) {
        if (SSL_do_handshake(client) == 1 && (o->secure || o->ended))
            return true;
        run_for(o->l, 1);
    }
    return false;
}

/* A server that is secure, and its client. */
static SSL *secured(struct owner *o, struct loop *l, int fds[2], const struct conn_limits *lim, int bytes)
{
    tcp_pair(fds, bytes);
    own(o, l, fds[0], lim);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    conn_start_tls(o->c, context);
    SSL *client = client_new(fds[1], 0, 0, "\4pop3");
    assert_true(shake(o, client));
    assert_true(o->secure);
    return client;
}

static ssize_t hear(struct owner *o, SSL *client, char *p, size_t n)
{
    size_t got = 0;
    for (unsigned i = 0; i < 2000; i++) {
        int r = SSL_read_ex(client, p, n, &got);
        if (r == 1)
            return (ssize_t)got;
        switch (SSL_get_error(client, r)) {
        case SSL_ERROR_WANT_READ:
            break;
        case SSL_ERROR_ZERO_RETURN:
            return 0;
        default:
            ERR_clear_error();
            return -1;
        }
        run_for(o->l, 1);
    }
    return -2;
}

/* What comes there, be it the end, as soon as it comes: also on loopback that is not at once. */
static ssize_t soon(struct owner *o, int fd, char *p, size_t n)
{
    ssize_t r = -1;
    for (unsigned i = 0; i < 2000 && (r = recv(fd, p, n, MSG_DONTWAIT)) < 0 && errno == EAGAIN; i++)
        run_for(o->l, 1);
    return r;
}

static void leave(SSL *client, int fd)
{
    client_free(client);
    close(fd);
}

static void reset(int fd)
{
    const struct linger now = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
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
    conn_flush(o->c);
}

static void stls(struct owner *o)
{
    if (!o->secure) {
        buf_add_text(conn_out(o->c), "+OK\r\n");
        conn_flush(o->c);
        conn_start_tls(o->c, context);
    }
}

static void free_it(struct owner *o)
{
    conn_free(o->c);
    o->c = NULL;
}

static void leave_it(struct owner *o)
{
}

/* ---- STLS */

static void drops_what_follows_stls(void **state)
{
    struct owner o;
    int fds[2];
    char in[100];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.input = stls;
    say(fds[1], "STLS\r\nUSER evil\r\n");
    assert_true(run_until(*state, &o.any_input, 5000));
    run_for(*state, 5);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 5);
    assert_int_equal(conn_in(o.c)->len, 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    SSL *client = client_new(fds[1], 0, 0, NULL);
    assert_true(shake(&o, client));
    assert_true(o.secure && conn_is_tls(o.c));
    assert_string_equal(tls_version(conn_tls(o.c)), "TLSv1.3");
    assert_int_equal(o.inputs, 1);
    o.input = leave_it;
    SSL_write(client, "CAPA\r\n", 6);
    o.any_input = false;
    assert_true(run_until(*state, &o.any_input, 5000));
    assert_true(span_is(buf_span(conn_in(o.c)), "CAPA\r\n"));
    conn_free(o.c);
    leave(client, fds[1]);
}

static void refuses_clear_text_after_stls(void **state)
{
    struct owner o;
    int fds[2];
    char in[100];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.input = stls;
    say(fds[1], "STLS\r\n");
    assert_true(run_until(*state, &o.any_input, 5000));
    say(fds[1], "USER evil\r\nPASS evil\r\n");
    run_for(*state, 20);
    assert_int_equal(recv(fds[1], in, 5, 0), 5);
    ssize_t n = recv(fds[1], in, sizeof in, 0);
    assert_true(n == 0 || (n == 7 && in[0] == SSL3_RT_ALERT));
    assert_int_equal(o.inputs, 1);
    close(fds[1]);
    expect_end(&o, CONN_TLS);
    assert_memory_equal(o.trouble, "tls: ", 5);
}

static void sends_nothing_in_the_clear_after_stls(void **state)
{
    struct owner o;
    int fds[2];
    char in[100];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    conn_start_tls(o.c, context);
    buf_add_text(conn_out(o.c), "-ERR secret\r\n"); /* e.g. a deadline passes in the handshake */
    conn_flush(o.c);
    run_for(*state, 5);
    conn_finish(o.c);
    run_for(*state, 5);
    assert_int_equal(recv(fds[1], in, sizeof in, 0), 0);
    close(fds[1]);
    expect_end(&o, CONN_DONE);
    tcp_pair(fds, 0); /* freed before the handshake began, and in it */
    own(&o, *state, fds[0], &limits);
    o.input = stls;
    buf_add_text(conn_out(o.c), "x");
    conn_start_tls(o.c, context);
    conn_free(o.c);
    close(fds[1]);
}

static void tells_why_a_handshake_failed(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    conn_start_tls(o.c, context);
    SSL *client = client_new(fds[1], 0, 0, "\4imap");
    assert_int_equal(SSL_do_handshake(client), -1);
    run_for(*state, 20);
    int r = SSL_do_handshake(client); /* the alert arrived: no reset overtook it */
    assert_int_equal(SSL_get_error(client, r), SSL_ERROR_SSL);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
    ERR_clear_error();
    leave(client, fds[1]);
    expect_end(&o, CONN_TLS);
    assert_string_equal(o.trouble, "tls: no application protocol");
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    conn_start_tls(o.c, context);
    conn_deadline(o.c, 50);
    expect_end(&o, CONN_TIMEOUT);
    close(fds[1]);
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    conn_start_tls(o.c, context);
    close(fds[1]);
    expect_end(&o, CONN_EOF);
}

static void may_be_freed_when_secure(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], &limits);
    o.at_secure = free_it;
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    conn_start_tls(o.c, context);
    SSL *client = client_new(fds[1], 0, 0, NULL);
    assert_true(shake(&o, client));
    run_for(*state, 5);
    leave(client, fds[1]);
}

/* ---- bytes */

static void echoes_megabytes(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct owner o;
        int fds[2];
        tcp_pair(fds, i < 2 ? 8192 : 0);
        own(&o, *state, fds[0], &limits);
        o.input = o.drained = echo;
        conn_start_tls(o.c, context);
        struct pump p = {.fd = fds[1], .to_send = 2 << 20, .to_receive = 2 << 20, .close_first = true};
        p.ssl = client_new(fds[1], 0, i % 2 ? TLS1_2_VERSION : 0, "\4pop3");
        pump_start(&p);
        expect_end(&o, CONN_EOF);
        pump_join(&p);
        assert_false(p.wrong || p.failed);
        assert_true(p.ended);
        assert_int_equal(p.received, 2 << 20);
        leave(p.ssl, fds[1]);
    }
}

/* What is left of a record inside the stream makes no socket readable. */
static void reads_all_of_a_record(void **state)
{
    struct owner o;
    int fds[2];
    static char out[16000];
    struct conn_limits small = limits;
    small.in_max = 1000;
    SSL *client = secured(&o, *state, fds, &small, 0);
    fill(out, sizeof out, 0);
    o.input = take;
    SSL_write(client, out, sizeof out);
    run_for(*state, 50);
    assert_int_equal(o.got, sizeof out);
    o.input = leave_it;
    o.got = 0;
    SSL_write(client, out, sizeof out);
    run_for(*state, 50);
    assert_int_equal(conn_in(o.c)->len, 1000);
    o.input = take;
    take(&o);
    conn_resume(o.c);
    run_for(*state, 50);
    assert_int_equal(o.got, sizeof out);
    assert_false(o.wrong);
    conn_free(o.c);
    leave(client, fds[1]);
}

static void pauses(void **state)
{
    struct owner o;
    int fds[2];
    static char out[16000];
    for (int watch = 0; watch < 2; watch++) {
        SSL *client = secured(&o, *state, fds, &limits, 0);
        o.input = take;
        conn_pause(o.c, watch);
        fill(out, sizeof out, 0);
        SSL_write(client, out, sizeof out);
        run_for(*state, 20);
        assert_int_equal(conn_in(o.c)->len, 0); /* it may be on its way to another process */
        assert_int_equal(o.inputs, 0);
        conn_resume(o.c);
        run_for(*state, 50);
        assert_int_equal(o.got, sizeof out);
        conn_pause(o.c, watch);
        SSL_shutdown(client);
        run_for(*state, 20);
        assert_int_equal(o.ended, watch);
        if (!watch)
            conn_resume(o.c);
        expect_end(&o, CONN_EOF);
        leave(client, fds[1]);
    }
    SSL *client = secured(&o, *state, fds, &limits, 0);
    conn_pause(o.c, true);
    reset(fds[1]);
    leave(client, fds[1]);
    expect_end(&o, CONN_RESET);
}

static void finishes_with_close_notify(void **state)
{
    struct owner o;
    int fds[2];
    char in[100];
    SSL *client = secured(&o, *state, fds, &limits, 0);
    o.input = leave_it;
    conn_pause(o.c, false);
    for (unsigned i = 0; i < 100; i++) /* never read */
        SSL_write(client, "NOOP\r\n", 6);
    buf_add_text(conn_out(o.c), "bye\r\n");
    conn_finish(o.c);
    run_for(*state, 20);
    SSL_write(client, "NOOP\r\n", 6);
    run_for(*state, 20);
    assert_int_equal(hear(&o, client, in, sizeof in), 5);
    assert_int_equal(hear(&o, client, in, sizeof in), 0);
    assert_int_equal(soon(&o, fds[1], in, sizeof in), 0);
    leave(client, fds[1]);
    expect_end(&o, CONN_DONE);
}

/* The client has closed his half and reads nothing yet; all his answers are in a socket that may have no room for close_notify: of these
 * sizes some fill it. */
static void says_its_last_word_to_who_reads_late(void **state)
{
    enum { LEAST = 6000, MOST = 50000, STEP = 200 };
    static char bytes[MOST], in[MOST];
    for (size_t size = LEAST; size < MOST; size += STEP) {
        struct owner o;
        int fds[2];
        size_t got = 0;
        ssize_t n;
        SSL *client = secured(&o, *state, fds, &limits, 8192);
        run_for(*state, 1);
        buf_add(conn_out(o.c), bytes, size);
        conn_flush(o.c);
        SSL_shutdown(client);
        shutdown(fds[1], SHUT_WR);
        run_for(*state, 1);
        while ((n = hear(&o, client, in, sizeof in)) > 0)
            got += (size_t)n;
        assert_int_equal(got, size);
        assert_int_equal(n, 0); /* close_notify: nothing was cut off */
        leave(client, fds[1]);
        expect_end(&o, CONN_EOF);
    }
}

static void ends_a_stalled_stream(void **state)
{
    struct owner o;
    int fds[2];
    struct conn_limits quick = limits;
    quick.write_stall_ms = 150;
    SSL *client = secured(&o, *state, fds, &quick, 8192);
    static char out[100000];
    assert_true(buf_add(conn_out(o.c), out, sizeof out));
    conn_flush(o.c);
    expect_end(&o, CONN_STALLED);
    leave(client, fds[1]);
}

/* ---- relay */

static void relays_megabytes_both_ways(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        struct owner o;
        int fds[2], pair[2];
        SSL *client = secured(&o, *state, fds, &limits, i < 2 ? 8192 : 0);
        unix_pair(pair);
        conn_relay(o.c, pair[0]);
        struct pump c = {.fd = fds[1], .ssl = client, .to_send = 3 << 20, .to_receive = 3 << 20};
        struct pump w = {.fd = pair[1], .to_send = 3 << 20, .to_receive = 3 << 20};
        c.close_first = i % 2;
        w.close_first = w.whole = !c.close_first;
        w.sends_on = c.close_first;
        if (c.close_first)
            w.to_receive++; /* never comes: it reads until it has seen the client's end, which is then the first */
        pump_start(&c);
        pump_start(&w);
        if (w.close_first) { /* the worker's end ends the session: what the client still says has nowhere to go */
            expect_end(&o, CONN_DONE);
        } else {
            for (unsigned t = 0; t < 20000 && !w.done; t++)
                run_for(*state, 1);
        }
        pump_join(&w);
        if (c.close_first)
            end_whole(pair[1]);
        close(pair[1]);
        if (!o.ended)
            expect_end(&o, CONN_EOF);
        pump_join(&c);
        assert_false(c.wrong || w.wrong || w.failed);
        assert_int_equal(c.received, 3 << 20);
        if (c.close_first)
            assert_int_equal(w.received, 3 << 20);
        leave(client, fds[1]);
    }
}

static void relays_the_last_bytes_of_a_worker(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    SSL *client = secured(&o, *state, fds, &limits, 8192);
    unix_pair(pair);
    static char out[100000];
    fill(out, sizeof out, 0);
    assert_int_equal(send(pair[1], out, sizeof out, MSG_DONTWAIT), sizeof out);
    end_whole(pair[1]);
    close(pair[1]);
    conn_relay(o.c, pair[0]);
    struct pump c = {.fd = fds[1], .ssl = client, .to_receive = sizeof out, .close_first = true, .pause_ms = 1};
    pump_start(&c);
    expect_end(&o, CONN_DONE);
    pump_join(&c);
    assert_true(c.ended); /* close_notify */
    assert_int_equal(c.received, sizeof out);
    assert_false(c.wrong);
    leave(client, fds[1]);
}

/* A client that wants its records small costs headers: more than the pieces that are gathered count with. */
static void relays_in_small_records(void **state)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct owner o;
        int fds[2], pair[2];
        tcp_pair(fds, 0);
        own(&o, *state, fds[0], &limits);
        fcntl(fds[1], F_SETFL, O_NONBLOCK);
        conn_start_tls(o.c, context);
        SSL *client = client_new(fds[1], version, version, NULL);
        SSL_set_tlsext_max_fragment_length(client, TLSEXT_max_fragment_length_512);
        assert_true(shake(&o, client));
        unix_pair(pair);
        const int room = 1 << 19; /* for a piece as large as can be */
        setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        struct pump w = {.fd = pair[1], .to_send = 2 << 20, .close_first = true, .whole = true};
        struct pump c = {.fd = fds[1], .ssl = client, .to_receive = (2 << 20) + 1};
        pump_start(&w);
        usleep(50000); /* the socketpair is full */
        conn_relay(o.c, pair[0]);
        pump_start(&c);
        expect_end(&o, CONN_DONE);
        pump_join(&w);
        pump_join(&c);
        assert_int_equal(c.received, 2 << 20);
        assert_true(c.ended && !c.wrong);
        close(pair[1]);
        leave(client, fds[1]);
    }
}

static void relays_what_came_during_the_hand_over(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    char in[100];
    SSL *client = secured(&o, *state, fds, &limits, 0);
    o.input = leave_it;
    SSL_write(client, "with the grant ", 15);
    assert_true(run_until(*state, &o.any_input, 5000));
    conn_pause(o.c, true);
    SSL_write(client, "before ", 7);
    run_for(*state, 20);
    SSL_write(client, "and after", 9);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    run_for(*state, 20);
    assert_int_equal(soon(&o, pair[1], in, sizeof in), 16);
    assert_memory_equal(in, "before and after", 16);
    assert_int_equal(conn_bytes_in(o.c), 31);
    /* The client closes his half: the worker knows, and may still answer. */
    SSL_shutdown(client);
    run_for(*state, 20);
    assert_int_equal(soon(&o, pair[1], in, sizeof in), 0);
    assert_false(o.ended);
    say(pair[1], "+OK\r\n");
    assert_int_equal(hear(&o, client, in, sizeof in), 5);
    end_whole(pair[1]);
    close(pair[1]);
    expect_end(&o, CONN_EOF);
    leave(client, fds[1]);
}

/* Nothing happens at the client's socket any more: the worker must hear of it all the same. */
static void relays_an_end_that_came_before_it(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    char in[100];
    SSL *client = secured(&o, *state, fds, &limits, 0);
    o.input = leave_it;
    SSL_write(client, "unread bytes", 12); /* they travel with the grant, so the client has not left */
    assert_true(run_until(*state, &o.any_input, 5000));
    conn_pause(o.c, true);
    SSL_shutdown(client);
    run_for(*state, 20);
    assert_false(o.ended);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    run_for(*state, 20);
    assert_int_equal(soon(&o, pair[1], in, sizeof in), 0);
    say(pair[1], "+OK\r\n");
    assert_int_equal(hear(&o, client, in, sizeof in), 5);
    end_whole(pair[1]);
    close(pair[1]);
    expect_end(&o, CONN_EOF);
    leave(client, fds[1]);
}

static void ends_a_relay_when_the_client_is_gone(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    char in[100];
    SSL *client = secured(&o, *state, fds, &limits, 0);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    run_for(*state, 5);
    reset(fds[1]);
    leave(client, fds[1]);
    expect_end(&o, CONN_RESET);
    assert_int_equal(soon(&o, pair[1], in, sizeof in), 0);
    close(pair[1]);

    client = secured(&o, *state, fds, &limits, 0); /* ended here: who knows what the worker had still to say */
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    say(pair[1], "+OK\r\n");
    run_for(*state, 20);
    conn_finish(o.c);
    assert_int_equal(soon(&o, pair[1], in, sizeof in), 0);
    assert_int_equal(hear(&o, client, in, sizeof in), 5);
    assert_int_equal(hear(&o, client, in, sizeof in), -1);
    leave(client, fds[1]);
    expect_end(&o, CONN_DONE);
    close(pair[1]);

    client = secured(&o, *state, fds, &limits, 0); /* a record that was tampered with */
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    assert_int_equal(send(fds[1], "\27\3\3\0\30damaged damaged damaged ", 29, 0), 29);
    expect_end(&o, CONN_TLS);
    leave(client, fds[1]);
    close(pair[1]);

    client = secured(&o, *state, fds, &limits, 0); /* and freed in the midst of it */
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    say(pair[1], "+OK\r\n");
    SSL_write(client, "x", 1);
    run_for(*state, 5);
    conn_free(o.c);
    assert_int_equal(recv(pair[1], in, 1, MSG_DONTWAIT), 1);
    leave(client, fds[1]);
    close(pair[1]);
}

static long cpu_ms(void)
{
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

/* Neither side reads: little is held, and nothing turns round and round. */
static void waits_quietly_when_both_sides_are_blocked(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    static char out[65536];
    struct budget budget = {0, 1 << 20};
    struct conn_limits lim = limits;
    bool never = false;
    lim.budget = &budget;
    lim.write_stall_ms = 4000; /* later than all that comes before it, on a machine that stands still now and then too */
    SSL *client = secured(&o, *state, fds, &lim, 8192);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    size_t from_client = 0, from_worker = 0;
    for (unsigned i = 0; i < 40; i++) {
        int n = SSL_write(client, out, 16384);
        from_client += n > 0 ? (size_t)n : 0;
        ssize_t m = send(pair[1], out, sizeof out, MSG_DONTWAIT);
        from_worker += m > 0 ? (size_t)m : 0;
        run_for(*state, 2);
        assert_in_range(budget.used, 0, 2 * 17408 + 16384 + 1024);
    }
    assert_in_range(from_client, 1, 39 * 16384);
    assert_in_range(from_worker, 1, 39 * sizeof out);
    assert_true(budget.used > 0);
    long before = cpu_ms();
    run_until(*state, &never, 300);
    assert_in_range(cpu_ms() - before, 0, 150);
    expect_end(&o, CONN_STALLED);
    assert_int_equal(budget.used, 0);
    ERR_clear_error();
    leave(client, fds[1]);
    close(pair[1]);
}

static void a_blocked_worker_does_not_end_a_session(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    struct conn_limits lim = limits;
    lim.write_stall_ms = 100;
    SSL *client = secured(&o, *state, fds, &lim, 0);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    struct pump c = {.fd = fds[1], .ssl = client, .to_send = 2 << 20};
    pump_start(&c);
    run_for(*state, 400);
    assert_false(o.ended);
    struct pump w = {.fd = pair[1], .to_receive = 2 << 20};
    pump_start(&w);
    for (unsigned t = 0; t < 10000 && !(c.done && w.done); t++)
        run_for(*state, 1);
    pump_join(&c);
    pump_join(&w);
    assert_int_equal(w.received, 2 << 20);
    assert_false(w.wrong || c.failed || o.ended);
    conn_free(o.c);
    leave(client, fds[1]);
    close(pair[1]);
}

static void costs_little_when_idle(void **state)
{
    enum { N = 200 };
    static struct owner o[N];
    static SSL *client[N];
    static int peers[N];
    size_t cost = 0;
    for (unsigned i = 0; i < N; i++) {
        int fds[2];
        tcp_pair(fds, 0);
        fcntl(fds[1], F_SETFL, O_NONBLOCK);
        client[i] = client_new(fds[1], 0, 0, NULL);
        peers[i] = fds[1];
        size_t before = mallinfo2().uordblks;
        own(&o[i], *state, fds[0], &limits);
        conn_start_tls(o[i].c, context);
        size_t made = mallinfo2().uordblks - before;
        assert_true(shake(&o[i], client[i]));
        o[i].input = echo;
        SSL_write(client[i], "NOOP\r\n", 6);
        assert_true(run_until(*state, &o[i].any_input, 5000));
        before = mallinfo2().uordblks;
        conn_free(o[i].c); /* what it gives back is what it cost */
        cost += before - mallinfo2().uordblks;
        assert_int_equal(o[i].got, 6);
        assert_true(made == 0 || made < 100000);
        leave(client[i], peers[i]);
    }
    print_message("an idle TLS connection costs %zu bytes\n", cost / N);
}

static unsigned descriptors;

static int begin(void **state)
{
    signal(SIGPIPE, SIG_IGN); /* a client of OpenSSL may speak to nobody */
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
        TEST(drops_what_follows_stls),
        TEST(refuses_clear_text_after_stls),
        TEST(sends_nothing_in_the_clear_after_stls),
        TEST(tells_why_a_handshake_failed),
        TEST(may_be_freed_when_secure),
        TEST(echoes_megabytes),
        TEST(reads_all_of_a_record),
        TEST(pauses),
        TEST(finishes_with_close_notify),
        TEST(says_its_last_word_to_who_reads_late),
        TEST(ends_a_stalled_stream),
        TEST(relays_megabytes_both_ways),
        TEST(relays_the_last_bytes_of_a_worker),
        TEST(relays_in_small_records),
        TEST(relays_what_came_during_the_hand_over),
        TEST(relays_an_end_that_came_before_it),
        TEST(ends_a_relay_when_the_client_is_gone),
        TEST(waits_quietly_when_both_sides_are_blocked),
        TEST(a_blocked_worker_does_not_end_a_session),
        TEST(costs_little_when_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
