/* user/sasl: our server half against libgsasl's client half, and against messages made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>

#include "base/mem.h"
#include "guard.h"
#include "user/sasl.h"
#include "user/secret.h"

#define ALL "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256"

static struct err err;

/* anna has everything, imp was imported and has no keys, broken's are damaged, trouble makes the database fail. */
static char *keys1, *keys256;

static int find(void *arg, struct span name, struct user *u, struct err *why)
{
    unsigned *asked = arg;
    if (asked)
        ++*asked;
    if (span_is(name, "trouble"))
        return err_set(why, ERR_TEMP, "the disk is on fire");
    bool anna = span_is(name, "anna") || span_is(name, "a,b=c") || span_is(name, "\xc3\xa9ve");
    if (!anna && !span_is(name, "imp") && !span_is(name, "broken"))
        return err_set(why, ERR_GONE, "no such user");
    *u = (struct user){.name = mem_copy(name.p, name.n)};
    if (!span_is(name, "imp")) {
        u->scram1 = mem_copy_text(anna ? keys1 : "15000:c2FsdA==:aaaa");
        u->scram256 = mem_copy_text(anna ? keys256 : "x");
    }
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

static struct sasl_session *begin(struct sasl *s, const char *mechanism)
{
    struct sasl_session *x = sasl_begin(s, span_of(mechanism), find, NULL, &err);
    assert_non_null(x);
    return x;
}

/* A step with the input at a guard page. p = NULL: no initial response. */
static enum sasl_result step(struct sasl_session *x, const char *p, size_t n, struct span *out)
{
    char *edge = p ? guard_copy(p, n) : NULL;
    err = (struct err){0};
    enum sasl_result r = sasl_step(x, (struct span){edge, n}, out, &err);
    if (edge)
        guard_free(edge);
    return r;
}

static enum sasl_result say(struct sasl_session *x, const char *text)
{
    struct span out;
    return step(x, text, strlen(text), &out);
}

static void white_list(void **state)
{
    struct sasl *s = NULL;
    assert_int_equal(sasl_new(&s, "PLAIN GSSAPI", &err), -1);
    assert_int_equal(err.kind, ERR_CONFIG);
    assert_non_null(strstr(err.text, "GSSAPI"));
    s = server("  scram-sha-256  PLAIN ");
    assert_true(sasl_has(s, span_of("PLAIN")));
    assert_true(sasl_has(s, span_of("SCRAM-SHA-256")));
    assert_false(sasl_has(s, span_of("LOGIN")));
    assert_false(sasl_has(s, span_of("PLAI")));
    assert_false(sasl_has(s, span_of("")));
    static const char *const refused[] = {"LOGIN",    "SCRAM-SHA-1",        "CRAM-MD5", "DIGEST-MD5", "ANONYMOUS",
                                          "EXTERNAL", "SCRAM-SHA-256-PLUS", "GSSAPI",   "NTLM",       "SECURID",
                                          ""};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_null(sasl_begin(s, span_of(refused[i]), find, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    sasl_free(s);
    sasl_free(NULL);
    sasl_end(NULL);
    s = server("");
    assert_false(sasl_has(s, span_of("PLAIN")));
    sasl_free(s);
}

static void plain(void **state)
{
    static const struct {
        const char *message;
        size_t n;
        enum sasl_result result;
        const char *user, *password;
    } rows[] = {
        {"\0anna\0secret", 12, SASL_PASSWORD, "anna", "secret"},
        {"anna\0anna\0secret", 16, SASL_PASSWORD, "anna", "secret"},
        {"\0anna\0s e\xff\x07", 11, SASL_PASSWORD, "anna", "s e\xff\x07"},
        {"berta\0anna\0secret", 17, SASL_FAILED, NULL, NULL},
        {"ann\0anna\0secret", 15, SASL_FAILED, NULL, NULL},
        {"\0anna\0secret\0", 13, SASL_FAILED, NULL, NULL},
        {"\0anna\0", 6, SASL_FAILED, NULL, NULL},
        {"\0\0secret", 8, SASL_FAILED, NULL, NULL},
        {"anna\0secret", 11, SASL_FAILED, NULL, NULL},
        {"anna", 4, SASL_FAILED, NULL, NULL},
        {"\0", 1, SASL_FAILED, NULL, NULL},
        {"\0\0\0\0", 4, SASL_FAILED, NULL, NULL},
        {"", 0, SASL_FAILED, NULL, NULL},
    };
    struct sasl *s = server(ALL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int initial = 0; initial < 2; initial++) {
            struct sasl_session *x = begin(s, "PLAIN");
            struct span out;
            if (!initial) {
                assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
                assert_int_equal(out.n, 0);
            }
            if (step(x, rows[i].message, rows[i].n, &out) != rows[i].result)
                fail_msg("row %zu: %s", i, err.text);
            if (rows[i].result == SASL_PASSWORD) {
                assert_string_equal(sasl_user(x), rows[i].user);
                assert_string_equal(sasl_password(x), rows[i].password);
            } else {
                assert_null(sasl_password(x));
                assert_true(err.kind == ERR_AUTH || err.kind == ERR_INPUT);
            }
            assert_int_equal(step(x, "\0anna\0secret", 12, &out), SASL_FAILED); /* over is over */
            sasl_end(x);
        }
    sasl_free(s);
}

static void long_name(void **state)
{
    struct sasl *s = server(ALL);
    struct sasl_session *x = begin(s, "PLAIN");
    struct span out;
    char message[400];
    memset(message, 'a', sizeof message);
    message[0] = message[300] = '\0';
    assert_int_equal(step(x, message, sizeof message, &out), SASL_FAILED);
    assert_int_equal(err.kind, ERR_AUTH);
    sasl_end(x);
    sasl_free(s);
}

static void login(void **state)
{
    struct sasl *s = server(ALL);
    struct span out;
    for (int initial = 0; initial < 2; initial++) {
        struct sasl_session *x = begin(s, "LOGIN");
        if (!initial) {
            assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE);
            assert_true(span_is(out, "Username:"));
        }
        assert_int_equal(step(x, "anna", 4, &out), SASL_CHALLENGE);
        assert_true(span_is(out, "Password:"));
        assert_string_equal(sasl_user(x), "anna");
        assert_int_equal(step(x, "pass word", 9, &out), SASL_PASSWORD);
        assert_string_equal(sasl_password(x), "pass word");
        sasl_end(x);
    }
    static const struct {
        const char *name, *password;
        size_t n, m;
    } bad[] = {{"", "x", 0, 1}, {"a\0b", "x", 3, 1}, {"anna", "", 4, 0}, {"anna", "a\0b", 4, 3}};
    for (size_t i = 0; i < 4; i++) {
        struct sasl_session *x = begin(s, "LOGIN");
        enum sasl_result r = step(x, bad[i].name, bad[i].n, &out);
        if (r == SASL_CHALLENGE)
            r = step(x, bad[i].password, bad[i].m, &out);
        assert_int_equal(r, SASL_FAILED);
        assert_null(sasl_password(x));
        sasl_end(x);
    }
    sasl_free(s);
}

/* ---- SCRAM with libgsasl's client */

struct client {
    Gsasl *gsasl;
    Gsasl_session *session;
    char *out;
    size_t n;
};

static void client_begin(struct client *c, const char *mechanism, const char *name, const char *password,
                         const char *as)
{
    assert_int_equal(gsasl_init(&c->gsasl), GSASL_OK);
    assert_int_equal(gsasl_client_start(c->gsasl, mechanism, &c->session), GSASL_OK);
    gsasl_property_set(c->session, GSASL_AUTHID, name);
    gsasl_property_set(c->session, GSASL_PASSWORD, password);
    if (as)
        gsasl_property_set(c->session, GSASL_AUTHZID, as);
    c->out = NULL;
}

static int client_step(struct client *c, struct span in)
{
    gsasl_free(c->out);
    c->out = NULL;
    return gsasl_step(c->session, in.p, in.n, &c->out, &c->n);
}

static void client_end(struct client *c)
{
    gsasl_free(c->out);
    gsasl_finish(c->session);
    gsasl_done(c->gsasl);
}

/* A whole exchange. *steps: after how many of the client's messages it ended. */
static enum sasl_result scram(struct sasl *s, const char *mechanism, const char *name, const char *password,
                              const char *as, unsigned *steps)
{
    struct sasl_session *x = begin(s, mechanism);
    struct client c;
    struct span out = {"", 0};
    enum sasl_result r = SASL_CHALLENGE;
    client_begin(&c, mechanism, name, password, as);
    for (*steps = 0; r == SASL_CHALLENGE; ++*steps) {
        int rc = client_step(&c, out);
        if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
            fail_msg("client: %s", gsasl_strerror(rc));
        r = step(x, c.out ? c.out : "", c.n, &out);
        assert_true(r == SASL_CHALLENGE || out.n == 0);
    }
    assert_true(r != SASL_DONE || (sasl_user(x) && strcmp(sasl_user(x), name) == 0));
    client_end(&c);
    sasl_end(x);
    return r;
}

static const char *const scrams[] = {"SCRAM-SHA-1", "SCRAM-SHA-256"};

static void scram_shown(void **state)
{
    struct sasl *s = server(ALL);
    unsigned steps;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scram(s, scrams[i], "anna", "secret", NULL, &steps), SASL_DONE);
        assert_int_equal(steps, 3); /* the third message is the empty answer to the server's signature */
        assert_int_equal(scram(s, scrams[i], "anna", "secret", "anna", &steps), SASL_DONE);
        assert_int_equal(scram(s, scrams[i], "a,b=c", "secret", NULL, &steps), SASL_DONE); /* =2C and =3D */
        assert_int_equal(scram(s, scrams[i], "\xc3\xa9ve", "secret", NULL, &steps), SASL_DONE);
        assert_int_equal(scram(s, scrams[i], "anna",
                               "se\xc2\xad"
                               "cret",
                               NULL, &steps),
                         SASL_DONE); /* SASLprep */
    }
    sasl_free(s);
}

