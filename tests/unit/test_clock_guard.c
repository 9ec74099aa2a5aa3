/* base/clock_guard: what is a jump, and what is believed of the last run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/clock_guard.h"

enum { DAY = 24 * 3600 };

static const struct clock_mark last = {.wall = 1000000, .up = 500, .boot = "one"};

static int64_t moved(int64_t wall, int64_t up, const char *boot)
{
    struct clock_mark now = {.wall = wall, .up = up};
    snprintf(now.boot, sizeof now.boot, "%s", boot);
    return clock_moved(&last, &now);
}

static void within_a_boot(void **state)
{
    assert_int_equal(moved(1000000, 500, "one"), 0);
    assert_int_equal(moved(1000000 + 90 * DAY, 500 + 90 * DAY, "one"), 0); /* it slept, or ran for long */
    assert_int_equal(moved(1000000 + 3600, 500, "one"), 3600);
    assert_int_equal(moved(1000000 - 3600, 510, "one"), -3610);
}

/* The beginning of this boot is what is compared with the last look. */
static void between_boots(void **state)
{
    assert_int_equal(moved(1000000 + 100, 60, "two"), 40);
    assert_int_equal(moved(1000000 + 90 * DAY, 90 * DAY, "two"), 0);
    assert_int_equal(moved(1000000 + 3 * DAY, 60, "two"), 3 * DAY - 60);
    assert_int_equal(moved(1000000 - 3 * DAY, 60, "two"), -3 * DAY - 60);
}

static void what_is_a_jump(void **state)
{
    assert_false(clock_jumped(0));
    assert_false(clock_jumped(DAY));
    assert_true(clock_jumped(DAY + 1));
    assert_false(clock_jumped(-DAY));
    assert_true(clock_jumped(-DAY - 1));
}

static void now_is_now(void **state)
{
    struct clock_mark a, b;
    struct err err;
    assert_int_equal(clock_mark_now(&a, &err), 0);
    assert_int_equal(clock_mark_now(&b, &err), 0);
    assert_in_range(a.wall, clock_wall().tv_sec - 60, clock_wall().tv_sec);
    assert_true(*a.boot && strcmp(a.boot, b.boot) == 0 && a.up > 0 && b.up >= a.up);
}

static void kept_and_read(void **state)
{
    char folder[] = "/tmp/bustia-guard-XXXXXX", path[120], below[80];
    struct clock_state in = {.mark = last, .ran = 77}, out;
    struct err err = {0};
    struct stat st;
    assert_non_null(mkdtemp(folder));
    snprintf(below, sizeof below, "%s/sub", folder);
    snprintf(path, sizeof path, "%s/state", below);
    assert_int_equal(clock_state_load(path, &out, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    for (unsigned i = 0; i < 2; i++) { /* anew, and over itself */
        in.ran += i;
        assert_int_equal(clock_state_save(path, &in, &err), 0);
        assert_int_equal(clock_state_load(path, &out, &err), 0);
        assert_memory_equal(&in, &out, sizeof in);
    }
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(chmod(path, 0664), 0);
    assert_int_equal(clock_state_load(path, &out, &err), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(below), 0);
    snprintf(path, sizeof path, "%s/no/state/here", folder);
    assert_int_equal(clock_state_save(path, &in, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_a_boot), cmocka_unit_test(between_boots), cmocka_unit_test(what_is_a_jump),
        cmocka_unit_test(now_is_now),    cmocka_unit_test(kept_and_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
