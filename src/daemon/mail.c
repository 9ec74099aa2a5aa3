/* mail: a mail process (bustia-mail): the mailboxes of one uid, for its own logged-in clients. Linked with neither TLS nor SQL; sees the
 * mail roots (with mail_sessions = 1: one maildrop) and nothing else. This file: its life, and whom it takes in. */
#include "daemon/mail_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/deliver.h"
#include "daemon/mail_scratch.h"
#include "store/open.h"

enum { EXPECT_MS = 30000, EARLY_MS = 5000, SWEEP_MS = 1000, TAKEOVER_MS = 50, SESSIONS_EARLY = 256 };
enum { WATCHED = 1024 }; /* large mailboxes, of which each is two marks in the kernel */
enum { BUFFERS = 512 * 1024 }; /* as much as some sessions have, whose answers leave at once */

/* ---- whom to expect, and who comes: the two words meet here */

static void refuse(struct mail *m, struct talk_id id, enum err_kind kind)
{
    (void)mail_tell_door(m, &(struct talk){.type = TALK_REFUSED, .id = id, .num = {kind}, .fd = -1});
}

/* Whatever auth says: not for another uid than this process has, not outside the roots, not for another store than its one. */
static int check_expect(const struct mail *m, const struct talk *t, const char *where, struct err *err)
{
    if (t->num[0] == 0 || t->num[0] < m->start.conf.first_uid || t->num[0] != m->uid || t->num[1] != m->gid)
        return err_set(err, ERR_PERM, "uid %u gid %u is not this process's", t->num[0], t->num[1]);
    if (m->single && strcmp(m->single, where) != 0)
        return err_set(err, ERR_PERM, "this process is for %s alone", m->single);
    return store_where_check(m->roots, m->n_roots, where, NULL, err);
}

static void meet(struct mail *m, struct mail_expected *e, struct mail_early *early)
{
    map_take(&m->expected, talk_key(e->id));
    map_take(&m->early, talk_key(e->id));
    mail_pop3_begin(m, e, early);
}

static void forget_expected(struct mail *m, struct mail_expected *e)
{
    map_take(&m->expected, talk_key(e->id));
    mail_tell_auth(m, &(struct talk){.type = TALK_ENDED, .id = e->id, .num = {TALK_NEVER_BEGAN}, .fd = -1});
    mail_expected_free(e);
}

/* Its memory and that of its texts is one: a session keeps it to its end. */
static struct mail_expected *expected_new(const struct talk *t)
{
    size_t user_n = t->text[0].n, where_n = t->text[1].n, address_n = t->text[2].n;
    struct mail_expected *e = mem_alloc(sizeof *e + user_n + where_n + address_n + 3); /* of zeroes, which end the texts */
    char *user = (char *)(e + 1), *where = user + user_n + 1, *address = where + where_n + 1;
    memcpy(user, t->text[0].p, user_n);
    memcpy(where, t->text[1].p, where_n);
    memcpy(address, t->text[2].p, address_n);
    *e = (struct mail_expected){.id = t->id, .user = user, .where = where, .address = address, .term = t->num[2], .delay = t->num[4],
                                .until = clock_ms() + EXPECT_MS, .wait_until = clock_ms() + t->num[3]};
    return e;
}

static void expect(struct mail *m, const struct talk *t)
{
    struct err err;
    char *where = mem_copy(t->text[1].p, t->text[1].n);
    if (check_expect(m, t, where, &err) < 0) {
        log_error("expect", "refused: store=%s %s", log_quote_text(where), err.text);
        mem_free(where);
        struct mail_early *early = map_take(&m->early, talk_key(t->id));
        if (early)
            mail_early_free(early);
        refuse(m, t->id, err.kind);
        mail_tell_auth(m, &(struct talk){.type = TALK_ENDED, .id = t->id, .num = {TALK_NEVER_BEGAN}, .fd = -1});
        return;
    }
    if (map_get(&m->expected, talk_key(t->id)) || map_get(&m->sessions, talk_key(t->id))) {
        mem_free(where); /* an id is never used again */
        return;
    }
    mem_free(where);
    struct mail_expected *e = expected_new(t);
    map_put(&m->expected, talk_key(e->id), e);
    struct mail_early *early = map_get(&m->early, talk_key(e->id));
    if (!early)
        loop_timer_start(m->sweep, SWEEP_MS);
    else if (early->fd >= 0)
        meet(m, e, early);
    else { /* he was turned away */
        mail_early_free(map_take(&m->early, talk_key(e->id)));
        forget_expected(m, e);
    }
}