static void scram_not_shown(void **state)
{
    static const char *const names[] = {"anna", "nobody", "imp"}; /* wrong password, unknown, without keys: all alike */
    struct sasl *s = server(ALL);
    unsigned steps;
    struct err first = {0};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++) {
            assert_int_equal(scram(s, scrams[i], names[j], "wrong", NULL, &steps), SASL_FAILED);
            assert_int_equal(steps, 2);
            assert_int_equal(err.kind, ERR_AUTH);
            if (!first.kind)
                first = err;
            assert_string_equal(err.text, first.text);
        }
    assert_int_equal(scram(s, scrams[0], "anna", "secret", "berta", &steps), SASL_FAILED);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_int_equal(steps, 1);
    assert_int_equal(scram(s, scrams[0], "trouble", "secret", NULL, &steps), SASL_FAILED);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_string_equal(err.text, "the disk is on fire");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scram(s, scrams[i], "broken", "secret", NULL, &steps), SASL_FAILED);
        assert_int_equal(err.kind, ERR_TEMP);
    }
    sasl_free(s);
}

/* The server's first message for a name; what follows the nonce: ",s=…,i=…". */
static void first_of(struct sasl *s, const char *mechanism, const char *name, char salt[200])
{
    char message[300];
    struct span out;
    struct sasl_session *x = begin(s, mechanism);
    int n = snprintf(message, sizeof message, "n,,n=%s,r=0123456789abcdef", name);
    assert_int_equal(step(x, message, (size_t)n, &out), SASL_CHALLENGE);
    char *text = mem_copy(out.p, out.n);
    assert_int_equal(strncmp(text, "r=0123456789abcdef", 18), 0);
    assert_true(strstr(text, ",s=") > text + 30); /* a nonce of its own */
    strcpy(salt, strstr(text, ",s="));
    mem_free(text);
    sasl_end(x);
}

