/* net/chan: messages and descriptors between our processes. */
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

#include "net/chan.h"
#include "net_help.h"

struct end {
    struct loop *l;
    struct chan *c;
    unsigned got, fds, free_after, stop_after;
    size_t bytes;
    bool bad, closed, done;
    struct end *other;
    unsigned other_got; /* other->got when the first message came here */
};

static void on_message(void *arg, const void *p, size_t n, int fd)
{
    struct end *e = arg;
    unsigned number;
    if (e->got == 0 && e->other)
        e->other_got = e->other->got;
    if (n < sizeof number)
        e->bad = true;
    else {
        memcpy(&number, p, sizeof number);
        e->bad |= number != e->got || !matches((const char *)p + sizeof number, n - sizeof number, number);
    }
    e->got++;
    e->bytes += n;
    if (fd >= 0) {
        e->bad |= !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        e->fds++;
        close(fd);
    }
    if (e->got == e->free_after) {
        chan_free(e->c);
        e->c = NULL;
    }
    if (e->got == e->stop_after)
        e->done = true;
}

static void on_closed(void *arg)
{
    struct end *e = arg;
    e->bad |= e->closed;
    e->closed = true;
    chan_free(e->c);
    e->c = NULL;
}

static const struct chan_events events = {on_message, on_closed};

static struct end end_new(struct loop *l)
{
    return (struct end){.l = l};
}

static void start(struct end *e, int fd)
{
    e->c = chan_new(e->l, fd, &events, e);
}

static char message[CHAN_MAX];

static const char *numbered(unsigned number, size_t n)
{
    memcpy(message, &number, sizeof number);
    fill(message + sizeof number, n - sizeof number, number);
    return message;
}

static void passes_messages_and_descriptors(void **state)
{
    static const size_t sizes[] = {4, 5, 100, 4096, 40000, CHAN_MAX};
    struct end a = end_new(*state), b = end_new(*state);
    int fds[2];
    assert_int_equal(chan_pair(fds, NULL), 0);
    start(&a, fds[0]);
    start(&b, fds[1]);
    b.stop_after = a.stop_after = 6;
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(chan_send(a.c, numbered(i, sizes[i]), sizes[i], dup(0)), 0);
        assert_int_equal(chan_send(b.c, numbered(i, sizes[5 - i]), sizes[5 - i], -1), 0);
    }
    assert_true(run_until(*state, &b.done, 5000));
    assert_true(run_until(*state, &a.done, 5000));
    assert_false(a.bad || b.bad);
    assert_int_equal(b.fds, 6);
    assert_int_equal(a.fds, 0);
    chan_free(a.c);
    assert_true(run_until(*state, &b.closed, 5000));
    chan_free(NULL);
}

static void queues_for_a_peer_that_does_not_read(void **state)
{
    enum { N = 300, SIZE = 40000 };
    struct end a = end_new(*state), b = end_new(*state);
    int fds[2];
    assert_int_equal(chan_pair(fds, NULL), 0);
    start(&a, fds[0]);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(chan_send(a.c, numbered(i, SIZE), SIZE, i % 10 ? -1 : dup(0)), 0);
    run_for(*state, 5);
    start(&b, fds[1]);
    b.stop_after = N;
    assert_true(run_until(*state, &b.done, 10000));
    assert_false(b.bad);
    assert_int_equal(b.bytes, (size_t)N * SIZE);
    assert_int_equal(b.fds, N / 10);
    chan_free(a.c);
    chan_free(b.c);
}

/* Also one that has to wait: the lender may close his. */
static void lends_descriptors(void **state)
{
    enum { N = 300, SIZE = 40000 };
    struct end a = end_new(*state), b = end_new(*state);
    int fds[2];
    assert_int_equal(chan_pair(fds, NULL), 0);
    start(&a, fds[0]);
    for (unsigned i = 0; i < N; i++) {
        int fd = i % 10 ? -1 : dup(0);
        assert_int_equal(chan_lend(a.c, numbered(i, SIZE), SIZE, fd), 0);
        if (fd >= 0)
            assert_int_equal(close(fd), 0);
    }
    start(&b, fds[1]);
    b.stop_after = N;
    assert_true(run_until(*state, &b.done, 10000));
    assert_false(b.bad);
    assert_int_equal(b.fds, N / 10);
    chan_free(b.c);
    assert_true(run_until(*state, &a.closed, 5000));
    int fd = dup(0);
    start(&a, dup(0)); /* no socket */
    assert_int_equal(chan_lend(a.c, "x", 1, fd), -1);
    assert_int_equal(close(fd), 0);
    chan_free(a.c);
}

static void gives_up_a_peer_that_never_reads(void **state)
{
    struct end a = end_new(*state);
    int fds[2], result = 0;
    unsigned sent = 0;
    assert_int_equal(chan_pair(fds, NULL), 0);
    start(&a, fds[0]);
    while (sent < 1000 && (result = chan_send(a.c, numbered(sent, CHAN_MAX), CHAN_MAX, dup(0))) == 0)
        sent++;
    assert_int_equal(result, -1);
    assert_in_range(sent, (16 << 20) / CHAN_MAX, (20 << 20) / CHAN_MAX);
    assert_false(a.closed); /* not inside the call */
    assert_int_equal(chan_send(a.c, "x", 1, dup(0)), -1);
    assert_true(run_until(*state, &a.closed, 5000));
    assert_false(a.bad);
    close(fds[1]);
}

