/* maildir_stamp: what is concluded from the time on a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "store/maildir_stamp.h"

enum { S = 1000000000 };

static void test_told(void **state)
{
    static const struct {
        struct timespec changed;
        int64_t tick;
        bool told;
    } rows[] = {
        {{100, 123456789}, 100 * (int64_t)S + 123456789, false}, /* it may be borne by what comes */
        {{100, 123456789}, 100 * (int64_t)S + 123456790, false},
        {{100, 123456700}, 100 * (int64_t)S + 123456789, false}, /* rounded to 100 ns: it is this very tick's */
        {{100, 123456000}, 100 * (int64_t)S + 123456999, false}, /* the same, to 1 us */
        {{100, 123456789}, 100 * (int64_t)S + 124456789, true}, /* the next tick, of the fastest clock */
        {{100, 123456789}, 99 * (int64_t)S, false}, /* of the future */
        {{100, 123000000}, 100 * (int64_t)S + 124000000, false}, /* milliseconds alone */
        {{100, 123000000}, 100 * (int64_t)S + 133000001, true},
        {{100, 0}, 101 * (int64_t)S + 999999999, false}, /* seconds alone */
        {{100, 0}, 102 * (int64_t)S + 1, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(maildir_told(rows[i].changed, rows[i].tick), rows[i].told);
}

/* A change after a look that was told is seen; and one tick's patience is enough for the next look. */
static void test_changes_show(void **state)
{
    (void)state;
    char top[] = "/tmp/stamp.XXXXXX";
    assert_non_null(mkdtemp(top));
    int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    for (unsigned i = 0; i < 50; i++) {
        maildir_tick_wait();
        struct maildir_look look = maildir_look(dir);
        assert_true(look.known);
        assert_true(maildir_is_still(dir, &look));
        int fd = openat(dir, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
        assert_false(maildir_is_still(dir, &look));
        look = maildir_look(dir); /* in the same tick, mostly: then nothing can be said */
        assert_int_equal(unlinkat(dir, "x", 0), 0);
        assert_false(maildir_is_still(dir, &look));
    }
    assert_false(maildir_look(-1).known);
    close(dir);
    assert_int_equal(rmdir(top), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_told), cmocka_unit_test(test_changes_show)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
