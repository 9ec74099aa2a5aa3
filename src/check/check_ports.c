/* check_ports: can the addresses be listened on? Binds each and lets it go, without listening, so that no client ever
 * meets it. Of a unix socket: can its name be made, and is it free? */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/account.h"
#include "base/conf_value.h"
#include "base/mem.h"
#include "check/check_parts.h"
#include "net/inherited.h"

/* The master holds a lock on its pid file as long as it lives. Its ports are then taken by itself. Who may not look
 * cannot tell. */
static bool server_runs(const struct check *k)
{
    char path[8192];
    if (*k->c->pid_file)
        snprintf(path, sizeof path, "%s", k->c->pid_file);
    else
        snprintf(path, sizeof path, "%s/bustiad.pid", k->c->run_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd < 0)
        return errno == EACCES;
    bool held = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

/* 0, or why it cannot be bound. */
static int try_bind(const struct conf_address *a)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&v4.sin_addr, a->ip, sizeof v4.sin_addr);
    memcpy(&v6.sin6_addr, a->ip, sizeof v6.sin6_addr);
    int on = 1, wrong = 0;
    int fd = socket(a->v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, a->v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, a->v6 ? sizeof v6 : sizeof v4) < 0)
        wrong = errno;
    close(fd);
    return wrong;
}

/* Does a process listen on a unix socket of this name? From the kernel's list, so that nobody is troubled by a call. */
static bool socket_answers(const char *path)
{
    enum { LISTENS = 0x10000 }; /* __SO_ACCEPTCON */
    FILE *list = fopen("/proc/net/unix", "re");
    char line[512];
    bool found = false;
    while (list && !found && fgets(line, sizeof line, list)) {
        line[strcspn(line, "\n")] = '\0';
        /* Num: RefCount Protocol Flags Type St Inode Path */
        const char *field[8], *at = line;
        for (int i = 0; i < 8; i++) {
            field[i] = at += strspn(at, " ");
            at += i < 7 ? strcspn(at, " ") : 0;
        }
        found = (strtoul(field[3], NULL, 16) & LISTENS) && strcmp(field[7], path) == 0;
    }
    if (list)
        fclose(list);
    return found;
}

static void check_socket_folder(const struct check *k, const struct conf_listener *l, const char *folder)
{
    struct stat st;
    if (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)) {
        if (strcmp(folder, k->c->run_dir) != 0) /* which is made at the start */
            conf_problem_add(k->p, l->line, true, "listen = %s: there is no folder %s; mkdir -p %s", l->address, folder,
                             folder);
    } else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX)) {
        conf_problem_add(
            k->p, l->line, true,
            "listen = %s: everybody may write in %s (mode %04o) and put a socket of his own there; chmod o-w "
            "%s",
            l->address, folder, st.st_mode & 07777, folder);
    } else if (access(folder, W_OK) < 0) {
        conf_problem_add(k->p, l->line, true, "listen = %s cannot be made: %s may not be written by this user",
                         l->address, folder);
    }
}

static void check_socket(const struct check *k, const struct conf_listener *l, bool runs)
{
    struct stat st;
    struct err err;
    uint32_t gid;
    char *folder = check_folder_of(l->address);
    check_socket_folder(k, l, folder);
    mem_free(folder);
    if (*l->group && account_group(l->group, &gid, &err) < 0)
        conf_problem_add(k->p, l->line, true, "listen = %s: %s", l->address, err.text);
    if (lstat(l->address, &st) < 0)
        return;
    if (!S_ISSOCK(st.st_mode))
        conf_problem_add(k->p, l->line, true, "listen = %s: something else is there already; take it away", l->address);
    else if (!runs && socket_answers(l->address))
        conf_problem_add(k->p, l->line, false, "listen = %s: another program listens there already", l->address);
}

static void check_one(const struct check *k, const struct conf_listener *l, bool runs)
{
    struct conf_address a;
    if (inherited_find(l->address) >= 0) /* the service manager has made it */
        return;
    if (conf_listener_unix(l))
        check_socket(k, l, runs);
    if (conf_address_read(span_of(l->address), &a))
        return;
    int wrong = try_bind(&a);
    if (wrong == EADDRINUSE && !runs)
        conf_problem_add(k->p, l->line, false,
                         "listen = %s: another program has the port already (systemd, where it holds it for the server); `ss "
                         "-ltnp sport = :%u` tells which",
                         l->address, a.port);
    else if (wrong == EACCES)
        conf_problem_add(k->p, l->line, !runs,
                         "listen = %s: ports below 1024 are root's; start the server as root, or take another port",
                         l->address);
    else if (wrong == EADDRNOTAVAIL)
        conf_problem_add(k->p, l->line, true,
                         "listen = %s: this machine has no such address; `ip address` lists those it has", l->address);
    else if (wrong == EAFNOSUPPORT)
        conf_problem_add(k->p, l->line, true, "listen = %s: this machine has no %s; take it out%s", l->address,
                         a.v6 ? "IPv6" : "IPv4", l->line ? "" : " by writing the other listen lines down");
    else if (wrong && wrong != EADDRINUSE)
        conf_problem_add(k->p, l->line, true, "listen = %s: %s", l->address, strerror(wrong));
}

static void check_metrics(const struct check *k, bool runs)
{
    const char *at = k->c->metrics_listen;
    struct conf_address a;
    int wrong = !*at || inherited_find(at) >= 0 || conf_address_read(span_of(at), &a) ? 0 : try_bind(&a);
    if (wrong == EADDRINUSE && !runs)
        conf_problem_add(k->p, conf_line(k->c, "metrics_listen"), false,
                         "metrics_listen = %s: another program has the port already; `ss -ltnp sport = :%u` tells which", at, a.port);
    else if (wrong && wrong != EADDRINUSE)
        conf_problem_add(k->p, conf_line(k->c, "metrics_listen"), true, "metrics_listen = %s: %s", at, strerror(wrong));
}

void check_ports(const struct check *k)
{
    bool runs = server_runs(k);
    for (unsigned i = 0; i < k->c->listeners; i++)
        check_one(k, &k->c->listen[i], runs);
    check_metrics(k, runs);
}