static void false_salt(void **state)
{
    char anna[200], a[200], b[200], c[200];
    unsigned char key[USERS_KEY] = "a key that stays with the users";
    struct sasl *s = server(ALL), *after = server(ALL), *other = server(ALL);
    sasl_salt_key(s, key);
    sasl_salt_key(after, key);
    first_of(s, scrams[1], "anna", anna);
    first_of(s, scrams[1], "nobody", a);
    assert_int_equal(strlen(anna), strlen(a));
    assert_string_equal(strstr(anna, ",i="), strstr(a, ",i="));
    assert_true(atoi(strstr(a, ",i=") + 3) >= 4096);
    first_of(s, scrams[1], "nobody", b);
    assert_string_equal(a, b); /* always the same for one name, also after a restart … */
    first_of(after, scrams[1], "nobody", b);
    assert_string_equal(a, b);
    first_of(other, scrams[1], "nobody", b); /* … but not to be computed by a stranger */
    assert_string_not_equal(a, b);
    first_of(s, scrams[1], "nobodi", b);
    assert_string_not_equal(a, b);
    first_of(s, scrams[0], "nobody", c); /* a real user has a salt for each mechanism too */
    assert_string_not_equal(a, c);
    sasl_free(s);
    sasl_free(after);
    sasl_free(other);
}

