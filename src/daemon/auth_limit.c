/* auth_limit: what one address and one user may have and do: sessions at once, log-ins and wrong passwords a minute. All doors ask
 * auth, so that it counts for all of them, and the sessions that have left the doors too.
 *
 * Wrong passwords count against an address, and against a user at one address; never against a user alone, or whoever knows a name
 * could lock its owner out. Who has logged in from an address lately may do so there whatever others try at other names from it. From
 * trusted_networks, where one address is many people, only what a user has of his own counts. */
#include "daemon/auth_state.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/limit_address.h"
#include "daemon/limit_rate.h"

enum { MINUTE_MS = 60000, DAY_MS = 24 * 60 * MINUTE_MS, SUSPECT_MS = 10 * MINUTE_MS };

struct auth_limit {
    struct limit_rate *rates;
    struct limit_rate *known; /* a user at an address who has shown that he is who he says; apart, or a flood would be remembered instead */
    struct map users, addresses; /* owner → how many sessions */
    unsigned char key[32];
    struct limit tries, sessions; /* told */
};

/* ---- owners */

enum owner { OF_LOGINS = 'l', OF_FAILURES = 'f', OF_PAIR = 'p', OF_USER = 'u', OF_ADDRESS = 'a', OF_SUSPICION = 's' };

/* The same number for the same owner; nobody else can tell which it is. */
static uint64_t owner_of(const struct auth_limit *l, enum owner what, const struct auth_session *s)
{
    unsigned char mac[DIGEST_SHA256], head[9] = {(unsigned char)what};
    uint64_t address, out;
    struct buf b;
    if (what != OF_USER && limit_address(s->address, &address))
        memcpy(head + 1, &address, sizeof address);
    buf_init(&b, 65536, NULL);
    buf_add(&b, head, sizeof head);
    if ((what == OF_PAIR || what == OF_USER) && s->user)
        buf_add_text(&b, s->user);
    digest_hmac_sha256((struct span){(const char *)l->key, sizeof l->key}, buf_span(&b), mac);
    buf_fini(&b);
    memcpy(&out, mac, sizeof out);
    return out;
}

/* Limits per address are not for him. */
static bool exempt(const struct auth *a, const struct auth_session *s)
{
    uint64_t key;
    return !limit_address(s->address, &key) || sock_in_networks(s->address, a->start.conf.trusted_networks);
}

static bool told(struct limit *l, const char *option, const struct auth_session *s, bool of_user)
{
    char what[400];
    snprintf(what, sizeof what, "%s %s=%s", option, of_user ? "user" : "addr",
             of_user ? log_quote_text(s->user ? s->user : "") : talk_word(s->address));
    limit_reached(l, what);
    return false;
}

/* ---- tries */

bool auth_limit_try(struct auth *a, const struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    if (exempt(a, s) ||
        limit_rate_take(l->rates, owner_of(l, OF_LOGINS, s), a->start.conf.address_logins, MINUTE_MS, clock_ms()))
        return true;
    return told(&l->tries, "address_logins", s, false);
}

static bool is_known(const struct auth *a, const struct auth_session *s)
{
    const struct auth_limit *l = a->limit;
    return s->user && !limit_rate_dry(l->known, owner_of(l, OF_PAIR, s), clock_ms());
}

enum auth_line auth_limit_line(const struct auth *a, const struct auth_session *s)
{
    const struct auth_limit *l = a->limit;
    if (is_known(a, s))
        return AUTH_KNOWN;
    return limit_rate_dry(l->rates, owner_of(l, OF_SUSPICION, s), clock_ms()) ? AUTH_STRANGE : AUTH_SUSPECT;
}

bool auth_limit_may_fail(struct auth *a, const struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    if (exempt(a, s) ||
        !limit_rate_full(l->rates, owner_of(l, OF_FAILURES, s), a->start.conf.address_failures, MINUTE_MS, clock_ms()) || is_known(a, s))
        return true;
    return told(&l->tries, "address_failures", s, false);
}

