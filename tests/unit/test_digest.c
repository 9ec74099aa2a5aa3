/* base/digest against published examples: FIPS 180-4, RFC 4231, RFC 1321 and RFC 1939 §7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/digest.h"

static const struct span nothing = {NULL, 0};

static void is_hex(const unsigned char *in, size_t n, const char *want)
{
    char hex[2 * DIGEST_SHA256 + 1];
    digest_hex(in, n, hex);
    assert_string_equal(hex, want);
}

static void sha256(void **state)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    unsigned char out[DIGEST_SHA256];
    digest_sha256(nothing, out);
    is_hex(out, sizeof out, empty);
    digest_sha256(span_of("abc"), out);
    is_hex(out, sizeof out, abc);
    digest_finish(digest_new(), out);
    is_hex(out, sizeof out, empty);
    struct digest *d = digest_new();
    digest_add(d, "a", 1);
    digest_add(d, NULL, 0);
    digest_add(d, "bc", 2);
    digest_finish(d, out);
    is_hex(out, sizeof out, abc);
    d = digest_new();
    char piece[1000];
    memset(piece, 'a', sizeof piece);
    for (unsigned i = 0; i < 1000; i++)
        digest_add(d, piece, sizeof piece);
    digest_finish(d, out);
    is_hex(out, sizeof out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void hmac(void **state)
{
    char key[131];
    unsigned char out[DIGEST_SHA256];
    memset(key, 0x0b, 20);
    digest_hmac_sha256((struct span){key, 20}, span_of("Hi There"), out);
    is_hex(out, sizeof out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest_hmac_sha256(span_of("Jefe"), span_of("what do ya want for nothing?"), out);
    is_hex(out, sizeof out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    digest_hmac_sha256((struct span){key, sizeof key},
                       span_of("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    is_hex(out, sizeof out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    digest_hmac_sha256(nothing, nothing, out);
    is_hex(out, sizeof out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void md5(void **state)
{
    unsigned char out[DIGEST_MD5];
    digest_md5(span_of("mess"), span_of("age digest"), out);
    is_hex(out, sizeof out, "f96b697d7cb7938d525a2f31aaf161d0");
    digest_md5(nothing, nothing, out);
    is_hex(out, sizeof out, "d41d8cd98f00b204e9800998ecf8427e");
    digest_md5(span_of("<1896.697170952@dbc.mtview.ca.us>"), span_of("tanstaaf"), out); /* the APOP example */
    is_hex(out, sizeof out, "c4c9334bac560ecc979e58001b3e22fb");
}

static void compares(void **state)
{
    assert_true(digest_same("abc", "abc", 3));
    assert_false(digest_same("abc", "abd", 3));
    assert_false(digest_same("xbc", "abc", 3));
    assert_true(digest_same("abcX", "abcY", 3));
    assert_true(digest_same(NULL, NULL, 0));
}

static void random_bytes_differ(void **state)
{
    unsigned char a[3000] = {0}, b[3000] = {0};
    unsigned seen[256] = {0}, kinds = 0;
    digest_random(a, sizeof a);
    digest_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        kinds += seen[a[i]]++ == 0;
    assert_true(kinds > 200);
    digest_random(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sha256), cmocka_unit_test(hmac), cmocka_unit_test(md5),
                                       cmocka_unit_test(compares), cmocka_unit_test(random_bytes_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