static void scram_messages(void **state)
{
    static const struct {
        const char *first;
        bool good;
    } rows[] = {
        {"n,,n=anna,r=abcdef", true},
        {"y,,n=anna,r=abcdef", true}, /* the client could bind, and sees that we do not offer it */
        {"n,a=anna,n=anna,r=abcdef", true},
        {"n,,n=anna,r=abcdef,x=ext", true}, /* unknown optional extension (RFC 5802 §5.1) */
        {"n,a=berta,n=anna,r=abcdef", false},
        {"p=tls-unique,,n=anna,r=abcdef", false},
        {"p=tls-exporter,,n=anna,r=abcdef", false},
        {"n,,m=x,n=anna,r=abcdef", false}, /* a mandatory extension nobody knows */
        {"n,,n=anna", false},
        {"n,,n=,r=abcdef", false},
        {"n,,n=anna,r=", false},
        {"n,,n=a=nna,r=abcdef", false}, /* RFC 5802 §5.1: must fail */
        {"n,,n=anna=,r=abcdef", false},
        {"n,,n=anna=3,r=abcdef", false},
        {"n,a=an=na,n=anna,r=abcdef", false},
        {"n,,n=\xff\xfe,r=abcdef", false},
        {"n,,", false},
        {"n", false},
        {",", false},
        {"", false},
        {"garbage", false},
        {"nnnnnnnnn", false},
    };
    struct sasl *s = server(ALL);
    struct span out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_session *x = begin(s, scrams[i % 2]);
        enum sasl_result r = say(x, rows[i].first);
        if (r != (rows[i].good ? SASL_CHALLENGE : SASL_FAILED))
            fail_msg("%s: %s", rows[i].first, err.text);
        assert_int_equal(say(x, "c=biws,r=abcdef,p=AAAA"), SASL_FAILED);
        assert_int_equal(say(x, ""), SASL_FAILED);
        sasl_end(x);
    }
    struct sasl_session *x = begin(s, scrams[1]);
    assert_int_equal(step(x, NULL, 0, &out), SASL_CHALLENGE); /* the client begins, when asked to */
    assert_int_equal(out.n, 0);
    assert_int_equal(say(x, "n,,n=anna,r=abcdef"), SASL_CHALLENGE);
    sasl_end(x);
    x = begin(s, scrams[1]);
    assert_int_equal(step(x, "n,,n=anna\0,r=abcdef", 19, &out), SASL_FAILED);
    sasl_end(x);
    char big[4096] = "n,,n=anna,r=";
    memset(big + 12, 'x', sizeof big - 13);
    x = begin(s, scrams[1]);
    assert_int_equal(say(x, big), SASL_FAILED);
    sasl_end(x);
    char name[300 + 32] = "n,,n=";
    memset(name + 5, 'x', 300);
    strcpy(name + 305, ",r=abcdef");
    x = begin(s, scrams[1]);
    assert_int_equal(say(x, name), SASL_FAILED); /* longer than any name */
    sasl_end(x);
    sasl_free(s);
}

