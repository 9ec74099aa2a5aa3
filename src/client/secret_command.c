/* secret_command: what a command prints, its first line. It has no terminal (a session of its own) and no input, only
 * our stderr, and ends with us. */
#include "client/secret_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    GRACE_MS = 2000,         /* between the request to end and the end */
    TICK_MS = 50,            /* where the kernel does not tell of an end */
    REST_MOST = 1024 * 1024, /* octets behind the first line */
    NOT_STARTED = 126,       /* as sh has it */
    NOT_FOUND = 127
};

struct running {
    struct buf line; /* the first, and what came with it */
    size_t rest;     /* octets that were let go */
    pid_t pid;
    int pidfd, out; /* -1: the kernel knows none; the pipe, -1: ended */
    bool whole;     /* the first line is */
};

/* ---- the child */

static void be_command(const char *words, pid_t parent, int out)
{
    sigset_t none;
    sigemptyset(&none);
    setsid();
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getppid() != parent || nothing < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(nothing, STDIN_FILENO) < 0)
        _exit(NOT_STARTED);
    (void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execl("/bin/sh", "sh", "-c", words, (char *)NULL);
    _exit(NOT_STARTED);
}

/* ---- what it prints */

/* One read. */
static ssize_t hear_once(struct running *r)
{
    char away[4096];
    size_t room = sizeof away;
    char *p = r->whole ? NULL : buf_reserve(&r->line, sizeof away, &room);
    room = p ? room : sizeof away;
    ssize_t n = read(r->out, p ? p : away, room);
    if (n > 0 && p) {
        r->whole = memchr(p, '\n', (size_t)n) != NULL;
        buf_commit(&r->line, (size_t)n);
    } else if (n > 0) {
        r->rest += (size_t)n;
        mem_wipe(away, sizeof away);
    }
    return n;
}

/* What is there now. */
static void hear(struct running *r)
{
    while (r->out >= 0 && r->rest <= REST_MOST) {
        ssize_t n = hear_once(r);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(r->out);
            r->out = -1; /* poll passes it over */
        }
    }
}

/* ---- the watch */

/* Its process is kept, so that its number stays its own. */
static bool has_ended(const struct running *r)
{
    siginfo_t info = {.si_pid = 0};
    int result = waitid(P_PID, (id_t)r->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    return result < 0 ? errno != EINTR : info.si_pid == r->pid;
}

/* true: it has ended. */
static bool wait_until(struct running *r, uint64_t until)
{
    while (!has_ended(r)) {
        uint64_t now = clock_ms();
        if (now >= until || r->rest > REST_MOST)
            return false;
        struct pollfd fds[2] = {{.fd = r->out, .events = POLLIN}, {.fd = r->pidfd, .events = POLLIN}};
        uint64_t most = r->pidfd < 0 && until - now > TICK_MS ? TICK_MS : until - now;
        (void)poll(fds, 2, most > INT_MAX ? INT_MAX : (int)most);
        if (fds[0].revents)
            hear(r);
    }
    return true;
}

/* All of its session that did not leave it. */
static void tell(const struct running *r, int signo)
{
    kill(-r->pid, signo);
    kill(r->pid, signo);
}

/* ---- the end */

static int judge(struct running *r, int status, const char *what, char **text, struct err *err)
{
    if (WIFSIGNALED(status))
        return err_set(err, ERR_TEMP, "%s: the command was ended by signal %d (%s)", what, WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) == NOT_FOUND)
        return err_set(err, ERR_TEMP, "%s: the command was not found (status %d)", what, NOT_FOUND);
    if (WEXITSTATUS(status))
        return err_set(err, ERR_TEMP, "%s: the command failed with status %d", what, WEXITSTATUS(status));
    hear(r); /* who stays behind and holds the pipe is not waited for */
    if (!r->line.len)
        return err_set(err, ERR_TEMP, "%s: the command printed nothing", what);
    return secret_first_line(buf_span(&r->line), what, ERR_TEMP, text, err);
}

static int watch(struct running *r, const char *what, unsigned limit_ms, char **text, struct err *err)
{
    int status = 0;
    bool ended = wait_until(r, clock_ms() + limit_ms), endless = r->rest > REST_MOST;
    if (!ended) {
        tell(r, SIGTERM);
        r->rest = 0;
        if (!wait_until(r, clock_ms() + GRACE_MS))
            tell(r, SIGKILL);
    }
    pid_t got;
    do
        got = waitpid(r->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (endless)
        return err_set(err, ERR_TEMP, "%s: the command prints without end", what);
    if (!ended)
        return err_set(err, ERR_TEMP, "%s: the command did not end within %u s", what, (limit_ms + 999) / 1000);
    if (got != r->pid)
        return err_set(err, ERR_TEMP, "%s: how the command ended cannot be told", what);
    return judge(r, status, what, text, err);
}

int secret_from_command(const char *words, const char *what, unsigned limit_ms, char **text, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, ERR_TEMP, "%s: the command cannot be started: %s", what, strerror(errno));
    pid_t parent = getpid();
    struct running r = {.pid = fork(), .out = ends[0]};
    if (r.pid == 0)
        be_command(words, parent, ends[1]);
    int failed = errno;
    close(ends[1]);
    if (r.pid < 0) {
        close(ends[0]);
        return err_set(err, ERR_TEMP, "%s: the command cannot be started: %s", what, strerror(failed));
    }
    fcntl(r.out, F_SETFL, O_NONBLOCK);
    r.pidfd = (int)syscall(SYS_pidfd_open, r.pid, 0);
    buf_init(&r.line, SECRET_LINE_MAX + 2, NULL);
    r.line.secret = true;
    int rc = watch(&r, what, limit_ms, text, err);
    buf_fini(&r.line);
    if (r.out >= 0)
        close(r.out);
    if (r.pidfd >= 0)
        close(r.pidfd);
    return rc;
}
