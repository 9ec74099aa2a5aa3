/* command_run: see the header. */
#include "post/command_run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    GRACE_MS = 2000, /* between the request to end and the end */
    TICK_MS = 50,    /* where the kernel does not tell of an end */
    AT_ONCE = 64 * 1024,
    REST_MOST = 1024 * 1024, /* of what still stands in the pipe when it has ended */
    LINE = 100
};

struct running {
    pid_t pid;
    int pidfd, said;             /* -1: the kernel knows none; the pipe */
    char line[LINE], last[LINE]; /* of its standard error: the one that grows, and the last that had something in it */
    size_t n_line, n_last;
};

/* ---- the child */

static void take_environment(const struct command_job *job)
{
    char size[32];
    snprintf(size, sizeof size, "%" PRIu64, job->size);
    if (setenv("BUSTIA_ACCOUNT", job->account ? job->account : "", 1) ||
        setenv("BUSTIA_UID", job->uid ? job->uid : "", 1) || setenv("BUSTIA_SIZE", size, 1))
        _exit(EX_OSERR);
}

static void be_command(const struct command_job *job, int said)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(job->input, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
        dup2(said, STDERR_FILENO) < 0)
        _exit(EX_TEMPFAIL);
    (void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    take_environment(job);
    execl("/bin/sh", "sh", "-c", job->words, (char *)NULL);
    _exit(EX_TEMPFAIL);
}

/* ---- what it says */

static void hear(struct running *r, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '\n') {
            if (r->n_line < LINE && (r->n_line || p[i] != ' '))
                r->line[r->n_line++] = p[i];
            continue;
        }
        if (r->n_line)
            memcpy(r->last, r->line, r->n_last = r->n_line);
        r->n_line = 0;
    }
}

/* What is there now. false: nobody will say any more. */
static bool drain(struct running *r, size_t most)
{
    char piece[4096];
    for (size_t taken = 0; taken < most;) {
        ssize_t n = read(r->said, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        hear(r, piece, (size_t)n);
        taken += (size_t)n;
    }
    return true;
}

/* ---- the watch */

/* Its process is kept, so that the number of its group stays its own. */
static bool has_ended(const struct running *r)
{
    siginfo_t info = {.si_pid = 0};
    int result = waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return result < 0 ? errno != EINTR : info.si_pid == r->pid;
}

static void wait_a_little(struct running *r, uint64_t ms)
{
    struct pollfd fds[2] = {{.fd = r->said, .events = POLLIN}, {.fd = r->pidfd, .events = POLLIN}};
    uint64_t most = r->pidfd < 0 && ms > TICK_MS ? TICK_MS : ms;
    if (poll(fds, 2, most > INT32_MAX ? INT32_MAX : (int)most) > 0 && fds[0].revents && !drain(r, AT_ONCE)) {
        close(r->said);
        r->said = -1; /* poll passes it over */
    }
}

/* true: by itself, in time. */
static bool watch(struct running *r, unsigned limit_ms)
{
    uint64_t ends = clock_ms() + limit_ms;
    bool told = false;
    while (!has_ended(r)) {
        uint64_t now = clock_ms();
        if (now < ends) {
            wait_a_little(r, ends - now);
        } else if (!told) {
            kill(-r->pid, SIGTERM);
            told = true;
            ends = now + GRACE_MS;
        } else {
            break;
        }
    }
    if (told)
        kill(-r->pid, SIGKILL);
    return !told;
}

static void finish(struct running *r, bool in_time, struct command_end *end)
{
    pid_t got;
    do
        got = waitpid(r->pid, &end->status, 0);
    while (got < 0 && errno == EINTR);
    if (r->said >= 0) {
        (void)drain(r, REST_MOST);
        close(r->said);
    }
    if (r->pidfd >= 0)
        close(r->pidfd);
    end->known = in_time && got == r->pid;
    bool open_line = r->n_line > 0;
    snprintf(end->said, sizeof end->said, "%s",
             log_escape((struct span){open_line ? r->line : r->last, open_line ? r->n_line : r->n_last}));
}

int command_run(const struct command_job *job, struct command_end *end, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, ERR_TEMP, "the command cannot be started: pipe: %s", strerror(errno));
    struct running r = {.pid = fork()};
    if (r.pid == 0)
        be_command(job, ends[1]);
    int failed = errno;
    close(ends[1]);
    if (r.pid < 0) {
        close(ends[0]);
        return err_set(err, ERR_TEMP, "the command cannot be started: fork: %s", strerror(failed));
    }
    setpgid(r.pid, r.pid); /* whoever of the two is first */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    r.said = ends[0];
    r.pidfd = (int)syscall(SYS_pidfd_open, r.pid, 0);
    finish(&r, watch(&r, job->limit_ms), end);
    return 0;
}
