/* lmtpload - a load generator for LMTP (single thread, epoll).
 *
 *     gcc -O2 lmtpload.c -o lmtpload
 *     lmtpload --port 24 --conns 20 --users 1000 --seconds 5
 *
 * Each connection delivers one message after another, each to one recipient, in two round trips (PIPELINING: MAIL, RCPT
 * and DATA together, then the message). Every reply is checked: a wrong one ends the run with exit status 1, so a server
 * that is fast because it refuses cannot win. One JSON object is printed at the end.
 *
 *   --port N | --unix PATH   where
 *   --users N --pattern d%d --domain localhost    recipients, in turn
 *   --size 8192              octets of a message, on the wire
 *   --seconds S --warmup W   deliveries that end in these S seconds after W count; or
 *   --count N                all of N deliveries count
 *   --cpu-file F             a cgroup's cpuacct.usage or cpu.stat: read when counting begins and ends
 *   --timeout S              without any reply for so long the run has failed (30) */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Which reply is waited for. */
enum step { GREETING, LHLO, MAIL, RCPT, DATA, MESSAGE, QUIT, DONE };
static const struct {
    const char *name, *code;
} steps[] = {{"greeting", "220"}, {"LHLO", "250"}, {"MAIL", "250"}, {"RCPT", "250"}, {"DATA", "354"}, {"message", "250"}, {"QUIT", "221"}};

struct conn {
    int fd;
    enum step step;
    char out[1 << 20], in[4096];
    size_t out_n, out_at, in_n;
    uint64_t began; /* of this delivery */
    unsigned user;
};

static int o_port = 24, o_conns = 1, o_users = 1000;
static const char *o_unix, *o_pattern = "d%d", *o_domain = "localhost", *o_cpu_file;
static size_t o_size = 8192;
static double o_seconds, o_warmup, o_timeout = 30;
static uint64_t o_count;

static struct conn *conns;
static int ep, running;
static uint64_t started, counted, count_from, count_until, cpu_from, cpu_until, last_reply, serial;
static bool counting, ending;
static uint32_t *latency; /* µs */
static size_t latency_room;

static uint64_t now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("lmtpload: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    puts("{\"ok\":false}");
    exit(1);
}

/* ns of processor time that the server has used so far; 0 without a file. */
static uint64_t server_cpu(void)
{
    FILE *f = o_cpu_file ? fopen(o_cpu_file, "r") : NULL;
    unsigned long long v = 0;
    if (f && fscanf(f, "usage_usec %llu", &v) == 1)
        v *= 1000;
    else if (f && fscanf(f, "%llu", &v) != 1)
        v = 0;
    if (f)
        fclose(f);
    return v;
}

/* ---- what is sent */

static void say(struct conn *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->out_n += (size_t)vsnprintf(c->out + c->out_n, sizeof c->out - c->out_n, format, args);
    va_end(args);
    if (c->out_n >= sizeof c->out)
        die("a message is too large");
}

static void begin_delivery(struct conn *c)
{
    char user[64];
    snprintf(user, sizeof user, o_pattern, c->user + 1);
    c->began = now();
    started++;
    say(c, "MAIL FROM:<sender@example.org>\r\nRCPT TO:<%s@%s>\r\nDATA\r\n", user, o_domain);
    c->step = MAIL;
}

static void say_message(struct conn *c)
{
    size_t from = c->out_n;
    say(c, "From: Sender <sender@example.org>\r\nTo: <somebody@example.org>\r\nSubject: load %llu\r\n"
           "Message-ID: <%llu.%d@example.org>\r\nDate: Tue, 3 Nov 2026 10:00:00 +0000\r\n\r\n",
        (unsigned long long)serial, (unsigned long long)serial, (int)getpid());
    for (unsigned n = 0; c->out_n - from + 70 < o_size; n++)
        say(c, "%05u the octets of a line of a message that is a load and no more\r\n", n % 100000);
    while (c->out_n - from < o_size - 2)
        say(c, "x");
    say(c, "\r\n.\r\n");
    serial++;
}

/* ---- counting */

static void start_counting(void)
{
    counting = true;
    count_from = now();
    cpu_from = server_cpu();
}

static void stop_counting(void)
{
    if (counting) {
        count_until = now();
        cpu_until = server_cpu();
    }
    counting = false;
    ending = true;
}

static void delivered(struct conn *c)
{
    uint64_t t = now();
    if (counting) {
        if (counted == latency_room) {
            latency_room = latency_room ? 2 * latency_room : 65536;
            latency = realloc(latency, latency_room * sizeof *latency);
            if (!latency)
                die("out of memory");
        }
        latency[counted++] = (uint32_t)((t - c->began) / 1000);
        if (o_count && counted == o_count)
            stop_counting();
    }
    c->user = (c->user + (unsigned)o_conns) % (unsigned)o_users;
}

/* ---- replies */

static void next(struct conn *c)
{
    switch (c->step) {
    case GREETING:
        say(c, "LHLO load.example.org\r\n");
        c->step = LHLO;
        break;
    case MAIL:
    case RCPT:
        c->step++;
        break;
    case DATA:
        say_message(c);
        c->step = MESSAGE;
        break;
    case MESSAGE:
        delivered(c);
        /* fall through */
    case LHLO:
        if (ending || (o_count && started >= o_count)) {
            say(c, "QUIT\r\n");
            c->step = QUIT;
        } else {
            begin_delivery(c);
        }
        break;
    case QUIT:
        c->step = DONE;
        break;
    case DONE:
        break;
    }
}

