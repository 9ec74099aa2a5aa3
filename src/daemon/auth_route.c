/* auth_route: whose mail it is, and who delivers it: an address becomes users, each of them has the deliver process of
 * his uid. ADMIT to that process first, then TARGET to the door, and RECIPIENT as the last word about the address.
 *
 * Trouble of ours (the database, no process, the end of the server) is a passing one; only what the database says for
 * certain is a refusal that lasts. */
#include "daemon/auth_state.h"

#include <string.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "user/address.h"
#include "wire/smtp_server.h"

enum {
    ROUTES_MAX = 1024,  /* of a door, which wait for deliver processes */
    DELIVERS_MAX = 1024 /* deliver processes: a stranger who names users can have one started for each of their uids */
};

/* A deliver process. */
struct auth_deliver {
    struct auth *auth;
    uint32_t number, uid, gid;
    bool retiring;
    uint64_t admits; /* how many it was sent */
    struct chan *chan;
    struct auth_deliver *next;
};

/* A recipient that waits until there is a deliver process for each of its users. */
struct auth_route {
    struct talk_id id;
    uint32_t rcpt, target; /* the first free number of a target */
    uint64_t size;
    struct address_found found;
    struct auth_route *next;
};

/* A deliver process that has been asked for. */
struct auth_hire {
    uint32_t token, uid, gid;
    struct auth_hire *next;
};

static uint64_t key_of(uint32_t uid, uint32_t gid)
{
    return (uint64_t)uid << 32 | gid;
}

static void say_recipient(struct auth *a, struct talk_id id, uint32_t rcpt, enum smtp_verdict v, uint32_t targets)
{
    auth_say(a, &(struct talk){.type = TALK_RECIPIENT, .id = id, .num = {rcpt, v, targets}, .fd = -1});
}

/* ---- the words about a recipient */

static bool gets_mail(const struct auth *a, const struct user *u)
{
    return !u->disabled && u->uid != 0 && u->uid >= a->start.conf.first_uid;
}

static void admit(struct auth *a, const struct auth_route *r, uint32_t target, const struct user *u)
{
    struct auth_deliver *w = map_get(&a->delivers_by_uid, key_of(u->uid, u->gid));
    uint32_t flags = u->quota_octets || u->quota_messages ? TALK_WAIT_ROOM : 0;
    struct talk t = {.type = TALK_ADMIT,
                     .id = r->id,
                     .num = {target, u->uid, u->gid},
                     .text = {span_of(u->name), span_of(u->where)},
                     .fd = -1};
    talk_set_wide(&t.num[3], u->quota_octets);
    talk_set_wide(&t.num[5], u->quota_messages);
    talk_set_wide(&t.num[7], r->size);
    t.num[9] = flags;
    w->admits++;
    talk_send(w->chan, &t);
    struct talk to = {.type = TALK_TARGET, .id = r->id, .num = {r->rcpt, target, w->number, flags}, .fd = -1};
    /* This tells the door that two targets are one mailbox, and not which. */
    talk_set_wide(&to.num[4], digest_word(span_of(u->where)));
    auth_say(a, &to);
}

static void route_free(struct auth_route *r)
{
    address_free(&r->found);
    mem_free(r);
}

static void send_there(struct auth *a, struct auth_route *r)
{
    uint32_t targets = 0;
    for (unsigned i = 0; i < r->found.count; i++)
        if (gets_mail(a, &r->found.users[i]))
            admit(a, r, r->target + targets++, &r->found.users[i]);
    say_recipient(a, r->id, r->rcpt, SMTP_OK, targets);
}

/* The first of its users who has no deliver process. */
static const struct user *waits_for(const struct auth *a, const struct auth_route *r)
{
    for (unsigned i = 0; i < r->found.count; i++) {
        const struct user *u = &r->found.users[i];
        if (gets_mail(a, u) && !map_get(&a->delivers_by_uid, key_of(u->uid, u->gid)))
            return u;
    }
    return NULL;
}

/* ---- deliver processes that are asked for */

static bool hired(const struct auth *a, const struct user *u)
{
    const struct auth_hire *h = a->hires;
    while (h && (h->uid != u->uid || h->gid != u->gid))
        h = h->next;
    return h;
}

