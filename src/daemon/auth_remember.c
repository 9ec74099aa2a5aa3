/* auth_remember: what has just been verified the dear way is not verified so again for some minutes.
 *
 * Kept: HMAC(random key, user ‖ stored verifier ‖ password), successes only. The verifier is part of it and is read from the
 * database at each log-in, so that a changed password takes effect at once. A fixed table, four places for each value. */
#include "daemon/auth_state.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

enum { SETS = 16384, WAYS = 4 };

struct auth_remembered {
    unsigned char mac[DIGEST_SHA256];
    uint64_t until; /* ms; 0: free */
};

void auth_remember_init(struct auth *a)
{
    a->remembered = mem_alloc(sizeof *a->remembered * SETS * WAYS);
    digest_random(a->remember_key, sizeof a->remember_key);
}

/* Lengths before the parts: no two triples give the same bytes. */
static void add_part(struct buf *b, struct span s)
{
    uint32_t n = (uint32_t)s.n;
    buf_add(b, &n, sizeof n);
    buf_add_span(b, s);
}

static struct auth_remembered *set_of(struct auth *a, const struct user *u, struct span password,
                                      unsigned char mac[DIGEST_SHA256])
{
    struct buf b;
    uint32_t set;
    buf_init(&b, 65536, NULL);
    add_part(&b, span_of(u->name));
    add_part(&b, span_of(u->verifier));
    add_part(&b, password);
    digest_hmac_sha256((struct span){(const char *)a->remember_key, sizeof a->remember_key}, buf_span(&b), mac);
    buf_wipe(&b);
    buf_fini(&b);
    memcpy(&set, mac, sizeof set);
    return &a->remembered[(size_t)(set % SETS) * WAYS];
}

bool auth_remembers(struct auth *a, const struct user *u, struct span password)
{
    unsigned char mac[DIGEST_SHA256];
    struct auth_remembered *way = set_of(a, u, password, mac);
    uint64_t now = clock_ms();
    bool found = false;
    for (int i = 0; i < WAYS; i++)
        found |= way[i].until > now && digest_same(way[i].mac, mac, sizeof mac);
    mem_wipe(mac, sizeof mac);
    return found;
}

void auth_remember(struct auth *a, const struct user *u, struct span password)
{
    unsigned char mac[DIGEST_SHA256];
    if (a->start.conf.password_remember == 0)
        return;
    struct auth_remembered *way = set_of(a, u, password, mac), *oldest = way;
    for (int i = 0; i < WAYS; i++) {
        if (digest_same(way[i].mac, mac, sizeof mac)) {
            oldest = &way[i];
            break;
        }
        if (way[i].until < oldest->until)
            oldest = &way[i];
    }
    memcpy(oldest->mac, mac, sizeof mac);
    oldest->until = clock_ms() + a->start.conf.password_remember;
    mem_wipe(mac, sizeof mac);
}

void auth_remember_shorter(struct auth *a)
{
    uint64_t most = clock_ms() + a->start.conf.password_remember;
    if (a->start.conf.password_remember == 0) {
        mem_wipe(a->remembered, sizeof *a->remembered * SETS * WAYS);
        return;
    }
    for (size_t i = 0; i < SETS * WAYS; i++)
        if (a->remembered[i].until > most)
            a->remembered[i].until = most;
}
