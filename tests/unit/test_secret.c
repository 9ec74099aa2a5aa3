/* user/secret: one preparation for all ways to log in; every scheme that is accepted, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "guard.h"
#include "user/secret.h"

static struct err err;
static unsigned hashes; /* that were computed */

char *__real_crypt_rn(const char *password, const char *setting, void *work, int n);
char *__wrap_crypt_rn(const char *password, const char *setting, void *work, int n);
char *__wrap_crypt_rn(const char *password, const char *setting, void *work, int n)
{
    hashes++;
    return __real_crypt_rn(password, setting, work, n);
}

static char *prepare(const char *text, size_t n)
{
    char *edge = guard_copy(text, n), *out = secret_prepare((struct span){edge, n});
    guard_free(edge);
    return out;
}

static void preparation(void **state)
{
    static const char *const rows[][2] = {
        {"secret", "secret"},
        {"I\xc2\xadX", "IX"},   /* RFC 4013 §3, example 1: a soft hyphen is nothing */
        {"\xc2\xaa", "a"},      /* example 4: NFKC */
        {"\xe2\x85\xa8", "IX"}, /* example 5 */
        {"a\xc2\xa0"
         "b",
         "a b"},                   /* any space is a space */
        {"e\xcc\x81", "\xc3\xa9"}, /* two ways to type é */
        {"a\x07", "a\x07"},        /* prohibited: the bytes as they are */
        {"\xff\xfe", "\xff\xfe"},  /* no UTF-8: as they are */
        {"\xd8\xa7"
         "1",
         "\xd8\xa7"
         "1"},                                    /* right to left with a digit at its end: prohibited */
        {"\xc2\xad", "\xc2\xad"},                 /* nothing would be left */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}, /* unassigned when RFC 4013 was made */
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *out = prepare(rows[i][0], strlen(rows[i][0]));
        assert_string_equal(out, rows[i][1]);
        secret_free(out);
    }
    assert_null(prepare("a\0b", 3));
    char big[2000];
    memset(big, 'a', sizeof big);
    char *out = prepare(big, sizeof big);
    assert_int_equal(strlen(out), sizeof big);
    secret_free(out);
    memcpy(big, "\xc2\xaa", 2); /* dear to prepare at this length: as it is */
    out = prepare(big, SECRET_MAX);
    assert_memory_equal(out, big, 2);
    secret_free(out);
}

static bool fits(const char *verifier, const char *password)
{
    bool ok = true;
    char *prepared = secret_prepare(span_of(password));
    assert_int_equal(secret_verify(verifier, prepared, password, &ok, &err), 0);
    secret_free(prepared);
    return ok;
}

static void making(void **state)
{
    struct user u = {0}, second = {0};
    assert_int_equal(secret_make(&u, "secret", false, &err), 0);
    assert_int_equal(strncmp(u.verifier, "$y$", 3), 0);
    assert_true(secret_known(u.verifier));
    assert_string_equal(secret_scheme(u.verifier), "yescrypt");
    assert_true(fits(u.verifier, "secret"));
    assert_false(fits(u.verifier, "Secret"));
    assert_false(fits(u.verifier, "secret "));
    assert_false(fits(u.verifier, ""));
    assert_string_equal(u.apop, "");
    assert_non_null(strchr(u.scram1, ':'));
    assert_non_null(strchr(u.scram256, ':'));
    assert_int_equal(secret_make(&second, "secret", true, &err), 0);
    assert_string_not_equal(u.verifier, second.verifier); /* a salt each */
    assert_string_not_equal(u.scram1, second.scram1);
    assert_string_not_equal(u.scram256, second.scram256);
    assert_string_equal(second.apop, "secret");
    assert_int_equal(secret_make(&second, "other", false, &err), 0); /* the old ones are freed */
    assert_string_equal(second.apop, "");
    assert_false(fits(second.verifier, "secret"));
    user_free(&u);
    user_free(&second);
}

/* SASLprep permits them not: control characters, right to left with a digit at its end, unassigned when it was made. */
static void without_scram(void **state)
{
    static const char *const rows[] = {"a\tb",
                                       "\xd7\x90"
                                       "1",
                                       "\xf0\x9f\x98\x80x"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct user u = {0};
        bool ok = true;
        char *prepared = secret_prepare(span_of(rows[i])), *keys = sasl_scram_keys(SASL_SHA256, "other", &err);
        assert_int_equal(secret_make(&u, prepared, true, &err), 0);
        assert_true(fits(u.verifier, rows[i]));
        assert_string_equal(u.scram1, "");
        assert_string_equal(u.scram256, "");
        assert_string_equal(u.apop, rows[i]);
        assert_int_equal(sasl_scram_fits(SASL_SHA256, keys, prepared, &ok, &err), 0);
        assert_false(ok);
        assert_false(sasl_scram_takes(span_of(rows[i])));
        secret_free(keys);
        secret_free(prepared);
        user_free(&u);
    }
    assert_true(sasl_scram_takes(span_of("\xc3\xa9t\xc3\xa9")));
}

