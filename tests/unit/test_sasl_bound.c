/* user/sasl: SCRAM that binds to the channel below, against libgsasl's client half, and against messages made by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>

#include "base/mem.h"
#include "guard.h"
#include "user/sasl.h"
#include "user/secret.h"

#define PLUS "SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS"
#define BOTH PLUS " SCRAM-SHA-1 SCRAM-SHA-256"

static struct err err;
static char *keys1, *keys256;

static int find(void *arg, struct span name, struct user *u, struct err *why)
{
    if (!span_is(name, "anna"))
        return err_set(why, ERR_GONE, "no such user");
    *u = (struct user){
        .name = mem_copy(name.p, name.n), .scram1 = mem_copy_text(keys1), .scram256 = mem_copy_text(keys256)};
    return 0;
}

static int setup(void **state)
{
    keys1 = sasl_scram_keys(SASL_SHA1, "secret", &err);
    keys256 = sasl_scram_keys(SASL_SHA256, "secret", &err);
    return keys1 && keys256 ? 0 : -1;
}

static int teardown(void **state)
{
    user_wipe(keys1);
    user_wipe(keys256);
    return 0;
}

static struct sasl *server(const char *list)
{
    struct sasl *s = NULL;
    if (sasl_new(&s, list, &err))
        fail_msg("%s", err.text);
    return s;
}

/* What both ends of a channel have. kind "": no channel. */
struct channel {
    const char *kind, *octets;
    size_t n;
};
static const struct channel none = {"", "", 0}, exporter = {"tls-exporter", "0123456789abcdef\0 ,=\xff 012345678a", 32},
                            exporter2 = {"tls-exporter", "0123456789abcdef\0 ,=\xff 012345678b", 32},
                            exporter_short = {"tls-exporter", "0123456789abcdef\0 ,=\xff 012345678a", 31},
                            unique = {"tls-unique", "twelve\0bytes", 12}, unique2 = {"tls-unique", "twelve bytes", 12};

static struct sasl_session *begin(struct sasl *s, const char *mechanism, const struct channel *c)
{
    struct sasl_session *x = sasl_begin(s, span_of(mechanism), find, NULL, &err);
    assert_non_null(x);
    char *edge = guard_copy(c->octets, c->n);
    sasl_bind(x, c->kind, (struct span){edge, c->n});
    guard_free(edge); /* it is copied */
    return x;
}

static enum sasl_result step(struct sasl_session *x, const char *p, size_t n, struct span *out)
{
    char *edge = guard_copy(p, n);
    err = (struct err){0};
    enum sasl_result r = sasl_step(x, (struct span){edge, n}, out, &err);
    guard_free(edge);
    return r;
}

static void client_bind(Gsasl_session *c, const struct channel *channel)
{
    char *text;
    if (!*channel->kind)
        return;
    assert_int_equal(gsasl_base64_to(channel->octets, channel->n, &text, NULL), GSASL_OK);
    gsasl_property_set(c, *channel->kind && channel->kind[4] == 'e' ? GSASL_CB_TLS_EXPORTER : GSASL_CB_TLS_UNIQUE,
                       text);
    gsasl_free(text);
}

/* A whole exchange; *steps: after how many of the client's messages it ended. */
static enum sasl_result run(struct sasl *s, const char *mechanism, const char *password, const struct channel *ours,
                            const struct channel *theirs, unsigned *steps)
{
    Gsasl *gsasl;
    Gsasl_session *c;
    struct span out = {"", 0};
    enum sasl_result r = SASL_CHALLENGE;
    struct sasl_session *x = begin(s, mechanism, ours);
    assert_int_equal(gsasl_init(&gsasl), GSASL_OK);
    assert_int_equal(gsasl_client_start(gsasl, mechanism, &c), GSASL_OK);
    gsasl_property_set(c, GSASL_AUTHID, "anna");
    gsasl_property_set(c, GSASL_PASSWORD, password);
    client_bind(c, theirs);
    for (*steps = 0; r == SASL_CHALLENGE; ++*steps) {
        char *said = NULL;
        size_t n = 0;
        int rc = gsasl_step(c, out.p, out.n, &said, &n);
        assert_true(rc == GSASL_OK || rc == GSASL_NEEDS_MORE);
        r = step(x, said ? said : "", n, &out);
        gsasl_free(said);
    }
    gsasl_finish(c);
    gsasl_done(gsasl);
    sasl_end(x);
    return r;
}

static void binds(void **state)
{
    static const char *const mechanisms[] = {"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"};
    static const struct {
        const struct channel *ours, *theirs;
        unsigned steps; /* until it is refused; 3: it is not */
    } rows[] = {
        {&exporter, &exporter, 3},
        {&unique, &unique, 3},
        {&exporter, &exporter2, 2}, /* somebody sits between */
        {&exporter, &exporter_short, 2},
        {&exporter_short, &exporter, 2},
        {&unique, &unique2, 2},
        {&exporter, &unique, 1}, /* another kind */
        {&unique, &exporter, 1},
        {&none, &exporter, 1}, /* nothing to bind to */
        {&none, &unique, 1},
    };
    struct sasl *s = server(PLUS);
    unsigned steps;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int k = 0; k < 2; k++) {
            enum sasl_result r = run(s, mechanisms[k], "secret", rows[i].ours, rows[i].theirs, &steps);
            if (r != (rows[i].steps == 3 ? SASL_DONE : SASL_FAILED) || steps != rows[i].steps)
                fail_msg("row %zu, %s: %d after %u: %s", i, mechanisms[k], (int)r, steps, err.text);
            assert_true(r == SASL_DONE || err.kind == ERR_AUTH);
        }
    for (int k = 0; k < 2; k++) { /* a right binding is no password */
        assert_int_equal(run(s, mechanisms[k], "wrong", &exporter, &exporter, &steps), SASL_FAILED);
        assert_int_equal(err.kind, ERR_AUTH);
        assert_int_equal(steps, 2);
    }
    sasl_free(s);
}

