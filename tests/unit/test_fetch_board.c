/* fetch_board: an owner is told once of a row of failures and once that it works again, and neither by a check that was
 * not made; the next time is what the board says. The board is a real one; the command is this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tool/fetch_board.h"

enum { INTERVAL_MS = 600000, AFTER = 3 };

static char folder[] = "/tmp/board-XXXXXX";
static struct account account = {.name = (char *)"one", .interval = INTERVAL_MS, .notice_after = AFTER};
static char told[200];

bool crew_command(struct crew *c, const char *command, char *const environment[], struct err *err)
{
    assert_string_equal(command, "tell me");
    snprintf(told, sizeof told, "%s %s %s", environment[0], environment[1], environment[2]);
    return true;
}

/* ---- what a check does to the board */

static void noted(const struct seen_board *b)
{
    struct seen *s = NULL;
    struct err err;
    assert_int_equal(seen_open(&s, folder, account.name, true, &err), 0);
    assert_int_equal(seen_board_put(s, b, &err), 0);
    seen_close(s);
}

static struct seen_board board(void)
{
    struct seen *s = NULL;
    struct err err;
    struct seen_board b = {0};
    if (seen_open(&s, folder, account.name, false, &err) == 0)
        assert_int_equal(seen_board_get(s, &b, &err), 0);
    seen_close(s);
    return b;
}

/* A check that ends with an error of this kind, as the engine notes it if `note`. What was told of it, "": nothing. */
static const char *check(enum err_kind kind, bool note)
{
    struct fetch_board b = {0};
    struct event done = {.kind = EVENT_DONE};
    fetch_board_read(&b, &account, folder);
    if (kind != ERR_NONE)
        err_set(&done.err, kind, "went wrong");
    if (note) {
        struct seen_board after = board();
        after.failures = kind == ERR_NONE ? 0 : after.failures + 1;
        noted(&after);
    }
    *told = '\0';
    fetch_board_tell(&b, &account, folder, &done, NULL);
    return told;
}

static int begin(void **state)
{
    account.notice_command = (char *)"tell me";
    noted(&(struct seen_board){.expires = -1});
    return 0;
}

#define NOTICE(n) "BUSTIA_ACCOUNT=one BUSTIA_ERROR=went wrong BUSTIA_FAILURES=" n
#define WELL      "BUSTIA_ACCOUNT=one BUSTIA_ERROR= BUSTIA_FAILURES=0"

static void a_row_of_failures_is_told_once(void **state)
{
    assert_string_equal(check(ERR_TEMP, true), "");
    assert_string_equal(check(ERR_TEMP, true), "");
    assert_string_equal(check(ERR_AUTH, true), NOTICE("3"));
    assert_true(board().told != 0);
    assert_string_equal(check(ERR_TEMP, true), "");
    assert_string_equal(check(ERR_NONE, true), WELL);
    assert_true(board().told == 0);
    assert_string_equal(check(ERR_NONE, true), "");
    for (unsigned i = 1; i < AFTER; i++)
        assert_string_equal(check(ERR_TEMP, true), "");
    assert_string_equal(check(ERR_TEMP, true), NOTICE("3")); /* another row */
}

/* Too early, another process, LOGIN-DELAY: these note nothing. */
static void what_was_not_made_is_nothing(void **state)
{
    check(ERR_TEMP, true);
    check(ERR_TEMP, true);
    for (unsigned i = 0; i < 10; i++) {
        assert_string_equal(check(ERR_BUSY, false), "");
        assert_string_equal(check(ERR_LIMIT, false), "");
        assert_string_equal(check(ERR_NONE, false), "");
    }
    assert_string_equal(check(ERR_TEMP, true), NOTICE("3"));
    assert_string_equal(check(ERR_NONE, false), ""); /* too early: it does not work again */
    assert_string_equal(check(ERR_BUSY, false), "");
    assert_true(board().told != 0);
    assert_string_equal(check(ERR_NONE, true), WELL);
}

/* Where the board cannot be read, who watches counts. */
static void failures_without_a_board_count(void **state)
{
    struct fetch_board b = {0};
    struct event done = {.kind = EVENT_DONE};
    err_set(&done.err, ERR_TEMP, "went wrong");
    for (unsigned i = 1; i <= AFTER + 2; i++) {
        *told = '\0';
        fetch_board_read(&b, &account, "/proc/nowhere");
        fetch_board_tell(&b, &account, "/proc/nowhere", &done, NULL);
        assert_string_equal(told, i == AFTER ? NOTICE("3") : "");
    }
}

static void without_a_command_nobody_is_told(void **state)
{
    account.notice_command = (char *)"";
    for (unsigned i = 0; i < AFTER + 1; i++)
        assert_string_equal(check(ERR_TEMP, true), "");
    assert_true(board().told == 0);
}

/* ---- when */

static uint64_t next(const struct seen_board *b, uint64_t failures, bool after)
{
    struct event done = {.kind = EVENT_DONE};
    if (b)
        noted(b);
    return fetch_board_next(&(struct fetch_board){.failures = failures}, &account, b ? folder : "/proc/nowhere",
                            after ? &done : NULL);
}

static void the_board_says_when(void **state)
{
    int64_t now = clock_wall().tv_sec;
    assert_in_range(next(&(struct seen_board){.checked = now, .next = now + 300}, 0, true), 298000, 300000);
    assert_in_range(next(&(struct seen_board){.checked = now, .next = now + 300, .not_before = now + 400}, 0, false),
                    398000, 400000);
    assert_in_range(next(&(struct seen_board){.checked = now - 900, .next = now - 300}, 0, false), 0, 0);
    assert_in_range(next(&(struct seen_board){.checked = now, .next = now + 7200}, 0, false), 598000,
                    600000); /* the interval is shorter now */
    assert_in_range(next(&(struct seen_board){.checked = now, .next = now + 7200, .failures = 4}, 0, false), 7198000,
                    7200000);
    assert_in_range(next(&(struct seen_board){.checked = now, .next = now + 9000000, .failures = 4}, 0, false),
                    86400000, 86400000);
}

static void without_a_board_there_is_a_pause(void **state)
{
    assert_in_range(next(NULL, 0, false), 0, 0);
    assert_in_range(next(NULL, 0, true), INTERVAL_MS, INTERVAL_MS * 11 / 10);
    assert_in_range(next(NULL, 2, true), INTERVAL_MS * 4, INTERVAL_MS * 44 / 10);
    assert_in_range(next(NULL, 5000, true), INTERVAL_MS * 64, INTERVAL_MS * 71);
}

static int removed(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    return remove(path);
}

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    return nftw(folder, removed, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_row_of_failures_is_told_once, begin),
        cmocka_unit_test_setup(what_was_not_made_is_nothing, begin),
        cmocka_unit_test_setup(failures_without_a_board_count, begin),
        cmocka_unit_test_setup(without_a_command_nobody_is_told, begin),
        cmocka_unit_test_setup(the_board_says_when, begin),
        cmocka_unit_test_setup(without_a_board_there_is_a_pause, begin),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
