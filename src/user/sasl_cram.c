/* sasl_cram: CRAM-MD5 (RFC 2195), for users who have a secret for APOP: it needs the password in clear as APOP does,
 * and is worth as much. Runs in auth; what it reads comes from strangers, through the door. */
#include "user/sasl_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

enum { HEX = 2 * DIGEST_MD5, CHALLENGE_MAX = 320 };

/* "<random.seconds@host>" (RFC 2195 §2): never the same twice, so that no answer is of use again. */
static char *make_challenge(const char *host)
{
    unsigned char noise[16];
    char hex[2 * sizeof noise + 1], text[CHALLENGE_MAX];
    digest_random(noise, sizeof noise);
    digest_hex(noise, sizeof noise, hex);
    snprintf(text, sizeof text, "<%s.%lld@%.253s>", hex, (long long)clock_wall().tv_sec, host);
    return mem_copy_text(text);
}

/* What the user would have said. Whoever has no secret is compared with one that nobody knows. */
static void expect(const struct sasl_session *x, const char *secret, char hex[HEX + 1])
{
    unsigned char noise[DIGEST_MD5], digest[DIGEST_MD5];
    digest_random(noise, sizeof noise);
    struct span key = secret && *secret ? span_of(secret) : (struct span){(const char *)noise, sizeof noise};
    digest_hmac_md5(key, span_of(x->challenge), digest);
    digest_hex(digest, sizeof digest, hex);
    mem_wipe(digest, sizeof digest);
}

static enum sasl_result judge(struct sasl_session *x, struct span said, struct err *err)
{
    struct user u = {0};
    struct err why = {0};
    char hex[HEX + 1];
    bool exists = x->find(x->arg, span_of(x->user), &u, &why) == 0;
    if (!exists && why.kind != ERR_GONE)
        return sasl_fail(why.kind, why.text, err);
    expect(x, u.apop, hex);
    bool same = digest_same(hex, said.p, HEX);
    user_free(&u);
    mem_wipe(hex, sizeof hex);
    return exists && same ? SASL_DONE : sasl_fail(ERR_AUTH, "the digest is not the one of this challenge", err);
}

enum sasl_result sasl_step_cram(struct sasl_session *x, struct span in, struct span *out, struct err *err)
{
    if (x->progress == SASL_FIRST && !in.p) {
        x->challenge = make_challenge(x->sasl->host);
        x->progress = SASL_SECOND;
        *out = span_of(x->challenge);
        return SASL_CHALLENGE;
    }
    /* The name may hold spaces: the last one is before the digest. Who answers before he was asked has nothing to
     * answer. */
    if (!x->challenge || in.n <= HEX || in.p[in.n - HEX - 1] != ' ')
        return sasl_fail(ERR_INPUT, "not CRAM-MD5's message", err);
    if (sasl_take_user(x, (struct span){in.p, in.n - HEX - 1}, err) == SASL_FAILED)
        return SASL_FAILED;
    return judge(x, span_from(in, in.n - HEX), err);
}