/* Who cannot be served is not waited for either: also if auth's word about him is still on its way. */
static void turn_away(struct mail *m, const struct talk *t, enum err_kind kind)
{
    struct mail_expected *e = map_get(&m->expected, talk_key(t->id));
    if (t->fd >= 0)
        close(t->fd);
    refuse(m, t->id, kind);
    if (e) {
        forget_expected(m, e);
        return;
    }
    if (m->early.count >= SESSIONS_EARLY)
        return;
    struct mail_early *early = mem_alloc(sizeof *early);
    *early = (struct mail_early){.id = t->id, .fd = -1, .until = clock_ms() + EARLY_MS};
    map_put(&m->early, talk_key(early->id), early);
    loop_timer_start(m->sweep, SWEEP_MS);
}

static void take(struct mail *m, const struct talk *t)
{
    if (map_get(&m->sessions, talk_key(t->id)) || map_get(&m->early, talk_key(t->id))) {
        if (t->fd >= 0)
            close(t->fd);
        return;
    }
    if (t->fd < 0)
        limit_reached(&m->crowded, "descriptors");
    if (t->fd < 0 || m->stopping || m->early.count >= SESSIONS_EARLY) {
        turn_away(m, t, m->stopping ? ERR_TEMP : ERR_LIMIT);
        return;
    }
    struct mail_early *early = mem_alloc(sizeof *early);
    *early = (struct mail_early){.id = t->id, .fd = t->fd, .flags = t->num[0], .language = t->num[1], .n_unread = t->text[1].n,
                                 .until = clock_ms() + EARLY_MS};
    early->unread = mem_copy(t->text[1].p, t->text[1].n);
    snprintf(early->tls, sizeof early->tls, "%.*s", (int)t->text[2].n, t->text[2].p);
    struct mail_expected *e = map_get(&m->expected, talk_key(t->id));
    if (e) {
        meet(m, e, early);
        return;
    }
    map_put(&m->early, talk_key(early->id), early);
    loop_timer_start(m->sweep, SWEEP_MS);
}

static void forget_early(struct mail *m, struct mail_early *e)
{
    map_take(&m->early, talk_key(e->id));
    if (e->fd >= 0)
        refuse(m, e->id, ERR_TEMP);
    mail_early_free(e);
}

/* Expected ones whose door is gone or who never came, and arrivals nobody vouched for. */
static void sweep(void *arg)
{
    struct mail *m = arg;
    uint64_t now = clock_ms();
    struct mail_expected *e;
    struct mail_early *early;
    size_t at;
    do {
        at = 0;
        while ((e = map_next(&m->expected, &at)) && e->until > now && mail_door_of(m, e->id.door))
            continue;
        if (e)
            forget_expected(m, e);
    } while (e);
    do {
        at = 0;
        while ((early = map_next(&m->early, &at)) && early->until > now)
            continue;
        if (early)
            forget_early(m, early);
    } while (early);
    if (m->expected.count || m->early.count)
        loop_timer_start(m->sweep, SWEEP_MS);
}

/* Nothing leaves any more: the memory for it goes. */
static void rest(void *arg)
{
    struct mail *m = arg;
    if (mail_scratch_rest())
        loop_timer_start(m->rest, MAIL_REST_MS);
    else
        mem_rest();
}

/* ---- auth */

static void auth_closed(void *arg)
{
    struct mail *m = arg;
    chan_free(m->auth);
    m->auth = NULL;
}

static void end_session(struct mail *m, struct talk_id id)
{
    struct mail_expected *e = map_get(&m->expected, talk_key(id));
    struct mail_session *s = map_get(&m->sessions, talk_key(id));
    if (e)
        forget_expected(m, e);
    else if (s)
        mail_pop3_kick(s);
    else
        mail_tell_auth(m, &(struct talk){.type = TALK_ENDED, .id = id, .num = {TALK_NEVER_BEGAN}, .fd = -1});
}

static void yield_session(struct mail *m, const struct talk *t)
{
    struct mail_expected *e = map_get(&m->expected, talk_key(t->id));
    struct mail_session *s = map_get(&m->sessions, talk_key(t->id));
    if (s)
        mail_pop3_yield(s, t->num[0] == TALK_TAKEOVER);
    else if (e) { /* his door will come, and is to be answered */
        e->asked = true;
        e->yields |= t->num[0] == TALK_TAKEOVER;
    }
}

static void tell_running(struct mail *m)
{
    size_t at = 0;
    for (struct mail_session *s; (s = map_next(&m->sessions, &at));) {
        struct talk t;
        mail_pop3_describe(s, &t);
        mail_tell_auth(m, &t);
    }
}

