/* base/log: the form of a line, that nothing deceives its reader, and that no reader can hold a process up or end it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"

enum { LINE = 2048 };

static int ends[2]; /* the log writes to 1 */
static char got[1 << 16];

static void open_pipe(enum log_kind kind)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_open(ends[1], kind, "door");
}

static void close_ends(void)
{
    close(ends[0]);
    close(ends[1]);
    log_open(STDERR_FILENO, LOG_TO_STREAM, "test");
    log_level_set(LOG_L_INFO);
    log_on_failure(NULL);
}

static const char *take(void)
{
    ssize_t n = read(ends[0], got, sizeof got - 1);
    got[n > 0 ? n : 0] = '\0';
    return got;
}

static bool matches(const char *text, const char *pattern)
{
    regex_t re;
    assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool found = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    if (!found)
        print_error("%s\n", text);
    return found;
}

static void lines_have_a_form(void **state)
{
    open_pipe(LOG_TO_STREAM);
    log_info("session", "user=%s read=%u", log_quote_text("a"), 3u);
    assert_true(matches(take(), "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{3}Z "
                                "bustiad\\[[0-9]+\\] door info session: user=\"a\" read=3\n$"));
    log_error("e", "x");
    assert_true(matches(take(), " door error e: x\n$"));
    log_warning("e", "x");
    assert_true(matches(take(), " door warning e: x\n$"));
    close_ends();
}

static void syslog_has_another(void **state)
{
    open_pipe(LOG_TO_SYSLOG);
    log_level_set(LOG_L_DEBUG);
    log_error("e", "k=%d", 1);
    assert_true(matches(take(), "^<19>bustiad\\[[0-9]+\\]: door e: k=1$")); /* mail.err: 2 * 8 + 3 */
    log_warning("e", "k=%d", 1);
    assert_true(matches(take(), "^<20>"));
    log_info("e", "k=%d", 1);
    assert_true(matches(take(), "^<22>"));
    log_debug("e", "k=%d", 1);
    assert_true(matches(take(), "^<23>"));
    log_format_set(LOG_JSON);
    log_error("e", "k=%d", 1);
    log_format_set(LOG_TEXT);
    assert_true(matches(take(), "^<19>bustiad\\[[0-9]+\\]: \\{\"time\":\".*,\"role\":\"door\",\"level\":\"error\",\"event\":\"e\",\"fields\":\\{\"k\":1\\},\"message\":\"\"\\}$"));
    close_ends();
}

/* The stamp against the C library's calendar, at the wall clock's own second. */
static void the_stamp_is_utc(void **state)
{
    open_pipe(LOG_TO_STREAM);
    bool same = false;
    for (unsigned i = 0; i < 5 && !same; i++) { /* again if the second changed between */
        char want[32];
        struct timespec now; /* not time(3), which may be behind by a tick of the kernel's */
        struct tm tm;
        clock_gettime(CLOCK_REALTIME, &now);
        strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.", gmtime_r(&now.tv_sec, &tm));
        log_info("e", "x");
        same = strncmp(take(), want, strlen(want)) == 0;
    }
    assert_true(same);
    close_ends();
}

static void levels_are_kept(void **state)
{
    open_pipe(LOG_TO_STREAM);
    log_debug("e", "not asked for");
    assert_string_equal(take(), "");
    log_level_set(LOG_L_ERROR);
    log_warning("e", "x");
    log_info("e", "x");
    assert_string_equal(take(), "");
    log_error("e", "x");
    assert_string_not_equal(take(), "");
    close_ends();
}

