/* base64: the vectors of RFC 4648 §10, strictness, and back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "guard.h"
#include "wire/base64.h"

static void expect_pair(const char *plain, size_t n, const char *text)
{
    size_t length = strlen(text), got;
    assert_int_equal(base64_length(n), length);

    char *in = guard_copy(plain, n), *out = guard_space(length);
    assert_int_equal(base64_encode((struct span){in, n}, out), length);
    assert_memory_equal(out, text, length);
    guard_free(in);

    char *back = guard_space(length / 4 * 3);
    assert_true(base64_decode((struct span){out, length}, back, &got));
    assert_int_equal(got, n);
    assert_memory_equal(back, plain, n);
    guard_free(out);
    guard_free(back);
}

static void test_vectors(void **state)
{
    expect_pair("", 0, "");
    expect_pair("f", 1, "Zg==");
    expect_pair("fo", 2, "Zm8=");
    expect_pair("foo", 3, "Zm9v");
    expect_pair("foob", 4, "Zm9vYg==");
    expect_pair("fooba", 5, "Zm9vYmE=");
    expect_pair("foobar", 6, "Zm9vYmFy");
    expect_pair("\xff\xef\xbe", 3, "/+++");
    expect_pair("\0\0\0", 3, "AAAA");
}

static void test_strict(void **state)
{
    static const char *const wrong[] = {
        "Z",    "Zg",   "Zg=",  "=",        "==",       "====",     "Z===", "Zh==", "Zm9=",    "Zm=v",
        "Z=9v", "=m9v", "Zm9 ", "Zm9v\r\n", "Zg==Zg==", "Zm8=Zm9v", "Zm9-", "Zm9_", "Zm9\x80", "Zm9v!"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t n = strlen(wrong[i]), got;
        char *in = guard_copy(wrong[i], n), *out = guard_space(n / 4 * 3);
        assert_false(base64_decode((struct span){in, n}, out, &got));
        guard_free(in);
        guard_free(out);
    }
    char out[3];
    size_t got;
    assert_false(base64_decode((struct span){"Zm\0v", 4}, out, &got));
}

/* One text, one meaning: of all groups of four, those that decode encode to themselves. */
static void test_canonical(void **state)
{
    static const char some[] = "AQgwZ9+/=-\n";
    for (const char *a = some; *a; a++)
        for (const char *b = some; *b; b++)
            for (const char *c = some; *c; c++)
                for (const char *d = some; *d; d++) {
                    char text[] = {*a, *b, *c, *d}, out[3], again[4];
                    size_t n;
                    if (!base64_decode((struct span){text, 4}, out, &n))
                        continue;
                    assert_int_equal(base64_encode((struct span){out, n}, again), 4);
                    assert_memory_equal(again, text, 4);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_strict),
                                       cmocka_unit_test(test_canonical)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
