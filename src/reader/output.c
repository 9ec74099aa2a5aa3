/* output: see the header. */
#include "reader/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD_MAX = 64 * 1024 };

static const char *pager(void)
{
    const char *words = getenv("PAGER");
    return words && *words ? words : NULL;
}

void output_open(struct output *o)
{
    struct winsize size = {0};
    *o = (struct output){.to = stdout, .pager = -1};
    if (!isatty(STDOUT_FILENO))
        return;
    o->terminal.ascii = terminal_ascii(STDOUT_FILENO);
    o->columns = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
        o->rows = size.ws_row;
        o->columns = size.ws_col;
    }
    if (o->rows && pager())
        o->to = open_memstream(&o->held, &o->held_n);
    if (!o->to)
        o->to = stdout;
}

/* Its standard input is what is written from now on. */
static FILE *start_pager(struct output *o)
{
    int ends[2];
    if (pipe(ends) < 0)
        return stdout;
    fflush(stdout);
    o->pager = fork();
    if (o->pager == 0) {
        dup2(ends[0], STDIN_FILENO);
        close(ends[0]);
        close(ends[1]);
        signal(SIGPIPE, SIG_DFL);
        execl("/bin/sh", "sh", "-c", pager(), (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    FILE *to = o->pager > 0 ? fdopen(ends[1], "w") : NULL;
    if (to)
        signal(SIGINT, SIG_IGN); /* it is the pager's */
    else
        close(ends[1]);
    return to ? to : stdout;
}

/* What is held goes to where it is to be read. */
static void release(struct output *o, bool long_one)
{
    FILE *held = o->to;
    if (held == stdout || o->pager > 0)
        return;
    fclose(held);
    o->to = long_one ? start_pager(o) : stdout;
    fwrite(o->held, 1, o->held_n, o->to);
    free(o->held);
    o->held = NULL;
}

static int look(struct output *o, struct span written)
{
    for (size_t i = 0; i < written.n; i++)
        o->lines += written.p[i] == '\n';
    if (o->rows && o->to != stdout && o->pager <= 0 && (o->lines >= o->rows || ftello(o->to) > HELD_MAX))
        release(o, true);
    return ferror(o->to) ? -1 : 0;
}

int output_text(struct output *o, struct span text)
{
    terminal_put(&o->terminal, text, o->to);
    return look(o, text);
}

int output_octets(struct output *o, struct span octets)
{
    if (o->columns)
        return output_text(o, octets);
    fwrite(octets.p, 1, octets.n, o->to);
    return ferror(o->to) ? -1 : 0;
}

int output_line(struct output *o)
{
    putc('\n', o->to);
    return look(o, (struct span){"\n", 1});
}

static bool nobody_reads(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* true: all of it was written, or nobody wants more. */
static bool finish(struct output *o)
{
    terminal_end(&o->terminal, o->to);
    release(o, false);
    bool failed = fflush(o->to) != 0 || ferror(o->to);
    int error = errno;
    if (o->pager > 0) {
        fclose(o->to);
        while (waitpid(o->pager, NULL, 0) < 0 && errno == EINTR)
            ;
        signal(SIGINT, SIG_DFL);
        return true;
    }
    bool enough = failed && nobody_reads();
    errno = error;
    return !failed || enough;
}

int output_close(struct output *o, int result, struct err *err)
{
    bool well = finish(o);
    if (result < 0 && err->kind != ERR_NONE)
        return result;
    return well ? 0 : err_set(err, ERR_TEMP, "the output cannot be written: %s", strerror(errno));
}
