/* sock: see the header. The master listens, every role names its peers. */
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- addresses as text */

/* An address of either family; IPv4 written inside IPv6 (RFC 4291 §2.5.5.2) counts as IPv4. */
struct address {
    int family;
    unsigned char bytes[16];
    unsigned bits; /* 32 or 128 */
};

static void set_v4(struct address *a, const void *bytes)
{
    *a = (struct address){.family = AF_INET, .bits = 32};
    memcpy(a->bytes, bytes, 4);
}

static void set_v6(struct address *a, const struct in6_addr *v6)
{
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        set_v4(a, v6->s6_addr + 12);
        return;
    }
    *a = (struct address){.family = AF_INET6, .bits = 128};
    memcpy(a->bytes, v6, 16);
}

/* *mapped: IPv4 inside IPv6 was written. */
static bool parse_address(struct span text, struct address *a, bool *mapped)
{
    char name[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    *mapped = false;
    if (text.n == 0 || text.n >= sizeof name || memchr(text.p, '\0', text.n))
        return false;
    memcpy(name, text.p, text.n);
    name[text.n] = '\0';
    if (inet_pton(AF_INET, name, &v4) == 1) {
        set_v4(a, &v4);
        return true;
    }
    if (inet_pton(AF_INET6, name, &v6) != 1)
        return false;
    set_v6(a, &v6);
    *mapped = a->family == AF_INET;
    return true;
}

static bool parse_network(struct span text, struct address *a, unsigned *prefix)
{
    bool mapped, slash = memchr(text.p ? text.p : "", '/', text.n) != NULL;
    uint64_t bits;
    if (!parse_address(span_cut(&text, '/'), a, &mapped))
        return false;
    *prefix = a->bits;
    if (!slash)
        return true;
    if (!span_number(text, &bits) || bits > 128 || (mapped && bits < 96))
        return false;
    bits -= mapped ? 96 : 0;
    *prefix = (unsigned)bits;
    return bits <= a->bits;
}

bool sock_network_ok(struct span network)
{
    struct address a;
    unsigned prefix;
    return parse_network(network, &a, &prefix);
}

static bool same_prefix(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool sock_in_networks(const char *address, const char *list)
{
    struct address a, net;
    bool mapped;
    unsigned prefix;
    struct span rest = span_of(list);
    if (!parse_address(span_of(address), &a, &mapped))
        return false;
    while (rest.n) {
        struct span word = span_cut(&rest, ' ');
        if (parse_network(word, &net, &prefix) && net.family == a.family && same_prefix(net.bytes, a.bytes, prefix))
            return true;
    }
    return false;
}

union any_address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage room;
};

/* "127.0.0.1:110" or "[::1]:110". Length of the address, or 0. */
static socklen_t parse_endpoint(struct span text, union any_address *to)
{
    const char *colon = text.n ? memrchr(text.p, ':', text.n) : NULL;
    char host[INET6_ADDRSTRLEN];
    uint64_t port;
    if (!colon)
        return 0;
    struct span name = {text.p, (size_t)(colon - text.p)};
    if (!span_number(span_from(text, name.n + 1), &port) || port > 65535 || memchr(name.p, '\0', name.n))
        return 0;
    bool v6 = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    if (v6)
        name = (struct span){name.p + 1, name.n - 2};
    if (name.n == 0 || name.n >= sizeof host)
        return 0;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    memset(to, 0, sizeof *to);
    if (v6) {
        to->v6.sin6_family = AF_INET6;
        to->v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &to->v6.sin6_addr) == 1 ? sizeof to->v6 : 0;
    }
    to->v4.sin_family = AF_INET;
    to->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &to->v4.sin_addr) == 1 ? sizeof to->v4 : 0;
}

