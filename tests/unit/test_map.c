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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_changes), cmocka_unit_test(empty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
