/* user/sasl: CRAM-MD5, with the RFC's own digest and against libgsasl's client half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>

#include "base/digest.h"
#include "base/mem.h"
#include "guard.h"
#include "user/sasl.h"

static struct err err;

/* tim has RFC 2195's secret, "t i m" one of 80 octets (longer than MD5's block), poor none. */
static const char long_secret[] = "01234567890123456789012345678901234567890123456789012345678901234567890123456789";

static int find(void *arg, struct span name, struct user *u, struct err *why)
{
    if (span_is(name, "trouble"))
        return err_set(why, ERR_TEMP, "the disk is on fire");
    if (!span_is(name, "tim") && !span_is(name, "t i m") && !span_is(name, "poor"))
        return err_set(why, ERR_GONE, "no such user");
    *u = (struct user){.name = mem_copy(name.p, name.n)};
    u->apop = mem_copy_text(span_is(name, "tim") ? "tanstaaftanstaaf" : span_is(name, "poor") ? "" : long_secret);
    return 0;
}

static struct sasl *server(void)
{
    struct sasl *s = NULL;
    assert_int_equal(sasl_new(&s, "CRAM-MD5", &err), 0);
    sasl_host(s, "pop.example.org");
    return s;
}

static struct sasl_session *begin(struct sasl *s)
{
    struct sasl_session *x = sasl_begin(s, span_of("cram-md5"), find, NULL, &err);
    assert_non_null(x);
    return x;
}

static enum sasl_result step(struct sasl_session *x, const char *p, size_t n, struct span *out)
{
    char *edge = p ? guard_copy(p, n) : NULL;
    err = (struct err){0};
    enum sasl_result r = sasl_step(x, (struct span){edge, n}, out, &err);
    if (edge)
        guard_free(edge);
    return r;
}

