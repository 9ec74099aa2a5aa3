/* user_password: see the header. */
#include "tool/user_password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "user/secret.h"

enum { LINE = 1024 };

/* ---- one line of a descriptor, byte by byte so that nothing after it is taken from who reads next */

static volatile sig_atomic_t caught;

static void on_signal(int signo)
{
    caught = signo;
}

/* With `open`, the signals that may come while it waits, fd does not block: one that comes before the wait is not slept
 * through, nor one that throws away what had made fd readable. */
static ssize_t read_byte(int fd, const sigset_t *open, char *c)
{
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (open && ppoll(&wait, 1, NULL, open) < 0)
            return -1;
        ssize_t got = read(fd, c, 1);
        if (got >= 0 || !open || errno != EAGAIN)
            return got;
    }
}

/* Returns its length without the line end, -1: read failed or a signal came, -2: too long, -3: nothing there. */
static int read_line(int fd, const sigset_t *open, char line[LINE])
{
    int n = 0;
    for (;;) {
        char c;
        ssize_t got = read_byte(fd, open, &c);
        if (got < 0)
            return -1;
        if (got == 0)
            return n ? n : -3;
        if (c == '\n')
            return n;
        if (n == LINE)
            return -2;
        line[n++] = c;
    }
}

static char *sound(const char line[LINE], int n, struct err *err)
{
    if (n == -1)
        err_set(err, ERR_TEMP, "reading the password: %s", strerror(errno));
    else if (n == -2 || n > SECRET_MAX)
        err_set(err, ERR_INPUT, "the password has more than %d bytes", SECRET_MAX);
    else if (n <= 0)
        err_set(err, ERR_INPUT, "no password was given");
    else if (memchr(line, '\0', (size_t)n))
        err_set(err, ERR_INPUT, "a NUL in the password");
    else
        return mem_copy(line, (size_t)n);
    return NULL;
}

static char *from_stdin(struct err *err)
{
    char line[LINE];
    int n = read_line(STDIN_FILENO, NULL, line);
    if (n > 0 && line[n - 1] == '\r')
        n--;
    char *password = sound(line, n, err);
    mem_wipe(line, sizeof line);
    return password;
}

/* ---- a terminal */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNALS = sizeof signals / sizeof *signals };

/* Without echo. A signal puts the terminal back first, and then does what it always does. */
static char *ask(int tty, const char *prompt, struct err *err)
{
    struct sigaction quiet = {.sa_handler = on_signal}, old[SIGNALS];
    struct termios shown, hidden;
    sigset_t held, open;
    char line[LINE];
    if (tcgetattr(tty, &shown)) {
        err_set(err, ERR_TEMP, "the terminal: %s", strerror(errno));
        return NULL;
    }
    caught = 0;
    sigemptyset(&held);
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaddset(&held, signals[i]);
    sigprocmask(SIG_BLOCK, &held, &open);
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &quiet, &old[i]);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    tcsetattr(tty, TCSAFLUSH, &hidden);
    dprintf(tty, "%s", prompt);
    fcntl(tty, F_SETFL, O_NONBLOCK);
    int n = read_line(tty, &open, line), why = errno;
    fcntl(tty, F_SETFL, 0);
    tcsetattr(tty, TCSAFLUSH, &shown);
    dprintf(tty, "\n");
    for (unsigned i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &old[i], NULL);
    sigprocmask(SIG_SETMASK, &open, NULL);
    if (caught)
        raise(caught);
    errno = why;
    char *password = sound(line, n, err);
    mem_wipe(line, sizeof line);
    return password;
}

static char *from_terminal(const struct user_job *job, bool again, struct err *err)
{
    char prompt[USER_NAME_MAX + 32];
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0) {
        err_set(err, ERR_USAGE, "no terminal to ask for a password: --password-stdin or --generate");
        return NULL;
    }
    snprintf(prompt, sizeof prompt, "Password for %s: ", job->word);
    char *password = ask(tty, prompt, err);
    char *second = password && again ? ask(tty, "Once more: ", err) : NULL;
    close(tty);
    if (!again || !password)
        return password;
    if (second && strcmp(password, second) == 0) {
        secret_free(second);
        return password;
    }
    if (second)
        err_set(err, ERR_INPUT, "the two were not the same; nothing was changed");
    secret_free(password);
    secret_free(second);
    return NULL;
}

char *user_password_raw(const struct user_job *job, bool again, struct err *err)
{
    if (job->option.generate) {
        char text[32];
        secret_generate(text);
        char *password = mem_copy_text(text);
        mem_wipe(text, sizeof text);
        return password;
    }
    return job->option.stdin_password ? from_stdin(err) : from_terminal(job, again, err);
}

char *user_password_get(const struct user_job *job, bool again, struct err *err)
{
    char *raw = user_password_raw(job, again, err), *prepared = raw ? secret_prepare(span_of(raw)) : NULL;
    secret_free(raw);
    return prepared;
}

void user_password_tell(const struct user_job *job, const char *password)
{
    if (job->option.generate)
        printf("password of %s: %s\n", job->word, password);
}
