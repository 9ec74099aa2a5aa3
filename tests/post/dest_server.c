/* Servers of LMTP (a unix socket) and SMTP (loopback) that keep what they take as files: "got/000000" and so on. They
 * are strict: lines end with CRLF, commands come in their order, and SIZE is what then comes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest_folder.h"
#include "post/out_smtp.h"

enum { LINE = 4096 };

struct server {
    pid_t pid;
    unsigned port;
    char socket[PLACE_PATH]; /* "": by port */
};

/* ---- one connection, in a process of its own */

struct peer {
    const struct dest_test *test;
    FILE *in, *out;
    bool lmtp, greeted, mail, rcpt;
    unsigned long size;
};

static void say(const struct peer *p, const char *words)
{
    fprintf(p->out, "%s\r\n", words);
}

static bool is(const char *line, const char *begin)
{
    return strncasecmp(line, begin, strlen(begin)) == 0;
}

/* A line without its CRLF. */
static bool get_line(const struct peer *p, char line[LINE])
{
    size_t n = 0;
    for (int c; n < LINE - 1 && (c = getc(p->in)) != EOF;) {
        line[n++] = (char)c;
        if (n >= 2 && line[n - 1] == '\n' && line[n - 2] == '\r') {
            line[n - 2] = '\0';
            return true;
        }
    }
    return false;
}

/* Octets up to CRLF "." CRLF, with the dots taken away that were put before others. false: they do not end so. */
static bool take_body(const struct peer *p, FILE *to, unsigned long *n)
{
    bool start = true;
    int before = 0;
    for (int c; (c = getc(p->in)) != EOF;) {
        if (start && c == '.') {
            c = getc(p->in);
            if (c == '\r')
                return getc(p->in) == '\n';
        }
        putc(c, to);
        ++*n;
        start = c == '\n' && before == '\r';
        before = c;
    }
    return false;
}

static void data(struct peer *p)
{
    char part[PLACE_PATH], whole[PLACE_PATH], name[32];
    unsigned long n = 0;
    snprintf(name, sizeof name, "got/%06u", place_count(&p->test->place, "got"));
    place_path(&p->test->place, name, whole);
    place_path(&p->test->place, "part", part);
    FILE *to = fopen(part, "we");
    if (!to)
        _exit(1);
    say(p, "354 go on");
    fflush(p->out);
    if (!take_body(p, to, &n) || fclose(to) != 0)
        _exit(1);
    bool right = p->size == 0 || n == p->size;
    if (right && rename(part, whole) < 0)
        _exit(1);
    say(p, right ? "250 2.0.0 kept" : "554 5.6.0 SIZE said another number");
    p->mail = p->rcpt = false;
}

static void obey(struct peer *p, const char *line)
{
    const char *size = strcasestr(line, " SIZE=");
    if (is(line, p->lmtp ? "LHLO " : "EHLO ") && !p->mail) {
        p->greeted = true;
        say(p, "250-test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE");
    } else if (is(line, "MAIL FROM:<me@example.org>") && p->greeted && !p->mail) {
        p->mail = true;
        p->size = size ? strtoul(size + 6, NULL, 10) : 0;
        say(p, "250 2.1.0 yes");
    } else if (is(line, "RCPT TO:<anna@example.org>") && p->mail) {
        p->rcpt = true;
        say(p, "250 2.1.5 yes");
    } else if (is(line, "DATA") && p->rcpt) {
        data(p);
    } else if (is(line, "QUIT")) {
        say(p, "221 bye");
        fflush(p->out);
        _exit(0);
    } else {
        say(p, "503 5.5.1 not now, or never");
    }
}

static void __attribute__((noreturn)) serve(const struct dest_test *t, int fd, bool lmtp)
{
    struct peer p = {.test = t, .in = fdopen(fd, "r"), .out = fdopen(dup(fd), "w"), .lmtp = lmtp};
    char line[LINE];
    if (!p.in || !p.out)
        _exit(1);
    say(&p, "220 test");
    while (fflush(p.out) == 0 && get_line(&p, line))
        obey(&p, line);
    _exit(0);
}

static void __attribute__((noreturn)) accept_all(const struct dest_test *t, int listener, bool lmtp)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && fork() == 0)
            serve(t, fd, lmtp);
        close(fd);
    }
}

/* ---- the destinations */

static void start(struct dest_test *t, int listener, bool lmtp)
{
    struct server *s = t->own;
    assert_int_equal(listen(listener, 8), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0)
        accept_all(t, listener, lmtp);
    close(listener);
}

static void lmtp_make(struct dest_test *t)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct server *s = t->own = mem_alloc(sizeof *s);
    *s = (struct server){.pid = -1};
    dest_folder_make(t);
    place_path(&t->place, "socket", s->socket);
    assert_true(strlen(s->socket) < sizeof a.sun_path);
    strcpy(a.sun_path, s->socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    start(t, fd, true);
}

static void smtp_make(struct dest_test *t)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    struct server *s = t->own = mem_alloc(sizeof *s);
    *s = (struct server){.pid = -1};
    dest_folder_make(t);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    start(t, fd, false);
}

static int server_open(struct dest_test *t, struct out **o, struct err *err)
{
    const struct server *s = t->own;
    struct out_smtp_to to = {.host = *s->socket ? s->socket : "127.0.0.1",
                             .port = s->port,
                             .tls = ACCOUNT_CLEAR,
                             .from = "me@example.org",
                             .to = "anna@example.org",
                             .lmtp = *s->socket != '\0'};
    return out_smtp(o, &to, err);
}

static void server_clean(struct dest_test *t)
{
    struct server *s = t->own;
    kill(s->pid, SIGKILL);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    mem_free(s);
    dest_folder_clean(t);
}

const struct dest dest_lmtp = {.name = "lmtp",
                               .make = lmtp_make,
                               .open = server_open,
                               .count = dest_folder_count,
                               .read = dest_folder_read,
                               .disk_full = "write:ENOSPC:/spool:1",
                               .clean = server_clean};

const struct dest dest_smtp = {.name = "smtp",
                               .make = smtp_make,
                               .open = server_open,
                               .count = dest_folder_count,
                               .read = dest_folder_read,
                               .disk_full = "write:ENOSPC:/spool:1",
                               .clean = server_clean};