static void take_line(struct conn *c, const char *line, size_t n)
{
    last_reply = now();
    if (c->step == DONE || n < 4 || memcmp(line, steps[c->step].code, 3) != 0 || (line[3] != ' ' && line[3] != '-'))
        die("WRONG: to %s: \"%.*s\"", c->step == DONE ? "nothing" : steps[c->step].name, (int)n, line);
    if (line[3] == ' ')
        next(c);
}

static void take(struct conn *c)
{
    char *line = c->in, *end;
    while ((end = memchr(line, '\n', c->in_n - (size_t)(line - c->in)))) {
        if (end == line || end[-1] != '\r')
            die("WRONG: a line without CR in reply to %s", steps[c->step].name);
        take_line(c, line, (size_t)(end - line) - 1);
        line = end + 1;
    }
    c->in_n -= (size_t)(line - c->in);
    memmove(c->in, line, c->in_n);
    if (c->in_n == sizeof c->in)
        die("WRONG: an endless line");
}

/* ---- sockets */

static void watch(struct conn *c, int how)
{
    struct epoll_event e = {.events = EPOLLIN | (c->out_at < c->out_n ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(ep, how, c->fd, &e) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void push(struct conn *c)
{
    bool waited = c->out_at > 0;
    while (c->out_at < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            die("send: %s", strerror(errno));
        c->out_at += (size_t)n;
    }
    bool waits = c->out_at < c->out_n;
    if (waits != waited)
        watch(c, EPOLL_CTL_MOD);
    if (!waits)
        c->out_n = c->out_at = 0;
}

static void serve(struct conn *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_n, sizeof c->in - c->in_n, MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
        die("recv: %s", strerror(errno));
    if (n == 0 && c->step != DONE)
        die("WRONG: the connection ended, waiting for the reply to %s", steps[c->step].name);
    if (n > 0) {
        c->in_n += (size_t)n;
        take(c);
    }
    push(c);
    if (c->step == DONE) {
        close(c->fd);
        running--;
    }
}

static void open_conn(struct conn *c, unsigned number)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    c->fd = socket(o_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (o_unix)
        snprintf(un.sun_path, sizeof un.sun_path, "%s", o_unix);
    else
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, o_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in, o_unix ? sizeof un : sizeof in) < 0)
        die("connect: %s", strerror(errno));
    c->user = number % (unsigned)o_users;
    watch(c, EPOLL_CTL_ADD);
    running++;
}

static void run(void)
{
    uint64_t begin = last_reply = now(), warm = begin + (uint64_t)(o_warmup * 1e9);
    uint64_t end = o_count ? UINT64_MAX : warm + (uint64_t)(o_seconds * 1e9);
    if (!o_warmup)
        start_counting();
    while (running) {
        struct epoll_event e[64];
        int n = epoll_wait(ep, e, 64, 100);
        uint64_t t = now();
        if (!counting && !ending && t >= warm)
            start_counting();
        if (!ending && t >= end)
            stop_counting();
        for (int i = 0; i < n; i++)
            serve(e[i].data.ptr);
        if (t > last_reply && (double)(t - last_reply) > o_timeout * 1e9)
            die("WRONG: no reply within %.0f s", o_timeout);
    }
    stop_counting();
}

/* ---- the end */

static int smaller(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile(double p)
{
    return counted ? latency[(size_t)(p * (double)(counted - 1))] / 1000.0 : 0;
}

static void report(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double secs = (double)(count_until - count_from) / 1e9, cpu = (double)(cpu_until - cpu_from) / 1e9;
    double own = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    qsort(latency, counted, sizeof *latency, smaller);
    printf("{\"ok\":%s,\"conns\":%d,\"size\":%zu,\"deliveries\":%llu,\"seconds\":%.3f,\"per_s\":%.1f,\"server_cpu_us\":%.2f,"
           "\"server_cpu_util\":%.3f,\"client_cpu_s\":%.3f,\"lat_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}}\n",
           counted ? "true" : "false", o_conns, o_size, (unsigned long long)counted, secs, (double)counted / secs,
           counted ? cpu * 1e6 / (double)counted : 0, cpu / secs, own, percentile(0.5), percentile(0.99), percentile(1));
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},  {"unix", 1, NULL, 'x'},    {"conns", 1, NULL, 'c'},  {"users", 1, NULL, 'u'},  {"pattern", 1, NULL, 'P'},
        {"domain", 1, NULL, 'd'}, {"size", 1, NULL, 's'},    {"seconds", 1, NULL, 't'}, {"warmup", 1, NULL, 'w'}, {"count", 1, NULL, 'n'},
        {"cpu-file", 1, NULL, 'f'}, {"timeout", 1, NULL, 'T'}, {NULL, 0, NULL, 0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'p': o_port = atoi(optarg); break;
        case 'x': o_unix = optarg; break;
        case 'c': o_conns = atoi(optarg); break;
        case 'u': o_users = atoi(optarg); break;
        case 'P': o_pattern = optarg; break;
        case 'd': o_domain = optarg; break;
        case 's': o_size = (size_t)atol(optarg); break;
        case 't': o_seconds = atof(optarg); break;
        case 'w': o_warmup = atof(optarg); break;
        case 'n': o_count = strtoull(optarg, NULL, 10); break;
        case 'f': o_cpu_file = optarg; break;
        case 'T': o_timeout = atof(optarg); break;
        default: return 64;
        }
    }
    if (o_conns < 1 || o_users < 1 || o_size < 400 || (!o_count && o_seconds <= 0)) {
        fputs("usage: lmtpload --port N|--unix PATH --seconds S|--count N [--conns N] [--users N] …\n", stderr);
        return 64;
    }
    ep = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc((size_t)o_conns, sizeof *conns);
    if (!conns)
        die("out of memory");
    for (int i = 0; i < o_conns; i++)
        open_conn(&conns[i], (unsigned)i);
    run();
    report();
    return counted ? 0 : 1;
}
