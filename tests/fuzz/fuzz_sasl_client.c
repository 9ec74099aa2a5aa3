/* fuzz_sasl_client: what a server may say in an exchange of SASL.
 * Fuzzes: src/user/sasl_client_exchange.c src/user/sasl_client_keyed.c src/user/sasl_client_token.c
 *
 * Input: a byte that chooses the mechanism, then the server's challenges, a line each; "@" stands for the client's own
 * nonce, which no input can know. A server that does not know the password is never believed by SCRAM. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "user/sasl_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const mechanisms[] = {"EXTERNAL",    "OAUTHBEARER", "XOAUTH2", "SCRAM-SHA-256",
                                         "SCRAM-SHA-1", "CRAM-MD5",    "PLAIN",   "LOGIN"};

enum { MECHANISMS = sizeof mechanisms / sizeof *mechanisms, NONCE = 64, CHALLENGE = 4096 };

/* The first byte, above the mechanism's number. */
enum { NO_SECRET = 8, ODD_NAME = 16, NO_NAME = 32, NOT_AT_FIRST = 64 };

/* So many rounds take seconds: whether they are refused above the limit is for the unit test to see. */
static bool takes_long(struct span text)
{
    unsigned digits = 0;
    for (size_t i = 0; i < text.n; i++) {
        digits = text.p[i] >= '0' && text.p[i] <= '9' ? digits + 1 : 0;
        if (digits == 6)
            return true;
    }
    return false;
}

static void find_nonce(struct span first, char nonce[NONCE])
{
    for (size_t i = 0; i + 3 < first.n; i++)
        if (memcmp(first.p + i, ",r=", 3) == 0) {
            size_t n = first.n - i - 3 < NONCE - 1 ? first.n - i - 3 : NONCE - 1;
            memcpy(nonce, first.p + i + 3, n);
            nonce[n] = '\0';
            return;
        }
}

static struct span filled(struct span line, const char *nonce, char out[CHALLENGE])
{
    size_t n = 0, length = strlen(nonce);
    for (size_t i = 0; i < line.n && n + NONCE < CHALLENGE; i++) {
        if (line.p[i] == '@') {
            memcpy(out + n, nonce, length);
            n += length;
        } else {
            out[n++] = line.p[i];
        }
    }
    char *exact = mem_copy(out, n); /* so that reading behind it is seen */
    return (struct span){exact, n};
}

static void must_be_shown(const char *text)
{
    assert(*text);
    for (; *text; text++)
        assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void run(struct sasl_client *c, struct span rest, bool scram, bool skip_initial)
{
    char nonce[NONCE] = "", room[CHALLENGE];
    struct err err;
    struct span out;
    bool failed = false;
    if (!skip_initial && sasl_client_initial(c, &out)) {
        assert(out.p);
        find_nonce(out, nonce);
    }
    while (rest.n) {
        struct span challenge = filled(span_cut(&rest, '\n'), nonce, room);
        int rc = sasl_client_step(c, challenge, &out, &err);
        mem_free((char *)challenge.p);
        assert(rc < 0 || (out.p && !failed));
        failed = failed || rc < 0;
        if (rc < 0)
            must_be_shown(err.text);
        if (rc == 0 && !*nonce)
            find_nonce(out, nonce);
    }
    int rc = sasl_client_finish(c, &err);
    assert(!scram || rc < 0);
    if (rc < 0)
        must_be_shown(err.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 2000 || takes_long((struct span){(const char *)data, size}))
        return 0;
    const char *mechanism = mechanisms[data[0] % MECHANISMS];
    const struct span none = {NULL, 0};
    bool secret = !(data[0] & NO_SECRET);
    struct sasl_client_who who = {.user = data[0] & ODD_NAME  ? "a,n=n\303\266"
                                          : data[0] & NO_NAME ? ""
                                                              : "anna",
                                  .password = secret ? span_of("secret") : none,
                                  .token = secret ? span_of("to.ken") : none,
                                  .host = "pop.example.org",
                                  .port = 995,
                                  .certificate = secret,
                                  .clear = true};
    struct sasl_client *c;
    struct err err;
    char *offered = mem_copy(data + 1, size - 1);
    const char *chosen = sasl_client_choose(offered, "", "PLAIN", &who);
    assert(!chosen || (strcmp(chosen, "PLAIN") != 0 && strcmp(chosen, "CRAM-MD5") != 0));
    mem_free(offered);
    if (sasl_client_new(&c, mechanism, &who, &err) < 0) {
        assert(!c);
        must_be_shown(err.text);
        return 0;
    }
    run(c, (struct span){(const char *)data + 1, size - 1}, strncmp(mechanism, "SCRAM", 5) == 0,
        data[0] & NOT_AT_FIRST);
    sasl_client_end(c);
    return 0;
}