bool sock_address_ok(struct span address, unsigned *port)
{
    union any_address a;
    if (parse_endpoint(address, &a) == 0)
        return false;
    *port = ntohs(a.sa.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return *port != 0;
}

static void name_of(const union any_address *a, char out[SOCK_NAME_MAX])
{
    struct address peer;
    if (a->sa.sa_family == AF_INET)
        set_v4(&peer, &a->v4.sin_addr);
    else if (a->sa.sa_family == AF_INET6)
        set_v6(&peer, &a->v6.sin6_addr);
    if (a->sa.sa_family == AF_INET || a->sa.sa_family == AF_INET6)
        inet_ntop(peer.family, peer.bytes, out, SOCK_NAME_MAX);
    else
        strcpy(out, a->sa.sa_family == AF_UNIX ? "unix" : "unknown");
}

int sock_accept(int listener, char peer[SOCK_NAME_MAX])
{
    union any_address a;
    socklen_t n = sizeof a;
    a.sa.sa_family = AF_UNSPEC;
    int fd = accept4(listener, &a.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        name_of(&a, peer);
    return fd;
}

void sock_no_delay(int listener)
{
    const int on = 1;
    (void)setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* what is accepted inherits it */
}

/* ---- listening and connecting */

static int fail(int fd, struct err *err, const char *what, const char *name)
{
    int error = errno;
    if (fd >= 0)
        close(fd);
    err_set(err, error == EADDRINUSE || error == EACCES || error == EADDRNOTAVAIL ? ERR_CONFIG : ERR_TEMP, "%s %s: %s",
            what, name, strerror(error));
    errno = error;
    return -1;
}

int sock_listen(const char *address, int backlog, struct err *err)
{
    union any_address a;
    const int on = 1;
    socklen_t n = parse_endpoint(span_of(address), &a);
    if (n == 0)
        return err_set(err, ERR_CONFIG, "listen on %s: not ADDRESS:PORT", address);
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, err, "listen on", address);
    /* A restart need not wait for the last connections of the one before. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return fail(fd, err, "listen on", address);
    if (a.sa.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return fail(fd, err, "listen on", address);
    sock_no_delay(fd);
    if (bind(fd, &a.sa, n) < 0 || listen(fd, backlog) < 0)
        return fail(fd, err, "listen on", address);
    return fd;
}

static int unix_socket(const char *path, int flags, union any_address *a, struct err *err)
{
    memset(a, 0, sizeof *a);
    a->un.sun_family = AF_UNIX;
    if (strlen(path) >= sizeof a->un.sun_path)
        return err_set(err, ERR_CONFIG, "%s: too long for a socket's name", path);
    strcpy(a->un.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    return fd < 0 ? fail(fd, err, "socket", path) : fd;
}

static int connect_unix(const char *path, int flags, struct err *err)
{
    union any_address a;
    int fd = unix_socket(path, flags, &a, err);
    if (fd < 0)
        return -1;
    if (connect(fd, &a.sa, sizeof a.un) < 0)
        return fail(fd, err, "connect to", path);
    return fd;
}

int sock_connect_unix(const char *path, struct err *err)
{
    return connect_unix(path, 0, err);
}

int sock_connect(const char *address, struct err *err)
{
    union any_address a;
    const int on = 1;
    socklen_t n = parse_endpoint(span_of(address), &a);
    if (n == 0)
        return err_set(err, ERR_CONFIG, "connect to %s: not ADDRESS:PORT", address);
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, &a.sa, n) < 0)
        return fail(fd, err, "connect to", address);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* What an earlier process left behind. A living one's socket stays, and so does everything that is no socket. */
static int remove_stale(const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : fail(-1, err, "listen on", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_CONFIG, "listen on %s: something else is there", path);
    int fd = connect_unix(path, SOCK_NONBLOCK, NULL); /* EAGAIN: busy, hence alive */
    if (fd >= 0 || errno == EAGAIN) {
        if (fd >= 0)
            close(fd);
        return err_set(err, ERR_CONFIG, "listen on %s: another process answers there", path);
    }
    if (errno != ECONNREFUSED && errno != ENOENT)
        return fail(-1, err, "listen on", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return fail(-1, err, "remove", path);
    return 0;
}

/* By the socket's own descriptor and not by its name, which whoever may write in the folder could give to something else. */
static int give_group(const char *path, uint32_t gid)
{
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = -1;
    errno = EEXIST;
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
        result = fchownat(fd, "", (uid_t)-1, gid, AT_EMPTY_PATH);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

int sock_listen_unix_as(const char *path, int backlog, unsigned mode, uint32_t gid, struct err *err)
{
    union any_address a;
    if (remove_stale(path, err) < 0)
        return -1;
    int fd = unix_socket(path, SOCK_NONBLOCK, &a, err);
    if (fd < 0)
        return -1;
    /* On Linux the name gets the socket's own mode, less the umask. Nobody can connect before listen. */
    int bound = -1;
    if (fchmod(fd, mode) == 0) {
        mode_t mask = umask(0);
        bound = bind(fd, &a.sa, sizeof a.un);
        umask(mask);
    }
    if (bound < 0 || (gid != UINT32_MAX && give_group(path, gid) < 0) || listen(fd, backlog) < 0)
        return fail(fd, err, "listen on", path);
    return fd;
}

int sock_listen_unix(const char *path, struct err *err)
{
    return sock_listen_unix_as(path, 16, 0600, UINT32_MAX, err);
}

int sock_connect_syslog(struct err *err)
{
    union any_address a = {.un = {.sun_family = AF_UNIX, .sun_path = "/dev/log"}};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, &a.sa, sizeof a.un) < 0)
        return fail(fd, err, "connect to", "/dev/log");
    return fd;
}
