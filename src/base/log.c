/* log: see the header. Every process writes its lines itself, to the descriptor that the master gave it. */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_json.h"
#include "base/log_kept.h"

enum { LINE = 2048, LINE_OUT = PIPE_BUF - 1, QUOTES = 8 };

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [LOG_L_ERROR] = {"error", LOG_MAIL | LOG_ERR},
    [LOG_L_WARNING] = {"warning", LOG_MAIL | LOG_WARNING},
    [LOG_L_INFO] = {"info", LOG_MAIL | LOG_INFO},
    [LOG_L_DEBUG] = {"debug", LOG_MAIL | LOG_DEBUG},
};

/* How a line gets out without ever waiting for a reader that does not read. */
enum way { BY_WRITE /* a file */, BY_SEND /* a socket */, BY_POLL /* a pipe or a terminal */ };

static struct {
    int fd;
    enum log_kind kind;
    enum way way;
    const char *program, *role;
    void (*on_failure)(void);
} to = {.fd = STDERR_FILENO, .kind = LOG_TO_STREAM, .way = BY_POLL, .program = "bustiad", .role = "start"};

static _Atomic enum log_level ceiling = LOG_L_INFO;
static _Atomic enum log_format form = LOG_TEXT;
static _Atomic unsigned lost; /* lines since the last that got out */
static _Atomic bool torn;     /* the last one got out in part: its end is still to come */
static pthread_mutex_t polling = PTHREAD_MUTEX_INITIALIZER;

void log_open(int fd, enum log_kind kind, const char *role)
{
    struct stat st;
    to.fd = fd;
    to.kind = kind;
    to.role = role;
    to.way = BY_POLL;
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
        to.way = BY_SEND;
    else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        to.way = BY_WRITE;
    signal(SIGPIPE, SIG_IGN); /* the reader of a pipe may go at any moment */
}

void log_program(const char *name)
{
    to.program = name;
}

void log_level_set(enum log_level level)
{
    ceiling = level;
}

void log_format_set(enum log_format f)
{
    form = f;
}

void log_on_failure(void (*fn)(void))
{
    to.on_failure = fn;
}

/* ---- escaping */

/* How many bytes stand for themselves, at most `most`. */
static size_t run_of(struct span s, const char *also, size_t most)
{
    size_t n = 0;
    while (n < s.n && n < most && s.p[n] >= ' ' && s.p[n] <= '~' && !(*also && strchr(also, s.p[n])))
        n++;
    return n;
}

/* Writes `s` escaped to out, at most `room` bytes, characters and escapes whole. Returns how many; *all: nothing was
 * cut. */
static size_t escape(struct span s, const char *also, char *out, size_t room, bool *all)
{
    size_t used = 0;
    for (;;) {
        size_t run = run_of(s, also, room - used);
        memcpy(out + used, s.p ? s.p : "", run);
        used += run;
        s = span_from(s, run);
        if (s.n == 0)
            break;
        uint32_t v = 0;
        size_t n = log_utf8(s, &v);
        bool plain = n && !log_deceives(v) && (v >= 0x80 || v == 0 || !strchr(also, (int)v));
        size_t take = n ? n : 1, width = plain ? n : 4 * take;
        if (width > room - used)
            break;
        if (plain)
            memcpy(out + used, s.p, n);
        else
            for (size_t i = 0; i < take; i++) {
                static const char digits[] = "0123456789abcdef";
                unsigned char c = (unsigned char)s.p[i];
                memcpy(out + used + 4 * i, (char[]){'\\', 'x', digits[c >> 4], digits[c & 15]}, 4);
            }
        used += width;
        s = span_from(s, take);
    }
    *all = s.n == 0;
    return used;
}

/* `mark` stands on both sides, "" for none. */
static const char *quoted(struct span text, const char *mark)
{
    static const char more[] = "…";
    static _Thread_local char ring[QUOTES][LOG_QUOTED + sizeof more];
    static _Thread_local unsigned turn;
    char *out = ring[turn++ % QUOTES];
    size_t edge = strlen(mark);
    bool all;
    memcpy(out, mark, edge);
    size_t n = edge + escape(text, "\"\\", out + edge, LOG_QUOTED - 2 * edge, &all);
    if (!all) { /* again, with room for the sign that says so */
        n = edge + escape(text, "\"\\", out + edge, LOG_QUOTED - 2 * edge - (sizeof more - 1), &all);
        memcpy(out + n, more, sizeof more - 1);
        n += sizeof more - 1;
    }
    memcpy(out + n, mark, edge);
    out[n + edge] = '\0';
    return out;
}

const char *log_quote(struct span text)
{
    return quoted(text, "\"");
}

const char *log_quote_text(const char *text)
{
    return quoted(span_of(text ? text : ""), "\"");
}

const char *log_escape(struct span text)
{
    return quoted(text, "");
}

void log_shown(const char *text, char *out, size_t room)
{
    bool all;
    out[escape(span_of(text), "", out, room - 1, &all)] = '\0';
}

/* ---- lines */

enum { STAMP = 64 };

