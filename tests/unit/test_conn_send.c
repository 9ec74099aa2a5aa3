/* net/conn: answers that leave together, octets that are sent from where they stand, and what becomes due while the owner holds a conn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/conn_impl.h"
#include "net_help.h"

struct owner {
    struct loop *l;
    struct conn *c;
    int peer;
    unsigned drained;
    bool ended;
};

static void on_input(void *arg)
{
    struct owner *o = arg;
    buf_take(conn_in(o->c), conn_in(o->c)->len);
}

static void on_drained(void *arg)
{
    struct owner *o = arg;
    o->drained++;
}

static void on_secure(void *arg)
{
}

static void on_ended(void *arg, enum conn_end why)
{
    struct owner *o = arg;
    o->ended = true;
    conn_free(o->c);
    o->c = NULL;
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

static void own(struct owner *o, struct loop *l, int bytes)
{
    const struct conn_limits limits = {16384, 131072, 60000, NULL};
    int fds[2];
    tcp_pair(fds, bytes);
    *o = (struct owner){.l = l, .peer = fds[1]};
    o->c = conn_new(l, fds[0], &limits, &events, o);
}

static void disown(struct owner *o)
{
    conn_free(o->c);
    close(o->peer);
}

static long there(const struct owner *o, char *p, size_t n)
{
    return recv(o->peer, p, n, MSG_DONTWAIT);
}

/* ---- */

static void gathers_answers(void **state)
{
    struct owner o;
    char got[100];
    own(&o, *state, 0);
    buf_add_text(conn_out(o.c), "one ");
    conn_flush_soon(o.c);
    buf_add_text(conn_out(o.c), "two ");
    conn_flush_soon(o.c);
    assert_int_equal(there(&o, got, sizeof got), -1);
    conn_flush(o.c);
    run_for(*state, 5);
    assert_int_equal(there(&o, got, sizeof got), 8);
    assert_memory_equal(got, "one two ", 8);
    run_for(*state, 60);
    assert_int_equal(there(&o, got, sizeof got), -1);
    assert_int_equal(o.drained, 1);
    disown(&o);
}

/* What is to follow is slow to come: the rest leaves without it. */
static void waits_not_for_long(void **state)
{
    struct owner o;
    char got[100];
    own(&o, *state, 0);
    for (int again = 0; again < 2; again++) {
        buf_add_text(conn_out(o.c), "alone");
        conn_flush_soon(o.c);
        uint64_t start = clock_ms();
        while (there(&o, got, sizeof got) < 0 && clock_ms() - start < 10000)
            run_for(*state, 1);
        assert_memory_equal(got, "alone", 5);
        assert_in_range(clock_ms() - start, 10, 5000);
        memset(got, 0, sizeof got);
    }
    disown(&o);
}

static void sends_from_where_it_stands(void **state)
{
    static char text[32 << 20]; /* more than the buffers of both systems */
    struct owner o;
    own(&o, *state, 0);
    fill(text, sizeof text, 0);
    buf_add_text(conn_out(o.c), "x");
    assert_int_equal(conn_send(o.c, span_of("not before it")), 0);
    conn_flush(o.c);
    run_for(*state, 5);
    char x;
    assert_int_equal(there(&o, &x, 1), 1);
    size_t sent = conn_send(o.c, (struct span){text, sizeof text});
    assert_in_range(sent, 1, sizeof text - 1);
    assert_true(conn_is_blocked(o.c));
    assert_int_equal(conn_send(o.c, (struct span){text + sent, 100}), 0);
    buf_add(conn_out(o.c), text + sent, 1000);
    assert_int_equal(conn_bytes_out(o.c), 1 + sent);
    unsigned drained = o.drained;
    static char got[sizeof text];
    size_t n = 0;
    for (uint64_t start = clock_ms(); n < sent + 1000 && clock_ms() - start < 20000;) {
        long r = there(&o, got + n, sizeof got - n);
        n += r > 0 ? (size_t)r : 0;
        run_for(*state, 1);
    }
    assert_int_equal(n, sent + 1000);
    assert_memory_equal(got, text, n);
    assert_int_equal(o.drained, drained + 1);
    disown(&o);
}

/* What was to leave soon has left with what came behind it: nothing of it keeps back the rest. */
static void waits_for_nothing_that_has_left(void **state)
{
    static char text[32 << 20];
    struct owner o;
    own(&o, *state, 0);
    fill(text, sizeof text, 0);
    buf_add_text(conn_out(o.c), "x");
    conn_flush_soon(o.c);
    buf_take(conn_out(o.c), 1); /* into one piece with the text */
    size_t sent = conn_send(o.c, (struct span){text, sizeof text});
    assert_in_range(sent, 1, sizeof text - 1);
    buf_add(conn_out(o.c), text + sent, 1);
    bool read, write;
    o.c->stage->wants(o.c, &read, &write);
    assert_true(write);
    disown(&o);
}

/* Nothing is put off until the loop turns; and nothing happens before. */
static void settles_when_it_is_let_go(void **state)
{
    struct owner o;
    own(&o, *state, 0);
    struct conn *c = o.c;
    conn_hold(c);
    buf_add_text(conn_out(c), "word");
    conn_flush(c);
    assert_int_equal(o.drained, 0);
    conn_release(c);
    assert_int_equal(o.drained, 1);
    assert_null(conn_out(c)->mem);
    conn_hold(c);
    conn_free(c);
    assert_false(o.ended);
    conn_release(c); /* and only now its memory goes */
    o.c = NULL;
    disown(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers_answers),
        cmocka_unit_test(waits_not_for_long),
        cmocka_unit_test(sends_from_where_it_stands),
        cmocka_unit_test(waits_for_nothing_that_has_left),
        cmocka_unit_test(settles_when_it_is_let_go),
    };
    return cmocka_run_group_tests(tests, loop_begin, loop_finish);
}
