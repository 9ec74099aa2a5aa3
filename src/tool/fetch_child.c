/* fetch_child: see the header. */
#include "tool/fetch_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { PROGRESS_MS = 100, EXIT_NOT_STARTED = 127 };

struct teller {
    int fd;
    uint64_t next; /* ms: when progress is told again */
};

/* Progress is told now and then and never waited for; all else arrives. Whoever reads it may go: the mail is fetched
 * all the same. */
static void tell(void *arg, const struct event *e)
{
    struct teller *t = arg;
    if (e->kind == EVENT_PROGRESS) {
        uint64_t now = clock_ms();
        if (now < t->next)
            return;
        t->next = now + PROGRESS_MS;
    }
    int flags = MSG_NOSIGNAL | (e->kind == EVENT_PROGRESS ? MSG_DONTWAIT : 0);
    while (send(t->fd, e, sizeof *e, flags) < 0 && errno == EINTR)
        ;
}

/* ---- between fork and work */

/* Signals are blocked: what comes before this must not run the parent's handlers here. What it ignores, as nohup(1) has it
 * do, is ignored here, too. */
static void own_signals(const sigset_t *before)
{
    static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1};
    struct sigaction now;
    for (unsigned i = 0; i < sizeof handled / sizeof *handled; i++)
        if (sigaction(handled[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            signal(handled[i], SIG_DFL);
    sigprocmask(SIG_SETMASK, before, NULL);
}

/* The parent's end must not be the end of mail that nobody sees any more. */
static void end_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_NOT_STARTED);
}

static void close_all_but(int fd)
{
    if (fd > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0u, 0);
}

static void work(const struct collect_job *job, int fd)
{
    struct teller t = {.fd = fd};
    struct err err;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* it holds passwords */
    close_all_but(fd);
    _exit(collect_run(job, tell, &t, &err) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* 0 in the child. */
static pid_t forked(sigset_t *before, struct err *err)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, before);
    fflush(NULL); /* nothing is printed twice */
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        own_signals(before);
        end_with(parent);
        return 0;
    }
    int error = errno;
    sigprocmask(SIG_SETMASK, before, NULL);
    if (pid < 0)
        err_set(err, ERR_TEMP, "no process could be started: %s", strerror(error));
    return pid;
}

pid_t fetch_child_start(const struct collect_job *job, bool apart, int *fd, struct err *err)
{
    sigset_t before;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_TEMP, "no process could be started: %s", strerror(errno));
    pid_t pid = forked(&before, err);
    if (pid == 0) {
        if (apart)
            setpgid(0, 0);
        work(job, pair[1]);
    }
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    else {
        if (apart)
            setpgid(pid, pid); /* whoever is first: a signal to the group finds it */
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
        *fd = pair[0];
    }
    return pid;
}

pid_t fetch_child_command(const char *command, char *const environment[], struct err *err)
{
    sigset_t before;
    pid_t pid = forked(&before, err);
    if (pid > 0)
        setpgid(pid, pid);
    if (pid != 0)
        return pid;
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    for (; *environment; environment++)
        putenv(*environment);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        _exit(EXIT_NOT_STARTED);
    close_range(STDERR_FILENO + 1, ~0u, 0);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(EXIT_NOT_STARTED);
}

/* ---- what a child says */

/* A process that has read foreign bytes may be anybody's. */
static bool event_ok(const struct event *e)
{
    return (unsigned)e->kind <= EVENT_DONE && memchr(e->uid, '\0', sizeof e->uid) &&
           memchr(e->text, '\0', sizeof e->text) && memchr(e->err.text, '\0', sizeof e->err.text);
}

int fetch_child_receive(int fd, struct event *e)
{
    ssize_t n;
    do
        n = recv(fd, e, sizeof *e, MSG_DONTWAIT | MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n == (ssize_t)sizeof *e && event_ok(e) ? 1 : -1;
}
