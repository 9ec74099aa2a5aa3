/* base/buf: a queue of bytes, its ceiling, and the budget of many together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void queues(void **state)
{
    struct buf b;
    buf_init(&b, 1000, NULL);
    assert_int_equal(buf_span(&b).n, 0);
    assert_non_null(buf_span(&b).p);
    assert_true(buf_add_text(&b, "one "));
    assert_true(buf_addf(&b, "%u %s", 2u, "three"));
    assert_true(span_is(buf_span(&b), "one 2 three"));
    buf_take(&b, 4);
    assert_true(span_is(buf_span(&b), "2 three"));
    assert_true(buf_add_span(&b, span_of("!")));
    assert_true(buf_add(&b, NULL, 0));
    buf_take(&b, 8);
    assert_int_equal(b.len, 0);
    assert_non_null(b.mem);
    buf_release(&b);
    assert_null(b.mem);
    assert_true(buf_add_text(&b, "x"));
    buf_release(&b); /* bytes wait: it keeps them */
    assert_true(span_is(buf_span(&b), "x"));
    buf_fini(&b);
    assert_int_equal(b.max, 1000);
}

static void adds_all_or_nothing(void **state)
{
    struct buf b;
    buf_init(&b, 10, NULL);
    assert_int_equal(buf_room(&b), 10);
    assert_true(buf_add_text(&b, "12345678"));
    assert_false(buf_add_text(&b, "9ab"));
    assert_true(span_is(buf_span(&b), "12345678"));
    assert_true(buf_add_text(&b, "9a"));
    assert_int_equal(buf_room(&b), 0);
    assert_false(buf_addf(&b, "%d", 1));
    size_t got = 77;
    assert_null(buf_reserve(&b, 1, &got));
    buf_take(&b, 9);
    assert_true(buf_add_text(&b, "bcdefghij")); /* the room before `start` is used again */
    assert_true(span_is(buf_span(&b), "abcdefghij"));
    assert_true(b.cap <= 10);
    buf_fini(&b);
}

static void reserves_and_commits(void **state)
{
    struct buf b;
    buf_init(&b, 5000, NULL);
    size_t got = 0;
    char *p = buf_reserve(&b, 100000, &got);
    assert_non_null(p);
    assert_int_equal(got, 5000);
    memset(p, 'x', got);
    buf_commit(&b, 4999);
    p = buf_reserve(&b, 10, &got);
    assert_int_equal(got, 1);
    *p = 'y';
    buf_commit(&b, 1);
    assert_int_equal(buf_span(&b).n, 5000);
    assert_int_equal(buf_span(&b).p[4998], 'x');
    assert_int_equal(buf_span(&b).p[4999], 'y');
    buf_fini(&b);
}

/* What goes in comes out, whatever the sizes of the pieces. */
static void keeps_the_order(void **state)
{
    struct buf b;
    buf_init(&b, 3000, NULL);
    unsigned in = 0, out = 0, step = 1;
    while (out < 200000) {
        char piece[700];
        size_t n = step * 31 % 700;
        for (size_t i = 0; i < n; i++)
            piece[i] = (char)((in + i) % 251);
        if (buf_add(&b, piece, n))
            in += (unsigned)n;
        struct span s = buf_span(&b);
        size_t take = step * 17 % 900;
        take = take < s.n ? take : s.n;
        for (size_t i = 0; i < take; i++)
            assert_int_equal((unsigned char)s.p[i], (out + i) % 251);
        buf_take(&b, take);
        out += (unsigned)take;
        step++;
    }
    assert_true(b.cap <= 3000);
    buf_fini(&b);
}

static void wipes(void **state)
{
    struct buf b;
    buf_init(&b, 100, NULL);
    assert_true(buf_add_text(&b, "secret"));
    buf_take(&b, 2);
    buf_wipe(&b);
    assert_int_equal(b.len, 0);
    for (size_t i = 0; i < b.cap; i++)
        assert_int_equal(b.mem[i], 0);
    buf_fini(&b);
    buf_wipe(&b);
}

static void shares_a_budget(void **state)
{
    struct budget budget = {0, 10000};
    struct buf big, late;
    static char bytes[16384];
    buf_init(&big, 16384, &budget);
    buf_init(&late, 16384, &budget);
    assert_true(buf_add(&big, bytes, sizeof bytes));
    assert_int_equal(budget.used, 16384);
    /* The budget is spent: others still work, in small pieces. */
    assert_int_equal(buf_room(&late), BUF_SMALL);
    assert_false(buf_add(&late, bytes, BUF_SMALL + 1));
    assert_true(buf_add(&late, bytes, BUF_SMALL));
    assert_int_equal(buf_room(&late), 0);
    assert_int_equal(budget.used, 16384 + BUF_SMALL);
    /* What had its room before that keeps it. */
    buf_add_held(&late, "more", 4);
    assert_int_equal(late.len, BUF_SMALL + 4);
    assert_memory_equal(buf_span(&late).p + BUF_SMALL, "more", 4);
    assert_int_equal(budget.used, 16384 + late.cap);
    buf_fini(&big);
    assert_int_equal(budget.used, late.cap);
    assert_int_equal(buf_room(&late), 16384 - BUF_SMALL - 4);
    buf_fini(&late);
    assert_int_equal(budget.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues),
        cmocka_unit_test(adds_all_or_nothing),
        cmocka_unit_test(reserves_and_commits),
        cmocka_unit_test(keeps_the_order),
        cmocka_unit_test(wipes),
        cmocka_unit_test(shares_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
