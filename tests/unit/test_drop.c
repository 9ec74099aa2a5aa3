/* base/drop: numbers, marks, totals (RFC 1939 §5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/drop.h"

static void marks_change_the_totals(void **state)
{
    struct drop d;
    drop_init(&d);
    assert_false(drop_has(&d, 0));
    assert_false(drop_mark(&d, 0));
    char uid[] = "uid-a";
    assert_int_equal(drop_add(&d, 100, span_of(uid)), 0);
    uid[4] = 'x'; /* it was copied */
    assert_int_equal(drop_add(&d, UINT64_C(5000000000), (struct span){"uid-b and more", 5}), 1);
    assert_int_equal(drop_add(&d, 0, span_of("uid-c")), 2);
    assert_string_equal(d.messages[0].uid, "uid-a");
    assert_string_equal(d.messages[1].uid, "uid-b");
    assert_int_equal(d.octets, UINT64_C(5000000100));

    assert_true(drop_mark(&d, 1));
    assert_false(drop_mark(&d, 1)); /* marked already */
    assert_false(drop_mark(&d, 3));
    assert_false(drop_mark(&d, UINT32_MAX));
    assert_false(drop_has(&d, 1));
    assert_true(drop_has(&d, 0));
    assert_int_equal(d.octets, 100);
    assert_int_equal(d.deleted, 1);
    assert_int_equal(d.count, 3); /* numbers do not move */

    assert_true(drop_mark(&d, 0));
    drop_reset(&d);
    assert_int_equal(d.deleted, 0);
    assert_int_equal(d.octets, UINT64_C(5000000100));
    for (unsigned i = 0; i < 3; i++)
        assert_true(drop_has(&d, i));
    drop_reset(&d);
    assert_int_equal(d.octets, UINT64_C(5000000100));
    drop_fini(&d);
    assert_int_equal(d.count, 0);
    drop_fini(&d);
}

static void told_and_then_loaded(void **state)
{
    struct drop d;
    drop_init(&d);
    assert_true(drop_loaded(&d)); /* nothing is all there is of it */
    drop_tell(&d, 2, 130, true);
    assert_false(drop_loaded(&d));
    assert_true(drop_has(&d, 1));
    assert_false(drop_has(&d, 2));
    drop_reset(&d); /* nothing is marked in it */
    assert_int_equal(d.octets, 130);

    drop_load(&d);
    assert_true(drop_loaded(&d));
    assert_int_equal(d.room, 2);
    assert_int_equal(drop_add(&d, 100, span_of("a")), 0);
    assert_int_equal(drop_add(&d, 30, span_of("bcd")), 1);
    assert_int_equal(d.count, 2);
    assert_int_equal(d.octets, 130);
    assert_true(d.eight_bit);
    assert_int_equal(d.messages[1].uid_n, 3);
    assert_int_equal(d.messages[1].downgraded, 0);
    assert_true(drop_mark(&d, 0));
    drop_fini(&d);
    drop_tell(&d, 0, 0, false);
    assert_true(drop_loaded(&d));
    drop_fini(&d);
}

/* What an idle session holds of its maildrop: no room for messages that do not come. */
static void trimmed_to_what_is_there(void **state)
{
    struct drop d;
    drop_init(&d);
    drop_trim(&d);
    assert_null(d.messages);
    drop_add(&d, 100, span_of("a"));
    drop_add(&d, 30, span_of("bcd"));
    drop_trim(&d);
    assert_int_equal(d.room, 2);
    assert_int_equal(d.octets, 130);
    assert_string_equal(d.messages[1].uid, "bcd");
    assert_int_equal(drop_add(&d, 1, span_of("e")), 2); /* it may grow again */
    assert_string_equal(d.messages[2].uid, "e");
    drop_fini(&d);
    drop_tell(&d, 2, 130, false);
    drop_trim(&d); /* nothing is loaded, and nothing is made of it */
    assert_false(drop_loaded(&d));
    drop_fini(&d);
}

static void another_size(void **state)
{
    struct drop d;
    drop_init(&d);
    drop_add(&d, 100, span_of("a"));
    drop_add(&d, 30, span_of("b"));
    drop_resize(&d, 0, 7);
    assert_int_equal(d.octets, 37);
    assert_int_equal(d.messages[0].octets, 7);
    drop_mark(&d, 1);
    drop_resize(&d, 1, UINT64_C(5000000000));
    assert_int_equal(d.octets, 7);
    drop_reset(&d);
    assert_int_equal(d.octets, UINT64_C(5000000007));
    drop_fini(&d);
}

static void many_messages(void **state)
{
    enum { MANY = 100000 };
    struct drop d;
    char uid[32];
    drop_init(&d);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(uid, sizeof uid, "u%u", i);
        assert_int_equal(drop_add(&d, i, span_of(uid)), i);
    }
    uint64_t left = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(uid, sizeof uid, "u%u", i);
        assert_string_equal(d.messages[i].uid, uid);
        if (i % 3)
            assert_true(drop_mark(&d, i));
        else
            left += i;
    }
    assert_int_equal(d.octets, left);
    drop_reset(&d);
    assert_int_equal(d.octets, (uint64_t)MANY * (MANY - 1) / 2);
    drop_fini(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(marks_change_the_totals),
                                       cmocka_unit_test(told_and_then_loaded),
                                       cmocka_unit_test(trimmed_to_what_is_there),
                                       cmocka_unit_test(another_size),
                                       cmocka_unit_test(many_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