/* RFC 2195 §2, and RFC 2104's long key. */
static void digest(void **state)
{
    unsigned char out[DIGEST_MD5];
    char hex[2 * DIGEST_MD5 + 1];
    digest_hmac_md5(span_of("tanstaaftanstaaf"), span_of("<1896.697170952@postoffice.reston.mci.net>"), out);
    digest_hex(out, sizeof out, hex);
    assert_string_equal(hex, "b913a602c7eda7a495b4e6e7334d3890");
    char key[80];
    memset(key, 0xaa, sizeof key);
    digest_hmac_md5((struct span){key, sizeof key}, span_of("Test Using Larger Than Block-Size Key - Hash Key First"),
                    out);
    digest_hex(out, sizeof out, hex);
    assert_string_equal(hex, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

/* A message-id (RFC 2195 §2), never the same twice. */
static void challenge(void **state)
{
    struct sasl *s = server();
    struct span out;
    char last[400] = "";
    for (int i = 0; i < 100; i++) {
        struct sasl_session *x = begin(s);
        assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
        char *text = mem_copy(out.p, out.n);
        assert_int_equal(text[0], '<');
        assert_string_equal(strchr(text, '@'), "@pop.example.org>");
        assert_null(strpbrk(text, " \r\n"));
        assert_string_not_equal(text, last);
        snprintf(last, sizeof last, "%s", text);
        mem_free(text);
        sasl_end(x);
    }
    sasl_free(s);
}

/* What libgsasl's client says to the challenge. */
static size_t answer(struct span asked, const char *name, const char *secret, char out[200])
{
    Gsasl *gsasl;
    Gsasl_session *c;
    char *said = NULL;
    size_t n = 0;
    assert_int_equal(gsasl_init(&gsasl), GSASL_OK);
    assert_int_equal(gsasl_client_start(gsasl, "CRAM-MD5", &c), GSASL_OK);
    gsasl_property_set(c, GSASL_AUTHID, name);
    gsasl_property_set(c, GSASL_PASSWORD, secret);
    assert_int_equal(gsasl_step(c, asked.p, asked.n, &said, &n), GSASL_OK);
    assert_true(n < 200);
    memcpy(out, said, n);
    gsasl_free(said);
    gsasl_finish(c);
    gsasl_done(gsasl);
    return n;
}

static void who_gets_in(void **state)
{
    static const struct {
        const char *name, *secret;
        enum err_kind kind;
    } rows[] = {
        {"tim", "tanstaaftanstaaf", ERR_NONE},
        {"t i m", long_secret, ERR_NONE},
        {"tim", "tanstaaftanstaa", ERR_AUTH},
        {"t i m", "tanstaaftanstaaf", ERR_AUTH},
        {"poor", "x", ERR_AUTH},
        {"nobody", "x", ERR_AUTH},
        {"trouble", "x", ERR_TEMP},
    };
    struct sasl *s = server();
    char text[200], first[ERR_TEXT] = "";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_session *x = begin(s);
        struct span out;
        assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
        size_t n = answer(out, rows[i].name, rows[i].secret, text);
        enum sasl_result r = step(x, text, n, &out);
        if (r != (rows[i].kind ? SASL_FAILED : SASL_DONE) || err.kind != rows[i].kind)
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(sasl_user(x), rows[i].name);
        if (rows[i].kind == ERR_AUTH && !*first)
            snprintf(first, sizeof first, "%s", err.text);
        if (rows[i].kind == ERR_AUTH)
            assert_string_equal(err.text, first);              /* all alike */
        assert_int_equal(step(x, text, n, &out), SASL_FAILED); /* over is over */
        sasl_end(x);
    }
    sasl_free(s);
}

/* An answer to another challenge fits none. */
static void replay(void **state)
{
    struct sasl *s = server();
    char text[200];
    struct span out;
    struct sasl_session *x = begin(s), *y = begin(s);
    assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
    size_t n = answer(out, "tim", "tanstaaftanstaaf", text);
    assert_int_equal(step(y, NULL, 0, &out), SASL_CHALLENGE);
    assert_int_equal(step(y, text, n, &out), SASL_FAILED);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_int_equal(step(x, text, n, &out), SASL_DONE);
    sasl_end(x);
    sasl_end(y);
    sasl_free(s);
}

/* An empty secret is none: who knows the name and nothing else does not get in. */
static void no_secret(void **state)
{
    struct sasl *s = server();
    for (int i = 0; i < 2; i++) {
        unsigned char sum[DIGEST_MD5];
        char text[100], hex[2 * DIGEST_MD5 + 1];
        struct span out;
        struct sasl_session *x = begin(s);
        assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
        digest_hmac_md5(span_of(""), out, sum);
        digest_hex(sum, sizeof sum, hex);
        int n = snprintf(text, sizeof text, "%s %s", i ? "poor" : "nobody", hex);
        assert_int_equal(step(x, text, (size_t)n, &out), SASL_FAILED);
        assert_int_equal(err.kind, ERR_AUTH);
        sasl_end(x);
    }
    sasl_free(s);
}

#define HEX "b913a602c7eda7a495b4e6e7334d3890"

static void messages(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        enum err_kind kind;
    } rows[] = {
        {"", 0, ERR_INPUT},
        {"tim", 3, ERR_INPUT},
        {HEX, 32, ERR_INPUT},
        {" " HEX, 33, ERR_INPUT}, /* no name */
        {"tim" HEX, 35, ERR_INPUT},
        {"tim " HEX " ", 37, ERR_INPUT},
        {"t\0m " HEX, 36, ERR_INPUT},
        {"tim\t" HEX, 36, ERR_INPUT},
        {"tim " HEX, 36, ERR_AUTH}, /* well formed, and of another challenge */
        {"tim B913A602C7EDA7A495B4E6E7334D3890", 36, ERR_AUTH},
        {"tim \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 36, ERR_AUTH},
    };
    struct sasl *s = server();
    struct span out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_session *x = begin(s);
        assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
        assert_int_equal(step(x, rows[i].p, rows[i].n, &out), SASL_FAILED);
        if (err.kind != rows[i].kind)
            fail_msg("row %zu: %s", i, err.text);
        sasl_end(x);
        x = begin(s); /* the server begins: an initial response answers nothing */
        assert_int_equal(step(x, rows[i].p, rows[i].n, &out), SASL_FAILED);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_int_equal(step(x, NULL, 0, &out), SASL_FAILED);
        sasl_end(x);
    }
    char name[400];
    memset(name, 'x', sizeof name);
    memcpy(name + 350, " " HEX, 33);
    struct sasl_session *x = begin(s);
    assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
    assert_int_equal(step(x, name, 383, &out), SASL_FAILED);
    assert_int_equal(err.kind, ERR_AUTH);
    sasl_end(x);
    sasl_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest), cmocka_unit_test(challenge), cmocka_unit_test(who_gets_in),
        cmocka_unit_test(replay), cmocka_unit_test(no_secret), cmocka_unit_test(messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