static void hire(struct auth *a, const struct user *u)
{
    struct auth_hire *h = mem_alloc(sizeof *h);
    a->n_delivers++;
    *h = (struct auth_hire){.token = ++a->tokens, .uid = u->uid, .gid = u->gid, .next = a->hires};
    a->hires = h;
    talk_send(a->start.master, &(struct talk){.type = TALK_NEED,
                                              .num = {h->token, u->uid, u->gid, TALK_FOR_DELIVERY},
                                              .text = {span_of(u->where)},
                                              .fd = -1});
}

/* false: there are too many already. Those that were asked for are of use to the next who comes. */
static bool hire_all(struct auth *a, const struct auth_route *r)
{
    for (unsigned i = 0; i < r->found.count; i++) {
        const struct user *u = &r->found.users[i];
        if (!gets_mail(a, u) || map_get(&a->delivers_by_uid, key_of(u->uid, u->gid)) || hired(a, u))
            continue;
        if (a->n_delivers >= DELIVERS_MAX) {
            limit_reached(&a->crowded, "deliver processes");
            return false;
        }
        hire(a, u);
    }
    return true;
}

/* ---- routes that wait */

static struct auth_door *door_of(struct auth *a, uint64_t generation)
{
    struct auth_door *d = a->doors;
    while (d && d->generation != generation)
        d = d->next;
    return d;
}

/* Takes each route that `wanted` names out of the list, and hands it to `then`, which frees it. */
static void take_routes(struct auth *a,
                        bool (*wanted)(const struct auth *a, const struct auth_route *r, const void *arg),
                        const void *arg, void (*then)(struct auth *a, struct auth_route *r))
{
    struct auth_route **at = &a->routes;
    while (*at) {
        struct auth_route *r = *at;
        if (!wanted(a, r, arg)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        struct auth_door *d = door_of(a, r->id.door);
        if (d)
            d->routes--;
        then(a, r);
        route_free(r);
    }
}

static bool can_go(const struct auth *a, const struct auth_route *r, const void *arg)
{
    (void)arg;
    return !waits_for(a, r);
}

static bool waits_for_this(const struct auth *a, const struct auth_route *r, const void *arg)
{
    const struct auth_hire *h = arg;
    (void)a;
    for (unsigned i = 0; i < r->found.count; i++)
        if (r->found.users[i].uid == h->uid && r->found.users[i].gid == h->gid && gets_mail(a, &r->found.users[i]))
            return true;
    return false;
}

static bool is_of(const struct auth *a, const struct auth_route *r, const void *arg)
{
    const struct talk_id *id = arg;
    (void)a;
    return r->id.door == id->door && r->id.n == id->n;
}

static bool is_of_door(const struct auth *a, const struct auth_route *r, const void *arg)
{
    (void)a;
    return r->id.door == *(const uint64_t *)arg;
}

static bool any(const struct auth *a, const struct auth_route *r, const void *arg)
{
    (void)a;
    (void)r;
    (void)arg;
    return true;
}

static void put_off(struct auth *a, struct auth_route *r)
{
    say_recipient(a, r->id, r->rcpt, SMTP_TEMP, 0);
}

static void drop(struct auth *a, struct auth_route *r)
{
    (void)a;
    (void)r;
}

void auth_route_forget(struct auth *a, struct talk_id id)
{
    take_routes(a, is_of, &id, drop);
}

void auth_route_door_gone(struct auth *a, uint64_t generation)
{
    take_routes(a, is_of_door, &generation, drop);
}

/* ---- WHOSE */

static enum smtp_verdict verdict_of(const struct err *err)
{
    if (err->kind == ERR_GONE)
        return SMTP_NOBODY;
    if (err->kind == ERR_AUTH)
        return SMTP_NOT_OURS;
    log_error("users", "%s", err->text);
    return SMTP_TEMP;
}

/* Who is disabled among others is passed over. */
static enum smtp_verdict judge(const struct auth *a, const struct address_found *found)
{
    unsigned enabled = 0;
    for (unsigned i = 0; i < found->count; i++) {
        const struct user *u = &found->users[i];
        if (u->disabled)
            continue;
        enabled++;
        if (gets_mail(a, u))
            continue;
        log_error("refused", "user=%s has uid %u, below first_uid", log_quote_text(u->name), u->uid);
        return SMTP_TEMP;
    }
    return enabled ? SMTP_OK : SMTP_DISABLED;
}

static enum smtp_verdict find(struct auth *a, const struct talk *t, struct address_found *found)
{
    struct err err = {0};
    struct users *db = a->stopping || !a->start.master ? NULL : auth_users(a, &err);
    if (a->stopping || !a->start.master)
        return SMTP_TEMP;
    if (!db ||
        address_resolve(db, t->text[0], t->text[1], a->start.conf.hostname, a->start.conf.postmaster, found, &err) < 0)
        return verdict_of(&err);
    return judge(a, found);
}

void auth_route_begin(struct auth *a, struct auth_door *d, const struct talk *t)
{
    struct auth_route *r = mem_alloc(sizeof *r);
    *r = (struct auth_route){.id = t->id, .rcpt = t->num[0], .size = talk_wide(&t->num[1]), .target = t->num[3]};
    enum smtp_verdict v = find(a, t, &r->found);
    if (v == SMTP_OK && waits_for(a, r) && d->routes < ROUTES_MAX && hire_all(a, r)) {
        r->next = a->routes;
        a->routes = r;
        d->routes++;
        return;
    }
    if (v == SMTP_OK && !waits_for(a, r))
        send_there(a, r);
    else
        say_recipient(a, r->id, r->rcpt, v == SMTP_OK ? SMTP_TEMP : v, 0);
    route_free(r);
}

/* ---- deliver processes */

static void deliver_closed(void *arg)
{
    struct auth_deliver *w = arg;
    struct auth *a = w->auth;
    struct auth_deliver **at = &a->delivers;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!w->retiring)
        map_take(&a->delivers_by_uid, key_of(w->uid, w->gid));
    a->n_delivers--;
    chan_free(w->chan);
    mem_free(w);
    auth_end_if_done(a);
}