/* RFC 5802 §6: who says that we do not offer to bind while we do has been lied to. */
static void first_messages(void **state)
{
    static const struct {
        const char *list, *mechanism;
        const struct channel *channel;
        const char *flag;
        bool good;
    } rows[] = {
        {BOTH, "SCRAM-SHA-256", &exporter, "n", true},
        {BOTH, "SCRAM-SHA-256", &exporter, "y", false},
        {BOTH, "SCRAM-SHA-1", &unique, "y", false},
        {BOTH, "SCRAM-SHA-256", &exporter, "p=tls-exporter", false},
        {BOTH, "SCRAM-SHA-256", &none, "y", true}, /* in the clear we do not offer it */
        {BOTH, "SCRAM-SHA-256", &none, "p=tls-exporter", false},
        {"SCRAM-SHA-256", "SCRAM-SHA-256", &exporter, "y", true}, /* nor where it is not allowed */
        {"SCRAM-SHA-256", "SCRAM-SHA-256", &exporter, "p=tls-exporter", false},
        {"SCRAM-SHA-256 SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", &exporter, "y", false}, /* with the other hash we do */
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p=tls-exporter", true},
        {BOTH, "SCRAM-SHA-1-PLUS", &unique, "p=tls-unique", true},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "n", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "y", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p=", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p=tls-unique", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p=tls-exporte", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p=tls-exporter2", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "P=tls-exporter", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &exporter, "p=tls-server-end-point", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &none, "p=tls-exporter", false},
        {BOTH, "SCRAM-SHA-256-PLUS", &none, "n", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char first[100];
        struct span out;
        struct sasl *s = server(rows[i].list);
        struct sasl_session *x = begin(s, rows[i].mechanism, rows[i].channel);
        int n = snprintf(first, sizeof first, "%s,,n=anna,r=abcdef", rows[i].flag);
        enum sasl_result r = step(x, first, (size_t)n, &out);
        if (r != (rows[i].good ? SASL_CHALLENGE : SASL_FAILED))
            fail_msg("row %zu, %s: %s", i, first, err.text);
        assert_true(rows[i].good || err.kind == ERR_AUTH || err.kind == ERR_INPUT);
        sasl_end(x);
        sasl_free(s);
    }
}

/* An unknown kind is none; the first that is said stays; what does not bind does not mind. */
static void kinds(void **state)
{
    static const struct channel other = {"tls-server-end-point", "x", 1};
    struct sasl *s = server(BOTH " PLAIN");
    struct span out;
    struct sasl_session *x = begin(s, "SCRAM-SHA-256-PLUS", &other);
    assert_int_equal(step(x, "p=tls-server-end-point,,n=anna,r=abcdef", 39, &out), SASL_FAILED);
    sasl_end(x);
    x = begin(s, "SCRAM-SHA-256-PLUS", &exporter);
    sasl_bind(x, unique.kind, (struct span){unique.octets, unique.n});
    assert_int_equal(step(x, "p=tls-unique,,n=anna,r=abcdef", 29, &out), SASL_FAILED);
    sasl_end(x);
    x = begin(s, "PLAIN", &exporter);
    assert_int_equal(step(x, "\0anna\0secret", 12, &out), SASL_PASSWORD);
    sasl_end(x);
    sasl_free(s);
}

/* The salt of a name, as the server's first message has it. */
static void salt_of(struct sasl *s, const char *mechanism, const char *name, char salt[200])
{
    char first[100];
    struct span out;
    struct sasl_session *x = begin(s, mechanism, &exporter);
    int n =
        snprintf(first, sizeof first, "%s,,n=%s,r=abcdef", strstr(mechanism, "-PLUS") ? "p=tls-exporter" : "n", name);
    assert_int_equal(step(x, first, (size_t)n, &out), SASL_CHALLENGE);
    char *text = mem_copy(out.p, out.n);
    assert_non_null(strstr(text, ",s="));
    snprintf(salt, 200, "%s", strstr(text, ",s="));
    mem_free(text);
    sasl_end(x);
}

/* A real user has one salt with and without -PLUS; so has nobody, or he would be known by it. */
static void one_salt(void **state)
{
    char a[200], b[200];
    struct sasl *s = server(BOTH);
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "nobody" : "anna";
        salt_of(s, "SCRAM-SHA-256", name, a);
        salt_of(s, "SCRAM-SHA-256-PLUS", name, b);
        assert_string_equal(a, b);
        salt_of(s, "SCRAM-SHA-1-PLUS", name, a);
        assert_string_not_equal(a, b);
        salt_of(s, "SCRAM-SHA-1", name, b);
        assert_string_equal(a, b);
    }
    sasl_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds),
        cmocka_unit_test(first_messages),
        cmocka_unit_test(kinds),
        cmocka_unit_test(one_salt),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
