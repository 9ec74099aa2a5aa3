/* jail_seccomp: the allow-lists. A filter outlives exec and the children's own come on top of the master's, so the
 * master has every row of the others beside its own. Reading the tables: what is listed for a role it may call, where a
 * row has conditions only with such arguments. What leads out of a process (new ones, sockets, signals to others,
 * executable memory, namespaces, io_uring, which works outside the calls that a filter sees) stands nowhere but in the
 * master's rows, or nowhere at all. */
#include "daemon/jail_seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    MASTER = 1 << ROLE_MASTER,
    DOOR = 1 << ROLE_DOOR,
    AUTH = 1 << ROLE_AUTH,
    MAIL = 1 << ROLE_MAIL,
    DELIVER = 1 << ROLE_DELIVER,
    CONTROL = 1 << ROLE_CONTROL,
    METRICS = 1 << ROLE_METRICS,
    CHILDREN = DOOR | AUTH | MAIL | DELIVER | CONTROL | METRICS,
    ALL = MASTER | CHILDREN
};

/* clang-format off */

/* ---- calls that need no look at their arguments */

/* Descriptors that are there already, the loop, memory, threads' locks, time, and the end. */
static const int base[] = {
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(dup3),
    SCMP_SYS(recvmsg), SCMP_SYS(recvmmsg), SCMP_SYS(recvfrom),
    SCMP_SYS(shutdown), SCMP_SYS(getpeername), SCMP_SYS(getsockname),
    /* fstat(3) of glibc 2.36 is newfstatat(fd, "") */
    SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(pread64),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getrusage),
    SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static const int peers[] = {SCMP_SYS(accept4)};

/* Files below what Landlock and the root directory leave. */
static const int files[] = {SCMP_SYS(openat), SCMP_SYS(statx), SCMP_SYS(pwrite64), SCMP_SYS(fdatasync)};

/* SQLite's: its database, journal and shared memory. */
static const int database[] = {
    SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(unlink), SCMP_SYS(access), SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
};

static const int changes[] = {SCMP_SYS(fsync), SCMP_SYS(unlinkat)};

/* The store's; the record of what is used is a symbolic link. */
static const int maildrops[] = {
    SCMP_SYS(openat2), SCMP_SYS(getdents64), SCMP_SYS(flock), SCMP_SYS(mkdirat), SCMP_SYS(symlinkat),
    SCMP_SYS(readlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2), /* libc makes the one of the other without flags */
};

static const int sessions[] = {SCMP_SYS(sendfile), SCMP_SYS(fadvise64), SCMP_SYS(fstatfs)};
static const int deliveries[] = {SCMP_SYS(linkat)};

static const int shared_memory[] = {SCMP_SYS(memfd_create), SCMP_SYS(ftruncate)};

/* Ports, keys, logs; what ld.so and the start of a role need; what a role's own jail needs. */
static const int master[] = {
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(vfork), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(kill),
    SCMP_SYS(tgkill),
    SCMP_SYS(setsid), SCMP_SYS(getsid), SCMP_SYS(setpgid), SCMP_SYS(getpgid), SCMP_SYS(getpgrp), SCMP_SYS(getpriority),
    SCMP_SYS(setpriority),
    SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(arch_prctl), SCMP_SYS(set_tid_address), SCMP_SYS(membarrier),
    SCMP_SYS(dup2), SCMP_SYS(pipe), SCMP_SYS(close_range), SCMP_SYS(select), SCMP_SYS(pselect6), SCMP_SYS(signalfd4),
    SCMP_SYS(timerfd_gettime), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(rt_sigpending), SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(open), SCMP_SYS(creat), SCMP_SYS(mkdir), SCMP_SYS(rmdir), SCMP_SYS(rename), SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(chown),
    SCMP_SYS(fchown),
    SCMP_SYS(lchown), SCMP_SYS(fchownat), SCMP_SYS(umask), SCMP_SYS(utimensat), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
    SCMP_SYS(getdents),
    SCMP_SYS(chdir), SCMP_SYS(fchdir), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(chroot), SCMP_SYS(setgroups), SCMP_SYS(getgroups), SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(getresuid), SCMP_SYS(getresgid), SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(prctl), SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit), SCMP_SYS(setrlimit), SCMP_SYS(seccomp),
    SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule), SCMP_SYS(landlock_restrict_self),
};

#define LIST(l) l, sizeof(l) / sizeof(l)[0]
static const struct {
    unsigned roles;
    const int *calls;
    size_t n;
} lists[] = {
    {ALL,             LIST(base)},
    {DOOR | CONTROL | METRICS, LIST(peers)},
    {AUTH | MAIL,     LIST(files)},
    {AUTH | MAIL | DELIVER, LIST(changes)},
    {AUTH,            LIST(database)},
    {MAIL | DELIVER,  LIST(maildrops)},
    {MAIL,            LIST(sessions)},
    {DELIVER,         LIST(deliveries)},
    {DOOR | MAIL,     LIST(shared_memory)},
    {MASTER,          LIST(master)},
};

