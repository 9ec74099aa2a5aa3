/* net/conn and TLS 1.3 clients that ask for new keys, which TLS answers by itself: with many such answers that they do
 * not read, and with half a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "half_key.h"
#include "net/conn.h"
#include "net_help.h"

enum {
    IN_MAX = 16384 + 1024,
    OUT_MAX = 32768,
    SOCKET = 8192,
    UPDATE = 27 /* octets of a record that asks for new keys */
};

static struct tls_context *context;

struct owner {
    struct loop *l;
    struct conn *c;
    bool pauses; /* as while a log-in is decided */
    size_t got;
    bool secure, ended;
    enum conn_end why;
};

static void on_input(void *arg)
{
    struct owner *o = arg;
    o->got += conn_in(o->c)->len;
    buf_wipe(conn_in(o->c));
    if (o->pauses)
        conn_pause(o->c, true);
}

static void on_drained(void *arg)
{
}

static void on_secure(void *arg)
{
    struct owner *o = arg;
    o->secure = true;
}

static void on_ended(void *arg, enum conn_end why)
{
    struct owner *o = arg;
    o->ended = true;
    o->why = why;
    conn_free(o->c);
    o->c = NULL;
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

/* The room for answers is little, and for requests it is not. */
static SSL *secured(struct owner *o, struct loop *l, int fds[2], struct budget *budget, unsigned stall_ms)
{
    const struct conn_limits limits = {IN_MAX, OUT_MAX, stall_ms, budget};
    const int much = 16 * SOCKET;
    tcp_pair(fds, SOCKET);
    setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &much, sizeof much);
    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &much, sizeof much);
    *o = (struct owner){.l = l};
    o->c = conn_new(l, fds[0], &limits, &events, o);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    conn_start_tls(o->c, context);
    SSL *client = client_new(fds[1], TLS1_3_VERSION, 0, "\4pop3");
    half_key_watch(SSL_get_SSL_CTX(client));
    for (unsigned i = 0; i < 2000 && !(SSL_do_handshake(client) == 1 && o->secure); i++)
        run_for(l, 1);
    assert_true(o->secure);
    run_for(l, 5);
    return client;
}

static void leave(struct owner *o, SSL *client, int fd)
{
    conn_free(o->c);
    ERR_clear_error();
    client_free(client);
    close(fd);
}

/* A request of the client's, who reads no answer: false if the server takes none. */
static bool ask(struct owner *o, SSL *client)
{
    unsigned tries = 0;
    SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED);
    while (!o->ended && SSL_do_handshake(client) != 1) {
        ERR_clear_error();
        if (tries++ == 50)
            return false;
        run_for(o->l, 1);
    }
    return true;
}

/* Until so much is kept of the answers for longer than the sockets need to find room, or no more is taken. */
static void flood(struct owner *o, SSL *client, size_t kept)
{
    bool taken = true;
    for (unsigned calm = 0; calm < 5 && taken && !o->ended; calm++) {
        for (unsigned i = 1; taken && !o->ended && tls_unsent(conn_tls(o->c)) < kept; i++) {
            taken = ask(o, client);
            if (i % 50 == 0)
                run_for(o->l, 1);
            calm = 0;
        }
        if (!o->ended)
            run_for(o->l, 5);
    }
}

