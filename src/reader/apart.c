/* apart: see the header. A word is a head and its octets; DONE ends them, so that an end before it is a break. */
#include "reader/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/whole.h"
#include "daemon/jail_build.h"
#include "reader/apart_walls.h"
#include "reader/mime_ready.h"

enum { DONE = APART_KINDS, FILES = 32, MESSAGE_FD = 3, GO_FD = 4, OUT_FD = 5, FIRST_FREE_FD = 6 };

struct head {
    uint32_t kind, n;
};

struct apart {
    pid_t pid;
    int go, in; /* pipes: the word to begin; what it says */
};

/* ---- in the process apart */

static void say(struct apart_out *o, unsigned kind, struct span what)
{
    struct head h = {kind, (uint32_t)what.n};
    o->broken = o->broken || whole_write(o->fd, &h, sizeof h) < 0 || whole_write(o->fd, what.p, what.n) < 0;
}

/* Small words of text become one. */
static void flush_text(struct apart_out *o)
{
    if (o->n)
        say(o, APART_TEXT, (struct span){o->text, o->n});
    o->n = 0;
}

static void say_text(struct apart_out *o, struct span what)
{
    while (what.n) {
        size_t n = what.n < sizeof o->text - o->n ? what.n : sizeof o->text - o->n;
        memcpy(o->text + o->n, what.p, n);
        o->n += n;
        what = span_from(what, n);
        if (o->n == sizeof o->text)
            flush_text(o);
    }
}

void apart_say(struct apart_out *o, enum apart_kind kind, struct span what)
{
    if (kind == APART_TEXT) {
        say_text(o, what);
        return;
    }
    flush_text(o);
    do {
        size_t n = what.n < APART_PIECE ? what.n : APART_PIECE;
        say(o, kind, (struct span){what.p, n});
        what = span_from(what, n);
    } while (what.n && kind == APART_DATA && !o->broken);
}

static ssize_t text_write(void *o, const char *p, size_t n)
{
    say_text(o, (struct span){p, n});
    return ((struct apart_out *)o)->broken ? 0 : (ssize_t)n;
}

FILE *apart_text(struct apart_out *o)
{
    return fopencookie(o, "w", (cookie_io_functions_t){.write = text_write});
}

static void ceiling(int what, rlim_t most)
{
    struct rlimit r = {most, most};
    setrlimit((__rlimit_resource_t)what, &r); /* where it is lower already it stays */
}

/* Only the three descriptors, and nothing said to the terminal: a library's warnings have the message's words in them.
 */
static bool shut(int message, int go, int out)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high[] = {fcntl(message, F_DUPFD, FIRST_FREE_FD + 100), fcntl(go, F_DUPFD, FIRST_FREE_FD + 100),
                  fcntl(out, F_DUPFD, FIRST_FREE_FD + 100)};
    if (null < 0 || high[0] < 0 || high[1] < 0 || high[2] < 0)
        return false;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (dup2(null, fd) < 0)
            return false;
    for (int i = 0; i < 3; i++)
        if (dup2(high[i], MESSAGE_FD + i) < 0)
            return false;
    return close_range(FIRST_FREE_FD, ~0U, 0) == 0;
}

static void limit(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    ceiling(RLIMIT_CORE, 0);
    ceiling(RLIMIT_FSIZE, 0);
    ceiling(RLIMIT_NOFILE, FILES);
    ceiling(RLIMIT_NPROC, 0);
    ceiling(RLIMIT_CPU, APART_CPU_S);
    if (jail_build.walls) /* a sanitizer needs more than there is */
        ceiling(RLIMIT_AS, (rlim_t)APART_MEMORY_MB << 20);
}

/* Away from the terminal: what holds it could type into it. That takes it out of reach of the terminal's signals too,
 * so it ends by its parent's end. */
static bool leave(pid_t parent)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_DFL);
    return setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent;
}

