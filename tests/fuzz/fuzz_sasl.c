/* fuzz_sasl: SASL exchanges with a client that may say anything.
 * Fuzzes: src/user/sasl_exchange.c src/user/sasl_cram.c src/user/sasl_scram.c
 *
 * Input: the first byte chooses the mechanism (its two lowest bits, and bit 4) and whether there is an initial response
 * (bit 2), whether the server has a channel to bind to (bit 5), and the client the same one (bit 6: it has; bit 7: its
 * octets are others; for EXTERNAL, which is MORE, OTHER and the second, these two choose whom the certificate names);
 * then messages, each after a byte with its length. A length of 255 stands for a message that a real client would send
 * now (libgsasl's client half, user "anna", right or wrong password by bit 3), so that the later states are reached. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <gsasl.h>

#include "base/mem.h"
#include "user/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HONEST = 255 };

static struct sasl *server;
static Gsasl *client;
static char *keys[2];

static void start(void)
{
    struct err err;
    if (gsasl_init(&client) != GSASL_OK)
        abort();
    keys[0] = sasl_scram_keys(SASL_SHA1, "secret", &err);
    keys[1] = sasl_scram_keys(SASL_SHA256, "secret", &err);
}

static int find(void *arg, struct span name, struct user *u, struct err *err)
{
    assert(name.n && name.n <= USER_NAME_MAX && !memchr(name.p, '\0', name.n));
    if (span_is(name, "temp"))
        return err_set(err, ERR_TEMP, "trouble");
    if (!span_is(name, "anna") && !span_is(name, "imp") && !span_is(name, "broken"))
        return err_set(err, ERR_GONE, "nobody");
    bool whole = span_is(name, "anna");
    *u = (struct user){.name = mem_copy(name.p, name.n)};
    u->external = whole;
    u->scram1 = mem_copy_text(whole ? keys[0] : span_is(name, "imp") ? "" : "1:x");
    u->apop = mem_copy_text(whole ? "secret" : "");
    u->scram256 = mem_copy_text(whole ? keys[1] : span_is(name, "imp") ? "" : "1:!:!:!");
    return 0;
}

struct run {
    struct sasl_session *x;
    Gsasl_session *client;
    struct span said; /* by the server, last */
    char *honest;
    bool steps_honest; /* every message so far was the client's */
    unsigned how;      /* the first byte */
};

/* What the client half says to the server's last message; an empty message where it has nothing to say. */
static struct span honest(struct run *r)
{
    size_t n = 0;
    gsasl_free(r->honest);
    r->honest = NULL;
    if (r->client && gsasl_step(r->client, r->said.p, r->said.n, &r->honest, &n) >= 2)
        n = 0;
    return (struct span){r->honest ? r->honest : "", r->honest ? n : 0};
}

enum { INITIAL = 4, RIGHT = 8, MORE = 16, OURS = 32, THEIRS = 64, OTHER = 128 };

