/* user/sasl: EXTERNAL, whose name comes from a certificate, and whom that may let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "guard.h"
#include "user/sasl.h"

static struct err err;

/* It is permitted to anna; berta is a user to whom it is not. */
static int find(void *arg, struct span name, struct user *u, struct err *why)
{
    if (span_is(name, "trouble"))
        return err_set(why, ERR_TEMP, "the disk is on fire");
    if (!span_is(name, "anna") && !span_is(name, "berta"))
        return err_set(why, ERR_GONE, "no such user");
    *u = (struct user){.name = mem_copy(name.p, name.n), .external = span_is(name, "anna")};
    return 0;
}

static enum sasl_result step(struct sasl_session *x, const char *p, size_t n)
{
    struct span out;
    char *edge = p ? guard_copy(p, n) : NULL;
    err = (struct err){0};
    enum sasl_result r = sasl_step(x, (struct span){edge, n}, &out, &err);
    assert_int_equal(out.n, 0);
    if (edge)
        guard_free(edge);
    return r;
}

static const struct row {
    struct span name, wanted;
    enum err_kind kind;
} rows[] = {
    {{"anna", 4}, {"", 0}, ERR_NONE},       {{"anna", 4}, {"anna", 4}, ERR_NONE},
    {{"anna", 4}, {"berta", 5}, ERR_AUTH}, /* nobody acts for another */
    {{"anna", 4}, {"ann", 3}, ERR_AUTH},    {{"anna", 4}, {"anna\0", 5}, ERR_AUTH},
    {{"berta", 5}, {"", 0}, ERR_AUTH}, /* not permitted to him */
    {{"berta", 5}, {"berta", 5}, ERR_AUTH}, {{"berta", 5}, {"anna", 4}, ERR_AUTH},
    {{"Anna", 4}, {"", 0}, ERR_AUTH},                                     /* nobody */
    {{"trouble", 7}, {"", 0}, ERR_TEMP},    {{"", 0}, {"", 0}, ERR_AUTH}, /* no certificate */
    {{"", 0}, {"anna", 4}, ERR_AUTH},       {{"anna\0x", 6}, {"anna", 4}, ERR_AUTH},
};

static void who_gets_in(void **state)
{
    struct sasl *s = NULL;
    assert_int_equal(sasl_new(&s, "EXTERNAL", &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int initial = 0; initial < 2; initial++) {
            struct sasl_session *x = sasl_begin(s, span_of("external"), find, NULL, &err);
            assert_non_null(x);
            char *name = guard_copy(rows[i].name.p, rows[i].name.n);
            sasl_certificate(x, (struct span){name, rows[i].name.n});
            guard_free(name);
            if (!initial)
                assert_int_equal(step(x, NULL, 0), SASL_CHALLENGE);
            enum sasl_result r = step(x, rows[i].wanted.p, rows[i].wanted.n);
            if (r != (rows[i].kind ? SASL_FAILED : SASL_DONE) || err.kind != rows[i].kind)
                fail_msg("row %zu: %d, %s", i, (int)r, err.text);
            if (r == SASL_DONE)
                assert_string_equal(sasl_user(x), "anna");
            assert_int_equal(step(x, "", 0), SASL_FAILED); /* over is over */
            sasl_end(x);
        }
    sasl_free(s);
}

/* The first name counts; a name that is far too long is nobody's; others do not mind certificates. */
static void names(void **state)
{
    struct sasl *s = NULL;
    char name[400];
    memset(name, 'x', sizeof name);
    assert_int_equal(sasl_new(&s, "EXTERNAL PLAIN", &err), 0);
    struct sasl_session *x = sasl_begin(s, span_of("EXTERNAL"), find, NULL, &err);
    sasl_certificate(x, span_of("berta"));
    sasl_certificate(x, span_of("anna"));
    assert_int_equal(step(x, "", 0), SASL_FAILED);
    sasl_end(x);
    x = sasl_begin(s, span_of("EXTERNAL"), find, NULL, &err);
    sasl_certificate(x, (struct span){name, sizeof name});
    assert_int_equal(step(x, "", 0), SASL_FAILED);
    assert_int_equal(err.kind, ERR_AUTH);
    sasl_end(x);
    x = sasl_begin(s, span_of("PLAIN"), find, NULL, &err);
    sasl_certificate(x, span_of("anna"));
    assert_int_equal(step(x, "", 0), SASL_FAILED);
    sasl_end(x);
    sasl_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_gets_in), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