static long cpu_ms(void)
{
    struct rusage r;
    getrusage(RUSAGE_THREAD, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

/* Requests and octets that come in one read: the answers take what is left of the budget, and the octets find their
 * room all the same. */
static void takes_octets_that_come_with_requests(bool relay, struct loop *l)
{
    enum { REQUESTS = 200 };
    static char big[4096];
    struct owner o;
    int fds[2], pair[2], have = 0;
    struct budget budget = {0, 8 << 20};
    SSL *client = secured(&o, l, fds, &budget, 60000);
    if (relay) {
        unix_pair(pair);
        conn_relay(o.c, pair[0]);
        while (send(pair[0], big, sizeof big, MSG_DONTWAIT) > 0) {
        } /* the worker takes nothing */
    }
    flood(&o, client, 1000);
    assert_in_range(tls_unsent(conn_tls(o.c)), 1000, OUT_MAX / 2);
    budget.ceiling = budget.used + 100; /* others hold the rest */
    for (unsigned i = 0; i < REQUESTS; i++) {
        SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED);
        assert_int_equal(SSL_do_handshake(client), 1);
    }
    assert_int_equal(SSL_write(client, big, sizeof big), sizeof big);
    for (unsigned i = 0; i < 2000 && have < REQUESTS * UPDATE + (int)sizeof big; i++) {
        ioctl(fds[0], FIONREAD, &have);
        usleep(1000);
    }
    for (unsigned i = 0; i < 2000 && conn_bytes_in(o.c) < sizeof big; i++)
        run_for(l, 1);
    assert_false(o.ended);
    assert_int_equal(conn_bytes_in(o.c), sizeof big);
    assert_int_equal(relay ? conn_in(o.c)->len : o.got, sizeof big);
    assert_true(budget.used > budget.ceiling);
    leave(&o, client, fds[1]);
    if (relay)
        close(pair[1]);
    assert_int_equal(budget.used, 0);
}

static void takes_octets_behind_many_requests(void **state)
{
    takes_octets_that_come_with_requests(false, *state);
}

static void relays_octets_behind_many_requests(void **state)
{
    takes_octets_that_come_with_requests(true, *state);
}

/* OpenSSL writes nothing before it has the rest of what it has begun to read. */
static void half_a_request_ends_the_connection(void **state)
{
    struct owner o;
    int fds[2];
    SSL *client = secured(&o, *state, fds, NULL, 60000);
    o.pauses = true;
    assert_int_equal(SSL_write(client, "PASS x\r\n", 8), 8);
    for (unsigned i = 0; i < 2000 && !o.got; i++)
        run_for(*state, 1);
    half_key_send(fds[1], true, 1);
    run_for(*state, 50);
    assert_false(o.ended);
    buf_add_text(conn_out(o.c), "-ERR no\r\n");
    conn_flush(o.c);
    long before = cpu_ms();
    run_until(*state, &o.ended, 300);
    assert_in_range(cpu_ms() - before, 0, 150);
    assert_true(run_until(*state, &o.ended, 10000));
    assert_int_equal(o.why, CONN_TLS);
    leave(&o, client, fds[1]);
}

/* Answers of TLS's own that are not taken stall a session as any others do; here although the worker has ended it. */
static void a_relay_whose_answers_are_not_taken_stalls(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    SSL *client = secured(&o, *state, fds, NULL, 500);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    flood(&o, client, 1000);
    if (!o.ended) {
        assert_true(tls_unsent(conn_tls(o.c)) > 0);
        end_whole(pair[1]);
    }
    assert_true(run_until(*state, &o.ended, 10000));
    assert_int_equal(o.why, CONN_STALLED);
    leave(&o, client, fds[1]);
    close(pair[1]);
}

/* What was kept may leave in a read too: then nothing is awaited any more. */
static void a_relay_whose_answers_are_taken_does_not_stall(void **state)
{
    struct owner o;
    int fds[2], pair[2];
    char in[100];
    size_t got;
    SSL *client = secured(&o, *state, fds, NULL, 500);
    unix_pair(pair);
    conn_relay(o.c, pair[0]);
    flood(&o, client, 1);
    assert_false(o.ended);
    for (unsigned i = 0; i < 20000 && tls_unsent(conn_tls(o.c)); i++) {
        assert_int_equal(SSL_read_ex(client, in, sizeof in, &got), 0); /* new keys only */
        assert_int_equal(SSL_write(client, "NOOP\r\n", 6), 6);
        run_for(*state, 1);
    }
    assert_int_equal(tls_unsent(conn_tls(o.c)), 0);
    assert_false(run_until(*state, &o.ended, 1200));
    leave(&o, client, fds[1]);
    close(pair[1]);
}

/* While a log-in is decided the stream is read to see its end: answers are kept, but no more than at other times. */
static void keeps_few_answers_while_a_log_in_is_decided(void **state)
{
    struct owner o;
    int fds[2];
    struct budget budget = {0, 8 << 20};
    SSL *client = secured(&o, *state, fds, &budget, 60000);
    o.pauses = true;
    assert_int_equal(SSL_write(client, "PASS x\r\n", 8), 8);
    flood(&o, client, OUT_MAX);
    assert_false(o.ended);
    assert_true(tls_unsent(conn_tls(o.c)) > 0);
    assert_in_range(budget.used, 1, OUT_MAX / 2 + OUT_MAX / 4); /* and what one read answers */
    leave(&o, client, fds[1]);
    assert_int_equal(budget.used, 0);
}

static int begin(void **state)
{
    signal(SIGPIPE, SIG_IGN); /* a client of OpenSSL may speak to nobody */
    context = make_context();
    return loop_begin(state);
}

static int finish(void **state)
{
    int rc = loop_finish(state);
    tls_context_free(context);
    return rc;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, finish)
    const struct CMUnitTest tests[] = {
        TEST(takes_octets_behind_many_requests),
        TEST(relays_octets_behind_many_requests),
        TEST(half_a_request_ends_the_connection),
        TEST(a_relay_whose_answers_are_not_taken_stalls),
        TEST(a_relay_whose_answers_are_taken_does_not_stall),
        TEST(keeps_few_answers_while_a_log_in_is_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
