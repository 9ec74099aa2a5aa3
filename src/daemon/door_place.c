/* door_place: who may come in, and who makes room for others. Door.
 *
 * While there is room everybody comes in, up to `address_waiting` of one address. When there is none (connections,
 * descriptors, TLS, buffers), the oldest of the longest line goes: whoever would take all places loses his own. An
 * address that has no place yet always finds one as long as somebody has one who says nothing. */
#include "daemon/door_state.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "daemon/limit_address.h"
#include "daemon/limit_files.h"

enum {
    RESERVE = 16,     /* a part of `connections` that is for addresses without one */
    SILENT_MS = 5000, /* so long one's own address, and one that is trusted, keeps its place */
    FILES_MS = 100    /* how long the system's limit is believed: an administrator may change that of a process that runs */
};

/* Who asks for a place, and so who may be asked to go for him. */
struct asker {
    uint64_t key, now;
    uint64_t most; /* places there are */
    size_t line;  /* how many of his address wait; */
    bool address; /* which is one */
    bool only_own;
};

static bool may_go(const struct crowd_member *m, uint64_t key, size_t line, void *arg)
{
    const struct asker *asker = arg;
    const struct door_place *p = m->owner;
    bool own = asker->address && key == asker->key;
    if (!own && (asker->only_own || line <= asker->line))
        return false; /* who has no more than he need not go for him */
    bool keeps = own || (p->trusted && line * 2 <= asker->most); /* nobody is trusted with more than half of all */
    return !keeps || asker->now - p->since >= SILENT_MS;
}

static bool yield(struct door *d, const struct crowd *from, struct asker *asker, const char *what)
{
    struct crowd_member *m = NULL;
    asker->now = clock_ms();
    asker->most = from == &d->waiting ? d->start.conf.connections : d->start.conf.tls_waiting;
    if (!asker->only_own)
        m = crowd_pick(from, may_go, asker);
    else if ((m = crowd_first(from, asker->key)) && !may_go(m, asker->key, asker->line, asker))
        m = NULL;
    if (!m)
        return false;
    const struct door_place *p = m->owner;
    limit_count(&d->yielded, what, "made room");
    p->yield(p->owner);
    return true;
}

static bool is_trusted(const struct door *d, enum conf_service service, const char *address)
{
    return service == CONF_LMTP || sock_in_networks(address, d->start.conf.trusted_networks);
}

/* Log-ins need some too, on their way, and so do the channels. */
static bool few_files(struct door *d, int fd)
{
    struct rlimit r;
    uint64_t now = clock_ms();
    if (now >= d->files_read + FILES_MS && getrlimit(RLIMIT_NOFILE, &r) == 0) {
        d->files_read = now;
        d->files = r.rlim_cur;
    }
    return limit_few_files(d->files, fd);
}

/* What there is too little of, or NULL. `none`: his address has no place yet. */
static const char *missing(struct door *d, bool none, int fd)
{
    uint64_t most = d->start.conf.connections, now = d->sessions.count + d->receptions.count + d->proxied.count + d->away;
    if (now >= most || (now >= most - most / RESERVE && !none))
        return "connections";
    return few_files(d, fd) ? "descriptors" : NULL;
}

static bool too_many_of_one(struct door *d, struct asker *asker, const char *address)
{
    uint64_t most = d->start.conf.address_waiting;
    char what[SOCK_NAME_MAX + 32];
    if (!most || crowd_size(&d->waiting, asker->key) < most)
        return false;
    snprintf(what, sizeof what, "address_waiting addr=%s", address);
    asker->only_own = true;
    bool room = yield(d, &d->waiting, asker, what);
    asker->only_own = false;
    if (!room)
        limit_reached(&d->pushing, what);
    return !room;
}

bool door_place_free(struct door *d, enum conf_service service, const char *address, int fd)
{
    struct asker asker = {0};
    asker.address = limit_address(address, &asker.key);
    asker.line = asker.address ? crowd_line(&d->waiting, asker.key) : 0;
    if (asker.address && !is_trusted(d, service, address) && too_many_of_one(d, &asker, address))
        return false;
    const char *what = missing(d, !asker.address || crowd_size(&d->waiting, asker.key) == 0, fd);
    if (what && !yield(d, &d->waiting, &asker, what)) {
        limit_reached(&d->crowded, what);
        return false;
    }
    if (few_files(d, fd)) /* one more than came, or the spare ones that have been taken would never be spare again */
        (void)yield(d, &d->waiting, &asker, "descriptors");
    if (d->budget.used >= d->budget.ceiling) /* all are served in small pieces now */
        (void)yield(d, &d->waiting, &asker, "memory_buffers");
    return true;
}

void door_place_take(struct door *d, struct door_place *p, const char *address)
{
    uint64_t key;
    p->since = clock_ms();
    p->trusted = sock_in_networks(address, d->start.conf.trusted_networks);
    p->all.owner = p->tls.owner = p;
    if (limit_address(address, &key))
        crowd_join(&d->waiting, key, &p->all);
}

void door_place_leave(struct door *d, struct door_place *p)
{
    crowd_leave(&d->waiting, &p->all);
    crowd_leave(&d->waiting_tls, &p->tls);
}

void door_place_busy(struct door *d, struct door_place *p, bool busy)
{
    crowd_busy(&d->waiting, &p->all, busy);
    crowd_busy(&d->waiting_tls, &p->tls, busy);
}

bool door_place_tls(struct door *d, struct door_place *p, const char *address)
{
    struct asker asker = {0};
    asker.address = limit_address(address, &asker.key);
    asker.line = asker.address ? crowd_line(&d->waiting_tls, asker.key) : 0;
    if (d->tls_waiting >= d->start.conf.tls_waiting && !yield(d, &d->waiting_tls, &asker, "tls_waiting")) {
        limit_reached(&d->crowded, "tls_waiting");
        return false;
    }
    if (asker.address)
        crowd_join(&d->waiting_tls, asker.key, &p->tls);
    return true;
}

bool door_place_descriptor(struct door *d)
{
    return yield(d, &d->waiting, &(struct asker){0}, "descriptors");
}
