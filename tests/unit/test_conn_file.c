/* net/conn_file: a file's octets, between what stood in conn_out and what follows, to peers that read as they like; and files that end
 * early or cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "net_help.h"

enum { OFFSET = 777, BODY = 3000000, TAIL = 3 };

struct owner {
    struct loop *l;
    struct conn *c;
    struct conn_file f;
    unsigned calls, drained;
    bool over, ended;
    enum conn_end why;
};

static void on_input(void *arg)
{
    struct owner *o = arg;
    buf_take(conn_in(o->c), conn_in(o->c)->len);
}

static void more(struct owner *o)
{
    struct conn *c = o->c;
    conn_hold(c);
    while (!o->over && !conn_is_blocked(o->c)) {
        assert_true(conn_file_start(o->c, &o->f));
        conn_file_work(&o->f);
        conn_file_done(o->c, &o->f);
        o->calls++;
        o->over = !o->f.left || o->f.how > CONN_FILE_BLOCKED;
    }
    if (o->over && !o->f.left && !conn_out(o->c)->len)
        shutdown(conn_fd(o->c), SHUT_WR);
    conn_release(c);
}

static void on_drained(void *arg)
{
    struct owner *o = arg;
    o->drained++;
    more(o);
}

static void on_secure(void *arg)
{
}

static void on_ended(void *arg, enum conn_end why)
{
    struct owner *o = arg;
    o->ended = true;
    o->why = why;
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

/* A file whose octets from OFFSET on, with what stands before and behind them, are the pump's numbered ones. */
static int numbered_file(size_t head, size_t n, size_t there, char tail[TAIL])
{
    char *p = calloc(1, OFFSET + n);
    fill(p + OFFSET, n, head);
    fill(tail, TAIL, head + n);
    int fd = memory_file(p, OFFSET + there);
    free(p);
    return fd;
}

static void own(struct owner *o, struct loop *l, int fd, size_t head, size_t n, size_t there)
{
    const struct conn_limits limits = {16384, 131072, 60000, NULL};
    char text[CONN_FILE_HEAD];
    *o = (struct owner){.l = l};
    o->f = (struct conn_file){.at = OFFSET, .left = n, .n_tail = TAIL};
    o->f.file = numbered_file(head, n, there, o->f.tail);
    o->c = conn_new(l, fd, &limits, &events, o);
    fill(text, head, 0);
    buf_add(conn_out(o->c), text, head);
}

static void disown(struct owner *o)
{
    conn_free(o->c);
    close(o->f.file);
}

/* ---- */

static void served(struct loop *l, int fds[2], size_t head, size_t n, unsigned pause_ms, size_t piece)
{
    struct owner o;
    own(&o, l, fds[0], head, n, n);
    struct pump p = {.fd = fds[1], .to_receive = head + n + TAIL, .pause_ms = pause_ms, .piece = piece};
    pump_start(&p);
    more(&o);
    while (!p.done)
        run_for(l, 1);
    pump_join(&p);
    assert_false(p.wrong || p.failed);
    assert_int_equal(p.received, head + n + TAIL);
    assert_int_equal(conn_bytes_out(o.c), head + n + TAIL);
    char one;
    assert_int_equal(recv(fds[1], &one, 1, 0), 0);
    disown(&o);
    close(fds[1]);
}

static void reaches_every_reader(void **state)
{
    static const size_t heads[] = {0, 1, 20, CONN_FILE_HEAD};
    int fds[2];
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        tcp_pair(fds, 0);
        served(*state, fds, heads[i], BODY, 0, 0);
        tcp_pair(fds, 4096); /* and blocks all the time */
        served(*state, fds, heads[i], 30000, 0, 3000);
        tcp_pair(fds, 0);
        served(*state, fds, heads[i], 0, 0, 0);
    }
    far_pair(fds);
    served(*state, fds, 20, 300000, 5, 0);
}

/* While the socket takes nothing, nothing is held here, and none is asked. */
static void waits_for_who_does_not_read(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 4096);
    own(&o, *state, fds[0], 20, BODY, BODY);
    more(&o);
    assert_true(conn_is_blocked(o.c));
    assert_int_equal(conn_out(o.c)->len, 0);
    assert_null(conn_out(o.c)->mem);
    unsigned calls = o.calls;
    run_for(*state, 200);
    assert_in_range(o.calls, calls, calls + 2);
    disown(&o);
    close(fds[1]);
}

static void says_where_it_ends_early(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], 20, 50000, 30000);
    more(&o);
    assert_int_equal(o.f.how, CONN_FILE_SHORT);
    assert_int_equal(o.f.left, 20000);
    run_for(*state, 20);
    char got[60000];
    ssize_t n = recv(fds[1], got, sizeof got, MSG_WAITALL | MSG_DONTWAIT);
    assert_int_equal(n, 20 + 30000); /* and not what follows it */
    assert_true(matches(got, (size_t)n, 0));
    disown(&o);
    close(fds[1]);
}

static void says_what_cannot_be_read(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], 20, 50000, 50000);
    close(o.f.file);
    o.f.file = open("/dev/null", O_WRONLY | O_CLOEXEC);
    more(&o);
    assert_int_equal(o.f.how, CONN_FILE_UNREADABLE);
    assert_int_equal(o.f.left, 50000);
    assert_false(o.ended);
    disown(&o);
    close(fds[1]);
}

static void notices_who_leaves(void **state)
{
    struct owner o;
    int fds[2];
    tcp_pair(fds, 4096);
    own(&o, *state, fds[0], 20, BODY, BODY);
    more(&o);
    assert_true(conn_is_blocked(o.c));
    close(fds[1]);
    assert_true(run_until(*state, &o.ended, 5000));
    assert_string_equal(conn_end_text(o.why), "reset");
    disown(&o);
}

/* Not through a socketpair of ours, whose other end reads what it passes on; nor behind more than a status line. */
static void refuses_what_is_not_for_it(void **state)
{
    struct owner o;
    int fds[2];
    char line[CONN_FILE_HEAD + 1] = "";
    unix_pair(fds);
    own(&o, *state, fds[0], 0, 10, 10);
    conn_relayed(o.c);
    assert_false(conn_file_start(o.c, &o.f));
    disown(&o);
    close(fds[1]);
    tcp_pair(fds, 0);
    own(&o, *state, fds[0], 0, 10, 10);
    buf_add(conn_out(o.c), line, sizeof line);
    assert_false(conn_file_start(o.c, &o.f));
    assert_int_equal(conn_out(o.c)->len, sizeof line);
    disown(&o);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reaches_every_reader),    cmocka_unit_test(waits_for_who_does_not_read),
        cmocka_unit_test(says_where_it_ends_early), cmocka_unit_test(says_what_cannot_be_read),
        cmocka_unit_test(notices_who_leaves),      cmocka_unit_test(refuses_what_is_not_for_it),
    };
    return cmocka_run_group_tests(tests, loop_begin, loop_finish);
}
