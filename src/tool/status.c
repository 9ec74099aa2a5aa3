/* status: see the header. Reads what the checks left behind; asks no server.
 *
 * Exit statuses, of several the one that stands first here:
 *    64  the command line is wrong
 *    78  the accounts file is wrong, or what it says of an account
 *    75  what is known of an account could not be read
 *     1  the last check of an account failed, or messages of it
 *     0  all is well, or was never checked */
#include "tool/status.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "fetch/seen.h"
#include "tool/column.h"
#include "tool/fetch_accounts.h"
#include "tool/fetch_line.h"
#include "tool/fetch_words.h"
#include "tool/json.h"

enum { COLUMNS = 6, CELL = ERR_TEXT + 40 };

struct row {
    const struct account *account;
    struct seen_board board;
    bool known, listed;     /* it was checked once; and once said what it holds */
    bool unreadable, wrong; /* its state cannot be read; the file is wrong about it */
    char error[CELL];
};

static void read_row(const struct fetch_accounts *f, const struct account *a, struct row *r)
{
    struct err err = {.kind = ERR_NONE}, wrong;
    *r = (struct row){.account = a};
    r->known = seen_board_of(f->all->state_folder, a->name, &r->board, &err) == 0;
    r->known = r->known && r->board.checked;
    r->listed = r->known && (r->board.succeeded || r->board.left);
    r->unreadable = !r->known && err.kind != ERR_NONE && err.kind != ERR_GONE;
    r->wrong = fetch_accounts_wrong(f, a, &wrong);
    const char *error = r->wrong ? wrong.text : r->known ? r->board.error : r->unreadable ? err.text : "";
    log_shown(error, r->error, sizeof r->error);
}

/* ---- for people */

static void ago(int64_t then, int64_t now, char out[CELL])
{
    char span[FETCH_WORD];
    fetch_span(now > then ? (uint64_t)(now - then) : 0, span);
    snprintf(out, CELL, then ? "%s ago" : "never", span);
}

static void ahead(const struct row *r, int64_t now, char out[CELL])
{
    char span[FETCH_WORD];
    int64_t next = r->board.next > r->board.not_before ? r->board.next : r->board.not_before;
    fetch_span(next > now ? (uint64_t)(next - now) : 0, span);
    if (!r->account->enabled)
        snprintf(out, CELL, "not enabled");
    else
        snprintf(out, CELL, next > now ? "in %s" : "due", span);
}

static void cells_of(const struct row *r, int64_t now, char cells[COLUMNS][CELL])
{
    snprintf(cells[0], CELL, "%s", r->account->name);
    ago(r->board.checked, now, cells[1]);
    ahead(r, now, cells[2]);
    snprintf(cells[3], CELL, r->known ? "%" PRIu64 : "-", r->board.fetched);
    snprintf(cells[4], CELL, r->listed ? "%" PRIu64 : "-", r->board.left);
    if (r->board.failures > 1)
        snprintf(cells[5], CELL, "%s (%" PRIu64 " times in a row)", r->error, r->board.failures);
    else
        snprintf(cells[5], CELL, "%s", *r->error ? r->error : r->known ? "well" : "not checked yet");
    if (r->unreadable)
        snprintf(cells[1], CELL, "unknown");
}

/* Of the terminal; 0: there is none, and nothing is cut. */
static int columns(void)
{
    struct winsize w = {0};
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}

static void print_row(char cells[COLUMNS][CELL], const int width[COLUMNS], int most)
{
    char line[COLUMNS * (2 * CELL + 4)];
    size_t n = 0;
    for (unsigned k = 0; k + 1 < COLUMNS; k++) {
        int pad = width[k] + 2 - column_width(cells[k]);
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%*s", cells[k], pad, "");
    }
    snprintf(line + n, sizeof line - n, "%s", cells[COLUMNS - 1]);
    if (most)
        fetch_fit(line, sizeof line, most);
    puts(line);
}

static void print_table(const struct row *rows, unsigned count)
{
    static const char *const titles[COLUMNS] = {"ACCOUNT", "LAST CHECK", "NEXT", "NEW", "LEFT", "STATE"};
    int64_t now = clock_wall().tv_sec;
    int width[COLUMNS];
    char(*cells)[COLUMNS][CELL] = mem_alloc((count + 1) * sizeof *cells);
    for (unsigned k = 0; k < COLUMNS; k++)
        snprintf(cells[0][k], CELL, "%s", titles[k]);
    for (unsigned i = 0; i < count; i++)
        cells_of(&rows[i], now, cells[i + 1]);
    for (unsigned k = 0; k < COLUMNS; k++) {
        width[k] = 0;
        for (unsigned i = 0; i <= count; i++)
            if (column_width(cells[i][k]) > width[k])
                width[k] = column_width(cells[i][k]);
    }
    for (unsigned i = 0; i <= count; i++)
        print_row(cells[i], width, columns());
    mem_free(cells);
}

/* ---- for programs */

static void number_or_null(struct json *j, const char *name, bool known, uint64_t value)
{
    if (known)
        json_number(j, name, value);
    else
        json_null(j, name);
}

static void print_json(const struct row *r)
{
    struct json *j = json_new();
    json_text(j, "account", r->account->name);
    json_truth(j, "enabled", r->account->enabled);
    json_truth(j, "readable", !r->unreadable);
    json_time(j, "checked", r->board.checked);
    json_time(j, "succeeded", r->board.succeeded);
    json_time(j, "next", r->board.next);
    json_time(j, "not_before", r->board.not_before);
    number_or_null(j, "fetched", r->known, r->board.fetched);
    number_or_null(j, "left", r->listed, r->board.left);
    json_number(j, "failures", r->board.failures);
    json_text(j, "error", r->error);
    json_line(j, stdout);
}

enum { EXIT_FAILING = 1 };

static int status_of(const struct row *r)
{
    return r->wrong ? EX_CONFIG : r->unreadable ? EX_TEMPFAIL : r->board.failures || *r->error ? EXIT_FAILING : EX_OK;
}

static int show(const struct fetch_accounts *f, bool json)
{
    int status = EX_OK; /* the greatest is what matters most */
    struct row *rows = mem_alloc((f->count + 1) * sizeof *rows);
    for (unsigned i = 0; i < f->count; i++) {
        read_row(f, f->chosen[i], &rows[i]);
        if (status_of(&rows[i]) > status)
            status = status_of(&rows[i]);
        if (json)
            print_json(&rows[i]);
    }
    if (!json)
        print_table(rows, f->count);
    mem_free(rows);
    return status;
}

int tool_status(const struct tool *t, int argc, char **argv)
{
    static const char usage[] = "status [--json] [-a FILE] [ACCOUNT…]";
    static const char *const options[] = {"--json", "-a", NULL};
    struct fetch_accounts f;
    struct err err;
    const char *file = NULL;
    bool json = false;
    unsigned names = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "-a") == 0 && i + 1 < argc)
            file = argv[++i];
        else if (strcmp(argv[i], "-a") == 0)
            return tool_wrong(usage, "-a wants a word: the file of accounts");
        else if (argv[i][0] == '-')
            return tool_no_option(usage, argv[i], options);
        else
            argv[1 + names++] = argv[i];
    }
    int status = fetch_accounts_open(&f, file, argv + 1, names, &err) < 0 ? tool_fail(&err) : show(&f, json);
    fetch_accounts_close(&f);
    return status;
}
