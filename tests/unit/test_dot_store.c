/* dot and store: what STAT and LIST count is what RETR sends, to the octet (RFC 1939 §11): stuffing and the final dot
 * are not counted, the line end that an unended message gets is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"
#include "wire/dot.h"

/* The octets of the message in a multi-line reply, as a client would count them. */
static uint64_t received(const char *reply, size_t n)
{
    uint64_t octets = 0;
    assert_true(n >= 3 && memcmp(reply + n - 3, ".\r\n", 3) == 0);
    for (size_t at = 0; at < n - 3;) {
        const char *lf = memchr(reply + at, '\n', n - at);
        size_t line = (size_t)(lf - (reply + at)) + 1;
        assert_true(line >= 2 && lf[-1] == '\r');
        octets += line - (reply[at] == '.');
        at += line;
    }
    return octets;
}

static void compare(struct span text, size_t piece)
{
    static char reply[1 << 17];
    struct store_count count = {0};
    struct dot d;
    size_t n = 0;
    dot_init(&d, false);
    for (struct span left = text; left.n; left = span_from(left, piece)) {
        struct span some = {left.p, left.n < piece ? left.n : piece};
        size_t wrote;
        store_count_add(&count, some);
        assert_int_equal(dot_encode(&d, some, reply + n, sizeof reply - n, &wrote), some.n);
        n += wrote;
    }
    n += dot_finish(&d, reply + n);
    assert_int_equal(store_count_octets(&count), received(reply, n));
    assert_int_equal(count.size, text.n);

    /* What is stored in wire form already may be copied: it must come out the same. */
    if (store_count_wire(&count)) {
        static char copy[1 << 17];
        size_t wrote;
        dot_init(&d, true);
        assert_int_equal(dot_encode(&d, text, copy, sizeof copy, &wrote), text.n);
        wrote += dot_finish(&d, copy + wrote);
        assert_int_equal(wrote, n);
        assert_memory_equal(copy, reply, n);
    }
}

static void test_all_small(void **state)
{
    static const char letters[] = "\r\n.x";
    for (size_t n = 0; n <= 7; n++)
        for (unsigned k = 0; k < 1u << (2 * n); k++) {
            char text[7];
            for (size_t i = 0; i < n; i++)
                text[i] = letters[k >> (2 * i) & 3];
            compare((struct span){text, n}, 1 + k % 3);
        }
}

static void test_random(void **state)
{
    static char text[30000];
    srand(8314);
    for (unsigned i = 0; i < 300; i++) {
        size_t n = (size_t)rand() % sizeof text;
        unsigned often = 2 + (unsigned)rand() % 80;
        for (size_t k = 0; k < n; k++)
            text[k] = rand() % (int)often ? (char)rand() : "\r\n\n."[rand() % 4];
        compare((struct span){text, n}, 1 + (size_t)rand() % 5000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_small), cmocka_unit_test(test_random)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
