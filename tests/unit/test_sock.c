/* net/sock: addresses, networks, listening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guard.h"
#include "net/sock.h"

/* clang-format off */
static const struct { const char *text; bool ok; unsigned port; } addresses[] = {
    {"127.0.0.1:110",         true,  110},
    {"0.0.0.0:65535",         true,  65535},
    {"[::]:995",              true,  995},
    {"[2001:db8::1]:1",       true,  1},
    {"",                      false, 0},
    {":110",                  false, 0},
    {"127.0.0.1",             false, 0},
    {"127.0.0.1:",            false, 0},
    {"127.0.0.1:0",           false, 0},
    {"127.0.0.1:65536",       false, 0},
    {"127.0.0.1:1x",          false, 0},
    {"127.0.0.1:-1",          false, 0},
    {"127.0.0.1 :1",          false, 0},
    {"256.0.0.1:1",           false, 0},
    {"127.1:1",               false, 0},
    {"localhost:110",         false, 0},
    {"::1:110",               false, 0},
    {"[127.0.0.1]:110",       false, 0},
    {"[]:110",                false, 0},
    {"[::1:110",              false, 0},
    {"::1]:110",              false, 0},
    {"[::1]110",              false, 0},
    {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1", false, 0},
};

static const struct { const char *text; bool ok; } networks[] = {
    {"127.0.0.0/8",   true},  {"10.1.2.3",      true},  {"::1/128",       true},  {"2001:db8::/32", true},
    {"0.0.0.0/0",     true},  {"::/0",          true},  {"::ffff:10.0.0.0/104", true}, {"10.0.0.0/32", true},
    {"10.0.0.0/33",   false}, {"::/129",        false}, {"10.0.0.0/",     false}, {"/8",          false},
    {"10.0.0/8",      false}, {"x",             false}, {"",              false}, {"10.0.0.0/8/8", false},
    {"10.0.0.0/-1",   false}, {"::ffff:10.0.0.0/8", false}, {"10.0.0.0/99999999999999999999", false},
};

static const struct { const char *address, *list; bool in; } members[] = {
    {"127.0.0.1",       "127.0.0.0/8 ::1/128", true},
    {"::1",             "127.0.0.0/8 ::1/128", true},
    {"::ffff:127.0.0.9", "127.0.0.0/8",        true},
    {"128.0.0.1",       "127.0.0.0/8",         false},
    {"::2",             "127.0.0.0/8 ::1/128", false},
    {"10.128.0.1",      "10.0.0.0/9",          false},
    {"10.127.255.255",  "10.0.0.0/9",          true},
    {"192.0.2.7",       "0.0.0.0/0",           true},
    {"192.0.2.7",       "::/0",                false},
    {"192.0.2.7",       "192.0.2.7",           true},
    {"192.0.2.8",       "192.0.2.7",           false},
    {"10.9.9.9",        "::ffff:10.0.0.0/104", true},
    {"2001:db8:1::1",   "2001:db8::/31",       true},
    {"2001:dba::1",     "2001:db8::/31",       false},
    {"127.0.0.1",       "",                    false},
    {"127.0.0.1",       "  nonsense  127.0.0.1", true},
    {"unix",            "0.0.0.0/0 ::/0",      false},
    {"",                "0.0.0.0/0 ::/0",      false},
};
/* clang-format on */

#define N(table) (sizeof(table) / sizeof *(table))

static void reads_addresses(void **state)
{
    for (size_t i = 0; i < N(addresses); i++) {
        size_t n = strlen(addresses[i].text);
        char *text = guard_copy(addresses[i].text, n);
        unsigned port = 0;
        if (sock_address_ok((struct span){text, n}, &port) != addresses[i].ok || (addresses[i].ok && port != addresses[i].port))
            fail_msg("\"%s\"", addresses[i].text);
        guard_free(text);
    }
    unsigned port;
    assert_false(sock_address_ok((struct span){NULL, 0}, &port));
    assert_false(sock_address_ok((struct span){"1.2.3.4\0:1", 10}, &port));
}

static void reads_networks(void **state)
{
    for (size_t i = 0; i < N(networks); i++) {
        size_t n = strlen(networks[i].text);
        char *text = guard_copy(networks[i].text, n);
        if (sock_network_ok((struct span){text, n}) != networks[i].ok)
            fail_msg("\"%s\"", networks[i].text);
        guard_free(text);
    }
    assert_false(sock_network_ok((struct span){NULL, 0}));
}

static void finds_members(void **state)
{
    for (size_t i = 0; i < N(members); i++)
        if (sock_in_networks(members[i].address, members[i].list) != members[i].in)
            fail_msg("%s in \"%s\"", members[i].address, members[i].list);
}

static void check_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static bool has_no_delay(int fd)
{
    int on = 0;
    socklen_t n = sizeof on;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n), 0);
    return on;
}