static void limits(void **state)
{
    struct user u = {0};
    char text[SECRET_MAX + 2];
    bool ok = true;
    memset(text, 'a', sizeof text);
    text[SECRET_MAX + 1] = '\0';
    assert_int_equal(secret_make(&u, text, false, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_int_equal(secret_make(&u, "", false, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(u.verifier);
    text[SECRET_MAX] = '\0';
    assert_int_equal(secret_make(&u, text, false, &err), 0);
    assert_true(fits(u.verifier, text));
    text[SECRET_MAX] = 'a';
    assert_int_equal(secret_verify(u.verifier, text, text, &ok, &err), 0); /* longer: does not fit, and is no trouble */
    assert_false(ok);
    user_free(&u);
}

/* Made by crypt(3), the last three by "openssl passwd", all of "secret". */
/* clang-format off */
static const char *const good[] = {
    "$y$j9T$tTXWOmlxxqiIoSvXVeLyz/$jSt1353rWl6utUqy6JoRGQ.bSZR.BSrnk/NUjbJP7u6",
    "$gy$j9T$Ps4wLZN..EaYuzYEIRd1i0$v3u8AGdtI010I/KcehBghmp4D490wz1NCcDfxfoZru1",
    "$7$BU..../....1TbKjWcwc3Ipr3Mq4MNiD.$pLGeswlspOG1FhpNWeMk52jetRzVKxpf1/8pgCVI307",
    "$2b$05$WlrrFUbkFnssXd2puNbK4uLsUHMEahqy/QBas8rlQoZT0diulZ/pW",
    "$2a$05$7rgh5nKs4S/AC8fo9UvAQuEgH/bWj81RrqKdijQcbpiAtoQoHkkxq",
    "$2y$05$SZRFQRwIeUX4w58x/FMxC.eg6DJXv/9PJTNAEq8NIXJeko771Q40S",
    "$6$7uW3RNRHaoY.DlBK$vT7nCw2T3s3spQPzL.WYNR5igTGs48uoA34H/IYU3mMsS2z8.gbkf3FcF09Z9ncsO1FufZY6QUdIp7mEcJS1Y0",
    "$5$is9no2f.oa3N7EtY$uG.egqnwpwTU/KoiNc0gafgGupGQweC6eMVdbd8Ose9",
    "$1$wJygXMqr$f8LvA83m97VUGLCF4fU9O0",
    "$md5,rounds=91739$o3z90eZY$$9sraulwfFpwJiwuPtxv7X0",
    "$sha1$257495$Jj2mSNEdvDJPrIdjMaQ2$MrCeZdyHZz56JKmgJkmQQ6Kbc0Bf",
    "$6$rounds=1000$abcdefgh$nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2.peKEg2VGUqIJJu1",
    "$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4",
    "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
    "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
};
/* clang-format on */

static void imported(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!secret_known(good[i]))
            fail_msg("%s", good[i]);
        assert_true(fits(good[i], "secret"));
        assert_false(fits(good[i], "secreT"));
        char cut[400];
        strcpy(cut, good[i]);
        cut[strlen(cut) - 1] = '\0';
        assert_false(secret_known(cut));
    }
}

/* A verifier made of unprepared bytes: "a, U+00A0, b", which the preparation would turn into "a b". */
static void unprepared(void **state)
{
    static const char verifier[] = "$6$rounds=1000$abcdefgh$2N20ZKaTbde1.UJHTnMKRok5I7hfU/"
                                   "dGsIijFSOO7PyZ8lAJCrV09.nna2PbNjnmV8S2Wt2igFT3YsgUHxHAy.";
    assert_true(fits(verifier, "a\xc2\xa0"
                               "b"));
    assert_false(fits(verifier, "a b"));
}

static void refused(void **state)
{
    static const struct {
        const char *verifier, *why;
    } rows[] = {
        {"", "does not know"},
        {"secret", "does not know"},
        {"$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aaaa", "does not know"},
        {"aTQBiuSG3Q3LY", "DES"},
        {"_J9..K0.wDTgYDDtDTeg", "DES"},
        {"$3$$a9f0dd57e1edab5bb55a9ac0a99c15ec", "does not know"},
        {"$y$", "damaged"},
        {"$6$", "damaged"},
        {"$6$salt", "damaged"},
        {"$y$j9T$", "damaged"},
        {"$2b$99$ugjn7QPTM5BaDINMfIBDeOCXTXTfFi8lBArQwi/Rv/RmLj.TfoPyG", "dear"},
        {"$2b$31$ugjn7QPTM5BaDINMfIBDeOCXTXTfFi8lBArQwi/Rv/RmLj.TfoPyG", "dear"},
        {"$6$rounds=999999999$HG73sCLOosNvvi7b$IheSAYLcwSEJupHWKAUMOEeVU060btC4LrIsffpGauA3KktORERTLt0zcf."
         "mbE6eQmCNMLygBXDIMyU3KPNSc/",
         "dear"},
        {"$y$jDT$jyltab043rsPxMXHFu1zR.$s4edYqCyYhIlpdPleCVqNzgYSqU7u1wkUU0SR38w9/1", "dear"},
        {"$7$LU..../....Pgsx8ckl/R/0Fwwg7EpRe0$l3KWfKKnUagO7w3w/KaOQg9alQ0BjfPW3/XEKLktqYC", "dear"},
        {"$y$j9T/zz$abcdefgh$l3KWfKKnUagO7w3w/KaOQg9alQ0BjfPW3/XEKLktqYC", "dear"}, /* time and parallelism */
        {"$y$z9T$abcdefgh$l3KWfKKnUagO7w3w/KaOQg9alQ0BjfPW3/XEKLktqYC", ""},
        {"$7$BU..../z...abcdefgh$l3KWfKKnUagO7w3w/KaOQg9alQ0BjfPW3/XEKLktqYC", "dear"},
        {"$7$CU$....Pgsx8ckl/R/0Fwwg7EpRe0$l3KWfKKnUagO7w3w/KaOQg9alQ0BjfPW3/XEKLktqYC", ""},
        {"$y$z$s4edYqCyYhIlpdPleCVqNzgYSqU7u1wkUU0SR38w9/1", ""},
        {"$y$$s4edYqCyYhIlpdPleCVqNzgYSqU7u1wkUU0SR38w9/1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *edge = guard_copy(rows[i].verifier, strlen(rows[i].verifier) + 1);
        assert_int_equal(secret_check(edge, &err), -1);
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, rows[i].why))
            fail_msg("%s: %s", rows[i].verifier, err.text);
        guard_free(edge);
    }
    assert_string_equal(secret_scheme(""), "none");
    assert_string_equal(secret_scheme("x"), "unknown");
}

/* What cannot log in by a password: no trouble, and no password fits. What cannot be used at all is trouble. */
static void locked(void **state)
{
    bool ok;
    assert_false(fits("", ""));
    assert_false(fits("", "secret"));
    assert_false(fits("*", "*"));
    assert_false(fits("!", "!"));
    assert_int_equal(secret_verify("$nonsense$", "x", "x", &ok, &err), -1);
    assert_int_equal(err.kind, ERR_PERM);
    assert_false(ok);
    secret_verify_nobody("secret", "secret");
}

/* Nothing of how long it takes tells who exists. */
static void as_many_hashes_for_nobody(void **state)
{
    static const struct {
        const char *raw;
        unsigned hashes;
    } rows[] = {{"wrong", 1}, {"a\xc2\xa0" "b", 2}, {"a\tb", 1}, {"", 1}};
    char longest[SECRET_MAX + 2] = {0};
    struct user u = {0};
    bool ok;
    memset(longest, 'x', SECRET_MAX + 1);
    assert_int_equal(secret_make(&u, "right", false, &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *prepared = secret_prepare(span_of(rows[i].raw));
        const char *verifiers[] = {u.verifier, "*", ""};
        for (size_t j = 0; j < sizeof verifiers / sizeof *verifiers; j++) {
            hashes = 0;
            assert_int_equal(secret_verify(verifiers[j], prepared, rows[i].raw, &ok, &err), 0);
            assert_false(ok);
            assert_int_equal(hashes, rows[i].hashes);
        }
        hashes = 0;
        secret_verify_nobody(prepared, rows[i].raw);
        assert_int_equal(hashes, rows[i].hashes);
        secret_free(prepared);
    }
    hashes = 0;
    assert_int_equal(secret_verify(u.verifier, longest, longest, &ok, &err), 0);
    secret_verify_nobody(longest, longest);
    secret_verify_nobody("x", longest);
    assert_int_equal(hashes, 0);
    user_free(&u);
}

static void generated(void **state)
{
    char a[32], b[32];
    secret_generate(a);
    secret_generate(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 23);
    for (unsigned i = 0; i < 23; i++)
        assert_non_null(strchr(i % 6 == 5 ? "-" : "abcdefghjkmnpqrstuvwxyz23456789", a[i]));
    char *prepared = secret_prepare(span_of(a));
    assert_string_equal(prepared, a);
    secret_free(prepared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preparation),   cmocka_unit_test(making),   cmocka_unit_test(limits),
        cmocka_unit_test(without_scram), cmocka_unit_test(imported), cmocka_unit_test(unprepared),
        cmocka_unit_test(refused),       cmocka_unit_test(locked),   cmocka_unit_test(generated),
        cmocka_unit_test(as_many_hashes_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