/* ---- calls whose arguments matter */

#define IS(arg, value)          {arg, SCMP_CMP_EQ, value, 0}
#define BITS(arg, mask, value)  {arg, SCMP_CMP_MASKED_EQ, mask, value}

#define NAMESPACES \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define A_THREAD   (CLONE_THREAD | CLONE_VM | CLONE_SIGHAND)
#define SOCKET_TYPE 0xf /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
#define SET_ID     06000 /* set-user-ID, set-group-ID */
#define TELLS_NAMES (FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC)

static const struct {
    unsigned roles;
    int call;
    unsigned n;
    struct scmp_arg_cmp if_[2];
} rows[] = {
    /* No memory that can be executed. */
    {ALL,            SCMP_SYS(mmap),       1, {BITS(2, PROT_EXEC, 0)}},
    {ALL,            SCMP_SYS(mprotect),   1, {BITS(2, PROT_EXEC, 0)}},
    /* Threads, never processes; for the master processes, never namespaces. */
    {AUTH | MAIL | DELIVER, SCMP_SYS(clone), 1, {BITS(0, A_THREAD | NAMESPACES, A_THREAD)}},
    {MASTER,         SCMP_SYS(clone),      1, {BITS(0, NAMESPACES, 0)}},
    {MASTER,         SCMP_SYS(unshare),    1, {IS(0, CLONE_THREAD)}}, /* "am I alone?", see jail.c */
    {ALL,            SCMP_SYS(prctl),      1, {IS(0, PR_SET_NAME)}},
    {ALL,            SCMP_SYS(prlimit64),  2, {IS(0, 0), IS(2, 0)}}, /* reads one's own */
    /* Not F_SETOWN or F_SETSIG, which send signals. */
    {ALL,            SCMP_SYS(fcntl),      1, {IS(1, F_GETFD)}},
    {ALL,            SCMP_SYS(fcntl),      1, {IS(1, F_SETFD)}},
    {ALL,            SCMP_SYS(fcntl),      1, {IS(1, F_GETFL)}},
    /* O_NONBLOCK is of a socket, not of a descriptor: a door could make the mail process wait that has the same one. */
    {CHILDREN,       SCMP_SYS(fcntl),      2, {IS(1, F_SETFL), BITS(2, O_NONBLOCK, O_NONBLOCK)}},
    {MASTER,         SCMP_SYS(fcntl),      1, {IS(1, F_SETFL)}},
    {ALL,            SCMP_SYS(fcntl),      1, {IS(1, F_DUPFD)}},
    {ALL,            SCMP_SYS(fcntl),      1, {IS(1, F_DUPFD_CLOEXEC)}},
    {DOOR | MAIL,    SCMP_SYS(fcntl),      1, {IS(1, F_ADD_SEALS)}},
    {DOOR | MAIL | DELIVER, SCMP_SYS(fcntl), 1, {IS(1, F_GET_SEALS)}},
    {AUTH,           SCMP_SYS(fcntl),      1, {IS(1, F_GETLK)}},
    {AUTH,           SCMP_SYS(fcntl),      1, {IS(1, F_SETLK)}},
    {AUTH,           SCMP_SYS(fcntl),      1, {IS(1, F_SETLKW)}},
    {AUTH,           SCMP_SYS(fcntl),      1, {IS(1, F_OFD_GETLK)}},
    {AUTH,           SCMP_SYS(fcntl),      1, {IS(1, F_OFD_SETLK)}},
    {AUTH,           SCMP_SYS(fcntl),      1, {IS(1, F_OFD_SETLKW)}},
    {AUTH,           SCMP_SYS(fchmod),     1, {BITS(1, SET_ID, 0)}},
    {MAIL,           SCMP_SYS(close_range), 1, {IS(2, 0)}}, /* as close, of several */
    /* What happens in a directory that is open, and may be read: no path leads to another, and no file is opened by it.
     * What kind of mark it is, whole mounts and file systems among them, stands in the second argument. */
    {MAIL,           SCMP_SYS(fanotify_init), 2, {IS(0, TELLS_NAMES), IS(1, O_RDONLY | O_CLOEXEC)}},
    {MAIL,           SCMP_SYS(fanotify_mark), 2, {IS(1, FAN_MARK_ADD), IS(4, 0)}},
    {MAIL,           SCMP_SYS(fanotify_mark), 2, {IS(1, FAN_MARK_REMOVE), IS(4, 0)}},
    {MAIL,           SCMP_SYS(fanotify_mark), 2, {IS(1, FAN_MARK_FLUSH), IS(4, 0)}},
    /* What the kernel calls a file there. A path may still be given with this flag, which leads to a number alone: nobody
     * may open anything by it. */
    {MAIL,           SCMP_SYS(name_to_handle_at), 1, {IS(4, AT_EMPTY_PATH)}},
    /* Sockets come from the master or from accept; a role makes only pairs, and of those none that can send to anybody else, as a
     * datagram socket can. */
    {ALL,            SCMP_SYS(socketpair), 2, {IS(0, AF_UNIX), BITS(1, SOCKET_TYPE, SOCK_STREAM)}},
    {ALL,            SCMP_SYS(socketpair), 2, {IS(0, AF_UNIX), BITS(1, SOCKET_TYPE, SOCK_SEQPACKET)}},
    /* To nobody but the peer. MSG_FASTOPEN connects: a listening socket too, after shutdown(2). */
    {CHILDREN,       SCMP_SYS(sendto),     2, {BITS(3, MSG_FASTOPEN, 0), IS(4, 0)}},
    {CHILDREN,       SCMP_SYS(sendmsg),    1, {BITS(2, MSG_FASTOPEN, 0)}},
    {MASTER,         SCMP_SYS(socket),     1, {IS(0, AF_UNIX)}},
    {MASTER,         SCMP_SYS(socket),     1, {IS(0, AF_INET)}},
    {MASTER,         SCMP_SYS(socket),     1, {IS(0, AF_INET6)}},
    {MASTER,         SCMP_SYS(socket),     1, {IS(0, AF_NETLINK)}}, /* libc's look-up of addresses */
    {ALL,            SCMP_SYS(getsockopt), 1, {IS(1, SOL_SOCKET)}},
    {ALL,            SCMP_SYS(getsockopt), 1, {IS(1, IPPROTO_TCP)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, SOL_SOCKET), IS(2, SO_SNDBUF)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_CORK)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_QUICKACK)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_USER_TIMEOUT)}},
    {ALL,            SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_NOTSENT_LOWAT)}},
    {DOOR | MAIL,    SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_KEEPIDLE)}},
    {DOOR | MAIL,    SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_KEEPINTVL)}},
    {DOOR | MAIL,    SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_KEEPCNT)}},
    {MASTER,         SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY)}},
    {MASTER,         SCMP_SYS(setsockopt), 2, {IS(1, SOL_SOCKET), IS(2, SO_REUSEADDR)}},
    {MASTER,         SCMP_SYS(setsockopt), 2, {IS(1, SOL_SOCKET), IS(2, SO_REUSEPORT)}},
    {MASTER,         SCMP_SYS(setsockopt), 2, {IS(1, SOL_SOCKET), IS(2, SO_PASSCRED)}},
    {MASTER,         SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_IPV6), IS(2, IPV6_V6ONLY)}},
    {MASTER,         SCMP_SYS(setsockopt), 2, {IS(1, IPPROTO_TCP), IS(2, TCP_DEFER_ACCEPT)}},
    /* Questions to a terminal; never TIOCSTI, which types into it. */
    {MASTER,         SCMP_SYS(ioctl),      1, {IS(1, TCGETS)}},
    {MASTER,         SCMP_SYS(ioctl),      1, {IS(1, TIOCGWINSZ)}},
    {MASTER,         SCMP_SYS(ioctl),      1, {IS(1, FIONREAD)}},
};
/* clang-format on */