static void nothing_deceives(void **state)
{
    static const struct {
        struct span in;
        const char *quoted;
    } rows[] = {
        {{"a", 1}, "\"a\""},
        {{NULL, 0}, "\"\""},
        {{"a\r\nb\0c\x1b[31m\x7f", 12}, "\"a\\x0d\\x0ab\\x00c\\x1b[31m\\x7f\""},
        {{"\"\\", 2}, "\"\\x22\\x5c\""},
        {{"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x93\xAC", 9}, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x93\xAC\""},
        {{"\xE9t\xE9", 3}, "\"\\xe9t\\xe9\""},                                   /* Latin-1 */
        {{"\xC0\x8A\xE0\x80\x8A", 5}, "\"\\xc0\\x8a\\xe0\\x80\\x8a\""},          /* line ends in too many bytes */
        {{"\xED\xA0\x80", 3}, "\"\\xed\\xa0\\x80\""},                            /* a surrogate */
        {{"\xF4\x90\x80\x80\xFF", 5}, "\"\\xf4\\x90\\x80\\x80\\xff\""},          /* beyond Unicode */
        {{"\xC2\x85\xC2\x9B", 4}, "\"\\xc2\\x85\\xc2\\x9b\""},                   /* C1 controls */
        {{"\xE2\x80\xA8\xE2\x80\xAE", 6}, "\"\\xe2\\x80\\xa8\\xe2\\x80\\xae\""}, /* line end, right-to-left */
        {{"\xE2\x82", 2}, "\"\\xe2\\x82\""},                                     /* cut within a character */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(log_quote(rows[i].in), rows[i].quoted);
        const char *plain = log_escape(rows[i].in);
        assert_int_equal(strlen(plain), strlen(rows[i].quoted) - 2);
        assert_memory_equal(plain, rows[i].quoted + 1, strlen(plain));
    }
    assert_string_equal(log_quote_text(NULL), "\"\"");
}

static void what_is_escaped_stays_so(void **state)
{
    char out[16];
    (void)state;
    log_shown("\\x1b \"é\"", out, sizeof out);
    assert_string_equal(out, "\\x1b \"é\"");
    log_shown("a\x1b[2J", out, sizeof out);
    assert_string_equal(out, "a\\x1b[2J");
    log_shown("12345678901234é", out, sizeof out); /* a half character is none */
    assert_string_equal(out, "12345678901234");
    log_shown("1\xc3", out, sizeof out); /* as what was cut ends */
    assert_string_equal(out, "1\\xc3");
}

static void a_program_has_its_name(void **state)
{
    (void)state;
    open_pipe(LOG_TO_STREAM);
    log_program("bustia");
    log_info("check", "account=work");
    assert_true(matches(take(), "Z bustia\\[[0-9]+\\] door info check: account=work\n$"));
    log_program("bustiad");
    close_ends();
}

static void long_text_is_cut(void **state)
{
    char text[3 * LOG_QUOTED];
    for (size_t n = LOG_QUOTED - 8; n < LOG_QUOTED + 8; n++) {
        memset(text, 'x', n);
        const char *q = log_quote((struct span){text, n});
        bool fits = n + 2 <= LOG_QUOTED;
        assert_int_equal(strlen(q), fits ? n + 2 : LOG_QUOTED);
        assert_string_equal(q + strlen(q) - 4, fits ? "xxx\"" : "…\"");
        for (size_t i = 0; i < n; i++)
            text[i] = (i & 1) ? '\xA9' : '\xC3';
        q = log_quote((struct span){text, n & ~(size_t)1}); /* characters stay whole */
        assert_true(strlen(q) <= LOG_QUOTED);
        assert_null(strchr(q, '\\'));
        memset(text, '\n', n);
        q = log_escape((struct span){text, n});
        assert_int_equal(strlen(q) % 4, 3); /* so do escapes: the sign of the cut has three bytes */
        assert_true(strlen(q) <= LOG_QUOTED);
    }
}

static void eight_quotes_at_a_time(void **state)
{
    const char *q[8];
    char text[2] = "a";
    for (unsigned i = 0; i < 8; i++) {
        text[0] = (char)('a' + i);
        q[i] = log_quote_text(text);
    }
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(q[i][1], 'a' + i);
}

static void a_line_is_one_line(void **state)
{
    open_pipe(LOG_TO_STREAM);
    log_info("e", "%s", "a\nb\r\x1b\xFF");
    assert_true(matches(take(), ": a\\\\x0ab\\\\x0d\\\\x1b\\\\xff\n$"));
    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    char text[3 * LINE];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_info("e", "%s", text);
    assert_int_equal(strlen(take()), LINE);
    assert_int_equal(got[LINE - 1], '\n');
    memset(text, '\n', sizeof text - 1);
    log_info("e", "%s", text);
    assert_true(strlen(take()) <= LINE);
    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    close_ends();
}

