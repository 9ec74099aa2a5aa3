/* user/sasl_client: the client's half against our own server's half, against the vectors of the RFCs, and against
 * servers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <gsasl.h>

#include "base/mem.h"
#include "guard.h"
#include "user/sasl.h"
#include "user/sasl_client.h"
#include "user/secret.h"

static struct err err;

/* ---- libgsasl's nonce, so that it can be the one of an RFC: what it draws, and what is written for it */

static const char *nonce;
static const char drawn[] = "the nonce as drawn";

int gsasl_nonce(char *data, size_t n)
{
    if (!nonce)
        return gsasl_random(data, n);
    assert_int_equal(n, sizeof drawn - 1);
    memcpy(data, drawn, n);
    return GSASL_OK;
}

int gsasl_base64_to(const char *in, size_t n, char **out, size_t *length)
{
    static int (*next)(const char *, size_t, char **, size_t *);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "gsasl_base64_to");
    if (!nonce || n != sizeof drawn - 1 || memcmp(in, drawn, n) != 0)
        return next(in, n, out, length);
    *out = strdup(nonce);
    if (length)
        *length = strlen(nonce);
    return GSASL_OK;
}

/* ---- an exchange */

static struct sasl_client_who anna(void)
{
    return (struct sasl_client_who){.user = "anna",
                                    .password = span_of("secret"),
                                    .token = span_of("abc.def"),
                                    .host = "pop.example.org",
                                    .port = 995,
                                    .certificate = true,
                                    .clear = true};
}

static struct sasl_client *begin(const char *mechanism, const struct sasl_client_who *who)
{
    struct sasl_client *c;
    if (sasl_client_new(&c, mechanism, who, &err))
        fail_msg("%s: %s", mechanism, err.text);
    return c;
}

/* A step with the challenge at a guard page. */
static int step(struct sasl_client *c, const char *challenge, size_t n, struct span *out)
{
    char *edge = guard_copy(challenge, n);
    err = (struct err){0};
    int rc = sasl_client_step(c, (struct span){edge, n}, out, &err);
    guard_free(edge);
    return rc;
}

static int say(struct sasl_client *c, const char *challenge, struct span *out)
{
    return step(c, challenge, strlen(challenge), out);
}

#define assert_span(s, text) assert_memory_equal_of(s, text, sizeof(text) - 1)

static void assert_memory_equal_of(struct span s, const char *text, size_t n)
{
    if (s.n != n || memcmp(s.p, text, n) != 0)
        fail_msg("\"%.*s\", not \"%.*s\"", (int)s.n, s.p ? s.p : "", (int)n, text);
}

/* ---- which */

static void the_best_first(void **state)
{
    static const char everything[] = "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER EXTERNAL NTLM";
    static const char *const order[] = {"EXTERNAL",    "OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-256",
                                        "SCRAM-SHA-1", "PLAIN",       "LOGIN"};
    struct sasl_client_who who = anna();
    char tried[200] = "";
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        assert_string_equal(sasl_client_choose(everything, "", tried, &who), order[i]);
        snprintf(tried + strlen(tried), sizeof tried - strlen(tried), " %s", order[i]);
    }
    assert_null(sasl_client_choose(everything, "", tried, &who)); /* CRAM-MD5 was not asked for */
    assert_string_equal(sasl_client_choose(everything, NULL, NULL, &who), "EXTERNAL");
}