static bool for_role(unsigned roles, enum role role)
{
    return role == ROLE_MASTER || roles & 1u << role;
}

static int add_lists(scmp_filter_ctx filter, enum role role)
{
    int r = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (size_t k = 0; for_role(lists[i].roles, role) && k < lists[i].n && r == 0; k++)
            r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, lists[i].calls[k], 0);
    return r;
}

static int add_rows(scmp_filter_ctx filter, enum role role)
{
    int r = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && r == 0; i++)
        if (for_role(rows[i].roles, role))
            r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rows[i].call, rows[i].n, rows[i].if_);
    return r;
}

/* abort(3) signals its own thread; the master may signal others. */
static int add_abort(scmp_filter_ctx filter, enum role role)
{
    if (role == ROLE_MASTER)
        return 0;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

static int build(scmp_filter_ctx filter, enum role role)
{
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: each send passes the filter */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (r == 0)
        r = add_lists(filter, role);
    if (r == 0)
        r = add_rows(filter, role);
    return r ? r : add_abort(filter, role);
}

bool jail_seccomp_possible(void)
{
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

int jail_seccomp_enter(enum role role, struct err *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return err_set(err, ERR_PERM, "seccomp: the library cannot make a filter");
    int r = build(filter, role);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r ? err_set(err, ERR_PERM, "seccomp: filter of %s: %s", role_name(role), strerror(-r)) : 0;
}