static void auth_message(void *arg, const void *p, size_t n, int fd)
{
    struct mail *m = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_AUTH, ROLE_MAIL, &t) < 0) {
        auth_closed(m);
        return;
    }
    if (t.type == TALK_EXPECT)
        expect(m, &t);
    else if (t.type == TALK_END)
        end_session(m, t.id);
    else if (t.type == TALK_YIELD)
        yield_session(m, &t);
    else if (t.type == TALK_REPORT) {
        tell_running(m);
        mail_tell_auth(m, &(struct talk){.type = TALK_REPORTED, .num = {t.num[0]}, .fd = -1});
    }
    else if (t.type == TALK_RETIRE) {
        m->stopping = true;
        mail_end_if_done(m);
    }
}

static const struct chan_events auth_events = {auth_message, auth_closed};

/* A new auth does not know what runs here: it is told. */
static void take_auth(struct mail *m, int fd)
{
    if (m->auth)
        auth_closed(m);
    m->auth = chan_new(m->loop, fd, &auth_events, m);
    tell_running(m);
}

/* ---- doors */

static void door_closed(void *arg)
{
    struct mail_door *d = arg;
    struct mail *m = d->mail;
    struct mail_door **at = &m->doors;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    chan_free(d->chan);
    mem_free(d);
    sweep(m); /* grants of a dead generation are dropped */
}

static void door_message(void *arg, const void *p, size_t n, int fd)
{
    struct mail_door *d = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_DOOR, ROLE_MAIL, &t) < 0) {
        door_closed(d);
        return;
    }
    if (t.id.door != d->generation || t.id.n >> TALK_COUNTER_BITS) { /* a door that speaks for another is not itself any more */
        if (t.fd >= 0)
            close(t.fd);
        door_closed(d);
        return;
    }
    take(d->mail, &t);
}

static const struct chan_events door_events = {door_message, door_closed};

static void take_door(struct mail *m, const struct talk *t)
{
    struct mail_door *d = mem_alloc(sizeof *d);
    *d = (struct mail_door){.mail = m, .generation = t->id.door, .next = m->doors};
    m->doors = d;
    d->chan = chan_new(m->loop, t->fd, &door_events, d);
}

/* ---- master */

static void stop(void *arg)
{
    struct mail *m = arg;
    m->stopping = true;
    mail_end_if_done(m);
}

static bool master_says(void *arg, const struct talk *t)
{
    struct mail *m = arg;
    if (t->type == TALK_DOOR)
        take_door(m, t);
    else if (t->type == TALK_AUTH)
        take_auth(m, t->fd);
    else
        return false;
    return true;
}

static const struct start_events master_events = {master_says, stop, NULL};

/* ---- start */

static void keep(void *arg, const struct talk *t)
{
    struct mail *m = arg;
    if (t->type == TALK_ROOT && m->n_roots < CONF_ROOTS)
        m->roots[m->n_roots++] = (struct store_root){mem_copy(t->text[0].p, t->text[0].n), t->fd, m->start.conf.allow_memory_store};
    else if (t->type == TALK_STORE)
        m->single = mem_copy(t->text[0].p, t->text[0].n);
    else if (t->fd >= 0)
        close(t->fd);
}

static int mail_run(void)
{
    struct mail *m = mem_alloc(sizeof *m);
    struct jail_path paths[CONF_ROOTS];
    signal(SIGPIPE, SIG_IGN);
    start_role(&m->start, ROLE_MAIL, keep, m);
    unsigned n = mail_granted(m, paths);
    start_seal(&m->start, start_empty_root(&m->start), paths, n);
    if (m->single && n)
        close(paths[0].fd);
    m->uid = geteuid();
    m->gid = getegid();
    mem_come_and_go(BUFFERS);
    store_watch(m->single ? 0 : WATCHED); /* who serves one session has nobody come again */
    m->budget.ceiling = m->start.conf.memory_buffers;
    m->loop = loop_new();
    loop_threads(m->loop, (unsigned)m->start.conf.store_threads, TAKEOVER_MS);
    m->sweep = loop_timer_new(m->loop, sweep, m);
    m->rest = loop_timer_new(m->loop, rest, m);
    start_listen(&m->start, m->loop, &master_events, m);
    loop_run(m->loop);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--role") == 0 && strcmp(argv[2], "mail") == 0)
        return mail_run();
    if (argc == 3 && strcmp(argv[1], "--role") == 0 && strcmp(argv[2], "deliver") == 0)
        return deliver_run();
    fputs("bustia-mail is started by bustiad\n", stderr);
    return EX_USAGE;
}