static void listens_on_ipv4(void **state)
{
    struct err err;
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    char name[SOCK_NAME_MAX], again[32];
    int fd = sock_listen("127.0.0.1:0", 5, &err);
    assert_true(fd >= 0);
    check_flags(fd);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&a, n), 0);
    int server = sock_accept(fd, name);
    assert_true(server >= 0);
    check_flags(server);
    assert_true(has_no_delay(server));
    assert_string_equal(name, "127.0.0.1");
    snprintf(again, sizeof again, "127.0.0.1:%u", ntohs(a.sin_port));
    assert_int_equal(sock_listen(again, 5, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, again));
    close(client);
    close(server);
    close(fd);
    assert_int_equal(sock_listen("nonsense", 5, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_int_equal(sock_accept(-1, name), -1);
    assert_int_equal(errno, EBADF);
}

static void listens_on_ipv6_beside_ipv4(void **state)
{
    struct err err;
    struct sockaddr_in6 a;
    socklen_t n = sizeof a;
    char name[SOCK_NAME_MAX], four[32];
    int fd = sock_listen("[::1]:0", 5, &err);
    if (fd < 0)
        skip(); /* no IPv6 here */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&a, n), 0);
    int server = sock_accept(fd, name);
    assert_string_equal(name, "::1");
    close(client);
    close(server);
    close(fd);
    fd = sock_listen("[::]:0", 5, &err);
    n = sizeof a;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    snprintf(four, sizeof four, "127.0.0.1:%u", ntohs(a.sin6_port));
    int beside = sock_listen(four, 5, &err);
    assert_true(beside >= 0 || errno == EADDRINUSE); /* another process may have that port */
    if (beside >= 0)
        close(beside);
    close(fd);
}

/* A client that came over IPv4 to a socket for both. */
static void names_mapped_peers(void **state)
{
    const int off = 0;
    struct sockaddr_in6 a = {.sin6_family = AF_INET6};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    char name[SOCK_NAME_MAX];
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0)
        skip();
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    to.sin_port = a.sin6_port;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    int server = sock_accept(fd, name);
    assert_string_equal(name, "127.0.0.1");
    close(client);
    close(server);
    close(fd);
}

static void connects_to_a_port(void **state)
{
    struct err err;
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    char address[32];
    int fd = sock_listen("0.0.0.0:0", 5, &err);
    assert_true(fd >= 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0"};
    for (int i = 0; i < 2; i++) {
        snprintf(address, sizeof address, "%s:%u", hosts[i], ntohs(a.sin_port));
        int client = sock_connect(address, &err);
        assert_true(client >= 0);
        close(accept(fd, NULL, NULL));
        close(client);
    }
    close(fd);
    assert_int_equal(sock_connect(address, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_int_equal(sock_connect("localhost:24", &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
}

static void listens_on_a_path(void **state)
{
    struct err err;
    struct stat st;
    char dir[256], path[300], long_path[200], name[SOCK_NAME_MAX];
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/sockXXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);

    int fd = sock_listen_unix(path, &err);
    assert_true(fd >= 0);
    check_flags(fd);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    int client = sock_connect_unix(path, &err);
    assert_true(client >= 0);
    int server = sock_accept(fd, name);
    assert_string_equal(name, "unix");

    assert_int_equal(sock_listen_unix(path, &err), -1); /* it lives */
    assert_int_equal(err.kind, ERR_CONFIG);
    close(client);
    close(server);
    close(fd);
    assert_int_equal(sock_connect_unix(path, &err), -1);
    fd = sock_listen_unix(path, &err); /* what is left is dead */
    assert_true(fd >= 0);
    close(fd);
    unlink(path);

    close(open(path, O_CREAT | O_WRONLY, 0600)); /* no socket: stays */
    assert_int_equal(sock_listen_unix(path, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(sock_listen_unix(path, &err), -1);
    unlink(path);
    rmdir(dir);

    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(sock_listen_unix(long_path, &err), -1);
    assert_int_equal(sock_connect_unix(long_path, &err), -1);
}

static void a_socket_with_mode_and_group(void **state)
{
    (void)state;
    char dir[4096], path[4200];
    const char *tmp = getenv("TMPDIR");
    struct err err;
    struct stat st;
    snprintf(dir, sizeof dir, "%s/test_sock.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    mode_t mask = umask(077);
    int fd = sock_listen_unix_as(path, 5, 0666, UINT32_MAX, &err);
    assert_true(fd >= 0);
    assert_int_equal(umask(mask), 077); /* it is as it was */
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    int client = sock_connect_unix(path, &err);
    assert_true(client >= 0);
    close(client);
    close(fd);
    uint32_t gid = geteuid() == 0 ? 12345 : getegid(); /* an ordinary user can give it to his groups alone */
    fd = sock_listen_unix_as(path, 5, 0660, gid, &err);
    assert_true(fd >= 0);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(st.st_gid, gid);
    close(fd);
    unlink(path);
    assert_int_equal(symlink("elsewhere", path), 0); /* nothing is made or given away behind a link */
    assert_int_equal(sock_listen_unix_as(path, 5, 0660, gid, &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_with_mode_and_group),
        cmocka_unit_test(reads_addresses),
        cmocka_unit_test(reads_networks),
        cmocka_unit_test(finds_members),
        cmocka_unit_test(listens_on_ipv4),
        cmocka_unit_test(listens_on_ipv6_beside_ipv4),
        cmocka_unit_test(names_mapped_peers),
        cmocka_unit_test(connects_to_a_port),
        cmocka_unit_test(listens_on_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
