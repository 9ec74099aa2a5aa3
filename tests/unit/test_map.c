/* map: numbers to pointers, also after removals that shift others back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/map.h"

enum { KEYS = 2000 };

static void random_changes(void **state)
{
    (void)state;
    static char values[KEYS];
    bool there[KEYS] = {false};
    struct map m;
    size_t count = 0;
    map_init(&m);
    srand(7);
    for (int i = 0; i < 200000; i++) {
        uint64_t k = (uint64_t)rand() % KEYS, key = k << 44 ^ k; /* as sessions' keys are made */
        if (rand() % 2) {
            map_put(&m, key, &values[k]);
            count += !there[k];
            there[k] = true;
        } else {
            assert_ptr_equal(map_take(&m, key), there[k] ? &values[k] : NULL);
            count -= there[k];
            there[k] = false;
        }
        assert_int_equal(m.count, count);
    }
    for (uint64_t k = 0; k < KEYS; k++)
        assert_ptr_equal(map_get(&m, k << 44 ^ k), there[k] ? &values[k] : NULL);
    size_t at = 0, seen = 0;
    while (map_next(&m, &at))
        seen++;
    assert_int_equal(seen, count);
    map_fini(&m);
}

static void empty(void **state)
{
    (void)state;
    struct map m;
    size_t at = 0;
    map_init(&m);
    assert_null(map_get(&m, 1));
    assert_null(map_take(&m, 1));
    assert_null(map_next(&m, &at));
    map_put(&m, 0, &m);
    assert_ptr_equal(map_get(&m, 0), &m);
    assert_ptr_equal(map_take(&m, 0), &m);
    assert_int_equal(m.count, 0);
    map_fini(&m);
}

struct walk {
    struct map *m;
    unsigned called[100];
};

/* Each value is its key's place in `called`; an even one takes the next with it, and puts a new one. */
static void visit(void *value, void *arg)
{
    struct walk *w = arg;
    size_t k = (size_t)((unsigned *)value - w->called);
    w->called[k]++;
    if (k % 2 == 0 && k < 50) {
        map_take(w->m, k + 1);
        map_put(w->m, k + 50, &w->called[k + 50]);
    }
}

static void each_while_it_changes(void **state)
{
    (void)state;
    struct map m;
    struct walk w = {&m, {0}};
    map_init(&m);
    map_each(&m, visit, &w); /* nothing is there */
    for (uint64_t k = 0; k < 50; k++)
        map_put(&m, k, &w.called[k]);
    map_each(&m, visit, &w);
    for (size_t k = 0; k < 50; k++) {
        assert_in_range(w.called[k], k % 2 == 0, 1); /* once at most, and those that nobody takes away always */
        assert_ptr_equal(map_get(&m, k), k % 2 ? NULL : &w.called[k]);
        assert_int_equal(w.called[k + 50], 0); /* came later */
    }
    map_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_changes), cmocka_unit_test(empty),
                                        cmocka_unit_test(each_while_it_changes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
