/* daemon/crowd: lines of groups: who is first, whose turn it is, who has the most; also after thousands of changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "daemon/crowd.h"

enum { MEMBERS = 300, GROUPS = 12 };

static bool fits(const struct crowd_member *m, uint64_t key, size_t line, void *arg)
{
    (void)m;
    return key != *(uint64_t *)arg && line > 1;
}

static void the_longest_line_and_who_fits(void **state)
{
    struct crowd c = {0};
    struct crowd_member m[6] = {0};
    uint64_t not = 7;
    (void)state;
    assert_null(crowd_pick(&c, fits, &not));
    assert_null(crowd_last(&c));
    for (int i = 0; i < 3; i++)
        crowd_join(&c, 7, &m[i]);
    crowd_join(&c, 8, &m[3]);
    crowd_join(&c, 8, &m[4]);
    crowd_join(&c, 9, &m[5]);
    assert_ptr_equal(crowd_last(&c), &m[2]);
    assert_ptr_equal(crowd_first(&c, 7), &m[0]);
    assert_ptr_equal(crowd_pick(&c, fits, &not), &m[3]); /* 7 is longer, but does not fit */
    crowd_leave(&c, &m[3]);
    assert_null(crowd_pick(&c, fits, &not));
    not = 8;
    assert_ptr_equal(crowd_pick(&c, fits, &not), &m[0]);
    for (int i = 0; i < 6; i++)
        crowd_leave(&c, &m[i]); /* one of them has left already */
    assert_int_equal(c.groups.count, 0);
    crowd_fini(&c);
}

static void the_busy_count_and_do_not_stand_in_line(void **state)
{
    struct crowd c = {0};
    struct crowd_member m[3] = {0};
    (void)state;
    for (int i = 0; i < 3; i++)
        crowd_join(&c, 1, &m[i]);
    crowd_busy(&c, &m[0], true);
    crowd_busy(&c, &m[0], true);
    assert_int_equal(crowd_size(&c, 1), 3);
    assert_int_equal(crowd_line(&c, 1), 2);
    assert_ptr_equal(crowd_first(&c, 1), &m[1]);
    crowd_busy(&c, &m[0], false);
    assert_ptr_equal(crowd_first(&c, 1), &m[1]);
    assert_ptr_equal(crowd_last(&c), &m[0]); /* at the end of the line */
    crowd_busy(&c, &m[1], true);
    crowd_leave(&c, &m[1]);
    crowd_busy(&c, &m[1], false); /* in no group: nothing */
    assert_int_equal(crowd_size(&c, 1), 2);
    crowd_leave(&c, &m[0]);
    crowd_leave(&c, &m[2]);
    assert_int_equal(c.count, 0);
    crowd_fini(&c);
}

/* One who is alone stands behind two others at most, however long the line of one of them is. */
static void groups_take_turns(void **state)
{
    struct crowd c = {0};
    struct crowd_member many[100] = {0}, two[2] = {0}, one = {0};
    struct crowd_member *const wanted[] = {&many[0], &two[0], &one, &many[1], &two[1], &many[2], &many[3]};
    (void)state;
    for (int i = 0; i < 100; i++)
        crowd_join(&c, 1, &many[i]);
    crowd_join(&c, 2, &two[0]);
    crowd_join(&c, 2, &two[1]);
    crowd_join(&c, 3, &one);
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct crowd_member *m = crowd_turn(&c);
        assert_ptr_equal(m, wanted[i]);
        crowd_leave(&c, m);
    }
    for (int i = 4; i < 100; i++)
        crowd_leave(&c, crowd_turn(&c));
    assert_null(crowd_turn(&c));
    crowd_fini(&c);
}

/* Against counts kept the plain way. */
static void random_changes(void **state)
{
    struct crowd c = {0};
    static struct crowd_member m[MEMBERS];
    (void)state;
    srand(3);
    for (unsigned round = 0; round < 100000; round++) {
        struct crowd_member *one = &m[rand() % MEMBERS];
        if (!one->group)
            crowd_join(&c, (uint64_t)(one - m) % GROUPS, one);
        else if (rand() % 2)
            crowd_busy(&c, one, !one->busy);
        else
            crowd_leave(&c, one);
        size_t line[GROUPS] = {0}, size[GROUPS] = {0}, longest = 0, all = 0;
        for (unsigned i = 0; i < MEMBERS; i++) {
            size[i % GROUPS] += m[i].group != NULL;
            line[i % GROUPS] += m[i].group && !m[i].busy;
        }
        for (unsigned g = 0; g < GROUPS; g++) {
            assert_int_equal(crowd_line(&c, g), line[g]);
            assert_int_equal(crowd_size(&c, g), size[g]);
            longest = line[g] > longest ? line[g] : longest;
            all += line[g];
        }
        assert_int_equal(c.longest, longest);
        assert_int_equal(c.count, all);
        assert_true((crowd_turn(&c) != NULL) == (all > 0));
    }
    for (unsigned i = 0; i < MEMBERS; i++)
        crowd_leave(&c, &m[i]);
    assert_null(c.turn);
    crowd_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_line_and_who_fits),
        cmocka_unit_test(the_busy_count_and_do_not_stand_in_line),
        cmocka_unit_test(groups_take_turns),
        cmocka_unit_test(random_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