static void only_what_is_there(void **state)
{
    static const struct {
        const char *offered, *allowed, *tried, *best;
        bool password, token, certificate, clear;
    } rows[] = {
        {"EXTERNAL XOAUTH2 PLAIN", "", "", "PLAIN", true, false, false, true},
        {"EXTERNAL XOAUTH2 PLAIN", "", "", "XOAUTH2", true, true, false, true},
        {"EXTERNAL XOAUTH2 PLAIN", "", "", NULL, true, true, false,
         false}, /* in the clear nothing that shows a secret */
        {"LOGIN SCRAM-SHA-1", "", "", "SCRAM-SHA-1", true, false, false, false},
        {"PLAIN LOGIN", "login", "", "LOGIN", true, false, false, true},
        {"PLAIN CRAM-MD5", "CRAM-MD5 PLAIN", "", "CRAM-MD5", true, false, false, true},
        {"PLAIN CRAM-MD5", "", "", "PLAIN", true, false, false, true},
        {"PLAIN CRAM-MD5", "APOP USER", "", NULL, true, false, false, true},
        {"PLAIN", "", "PLAIN", NULL, true, false, false, true},
        {"PLAIN", "", "", NULL, false, true, true, true},
        {"SCRAM-SHA-256-PLUS", "", "", NULL, true, true, true, true},
        {"SCRAM-SHA-256-PLUS  scram-sha-256", "", "SCRAM-SHA-2", "SCRAM-SHA-256", true, true, true, true},
        {"", "", "", NULL, true, true, true, true},
        {"NTLM GSSAPI DIGEST-MD5", "", "", NULL, true, true, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_client_who who = anna();
        who.password.p = rows[i].password ? "" : NULL; /* that there is one is enough: it is not fetched yet */
        who.token.p = rows[i].token ? "" : NULL;
        who.certificate = rows[i].certificate;
        who.clear = rows[i].clear;
        const char *best = sasl_client_choose(rows[i].offered, rows[i].allowed, rows[i].tried, &who);
        if (!best != !rows[i].best || (best && strcmp(best, rows[i].best) != 0))
            fail_msg("row %zu: %s", i, best ? best : "none");
    }
}

/* A password that SASLprep does not permit: SCRAM only where nothing else is to be had, and it says why. */
static void not_for_scram(void **state)
{
    struct sasl_client_who who = anna();
    who.password = span_of("\xf0\x9f\x98\x80x");
    assert_string_equal(sasl_client_choose("PLAIN SCRAM-SHA-256", "", "", &who), "PLAIN");
    assert_string_equal(sasl_client_choose("SCRAM-SHA-1 SCRAM-SHA-256 LOGIN", "", "", &who), "LOGIN");
    assert_string_equal(sasl_client_choose("PLAIN SCRAM-SHA-1", "SCRAM-SHA-1", "", &who), "SCRAM-SHA-1");
    who.clear = false; /* what shows it is no way out in the clear */
    assert_string_equal(sasl_client_choose("PLAIN SCRAM-SHA-256", "", "", &who), "SCRAM-SHA-256");
}

static void not_to_be_had(void **state)
{
    static const char *const names[] = {"NTLM", "", "SCRAM-SHA-256-PLUS", "ANONYMOUS", "GSSAPI", "PLAIN "};
    struct sasl_client *c;
    struct sasl_client_who who = anna();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(sasl_client_new(&c, names[i], &who, &err), -1);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(c);
    }
    who.clear = false;
    static const char *const shows[] = {"PLAIN", "LOGIN", "OAUTHBEARER", "XOAUTH2"};
    for (size_t i = 0; i < sizeof shows / sizeof *shows; i++)
        assert_int_equal(sasl_client_new(&c, shows[i], &who, &err), -1);
    sasl_client_end(NULL);
}