static int work_apart(apart_work *work, const void *arg)
{
    struct apart_out *o = mem_alloc(sizeof *o);
    struct err err = {.kind = ERR_NONE};
    char go;
    o->fd = OUT_FD;
    int status = 0;
    mime_ready();
    int result = apart_walls(OUT_FD, &err);
    if (whole_read(GO_FD, &go, 1) == 0) { /* else nobody needs it */
        lseek(MESSAGE_FD, 0, SEEK_SET);
        if (result == 0)
            result = work(MESSAGE_FD, o, arg, &err);
        if (result < 0)
            apart_say(o, APART_FAIL, span_of(err.text));
        flush_text(o);
        say(o, DONE, (struct span){"", 0});
        status = o->broken;
    }
    mem_free(o);
    return status;
}

/* ---- here */

int apart_begin(struct apart **a, int message, apart_work *work, const void *arg, struct err *err)
{
    int go[2] = {-1, -1}, in[2] = {-1, -1};
    *a = NULL;
    if (pipe2(go, O_CLOEXEC) < 0 || pipe2(in, O_CLOEXEC) < 0) {
        err_set(err, ERR_TEMP, "no pipe can be made: %s", strerror(errno));
        if (go[0] >= 0) {
            close(go[0]);
            close(go[1]);
        }
        return -1;
    }
    const pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        if (!leave(parent) || !shut(message, go[0], in[1]))
            _exit(1);
        limit();
        _exit(work_apart(work, arg));
    }
    int error = errno;
    close(go[0]);
    close(in[1]);
    if (pid < 0) {
        close(go[1]);
        close(in[0]);
        return err_set(err, ERR_TEMP, "no process can be begun: %s", strerror(error));
    }
    *a = mem_alloc(sizeof **a);
    **a = (struct apart){.pid = pid, .go = go[1], .in = in[0]};
    return 0;
}

/* Reads words until DONE. What comes may be anything, if the process was made to say it. */
static int take_words(struct apart *a, char *piece, apart_take *take, void *arg, bool *done, struct err *err)
{
    struct head h;
    bool failed = false;
    while (whole_read(a->in, &h, sizeof h) == 0) {
        if (h.kind == DONE) {
            *done = true;
            return failed ? -1 : 0;
        }
        if (h.kind > DONE || h.n > APART_PIECE || whole_read(a->in, piece, h.n) < 0)
            return 0;
        struct span what = {piece, h.n};
        if (h.kind == APART_FAIL) {
            err_set(err, ERR_INPUT, "%.*s", (int)(h.n < ERR_TEXT ? h.n : ERR_TEXT - 1), piece);
            failed = true;
        } else if (take(arg, h.kind, what, err) < 0) {
            *done = true;
            return -1;
        }
    }
    return 0;
}

/* Its end, as a sentence. */
static int broke(int status, struct err *err)
{
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
        return err_set(err, ERR_INPUT, "the message is made so that it takes too long to read; it was given up");
    return err_set(err, ERR_INPUT, "the message is made so that reading it fails; it was given up");
}

int apart_run(struct apart *a, apart_take *take, void *arg, struct err *err)
{
    bool done = false;
    int status = 0;
    char *piece = mem_alloc(APART_PIECE);
    (void)whole_write(a->go, "g", 1);
    int result = take_words(a, piece, take, arg, &done, err);
    mem_free(piece);
    close(a->in); /* if it still speaks it ends by that */
    a->in = -1;
    if (!done)
        kill(a->pid, SIGTERM);
    while (waitpid(a->pid, &status, 0) < 0 && errno == EINTR)
        ;
    a->pid = -1;
    return done ? result : broke(status, err);
}

void apart_end(struct apart *a)
{
    if (!a)
        return;
    close(a->go); /* who has not begun ends by that */
    if (a->in >= 0)
        close(a->in);
    while (a->pid > 0 && waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    mem_free(a);
}
