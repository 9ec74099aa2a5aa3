/* control: see the header. Prints no byte of a peer unescaped. */
#include "tool/control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/log.h"
#include "base/log_kept.h"
#include "base/mem.h"
#include "tool/control_ask.h"

/* ---- who */

struct table {
    struct control_row *rows;
    unsigned count;
};

static void keep(void *arg, const struct control_row *r)
{
    struct table *t = arg;
    if ((t->count & (t->count - 1)) == 0)
        t->rows = mem_resize(t->rows, (t->count ? 2 * t->count : 1) * sizeof *t->rows);
    t->rows[t->count++] = *r;
}

/* "3:07", "2:15:00": since the log-in. */
static const char *since(uint64_t ms, char out[32])
{
    uint64_t s = ms / 1000;
    if (s < 3600)
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
    else
        snprintf(out, 32, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
    return out;
}

static int wider(int width, const char *text)
{
    int n = (int)strlen(log_escape(span_of(text)));
    return n > width ? n : width;
}

static void print_table(const struct table *t)
{
    int user = (int)strlen("USER"), address = (int)strlen("ADDRESS");
    char time[32];
    for (unsigned i = 0; i < t->count; i++) {
        user = wider(user, t->rows[i].user);
        address = wider(address, t->rows[i].address);
    }
    printf("%-*s  %-*s  TLS  %8s  %6s  %7s  UID\n", user, "USER", address, "ADDRESS", "SINCE", "READ", "DELETED");
    for (unsigned i = 0; i < t->count; i++) {
        const struct control_row *r = &t->rows[i];
        printf("%-*s  ", user, log_escape(span_of(r->user)));
        printf("%-*s  %-3s  %8s  %6" PRIu64 "  %7" PRIu64 "  %" PRIu32 "\n", address, log_escape(span_of(r->address)),
               r->tls ? "yes" : "no", r->count ? "waits" : since(r->started_ms_ago, time), r->read, r->deleted, r->uid);
    }
}

int tool_who(const struct tool *t, int argc, char **argv)
{
    struct control_request q;
    struct table table = {NULL, 0};
    struct err err;
    uint32_t count = 0;
    (void)argv;
    if (argc != 1)
        return tool_usage("who");
    control_request_make(&q, CONTROL_WHO, "");
    int fd = control_ask(t->conf, &q, &err);
    if (fd < 0)
        return tool_fail(&err);
    int result = control_rows(fd, keep, &table, &count, &err);
    close(fd);
    if (result == 0 && count != table.count)
        result = err_set(&err, ERR_TEMP, "the server names %u sessions and has told %u", count, table.count);
    if (result == 0)
        print_table(&table);
    mem_free(table.rows);
    return result == 0 ? EX_OK : tool_fail(&err);
}

/* ---- kick */

enum { EXIT_NOBODY = 1 };

static void ignore(void *arg, const struct control_row *r)
{
    (void)arg;
    (void)r;
}

int tool_kick(const struct tool *t, int argc, char **argv)
{
    struct control_request q;
    struct err err;
    uint32_t count = 0;
    if (argc != 2 || !argv[1][0])
        return tool_usage("kick USER");
    if (!control_request_make(&q, CONTROL_KICK, argv[1])) {
        err_set(&err, ERR_INPUT, "a user's name is never longer than %d bytes", CONTROL_USER - 1);
        return tool_fail(&err);
    }
    int fd = control_ask(t->conf, &q, &err);
    if (fd < 0)
        return tool_fail(&err);
    int result = control_rows(fd, ignore, NULL, &count, &err);
    close(fd);
    if (result < 0)
        return tool_fail(&err);
    if (count == 0) {
        fprintf(stderr, "bustia: no session of %s\n", log_escape(span_of(argv[1])));
        return EXIT_NOBODY;
    }
    printf("%" PRIu32 " session%s of %s ended\n", count, count == 1 ? "" : "s", log_escape(span_of(argv[1])));
    return EX_OK;
}

/* ---- log errors */

static int by_time(const void *a, const void *b, void *all)
{
    const struct control_row *rows = all, *x = &rows[*(const unsigned *)a], *y = &rows[*(const unsigned *)b];
    if (x->read != y->read)
        return x->read < y->read ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* A line, whose pieces stand behind each other. */
static void print_line(const struct table *t, unsigned i)
{
    const struct control_row *r = &t->rows[i];
    struct clock_date d = clock_date(r->read < INT32_MAX * 4ll ? (int64_t)r->read : 0);
    printf("%04d-%02d-%02dT%02d:%02d:%02dZ %s[%" PRIu32 "] %s ", d.year, d.month, d.day, d.hour, d.minute, d.second,
           log_escape(span_of(r->user)), r->uid, r->deleted == LOG_L_ERROR ? "error" : "warning");
    char text[LOG_KEPT_TEXT + 1] = "", shown[4 * LOG_KEPT_TEXT];
    for (; i < t->count; i++) {
        strncat(text, t->rows[i].text, sizeof text - 1 - strlen(text));
        if (t->rows[i].count == 0)
            break;
    }
    log_shown(text, shown, sizeof shown);
    puts(shown);
}

static void print_lines(const struct table *t)
{
    unsigned *first = mem_alloc((t->count + 1) * sizeof *first), n = 0;
    for (unsigned i = 0; i < t->count; i++)
        if (i == 0 || t->rows[i - 1].count == 0)
            first[n++] = i;
    if (n)
        qsort_r(first, n, sizeof *first, by_time, t->rows);
    for (unsigned i = 0; i < n; i++)
        print_line(t, first[i]);
    mem_free(first);
}

int tool_log(const struct tool *t, int argc, char **argv)
{
    struct control_request q;
    struct table table = {NULL, 0};
    struct err err;
    uint32_t missing = 0;
    if (argc != 2 || strcmp(argv[1], "errors") != 0)
        return tool_usage("log errors");
    control_request_make(&q, CONTROL_ERRORS, "");
    int fd = control_ask(t->conf, &q, &err);
    if (fd < 0)
        return tool_fail(&err);
    int result = control_rows(fd, keep, &table, &missing, &err);
    close(fd);
    if (result == 0) {
        print_lines(&table);
        if (missing)
            fprintf(stderr, "bustia: %" PRIu32 " process%s did not answer\n", missing, missing == 1 ? "" : "es");
    }
    mem_free(table.rows);
    return result == 0 ? EX_OK : tool_fail(&err);
}