static void not_well_formed(void **state)
{
    static const struct {
        const char *mechanism, *user;
        struct span password, token;
    } rows[] = {
        {"PLAIN", "", {"x", 1}, {"x", 1}},
        {"PLAIN", NULL, {"x", 1}, {"x", 1}},
        {"PLAIN", "an\nna", {"x", 1}, {"x", 1}},
        {"PLAIN", "anna", {"", 0}, {"x", 1}},
        {"PLAIN", "anna", {"a\0b", 3}, {"x", 1}},
        {"LOGIN", "anna", {"a\0b", 3}, {"x", 1}},
        {"SCRAM-SHA-256", "anna", {"a\0b", 3}, {"x", 1}},
        {"SCRAM-SHA-256", "anna\x01", {"x", 1}, {"x", 1}},
        {"CRAM-MD5", "anna", {"", 0}, {"x", 1}},
        {"XOAUTH2", "an\1na", {"x", 1}, {"x", 1}},
        {"XOAUTH2", "anna", {"x", 1}, {"", 0}},
        {"XOAUTH2", "anna", {"x", 1}, {"abc\1\1", 5}},
        {"OAUTHBEARER", "anna", {"x", 1}, {"abc\r\n", 5}},
        {"OAUTHBEARER", "anna", {"x", 1}, {"abc def", 7}},
        {"OAUTHBEARER", "anna", {"x", 1}, {"abc\0", 4}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_client *c;
        struct sasl_client_who who = anna();
        who.user = rows[i].user;
        who.password = rows[i].password;
        who.token = rows[i].token;
        if (sasl_client_new(&c, rows[i].mechanism, &who, &err) == 0)
            fail_msg("row %zu", i);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_null(strstr(err.text, "abc"));
    }
}

/* ---- the simple ones */

static void plain(void **state)
{
    struct sasl_client_who who = anna();
    struct sasl_client *c = begin("PLAIN", &who);
    struct span out;
    assert_int_equal(sasl_client_finish(c, &err), -1); /* yes, before anything was said */
    assert_int_equal(err.kind, ERR_AUTH);
    assert_true(sasl_client_initial(c, &out));
    assert_span(out, "\0anna\0secret");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    assert_false(sasl_client_initial(c, &out));
    assert_int_equal(say(c, "once more", &out), -1);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_null(out.p);
    sasl_client_end(c);
    c = begin("plain", &who); /* after an empty challenge */
    assert_int_equal(say(c, "", &out), 0);
    assert_span(out, "\0anna\0secret");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    sasl_client_end(c);
    c = begin("PLAIN", &who); /* a challenge that is none of PLAIN's */
    assert_int_equal(say(c, "Password:", &out), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_null(out.p);
    assert_int_equal(sasl_client_finish(c, &err), -1);
    sasl_client_end(c);
}

static void login(void **state)
{
    static const char *const prompts[][2] = {{"Username:", "Password:"}, {"User Name", "Password"}, {"", ""}};
    struct sasl_client_who who = anna();
    struct span out;
    for (int i = 0; i < 3; i++) {
        struct sasl_client *c = begin("LOGIN", &who);
        assert_false(sasl_client_initial(c, &out));
        assert_int_equal(say(c, prompts[i][0], &out), 0);
        assert_span(out, "anna");
        assert_int_equal(sasl_client_finish(c, &err), -1);
        assert_int_equal(say(c, prompts[i][1], &out), 0);
        assert_span(out, "secret");
        assert_int_equal(sasl_client_finish(c, &err), 0);
        assert_int_equal(say(c, "Password:", &out), -1);
        assert_int_equal(sasl_client_finish(c, &err), 0); /* what it says more changes nothing */
        sasl_client_end(c);
    }
}

static void external(void **state)
{
    struct sasl_client_who who = anna();
    struct sasl_client *c = begin("EXTERNAL", &who);
    struct span out;
    assert_true(sasl_client_initial(c, &out));
    assert_span(out, "anna");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    sasl_client_end(c);
    who.user = ""; /* the certificate says it */
    c = begin("EXTERNAL", &who);
    assert_true(sasl_client_initial(c, &out));
    assert_non_null(out.p);
    assert_span(out, "");
    sasl_client_end(c);
    assert_int_equal(sasl_client_new(&c, "PLAIN", &who, &err), -1);
    who.user = "an\nna";
    assert_int_equal(sasl_client_new(&c, "EXTERNAL", &who, &err), -1);
    who.user = "anna";
    who.certificate = false;
    assert_int_equal(sasl_client_new(&c, "EXTERNAL", &who, &err), -1);
}

/* RFC 2195 §2 */
static void cram_md5(void **state)
{
    struct sasl_client_who who = anna();
    who.user = "tim";
    who.password = span_of("tanstaaftanstaaf");
    struct sasl_client *c = begin("CRAM-MD5", &who);
    struct span out;
    assert_false(sasl_client_initial(c, &out));
    assert_int_equal(sasl_client_finish(c, &err), -1);
    assert_int_equal(say(c, "<1896.697170952@postoffice.reston.mci.net>", &out), 0);
    assert_span(out, "tim b913a602c7eda7a495b4e6e7334d3890");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    sasl_client_end(c);
    c = begin("CRAM-MD5", &who);
    assert_int_equal(say(c, "", &out), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    sasl_client_end(c);
    c = begin("CRAM-MD5", &who);
    assert_int_equal(step(c, "<a\0b>", 5, &out), -1);
    sasl_client_end(c);
}

/* ---- OAuth */

/* RFC 7628 §4.1 */
static void oauthbearer(void **state)
{
    struct sasl_client_who who = anna();
    who.user = "user@example.com";
    who.token = span_of("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    who.host = "server.example.com";
    who.port = 143;
    struct sasl_client *c = begin("OAUTHBEARER", &who);
    struct span out;
    assert_true(sasl_client_initial(c, &out));
    assert_span(out, "n,a=user@example.com,\1host=server.example.com\1port=143\1"
                     "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    /* §4.3: why not, as JSON; the server awaits one ^A */
    assert_int_equal(say(c, "{\"status\":\"invalid_token\",\"scope\":\"example_scope\"}", &out), -1);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_non_null(strstr(err.text, "status \"invalid_token\""));
    assert_span(out, "\1");
    assert_int_equal(sasl_client_finish(c, &err), -1);
    assert_int_equal(say(c, "{}", &out), -1);
    assert_null(out.p);
    sasl_client_end(c);
    who.user = "a,b=c";
    c = begin("OAUTHBEARER", &who);
    assert_true(sasl_client_initial(c, &out));
    assert_memory_equal(out.p, "n,a=a=2Cb=3Dc,\1", 15);
    sasl_client_end(c);
}

static void xoauth2(void **state)
{
    struct sasl_client_who who = anna();
    who.user = "someuser@example.com";
    who.token = span_of("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
    struct sasl_client *c = begin("XOAUTH2", &who);
    struct span out;
    assert_true(sasl_client_initial(c, &out));
    assert_span(out, "user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    assert_int_equal(
        say(c, "{ \"schemes\":\"bearer\", \"status\" : \"400\", \"scope\":\"https://mail.google.com/\"}", &out), -1);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_non_null(strstr(err.text, "status \"400\""));
    assert_non_null(out.p);
    assert_int_equal(out.n, 0);
    sasl_client_end(c);
    c = begin("XOAUTH2", &who);
    assert_int_equal(say(c, "", &out), 0); /* on a line of its own */
    assert_span(out, "user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\1\1");
    assert_int_equal(sasl_client_finish(c, &err), 0);
    sasl_client_end(c);
}

/* What a server says instead of JSON: shown, and never in a form that commands a terminal. */
static void strange_refusals(void **state)
{
    static const struct {
        const char *words, *shown;
    } rows[] = {
        {"", "does not say why"},
        {"no", "\"no\""},
        {"\x1b[2J", "\\x1b[2J"},
        {"\"status\"", "status"},
        {"{\"status\":", "status"},
        {"{\"status\":\"", "status"},
        {"{\"status\":\"401", "401"},
        {"{\"status\":\"\"}", "status"},
        {"{\"status\":\"\n\x07\"}", "\\x0a\\x07"},
    };
    struct sasl_client_who who = anna();
    struct span out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_client *c = begin(i % 2 ? "XOAUTH2" : "OAUTHBEARER", &who);
        assert_true(sasl_client_initial(c, &out));
        assert_int_equal(say(c, rows[i].words, &out), -1);
        assert_int_equal(err.kind, ERR_AUTH);
        if (!strstr(err.text, rows[i].shown) || strpbrk(err.text, "\x1b\n\x07"))
            fail_msg("row %zu: %s", i, err.text);
        sasl_client_end(c);
    }
}

static void long_token(void **state)
{
    static char token[65536];
    static const char *const names[] = {"XOAUTH2", "OAUTHBEARER"};
    struct sasl_client_who who = anna();
    struct span out;
    memset(token, 't', sizeof token);
    for (size_t n = 8192; n <= sizeof token; n *= 2)
        for (int i = 0; i < 2; i++) {
            who.token = (struct span){token, n};
            struct sasl_client *c = begin(names[i], &who);
            assert_true(sasl_client_initial(c, &out));
            assert_true(out.n > n && out.n < n + 100);
            assert_memory_equal(out.p + out.n - 2 - n, token, n);
            assert_memory_equal(out.p + out.n - 2, "\1\1", 2);
            sasl_client_end(c);
        }
}

/* ---- SCRAM */

static const struct vector {
    const char *mechanism, *user, *nonce, *initial, *first, *answer, *last;
} vectors[] = {
    {"SCRAM-SHA-1", "user", "fyko+d2lbbFgONRv9qkxdawL", "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", /* RFC 5802 §5 */
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {"SCRAM-SHA-256", "user", "rOprNGfwEbeRWgbNEkqO", "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", /* RFC 7677 §3 */
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

/* Up to the server's last message. */
static struct sasl_client *scram_begun(const struct vector *v, struct sasl_client_who *who)
{
    struct span out;
    *who = anna();
    who->user = v->user;
    who->password = span_of("pencil");
    nonce = v->nonce;
    struct sasl_client *c = begin(v->mechanism, who);
    nonce = NULL;
    assert_true(sasl_client_initial(c, &out));
    assert_memory_equal_of(out, v->initial, strlen(v->initial));
    assert_int_equal(sasl_client_finish(c, &err), -1);
    return c;
}

static void scram_vectors(void **state)
{
    for (int i = 0; i < 2; i++) {
        const struct vector *v = &vectors[i];
        struct sasl_client_who who;
        struct span out;
        struct sasl_client *c = scram_begun(v, &who);
        if (say(c, v->first, &out))
            fail_msg("%s", err.text);
        assert_memory_equal_of(out, v->answer, strlen(v->answer));
        assert_int_equal(sasl_client_finish(c, &err), -1);
        if (say(c, v->last, &out))
            fail_msg("%s", err.text);
        assert_non_null(out.p);
        assert_int_equal(out.n, 0);
        assert_int_equal(sasl_client_finish(c, &err), 0);
        assert_int_equal(say(c, v->last, &out), -1);
        sasl_client_end(c);
    }
}

static void scram_first_lies(void **state)
{
#define N "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define S "s=W22ZaJ0SNY7soEsUEjb6gQ=="
    static const struct {
        const char *first;
        enum err_kind kind;
    } rows[] = {
        {"r=rOprNGfwEbeRWgbNEkqP%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," S ",i=4096", ERR_AUTH}, /* another's nonce */
        {"r=rOprNGf," S ",i=4096", ERR_AUTH},
        {"r=," S ",i=4096", ERR_INPUT},
        {N "," S ",i=4095", ERR_AUTH}, /* a password would be cheap to guess */
        {N "," S ",i=1", ERR_AUTH},
        {N "," S ",i=0", ERR_AUTH},
        {N "," S ",i=2000001", ERR_AUTH}, /* this machine would compute for long */
        {N "," S ",i=4294971392", ERR_AUTH},
        {N "," S ",i=18446744073709551615", ERR_AUTH},
        {N "," S ",i=18446744073709551616", ERR_INPUT},
        {N "," S ",i=-1", ERR_INPUT},
        {N "," S ",i=+4096", ERR_INPUT},
        {N "," S ",i= 4096", ERR_INPUT},
        {N "," S ",i=4096x", ERR_INPUT},
        {N "," S ",i=", ERR_INPUT},
        {N "," S, ERR_INPUT},
        {N ",i=4096", ERR_INPUT},
        {N ",s=,i=4096", ERR_INPUT},
        {N ",s=***,i=4096", ERR_INPUT},
        {"m=x," N "," S ",i=4096", ERR_INPUT}, /* an extension that must be known */
        {"e=unknown-user", ERR_INPUT},
        {"garbage", ERR_INPUT},
        {"", ERR_INPUT},
        {",,,,", ERR_INPUT},
        {"i=4096", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sasl_client_who who;
        struct span out;
        struct sasl_client *c = scram_begun(&vectors[1], &who);
        if (say(c, rows[i].first, &out) == 0)
            fail_msg("row %zu was believed", i);
        if (err.kind != rows[i].kind || out.p)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(sasl_client_finish(c, &err), -1);
        assert_int_equal(say(c, vectors[1].first, &out), -1); /* over is over */
        sasl_client_end(c);
    }
}

/* Who answers with a nonce longer than asked and a NUL in the message. */
static void scram_octets(void **state)
{
    struct sasl_client_who who;
    struct span out;
    struct sasl_client *c = scram_begun(&vectors[1], &who);
    char text[200];
    size_t n = strlen(vectors[1].first);
    memcpy(text, vectors[1].first, n + 1);
    assert_int_equal(step(c, text, n + 1, &out), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    sasl_client_end(c);
}

/* The server does not know the password: it says yes all the same. */
static void scram_last_lies(void **state)
{
    static const char *const lasts[] = {
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
        "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "v=",
        "v=AAAA",
        "",
        "x",
        "e=invalid-proof",
        "e=\x1b[2J",
    };
    for (size_t i = 0; i < sizeof lasts / sizeof *lasts; i++) {
        struct sasl_client_who who;
        struct span out;
        struct sasl_client *c = scram_begun(&vectors[1], &who);
        assert_int_equal(say(c, vectors[1].first, &out), 0);
        if (say(c, lasts[i], &out) == 0)
            fail_msg("row %zu was believed", i);
        assert_true(err.kind == ERR_AUTH || (!*lasts[i] && err.kind == ERR_INPUT));
        assert_null(strchr(err.text, 0x1b));
        assert_null(out.p);
        assert_int_equal(sasl_client_finish(c, &err), -1);
        assert_int_equal(err.kind, ERR_AUTH);
        sasl_client_end(c);
    }
    struct sasl_client_who who;
    struct span out;
    struct sasl_client *c = scram_begun(&vectors[1], &who); /* "+OK" in place of the signature */
    assert_int_equal(say(c, vectors[1].first, &out), 0);
    assert_int_equal(sasl_client_finish(c, &err), -1);
    assert_int_equal(err.kind, ERR_AUTH);
    assert_non_null(strstr(err.text, "has not shown"));
    sasl_client_end(c);
}

/* ---- against our own server's half */

static char *keys1, *keys256;

static int find(void *arg, struct span name, struct user *u, struct err *why)
{
    if (!span_is(name, "anna") && !span_is(name, "a,b=c") && !span_is(name, "\xc3\xa9ve"))
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

/* A whole exchange: what the server makes of it. */
static enum sasl_result with_server(struct sasl *s, const char *mechanism, const struct sasl_client_who *who,
                                    bool initial)
{
    struct sasl_client *c = begin(mechanism, who);
    struct sasl_session *x = sasl_begin(s, span_of(mechanism), find, NULL, &err);
    assert_non_null(x);
    struct span say_ = {NULL, 0}, challenge;
    if (initial)
        sasl_client_initial(c, &say_);
    enum sasl_result r = sasl_step(x, say_, &challenge, &err);
    while (r == SASL_CHALLENGE && step(c, challenge.p, challenge.n, &say_) == 0)
        r = sasl_step(x, say_, &challenge, &err);
    assert_int_equal(r == SASL_DONE || r == SASL_PASSWORD, sasl_client_finish(c, &err) == 0);
    if (r == SASL_PASSWORD) {
        assert_string_equal(sasl_user(x), who->user);
        assert_string_equal(sasl_password(x), who->password.p);
    }
    sasl_end(x);
    sasl_client_end(c);
    return r;
}

static void own_server(void **state)
{
    static const struct {
        const char *mechanism, *user, *password;
        enum sasl_result result;
    } rows[] = {
        {"PLAIN", "anna", "secret", SASL_PASSWORD},
        {"LOGIN", "anna", "secret", SASL_PASSWORD},
        {"SCRAM-SHA-1", "anna", "secret", SASL_DONE},
        {"SCRAM-SHA-256", "anna", "secret", SASL_DONE},
        {"SCRAM-SHA-256", "a,b=c", "secret", SASL_DONE},
        {"SCRAM-SHA-256", "\xc3\xa9ve", "secret", SASL_DONE},
        {"SCRAM-SHA-256", "anna",
         "se\xc2\xad"
         "cret",
         SASL_DONE}, /* SASLprep */
        {"SCRAM-SHA-256", "anna", "wrong", SASL_FAILED},
        {"SCRAM-SHA-1", "anna", "wrong", SASL_FAILED},
        {"SCRAM-SHA-256", "nobody", "secret", SASL_FAILED},
    };
    struct sasl *s;
    assert_int_equal(sasl_new(&s, "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-256", &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int initial = 0; initial < 2; initial++) {
            struct sasl_client_who who = anna();
            who.user = rows[i].user;
            who.password = span_of(rows[i].password);
            if (initial && strcmp(rows[i].mechanism, "LOGIN") == 0)
                continue;
            if (with_server(s, rows[i].mechanism, &who, initial) != rows[i].result)
                fail_msg("row %zu: %s", i, err.text);
        }
    sasl_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_first),
        cmocka_unit_test(only_what_is_there),
        cmocka_unit_test(not_for_scram), cmocka_unit_test(not_to_be_had),
        cmocka_unit_test(not_well_formed),
        cmocka_unit_test(plain),
        cmocka_unit_test(login),
        cmocka_unit_test(external),
        cmocka_unit_test(cram_md5),
        cmocka_unit_test(oauthbearer),
        cmocka_unit_test(xoauth2),
        cmocka_unit_test(strange_refusals),
        cmocka_unit_test(long_token),
        cmocka_unit_test(scram_vectors),
        cmocka_unit_test(scram_first_lies),
        cmocka_unit_test(scram_octets),
        cmocka_unit_test(scram_last_lies),
        cmocka_unit_test(own_server),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
