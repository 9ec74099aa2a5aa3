/* client/link: connecting in time, octets both ways, ends; without TLS (test_tls_client, test_pop3_session). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "client/link.h"

enum { SOON_MS = 300, PATIENCE_MS = 20000 };

static struct err err;

/* ---- listeners: the system takes connections for them */

static int listen_inet(int family, int backlog, unsigned *port)
{
    struct sockaddr_storage a = {.ss_family = (sa_family_t)family};
    socklen_t n = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (family == AF_INET)
        ((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_loopback;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port : ((struct sockaddr_in6 *)&a)->sin6_port);
    return fd;
}

static int listen_unix(char path[64], int backlog)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(path, 64, "/tmp/link-%d", (int)getpid());
    unlink(path);
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* ---- both ends */

struct both {
    struct link *l;
    int listener, server;
};

static struct both begin(const struct link_to *rules)
{
    struct both b;
    struct link_to to = *rules;
    to.host = "localhost";
    to.connect_ms = PATIENCE_MS;
    b.listener = listen_inet(AF_INET, 1, &to.port);
    assert_true(b.listener >= 0);
    if (link_open(&b.l, &to, &err) < 0)
        fail_msg("%s", err.text);
    b.server = accept(b.listener, NULL, NULL);
    assert_true(b.server >= 0);
    return b;
}

static void end(struct both *b)
{
    link_close(b->l);
    if (b->server >= 0)
        close(b->server);
    close(b->listener);
}

static void server_closes(struct both *b)
{
    close(b->server);
    b->server = -1;
}

static void server_says(struct both *b, const char *text)
{
    assert_int_equal(write(b->server, text, strlen(text)), strlen(text));
}

static void fails(int rc, enum err_kind kind, const char *words)
{
    if (rc != -1 || err.kind != kind || !strstr(err.text, words))
        fail_msg("%d, kind %d: %s", rc, err.kind, err.text);
}

/* ---- connecting */

static void connects(void **state)
{
    struct both b = begin(&(struct link_to){.silence_ms = PATIENCE_MS});
    char said[6] = "";
    buf_add_text(&b.l->out, "hello");
    assert_int_equal(link_push(b.l, &err), 0);
    assert_int_equal(read(b.server, said, 5), 5);
    assert_string_equal(said, "hello");
    assert_int_equal(b.l->sent, 5);
    server_says(&b, "+OK\r\n");
    assert_int_equal(link_move(b.l, &err), 0);
    assert_true(span_is(buf_span(&b.l->in), "+OK\r\n"));
    assert_int_equal(b.l->read, 5);
    end(&b);
    link_close(NULL);
}

static void addresses(void **state)
{
    static const char *const names[] = {"127.0.0.1", "::1"};
    for (int i = 0; i < 2; i++) {
        struct link_to to = {.host = names[i], .connect_ms = PATIENCE_MS};
        struct link *l;
        int fd = listen_inet(i ? AF_INET6 : AF_INET, 1, &to.port);
        if (fd < 0 && i) /* a machine without IPv6 */
            continue;
        if (link_open(&l, &to, &err) < 0)
            fail_msg("%s", err.text);
        link_close(l);
        close(fd);
        fails(link_open(&l, &to, &err), ERR_TEMP, i ? "[::1]:" : "127.0.0.1:");
        assert_null(l);
        assert_non_null(strstr(err.text, "no connection: Connection refused"));
    }
}

static void wrong_addresses(void **state)
{
    struct link *l;
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    const struct {
        struct link_to to;
        enum err_kind kind;
        const char *words;
    } rows[] = {
        {{.host = "localhost"}, ERR_CONFIG, "1 to 65535"},
        {{.host = "localhost", .port = 65536}, ERR_CONFIG, "1 to 65535"},
        {{.host = "", .port = 1}, ERR_CONFIG, "no host"},
        {{.host = longer}, ERR_CONFIG, "too long"},
        {{.host = "/no/such/socket"}, ERR_TEMP, "/no/such/socket: no connection: No such file"},
        {{.host = "\x1b[2J", .port = 1, .connect_ms = 5000}, ERR_TEMP, "\\x1b[2J:1: "},
        {{.host = "no-such-host.invalid", .port = 1, .connect_ms = 5000}, ERR_TEMP, "no-such-host.invalid:1: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t start = clock_ms();
        fails(link_open(&l, &rows[i].to, &err), rows[i].kind, rows[i].words);
        assert_null(l);
        assert_true(clock_ms() - start < PATIENCE_MS);
    }
}

static void unix_socket(void **state)
{
    char path[64];
    int fd = listen_unix(path, 0);
    const struct link_to to = {.host = path, .connect_ms = SOON_MS};
    struct link *one, *other;
    if (link_open(&one, &to, &err) < 0)
        fail_msg("%s", err.text);
    /* its queue is full: the others wait for their time */
    uint64_t start = clock_ms();
    fails(link_open(&other, &to, &err), ERR_TEMP, "Connection timed out");
    assert_true(clock_ms() - start >= SOON_MS && clock_ms() - start < PATIENCE_MS);
    link_close(one);
    close(fd);
    fails(link_open(&one, &to, &err), ERR_TEMP, "Connection refused");
    unlink(path);
}

/* Nobody answers: the first packets are dropped where the queue is full. */
static void connect_in_time(void **state)
{
    struct link_to to = {.host = "127.0.0.1", .connect_ms = SOON_MS};
    struct link *links[4] = {NULL};
    int fd = listen_inet(AF_INET, 0, &to.port), rc = 0;
    uint64_t start = 0;
    for (unsigned i = 0; rc == 0 && i < 4; i++) {
        start = clock_ms();
        rc = link_open(&links[i], &to, &err);
    }
    fails(rc, ERR_TEMP, "Connection timed out");
    assert_true(clock_ms() - start >= SOON_MS && clock_ms() - start < PATIENCE_MS);
    to.connect_ms = 0; /* the time as a whole holds here, too */
    to.whole_ms = SOON_MS;
    struct link *l;
    fails(link_open(&l, &to, &err), ERR_TEMP, "timed out");
    for (unsigned i = 0; i < 4; i++)
        link_close(links[i]);
    close(fd);
}

/* ---- ends */

static void silence(void **state)
{
    struct both b = begin(&(struct link_to){.silence_ms = SOON_MS});
    uint64_t start = clock_ms();
    fails(link_move(b.l, &err), ERR_TEMP, "the server does not go on");
    assert_true(clock_ms() - start >= SOON_MS && clock_ms() - start < PATIENCE_MS);
    assert_false(link_closed(b.l));
    fails(link_move(b.l, &err), ERR_TEMP, "the server does not go on"); /* and it stays so */
    fails(link_push(b.l, &err), ERR_TEMP, "does not go on");
    end(&b);
}

static void whole(void **state)
{
    struct both b = begin(&(struct link_to){.silence_ms = PATIENCE_MS, .whole_ms = SOON_MS});
    uint64_t start = clock_ms();
    int rc = 0;
    for (; rc == 0 && clock_ms() - start < PATIENCE_MS; b.l->in.len = 0) {
        server_says(&b, "x");
        usleep(10000);
        rc = link_move(b.l, &err);
    }
    fails(rc, ERR_TEMP, "longer than 1 s as a whole");
    end(&b);
}

static void closed(void **state)
{
    struct both b = begin(&(struct link_to){.silence_ms = PATIENCE_MS});
    server_says(&b, "last words");
    server_closes(&b);
    assert_int_equal(link_move(b.l, &err), 0);
    fails(link_move(b.l, &err), ERR_TEMP, "the server ended the connection");
    assert_true(link_closed(b.l));
    assert_true(span_is(buf_span(&b.l->in), "last words"));
    end(&b);
}

/* Writing to who has gone raises no signal; what he said before is heard. */
static void no_signal(void **state)
{
    static char much[32 * 1024];
    struct both b = begin(&(struct link_to){.silence_ms = PATIENCE_MS});
    struct sigaction as_ever;
    sigaction(SIGPIPE, NULL, &as_ever);
    assert_true(as_ever.sa_handler == SIG_DFL);
    server_says(&b, "-ERR go away\r\n");
    shutdown(b.server, SHUT_WR);
    server_closes(&b);
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 100; i++) {
        (void)buf_add(&b.l->out, much, buf_room(&b.l->out) < sizeof much ? buf_room(&b.l->out) : sizeof much);
        rc = link_move(b.l, &err);
    }
    fails(rc, ERR_TEMP, "");
    assert_true(span_is(buf_span(&b.l->in), "-ERR go away\r\n"));
    end(&b);
}

/* A server that does not read, and one that says more than there is room for. */
static void no_room(void **state)
{
    static char much[64 * 1024];
    struct both b = begin(&(struct link_to){.silence_ms = SOON_MS, .in_max = 10});
    server_says(&b, "more than ten octets");
    assert_int_equal(link_move(b.l, &err), 0);
    assert_int_equal(b.l->in.len, 10);
    fails(link_move(b.l, &err), ERR_LIMIT, "no room");
    buf_take(&b.l->in, 10);
    assert_int_equal(link_move(b.l, &err), 0);
    assert_true(span_is(buf_span(&b.l->in), "ten octets"));
    int rc = 0;
    for (unsigned i = 0; rc == 0 && i < 1000; i++) {
        (void)buf_add(&b.l->out, much, buf_room(&b.l->out));
        rc = link_push(b.l, &err);
    }
    fails(rc, ERR_TEMP, "does not go on");
    end(&b);
}

/* What is not asked for before TLS is nobody's. */
static void injected(void **state)
{
    struct both b = begin(&(struct link_to){.silence_ms = SOON_MS});
    server_says(&b, "x");
    assert_int_equal(link_move(b.l, &err), 0);
    fails(link_start_tls(b.l, &(struct tls_client_rules){.ca = NULL}, &err), ERR_INPUT, "more before TLS");
    end(&b);
    b = begin(&(struct link_to){.silence_ms = SOON_MS});
    fails(link_start_tls(b.l, &(struct tls_client_rules){.ca = "/no/such/file"}, &err), ERR_CONFIG, "/no/such/file");
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connects),    cmocka_unit_test(addresses),       cmocka_unit_test(wrong_addresses),
        cmocka_unit_test(unix_socket), cmocka_unit_test(connect_in_time), cmocka_unit_test(silence),
        cmocka_unit_test(whole),       cmocka_unit_test(closed),          cmocka_unit_test(no_signal),
        cmocka_unit_test(no_room),     cmocka_unit_test(injected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
