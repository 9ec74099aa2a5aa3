/* fuzz_proxy: what a proxy, or who pretends to be one, says first.
 * Fuzzes: src/net/proxy.c
 *
 * However it is cut, the same is read of it, and nothing behind it is taken. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum proxy_result feed(struct proxy *p, const uint8_t *data, size_t size, size_t step, size_t *at)
{
    enum proxy_result r = PROXY_MORE;
    proxy_init(p);
    *at = 0;
    while (r == PROXY_MORE && *at < size) {
        size_t took, n = size - *at < step ? size - *at : step;
        r = proxy_feed(p, data + *at, n, &took);
        assert(took <= n && (r != PROXY_MORE || took == n));
        *at += took;
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 7, 16, 107};
    struct proxy p, again;
    size_t at, at_again;
    enum proxy_result r = feed(&p, data, size, SIZE_MAX, &at);
    assert((r == PROXY_BAD) == (*p.why != '\0') && at <= PROXY_MAX);
    assert(r == PROXY_DONE || !*p.address || r == PROXY_BAD);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert(feed(&again, data, size, steps[i], &at_again) == r);
        assert(at == at_again && strcmp(p.address, again.address) == 0 && strcmp(p.why, again.why) == 0);
        assert(p.tls == again.tls && p.local == again.local);
    }
    if (*p.address)
        assert(sock_in_networks(p.address, "0.0.0.0/0 ::/0"));
    return 0;
}
