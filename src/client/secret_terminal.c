/* secret_terminal: a person is asked, without echo. */
#include "client/secret_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { LINE = 4096 /* as much as a terminal gives at once */, NAME = 60 };

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNALS = sizeof signals / sizeof *signals };

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
    caught = signo;
}

/* The first octets of a line, into `line`. They come in one piece: the terminal is in its line mode. -1: a signal came,
 * or an error. */
static ssize_t answer(int tty, const sigset_t *open_to, char *line)
{
    struct pollfd p = {.fd = tty, .events = POLLIN};
    for (;;) {
        if (ppoll(&p, 1, NULL, open_to) < 0)
            return -1;
        ssize_t n = read(tty, line, LINE);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

/* Signals are let through while we wait and at no other time, so that the terminal is never left without echo. */
static ssize_t ask_once(int tty, const char *prompt, char *line)
{
    struct sigaction note = {.sa_handler = on_signal}, old[SIGNALS];
    sigset_t ours, before;
    struct termios shown_as, hidden;
    if (tcgetattr(tty, &shown_as) < 0)
        return -1;
    caught = 0;
    sigemptyset(&ours);
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaddset(&ours, signals[i]);
    pthread_sigmask(SIG_BLOCK, &ours, &before);
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &note, &old[i]);
    hidden = shown_as;
    hidden.c_lflag = (hidden.c_lflag | ICANON | ISIG) & ~(tcflag_t)(ECHO | ECHONL);
    tcsetattr(tty, TCSAFLUSH, &hidden);
    dprintf(tty, "%s", prompt);
    ssize_t n = answer(tty, &before, line);
    int why = errno;
    tcsetattr(tty, TCSAFLUSH, &shown_as);
    dprintf(tty, "\n");
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &old[i], NULL);
    if (caught)
        raise(caught); /* does what it always does, now that the terminal is as it was */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return n;
}

/* Who stopped us with ^Z is asked again when we go on. */
static ssize_t ask(int tty, const char *prompt, char *line)
{
    ssize_t n;
    do
        n = ask_once(tty, prompt, line);
    while (n < 0 && caught == SIGTSTP);
    return n;
}

int secret_from_terminal(const char *user, const char *host, char **text, struct err *err)
{
    char line[LINE], prompt[4 * NAME * 2 + 40];
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0)
        return err_set(err, ERR_GONE, "there is no terminal");
    struct span who = span_of(user), where = span_of(host);
    who.n = who.n < NAME ? who.n : NAME;
    where.n = where.n < NAME ? where.n : NAME;
    snprintf(prompt, sizeof prompt, "Password of %s at %s: ", log_escape(who), log_escape(where));
    ssize_t n = ask(tty, prompt, line);
    int rc = n < 0 ? err_set(err, ERR_TEMP, "the terminal gave no password: %s", strerror(errno))
                   : secret_first_line((struct span){line, (size_t)n}, "the terminal", ERR_CONFIG, text, err);
    mem_wipe(line, sizeof line);
    close(tty);
    return rc;
}