static void errno_stays(void **state)
{
    open_pipe(LOG_TO_STREAM);
    close(ends[0]);
    errno = ENOENT;
    log_info("e", "x");
    assert_int_equal(errno, ENOENT);
    close_ends();
}

/* Nobody reads: lines are lost and counted, and the process goes on. */
static void a_full_pipe_loses_lines(void **state)
{
    open_pipe(LOG_TO_STREAM);
    for (unsigned i = 0; i < 3000; i++)
        log_info("e", "%0100u", i);
    while (*take())
        ;
    log_info("e", "again");
    take();
    assert_true(matches(got, " info e: again\n.* warning lost: lines=[0-9]+\n$"));
    close_ends();
}

static void a_full_socket_loses_lines(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, (i ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0, ends), 0);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        log_open(ends[1], i ? LOG_TO_STREAM : LOG_TO_SYSLOG, "door");
        for (unsigned k = 0; k < 5000; k++)
            log_info("e", "%0200u", k);
        while (*take())
            ;
        log_info("e", "again");
        assert_non_null(strstr(take(), "e: again")); /* on a line of its own */
        assert_true(i == 0 || got[0] == '2' || got[0] == '\n');
        close_ends();
    }
}

static unsigned failures;

static void on_failure(void)
{
    failures++;
    log_info("e", "it may log, too");
}

static void a_reader_that_went_is_told_once_a_line(void **state)
{
    open_pipe(LOG_TO_STREAM);
    log_on_failure(on_failure);
    close(ends[0]);
    log_info("e", "x"); /* no SIGPIPE */
    assert_int_equal(failures, 1);
    log_info("e", "x");
    assert_int_equal(failures, 2);
    ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close_ends();

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    log_open(ends[1], LOG_TO_SYSLOG, "door");
    log_on_failure(on_failure);
    close(ends[0]);
    log_info("e", "x");
    assert_int_equal(failures, 3);
    ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close_ends();
}

static void *many_lines(void *arg)
{
    for (unsigned i = 0; i < 500; i++)
        log_info("e", "thread=%s i=%u %s", (const char *)arg, i, "to be found whole");
    return NULL;
}

/* A regular file, two threads: every line whole. */
static void threads_do_not_mix(void **state)
{
    FILE *f = tmpfile();
    pthread_t a, b;
    fcntl(fileno(f), F_SETFL, O_APPEND);
    log_open(fileno(f), LOG_TO_STREAM, "mail");
    log_info("e", "what was lost before is told here");
    assert_int_equal(ftruncate(fileno(f), 0), 0);
    pthread_create(&a, NULL, many_lines, "a");
    pthread_create(&b, NULL, many_lines, "b");
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    log_open(STDERR_FILENO, LOG_TO_STREAM, "test");
    rewind(f);
    char line[LINE];
    unsigned n = 0;
    while (fgets(line, sizeof line, f)) {
        size_t len = strlen(line);
        assert_true(len > 18 && strcmp(line + len - 18, "to be found whole\n") == 0);
        n++;
    }
    assert_int_equal(n, 1000);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_a_form),
        cmocka_unit_test(syslog_has_another),
        cmocka_unit_test(the_stamp_is_utc),
        cmocka_unit_test(levels_are_kept),
        cmocka_unit_test(nothing_deceives),
        cmocka_unit_test(what_is_escaped_stays_so),
        cmocka_unit_test(a_program_has_its_name),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(eight_quotes_at_a_time),
        cmocka_unit_test(a_line_is_one_line),
        cmocka_unit_test(errno_stays),
        cmocka_unit_test(a_full_pipe_loses_lines),
        cmocka_unit_test(a_full_socket_loses_lines),
        cmocka_unit_test(a_reader_that_went_is_told_once_a_line),
        cmocka_unit_test(threads_do_not_mix),
    };
    alarm(60);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