static const char *const names[2][4] = {{"PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"},
                                        {"CRAM-MD5", "cram-md5", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"}};

static bool is_external(unsigned how)
{
    return (how & (MORE | OTHER | 3)) == (MORE | OTHER | 1);
}

/* Whom the certificate names that was shown; "": none was. */
static const char *certified(unsigned how)
{
    bool ours = how & OURS, theirs = how & THEIRS;
    return ours && theirs ? "temp" : ours ? "imp" : !theirs ? "" : how & RIGHT ? "anna" : "nobody";
}

static const char *name_of(unsigned how)
{
    if (is_external(how))
        return "EXTERNAL";
    return names[how & MORE ? 1 : 0][how & 3];
}

/* Whoever binds has the same channel at both ends, and whoever could and was not offered to (RFC 5802 §6) has none at
 * ours. */
static bool may_be_done(unsigned how)
{
    if (!(how & 2)) /* CRAM-MD5, EXTERNAL */
        return true;
    return how & MORE ? (how & OURS) && (how & THEIRS) && !(how & OTHER) : !(how & OURS) || !(how & THEIRS);
}

static enum sasl_result step(struct run *r, struct span in, bool right)
{
    struct err err = {.kind = ERR_NONE};
    char *exact = in.p ? malloc(in.n ? in.n : 1) : NULL;
    if (in.n)
        memcpy(exact, in.p, in.n);
    enum sasl_result result = sasl_step(r->x, (struct span){exact, in.n}, &r->said, &err);
    free(exact);
    if (result == SASL_FAILED)
        assert(err.kind == ERR_AUTH || err.kind == ERR_TEMP || err.kind == ERR_INPUT);
    if (result == SASL_PASSWORD)
        assert(*sasl_user(r->x) && *sasl_password(r->x));
    if (result == SASL_DONE) /* nobody else has keys, and only the right password makes the proof */
        assert(strcmp(sasl_user(r->x), "anna") == 0 && right &&
               (is_external(r->how) ? strcmp(certified(r->how), "anna") == 0 : r->steps_honest && may_be_done(r->how)));
    return result;
}

static void run(struct run *r, const uint8_t *data, size_t size, bool initial, bool right)
{
    enum sasl_result result = SASL_CHALLENGE;
    if (!initial)
        result = step(r, (struct span){NULL, 0}, right);
    while (size && result == SASL_CHALLENGE) {
        size_t n = *data++;
        size--;
        struct span in;
        if (n == HONEST) {
            in = honest(r);
        } else {
            n = n < size ? n : size;
            in = (struct span){n ? (const char *)data : "", n};
            data += n;
            size -= n;
            r->steps_honest = r->steps_honest && n == 0;
        }
        result = step(r, in, right);
    }
    if (result != SASL_CHALLENGE)
        assert(step(r, (struct span){"", 0}, right) == SASL_FAILED); /* over is over */
}

/* The same bytes as a mechanism's name, as a list of them, and as a password that is prepared. */
static void words(struct span in)
{
    struct err err;
    struct sasl *other = NULL;
    struct sasl_session *x = sasl_begin(server, in, find, NULL, &err);
    assert(!x == !sasl_has(server, in));
    sasl_end(x);
    char *text = mem_copy(in.p, in.n);
    if (sasl_new(&other, text, &err) == 0)
        sasl_free(other);
    else
        assert(err.kind == ERR_CONFIG);
    char *prepared = sasl_prepare(span_of(text));
    assert(!prepared || *prepared);
    user_wipe(prepared);
    mem_free(text);
}

static void client_start(struct run *r, bool right)
{
    bool other = r->how & OTHER;
    if (gsasl_client_start(client, name_of(r->how), &r->client) != GSASL_OK)
        return;
    gsasl_property_set(r->client, GSASL_AUTHID, "anna");
    gsasl_property_set(r->client, GSASL_PASSWORD, right ? "secret" : "wrong");
    if (r->how & THEIRS)
        gsasl_property_set(r->client, GSASL_CB_TLS_EXPORTER, other ? "b3RoZXI=" : "b2N0ZXRz");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    if (!client)
        start();
    if (!size)
        return 0;
    if (sasl_new(&server, "PLAIN LOGIN EXTERNAL CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS",
                 &err))
        abort();
    sasl_salt_key(server, (const unsigned char[USERS_KEY]){1, 2, 3});
    words((struct span){(const char *)data, size});
    sasl_host(server, "pop.example.org");
    bool right = data[0] & RIGHT;
    struct run r = {.said = {"", 0}, .steps_honest = true, .how = data[0]};
    r.x = sasl_begin(server, span_of(name_of(r.how)), find, NULL, &err);
    assert(r.x);
    sasl_certificate(r.x, span_of(certified(r.how)));
    if (r.how & OURS)
        sasl_bind(r.x, "tls-exporter", span_of("octets"));
    if (r.how & (2 | MORE))
        client_start(&r, right);
    run(&r, data + 1, size - 1, r.how & INITIAL, right);
    if (r.client)
        gsasl_finish(r.client);
    gsasl_free(r.honest);
    sasl_end(r.x);
    sasl_free(server);
    return 0;
}