/* Success is not said before the client has answered the signature, and only by an empty message (RFC 5034 §4). */
static void last_word(void **state)
{
    struct sasl *s = server(ALL);
    for (int empty = 0; empty < 2; empty++) {
        struct sasl_session *x = begin(s, scrams[1]);
        struct client c;
        struct span out;
        client_begin(&c, scrams[1], "anna", "secret", NULL);
        assert_int_equal(client_step(&c, (struct span){"", 0}), GSASL_NEEDS_MORE);
        assert_int_equal(step(x, c.out, c.n, &out), SASL_CHALLENGE);
        assert_int_equal(client_step(&c, out), GSASL_NEEDS_MORE);
        char *proof = mem_copy(c.out, c.n);
        assert_int_equal(step(x, proof, c.n, &out), SASL_CHALLENGE);
        assert_memory_equal(out.p, "v=", 2);
        assert_int_equal(client_step(&c, out), GSASL_OK); /* the client knows the server now */
        if (empty) {
            assert_int_equal(step(x, "", 0, &out), SASL_DONE);
            assert_string_equal(sasl_user(x), "anna");
            assert_int_equal(step(x, "", 0, &out), SASL_FAILED);
        } else {
            assert_int_equal(step(x, "x", 1, &out), SASL_FAILED);
            assert_int_equal(step(x, "", 0, &out), SASL_FAILED);
        }
        mem_free(proof);
        client_end(&c);
        sasl_end(x);
    }
    sasl_free(s);
}

/* A proof of another exchange, with the nonce of this one or of that one, fits nothing. */
static void replay(void **state)
{
    struct sasl *s = server(ALL);
    struct client c;
    struct span out;
    struct sasl_session *x = begin(s, scrams[1]), *y = begin(s, scrams[1]);
    client_begin(&c, scrams[1], "anna", "secret", NULL);
    assert_int_equal(client_step(&c, (struct span){"", 0}), GSASL_NEEDS_MORE);
    char *first = mem_copy(c.out, c.n);
    size_t n = c.n;
    assert_int_equal(step(x, first, n, &out), SASL_CHALLENGE);
    assert_int_equal(client_step(&c, out), GSASL_NEEDS_MORE);
    assert_int_equal(step(y, first, n, &out), SASL_CHALLENGE);
    assert_int_equal(step(y, c.out, c.n, &out), SASL_FAILED);
    assert_int_equal(step(x, c.out, c.n, &out), SASL_CHALLENGE);
    mem_free(first);
    client_end(&c);
    sasl_end(x);
    sasl_end(y);
    sasl_free(s);
}

static void asks_once(void **state)
{
    struct sasl *s = server(ALL);
    unsigned asked = 0;
    struct span out;
    struct sasl_session *x = sasl_begin(s, span_of("SCRAM-SHA-1"), find, &asked, &err);
    assert_int_equal(sasl_step(x, span_of("n,,n=nobody,r=abcdef"), &out, &err), SASL_CHALLENGE);
    assert_int_equal(sasl_step(x, span_of("c=biws,r=abcdef,p=AAAA"), &out, &err), SASL_FAILED);
    assert_int_equal(asked, 1);
    sasl_end(x);
    sasl_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_list), cmocka_unit_test(plain),          cmocka_unit_test(long_name),
        cmocka_unit_test(login),      cmocka_unit_test(scram_shown),    cmocka_unit_test(scram_not_shown),
        cmocka_unit_test(false_salt), cmocka_unit_test(scram_messages), cmocka_unit_test(last_word),
        cmocka_unit_test(replay),     cmocka_unit_test(asks_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