/* A try counts as wrong against the user at the address from its beginning until it has shown that it is not: however many are made at
 * once, no more are. Against the address it counts when it has been found wrong, or a crowd behind a NAT would keep itself out; whoever
 * waits meanwhile is asked again. */
bool auth_limit_check(struct auth *a, struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    const struct conf *c = &a->start.conf;
    if (exempt(a, s))
        return true;
    if (!auth_limit_may_fail(a, s)) {
        auth_limit_not_failed(a, s);
        return false;
    }
    if (s->charged)
        return true;
    if (!limit_rate_take(l->rates, owner_of(l, OF_PAIR, s), c->user_failures, MINUTE_MS, clock_ms()))
        return told(&l->tries, "user_failures", s, false);
    s->charged = true;
    return true;
}

void auth_limit_failed(struct auth *a, struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    s->charged = false; /* what was taken is not given back */
    if (exempt(a, s))
        return;
    limit_rate_add(l->rates, owner_of(l, OF_FAILURES, s), a->start.conf.address_failures, MINUTE_MS, clock_ms());
    limit_rate_touch(l->rates, owner_of(l, OF_SUSPICION, s), SUSPECT_MS, clock_ms());
}

void auth_limit_not_failed(struct auth *a, struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    if (s->charged)
        limit_rate_give_back(l->rates, owner_of(l, OF_PAIR, s), a->start.conf.user_failures, MINUTE_MS, clock_ms());
    s->charged = false;
}

/* ---- sessions */

/* A map's values are pointers: the numbers stand in them, and 0 for who is not there. */
static uint64_t count_of(const struct map *m, uint64_t owner)
{
    return (uintptr_t)map_get(m, owner);
}

static void set_count(struct map *m, uint64_t owner, uint64_t n)
{
    if (n)
        map_put(m, owner, (void *)(uintptr_t)n);
    else
        (void)map_take(m, owner);
}

static void count_up(struct map *m, uint64_t owner)
{
    set_count(m, owner, count_of(m, owner) + 1);
}

static void count_down(struct map *m, uint64_t owner)
{
    uint64_t n = count_of(m, owner);
    if (n)
        set_count(m, owner, n - 1);
}

void auth_limit_count(struct auth *a, struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    if (s->counted)
        return;
    s->counted = true;
    s->owners[0] = owner_of(l, OF_USER, s);
    s->owners[1] = owner_of(l, OF_ADDRESS, s);
    count_up(&l->users, s->owners[0]);
    count_up(&l->addresses, s->owners[1]);
}

void auth_limit_leave(struct auth *a, struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    if (!s->counted)
        return;
    s->counted = false;
    count_down(&l->users, s->owners[0]);
    count_down(&l->addresses, s->owners[1]);
}

bool auth_limit_enter(struct auth *a, struct auth_session *s)
{
    struct auth_limit *l = a->limit;
    const struct conf *c = &a->start.conf;
    uint64_t user = owner_of(l, OF_USER, s), now = clock_ms();
    limit_rate_touch(l->known, owner_of(l, OF_PAIR, s), DAY_MS, now);
    if (c->user_sessions && count_of(&l->users, user) >= c->user_sessions)
        return told(&l->sessions, "user_sessions", s, true);
    if (c->address_sessions && !exempt(a, s) && count_of(&l->addresses, owner_of(l, OF_ADDRESS, s)) >= c->address_sessions)
        return told(&l->sessions, "address_sessions", s, false);
    if (!limit_rate_take(l->rates, user, c->user_logins, MINUTE_MS, now))
        return told(&l->sessions, "user_logins", s, true);
    auth_limit_count(a, s);
    return true;
}

void auth_limit_init(struct auth *a)
{
    struct auth_limit *l = mem_alloc(sizeof *l);
    *l = (struct auth_limit){.rates = limit_rate_new(), .known = limit_rate_new()};
    digest_random(l->key, sizeof l->key);
    a->limit = l;
}