/* Many lines are of one second. */
static void stamp(char out[STAMP])
{
    static _Thread_local char second[40];
    static _Thread_local time_t at = -1;
    struct timespec now = clock_wall();
    if (now.tv_sec != at) {
        struct clock_date d = clock_date(now.tv_sec);
        int n = snprintf(second, sizeof second, "%04d-%02d-%02dT%02d:%02d:%02d", d.year, d.month, d.day, d.hour, d.minute, d.second);
        at = n > 0 ? now.tv_sec : -1;
    }
    snprintf(out, STAMP, "%s.%03uZ", second, (unsigned)(now.tv_nsec / 1000000) % 1000);
}

static size_t head(enum log_level level, const char *event, char *out, size_t room)
{
    char when[STAMP];
    int n;
    if (to.kind == LOG_TO_SYSLOG) {
        n = snprintf(out, room, "<%d>%s[%d]: ", levels[level].priority, to.program, (int)getpid());
        if (form == LOG_TEXT)
            n += snprintf(out + n, room - (size_t)n, "%s %s: ", to.role, event);
    } else if (form == LOG_JSON) {
        n = 0;
    } else {
        stamp(when);
        n = snprintf(out, room, "%s %s[%d] %s %s %s: ", when, to.program, (int)getpid(), to.role, levels[level].name,
                     event);
    }
    return n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* A pipe has room for a whole line of ours if it is writable at all (PIPE_BUF is more). */
static ssize_t write_polled(const char *line, size_t n)
{
    struct pollfd p = {.fd = to.fd, .events = POLLOUT};
    ssize_t wrote = -1;
    pthread_mutex_lock(&polling);
    int ready = poll(&p, 1, 0);
    if (ready == 0)
        errno = EAGAIN;
    else if (ready > 0 && p.revents & (POLLERR | POLLNVAL))
        errno = EPIPE;
    else if (ready > 0)
        wrote = write(to.fd, line, n);
    pthread_mutex_unlock(&polling);
    return wrote;
}

static ssize_t out(const char *line, size_t n)
{
    ssize_t wrote = -1;
    do {
        switch (to.way) {
        case BY_WRITE:
            wrote = write(to.fd, line, n);
            break;
        case BY_SEND:
            wrote = send(to.fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);
            break;
        case BY_POLL:
            wrote = write_polled(line, n);
            break;
        }
    } while (wrote < 0 && errno == EINTR);
    return wrote;
}

static void failed(void)
{
    static _Thread_local bool inside; /* what is called may log, too */
    if (inside || !to.on_failure)
        return;
    inside = true;
    to.on_failure();
    inside = false;
}

static size_t body(enum log_level level, const char *event, const char *text, char *out, size_t room)
{
    char when[STAMP];
    bool all;
    if (form == LOG_TEXT)
        return escape(span_of(text), "", out, room, &all);
    stamp(when);
    return log_json(&(struct log_line){when, to.program, to.role, levels[level].name, event, text, (int)getpid()}, out, room);
}

/* false: it is lost. */
static bool put(enum log_level level, const char *event, const char *text)
{
    char buffer[1 + LINE_OUT], *line = buffer + 1;
    size_t room = form == LOG_JSON ? LINE_OUT : LINE; /* what is taken apart has more around it */
    size_t n = head(level, event, line, LINE / 2);
    n += body(level, event, text, line + n, room - 1 - n);
    if (to.kind == LOG_TO_STREAM)
        line[n++] = '\n';
    if (atomic_exchange(&torn, false)) {
        *--line = '\n';
        n++;
    }
    ssize_t wrote = out(line, n);
    if (wrote < 0) {
        lost++;
        if (errno != EAGAIN)
            failed();
        return false;
    }
    torn = (size_t)wrote < n && to.kind == LOG_TO_STREAM;
    return true;
}

/* `text` has LINE bytes, and is overwritten. */
static void say(enum log_level level, const char *event, char *text)
{
    int error = errno; /* a caller's errno outlives its line */
    if (level <= LOG_L_WARNING) {
        char shown[LOG_KEPT_TEXT];
        log_shown(text, shown, sizeof shown);
        log_keep(level, event, shown);
    }
    if (put(level, event, text)) {
        unsigned missing = atomic_exchange(&lost, 0);
        if (missing) {
            snprintf(text, LINE, "lines=%u", missing);
            put(LOG_L_WARNING, "lost", text);
        }
    }
    errno = error;
}

void log_error(const char *event, const char *format, ...)
{
    char text[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(LOG_L_ERROR, event, text);
}

void log_warning(const char *event, const char *format, ...)
{
    if (ceiling < LOG_L_WARNING)
        return;
    char text[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(LOG_L_WARNING, event, text);
}

void log_info(const char *event, const char *format, ...)
{
    if (ceiling < LOG_L_INFO)
        return;
    char text[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(LOG_L_INFO, event, text);
}

void log_debug(const char *event, const char *format, ...)
{
    if (ceiling < LOG_L_DEBUG)
        return;
    char text[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    say(LOG_L_DEBUG, event, text);
}
