/* inherited: see the header. The master, and `bustia check` on its behalf. */
#include "net/inherited.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/conf_value.h"
#include "base/log.h"
#include "net/sock.h"

enum { MOST = 1024 }; /* more would be no manager's doing */

union local {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage room; /* and with it a zero behind the longest path */
};

static uint64_t number(const char *name)
{
    const char *text = getenv(name);
    uint64_t n;
    return text && span_number(span_of(text), &n) ? n : 0;
}

unsigned inherited_count(void)
{
    uint64_t n = number("LISTEN_FDS");
    if (number("LISTEN_PID") != (uint64_t)getpid())
        return 0;
    return n > MOST ? MOST : (unsigned)n;
}

static bool local(int fd, union local *a)
{
    socklen_t n = sizeof *a;
    memset(a, 0, sizeof *a);
    return getsockname(fd, &a->sa, &n) == 0;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t n = sizeof value;
    return getsockopt(fd, level, name, &value, &n) < 0 ? -1 : value;
}

static bool same_ip(const union local *a, const struct conf_address *b)
{
    if (b->v6)
        return a->sa.sa_family == AF_INET6 && ntohs(a->v6.sin6_port) == b->port && memcmp(&a->v6.sin6_addr, b->ip, 16) == 0;
    return a->sa.sa_family == AF_INET && ntohs(a->v4.sin_port) == b->port && memcmp(&a->v4.sin_addr, b->ip, 4) == 0;
}

int inherited_find(const char *address)
{
    struct conf_address wanted;
    const bool path = *address == '/';
    union local a;
    if (!path && conf_address_read(span_of(address), &wanted))
        return -1;
    for (unsigned i = 0, n = inherited_count(); i < n; i++) {
        int fd = INHERITED_FIRST + (int)i;
        if (!local(fd, &a))
            continue;
        if (path ? a.sa.sa_family == AF_UNIX && strcmp(a.un.sun_path, address) == 0 : same_ip(&a, &wanted))
            return fd;
    }
    return -1;
}

/* The manager's name of a descriptor: the one at its place in LISTEN_FDNAMES, which colons separate. */
static struct span given_name(int fd)
{
    const char *names = getenv("LISTEN_FDNAMES");
    struct span rest = span_of(names ? names : ""), name = {0};
    for (int i = INHERITED_FIRST; i <= fd; i++)
        name = span_cut(&rest, ':');
    return name;
}

void inherited_name(int fd, char out[INHERITED_NAME])
{
    union local a;
    char at[INET6_ADDRSTRLEN + sizeof a.un.sun_path] = "no socket";
    char ip[INET6_ADDRSTRLEN];
    struct span name = given_name(fd);
    if (local(fd, &a) && a.sa.sa_family == AF_UNIX)
        snprintf(at, sizeof at, "%s", a.un.sun_path);
    else if (a.sa.sa_family == AF_INET)
        snprintf(at, sizeof at, "%s:%u", inet_ntop(AF_INET, &a.v4.sin_addr, ip, sizeof ip), ntohs(a.v4.sin_port));
    else if (a.sa.sa_family == AF_INET6)
        snprintf(at, sizeof at, "[%s]:%u", inet_ntop(AF_INET6, &a.v6.sin6_addr, ip, sizeof ip), ntohs(a.v6.sin6_port));
    snprintf(out, INHERITED_NAME, "%s%s%.*s%s", at, name.n ? " (" : "", name.n > 40 ? 40 : (int)name.n, name.n ? name.p : "",
             name.n ? ")" : "");
}

int inherited_take(int fd, struct err *err)
{
    char name[INHERITED_NAME];
    union local a;
    inherited_name(fd, name);
    if (option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM || option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) {
        err_set(err, ERR_CONFIG, "the service manager has passed %s, which takes no connections; ListenStream= and Accept=no do",
                name);
        return -1;
    }
    /* It would have the port of IPv4 too, for which there is a line of its own. */
    if (local(fd, &a) && a.sa.sa_family == AF_INET6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1 &&
        IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr)) {
        err_set(err, ERR_CONFIG, "the service manager has passed %s, which takes IPv4 too; it needs BindIPv6Only=ipv6-only", name);
        return -1;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK | fcntl(fd, F_GETFL)) < 0) {
        err_set(err, ERR_TEMP, "the socket %s that the service manager has passed cannot be set", name);
        return -1;
    }
    sock_no_delay(fd);
    return fd;
}