static void delivers_what_came_before_the_end(void **state)
{
    for (unsigned unread = 0; unread < 2; unread++) {
        struct end a = end_new(*state);
        int fds[2];
        assert_int_equal(chan_pair(fds, NULL), 0);
        start(&a, fds[0]);
        if (unread) /* the peer ends without having read this: the kernel reports a reset first */
            assert_int_equal(chan_send(a.c, "ignored", 7, -1), 0);
        for (unsigned i = 0; i < 100; i++)
            assert_int_equal(chan_send_now(fds[1], numbered(i, 10), 10, -1, NULL), 0);
        close(fds[1]);
        assert_int_equal(chan_send(a.c, "too late", 8, dup(0)), -1);
        assert_false(a.closed);
        assert_true(run_until(*state, &a.closed, 5000));
        assert_int_equal(a.got, 100);
        assert_false(a.bad);
    }
}

static void may_be_freed_by_a_message(void **state)
{
    struct end a = end_new(*state);
    int fds[2];
    assert_int_equal(chan_pair(fds, NULL), 0);
    start(&a, fds[0]);
    a.free_after = 3;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(chan_send_now(fds[1], numbered(i, 10), 10, 0, NULL), 0);
    run_for(*state, 20);
    assert_int_equal(a.got, 3);
    assert_null(a.c);
    assert_false(a.closed || a.bad);
    close(fds[1]);
}

static void breaks_off_on(struct loop *l, size_t n, int n_fds)
{
    struct end a = end_new(l);
    static char big[CHAN_MAX + 1];
    int fds[2];
    assert_int_equal(chan_pair(fds, NULL), 0);
    start(&a, fds[0]);
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    struct iovec iov = {big, n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n_fds) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        *h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int))};
        memset(CMSG_DATA(h), 0, (size_t)n_fds * sizeof(int)); /* stdin, several times */
    }
    assert_int_equal(sendmsg(fds[1], &m, 0), (ssize_t)n);
    assert_true(run_until(l, &a.closed, 5000));
    assert_int_equal(a.got, 0);
    close(fds[1]);
}

static void breaks_off_on_what_breaks_the_rules(void **state)
{
    breaks_off_on(*state, CHAN_MAX + 1, 0);
    breaks_off_on(*state, CHAN_MAX + 1, 1);
    breaks_off_on(*state, 10, 2);
    breaks_off_on(*state, 10, 3);
    breaks_off_on(*state, 0, 0);
    breaks_off_on(*state, 0, 1);
}

static void gives_others_their_turn(void **state)
{
    struct end a = end_new(*state), b = end_new(*state);
    int one[2], two[2];
    assert_int_equal(chan_pair(one, NULL), 0);
    assert_int_equal(chan_pair(two, NULL), 0);
    for (unsigned i = 0; i < 150; i++)
        assert_int_equal(chan_send_now(one[1], numbered(i, 10), 10, -1, NULL), 0);
    assert_int_equal(chan_send_now(two[1], numbered(0, 10), 10, -1, NULL), 0);
    start(&a, one[0]);
    start(&b, two[0]);
    b.other = &a;
    a.stop_after = 150;
    assert_true(run_until(*state, &a.done, 5000));
    assert_int_equal(b.got, 1);
    assert_in_range(b.other_got, 0, 149);
    chan_free(a.c);
    chan_free(b.c);
    close(one[1]);
    close(two[1]);
}

static void works_without_a_loop(void **state)
{
    int fds[2], fd;
    char room[64];
    size_t n;
    struct err err;
    assert_int_equal(chan_pair(fds, &err), 0);
    assert_int_equal(chan_send_now(fds[0], "hello", 5, 0, &err), 0);
    assert_int_equal(chan_send_now(fds[0], "you", 3, -1, &err), 0);
    assert_int_equal(chan_receive(fds[1], room, sizeof room, &n, &fd, &err), 1);
    assert_int_equal(n, 5);
    assert_memory_equal(room, "hello", 5);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(chan_receive(fds[1], room, 2, &n, &fd, &err), -1); /* no room for all of it */
    assert_int_equal(fd, -1);
    close(fds[0]);
    assert_int_equal(chan_receive(fds[1], room, sizeof room, &n, &fd, &err), 0);
    assert_int_equal(chan_send_now(fds[1], "x", 1, -1, &err), -1);
    close(fds[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, loop_begin, loop_finish)
    const struct CMUnitTest tests[] = {
        TEST(passes_messages_and_descriptors),
        TEST(queues_for_a_peer_that_does_not_read),
        TEST(lends_descriptors),
        TEST(gives_up_a_peer_that_never_reads),
        TEST(delivers_what_came_before_the_end),
        TEST(may_be_freed_by_a_message),
        TEST(breaks_off_on_what_breaks_the_rules),
        TEST(gives_others_their_turn),
        TEST(works_without_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
