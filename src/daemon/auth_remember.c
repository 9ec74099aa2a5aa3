/* auth_remember: what has just been verified the dear way is not verified so again for some minutes.
 *
 * Kept: HMAC(random key, user ‖ stored verifier ‖ password), successes only. The verifier is part of it and is read
 * from the database at each log-in, so that a changed password takes effect at once. A table of eight places for each
 * value, which grows up to a fixed size: scattered over all of it a thousand users would touch every page. */
#include "daemon/auth_state.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

enum { FIRST = 32, SETS = 8192, WAYS = 8 };

struct auth_remembered {
    unsigned char mac[DIGEST_SHA256];
    uint64_t until; /* ms; 0: free */
};

void auth_remember_init(struct auth *a)
{
    a->remembered = mem_alloc(sizeof *a->remembered * FIRST * WAYS);
    a->remembered_sets = FIRST;
    digest_random(a->remember_key, sizeof a->remember_key);
}

/* Lengths before the parts: no two triples give the same bytes. */
static void add_part(struct buf *b, struct span s)
{
    uint32_t n = (uint32_t)s.n;
    buf_add(b, &n, sizeof n);
    buf_add_span(b, s);
}

static struct auth_remembered *set_of(const struct auth *a, const unsigned char mac[DIGEST_SHA256])
{
    uint32_t set;
    memcpy(&set, mac, sizeof set);
    return &a->remembered[(size_t)(set & (a->remembered_sets - 1)) * WAYS];
}

static void make_mac(const struct auth *a, const struct user *u, struct span password, unsigned char mac[DIGEST_SHA256])
{
    struct buf b;
    buf_init(&b, 65536, NULL);
    add_part(&b, span_of(u->name));
    add_part(&b, span_of(u->verifier));
    add_part(&b, password);
    digest_hmac_sha256((struct span){(const char *)a->remember_key, sizeof a->remember_key}, buf_span(&b), mac);
    buf_wipe(&b);
    buf_fini(&b);
}

/* Everything finds its set anew; of one set there never come more than WAYS into another. */
static void grow(struct auth *a)
{
    struct auth_remembered *old = a->remembered;
    unsigned n = a->remembered_sets * WAYS;
    a->remembered_sets *= 2;
    a->remembered = mem_alloc(sizeof *old * a->remembered_sets * WAYS);
    for (unsigned i = 0; i < n; i++)
        if (old[i].until)
            set_of(a, old[i].mac)[i % WAYS] = old[i];
    mem_wipe(old, sizeof *old * n);
    mem_free(old);
}

bool auth_remembers(struct auth *a, const struct user *u, struct span password)
{
    unsigned char mac[DIGEST_SHA256];
    make_mac(a, u, password, mac);
    const struct auth_remembered *way = set_of(a, mac);
    uint64_t now = clock_ms();
    bool found = false;
    for (int i = 0; i < WAYS; i++)
        found |= way[i].until > now && digest_same(way[i].mac, mac, sizeof mac);
    mem_wipe(mac, sizeof mac);
    return found;
}

/* Where it is, or else where it may be: in the place of what is forgotten soonest. */
static struct auth_remembered *place_of(const struct auth *a, const unsigned char mac[DIGEST_SHA256])
{
    struct auth_remembered *way = set_of(a, mac), *soonest = way;
    for (int i = 0; i < WAYS; i++) {
        if (digest_same(way[i].mac, mac, sizeof way[i].mac))
            return &way[i];
        if (way[i].until < soonest->until)
            soonest = &way[i];
    }
    return soonest;
}

void auth_remember(struct auth *a, const struct user *u, struct span password)
{
    unsigned char mac[DIGEST_SHA256];
    uint64_t now = clock_ms();
    if (a->start.conf.password_remember == 0)
        return;
    make_mac(a, u, password, mac);
    struct auth_remembered *p = place_of(a, mac);
    while (p->until > now && !digest_same(p->mac, mac, sizeof p->mac) && a->remembered_sets < SETS) {
        grow(a);
        p = place_of(a, mac);
    }
    memcpy(p->mac, mac, sizeof mac);
    p->until = now + a->start.conf.password_remember;
    mem_wipe(mac, sizeof mac);
}

void auth_remember_shorter(struct auth *a)
{
    uint64_t most = clock_ms() + a->start.conf.password_remember;
    if (a->start.conf.password_remember == 0) {
        mem_wipe(a->remembered, sizeof *a->remembered * a->remembered_sets * WAYS);
        return;
    }
    for (size_t i = 0; i < (size_t)a->remembered_sets * WAYS; i++)
        if (a->remembered[i].until > most)
            a->remembered[i].until = most;
}