/* It has nothing more to do. If all that it was sent has been seen, nothing is on its way to it, and it is sent home;
 * from here on nobody is sent there. */
static void idle(struct auth_deliver *w, uint64_t seen)
{
    if (w->retiring || seen != w->admits)
        return;
    w->retiring = true;
    map_take(&w->auth->delivers_by_uid, key_of(w->uid, w->gid));
    talk_send(w->chan, &(struct talk){.type = TALK_RETIRE, .fd = -1});
}

static void deliver_message(void *arg, const void *p, size_t n, int fd)
{
    struct auth_deliver *w = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_DELIVER, ROLE_AUTH, &t) < 0)
        deliver_closed(w);
    else
        idle(w, talk_wide(t.num));
}

static const struct chan_events deliver_events = {deliver_message, deliver_closed};

static struct auth_hire *hire_take(struct auth *a, uint32_t token)
{
    struct auth_hire **at = &a->hires;
    while (*at && (*at)->token != token)
        at = &(*at)->next;
    struct auth_hire *h = *at;
    if (h)
        *at = h->next;
    return h;
}

void auth_deliver_came(struct auth *a, const struct talk *t)
{
    struct auth_deliver *w = mem_alloc(sizeof *w);
    *w = (struct auth_deliver){.auth = a, .number = t->num[0], .uid = t->num[1], .gid = t->num[2], .next = a->delivers};
    a->delivers = w;
    w->chan = chan_new(a->loop, t->fd, &deliver_events, w);
    struct auth_hire *h = hire_take(a, t->num[3]);
    a->n_delivers += !h; /* started for the auth before this one */
    mem_free(h);
    if (map_get(&a->delivers_by_uid,
                key_of(w->uid, w->gid))) { /* one is enough: an auth before this one had asked for it */
        w->retiring = true;
        talk_send(w->chan, &(struct talk){.type = TALK_RETIRE, .fd = -1});
        return;
    }
    map_put(&a->delivers_by_uid, key_of(w->uid, w->gid), w);
    take_routes(a, can_go, NULL, send_there);
}

bool auth_deliver_denied(struct auth *a, uint32_t token)
{
    struct auth_hire *h = hire_take(a, token);
    if (!h)
        return false;
    take_routes(a, waits_for_this, h, put_off);
    a->n_delivers--;
    mem_free(h);
    return true;
}

void auth_routes_end(struct auth *a)
{
    for (struct auth_hire *h; (h = a->hires);) {
        a->hires = h->next;
        a->n_delivers--;
        mem_free(h);
    }
    take_routes(a, any, NULL, put_off);
}
