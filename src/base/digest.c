/* digest: see the header. The one file that names nettle. */
#include "base/digest.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/mem.h"

static const uint8_t *bytes(struct span s)
{
    return (const uint8_t *)(s.p ? s.p : "");
}

struct digest {
    struct sha256_ctx sha;
};

struct digest *digest_new(void)
{
    struct digest *d = mem_alloc(sizeof *d);
    sha256_init(&d->sha);
    return d;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
    sha256_update(&d->sha, n, bytes((struct span){p, n}));
}

void digest_finish(struct digest *d, unsigned char out[DIGEST_SHA256])
{
    sha256_digest(&d->sha, DIGEST_SHA256, out);
    mem_wipe(d, sizeof *d);
    mem_free(d);
}

void digest_sha256(struct span in, unsigned char out[DIGEST_SHA256])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, in.n, bytes(in));
    sha256_digest(&sha, DIGEST_SHA256, out);
    mem_wipe(&sha, sizeof sha);
}

uint64_t digest_word(struct span in)
{
    unsigned char out[DIGEST_SHA256];
    uint64_t word;
    digest_sha256(in, out);
    memcpy(&word, out, sizeof word);
    return word;
}

void digest_hmac_sha256(struct span key, struct span in, unsigned char out[DIGEST_SHA256])
{
    struct hmac_sha256_ctx hmac;
    hmac_sha256_set_key(&hmac, key.n, bytes(key));
    hmac_sha256_update(&hmac, in.n, bytes(in));
    hmac_sha256_digest(&hmac, DIGEST_SHA256, out);
    mem_wipe(&hmac, sizeof hmac);
}

void digest_md5(struct span a, struct span b, unsigned char out[DIGEST_MD5])
{
    struct md5_ctx md5;
    md5_init(&md5);
    md5_update(&md5, a.n, bytes(a));
    md5_update(&md5, b.n, bytes(b));
    md5_digest(&md5, DIGEST_MD5, out);
    mem_wipe(&md5, sizeof md5);
}

void digest_hmac_md5(struct span key, struct span in, unsigned char out[DIGEST_MD5])
{
    struct hmac_md5_ctx hmac;
    hmac_md5_set_key(&hmac, key.n, bytes(key));
    hmac_md5_update(&hmac, in.n, bytes(in));
    hmac_md5_digest(&hmac, DIGEST_MD5, out);
    mem_wipe(&hmac, sizeof hmac);
}

void digest_hex(const unsigned char *in, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[in[i] >> 4];
        *out++ = digits[in[i] & 15];
    }
    *out = '\0';
}

bool digest_same(const void *a, const void *b, size_t n)
{
    return n == 0 || memeql_sec(a, b, n);
}

void digest_random(void *out, size_t n)
{
    unsigned char *at = out;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            log_error("random", "the kernel gives no random bytes: %s", strerror(errno));
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}
