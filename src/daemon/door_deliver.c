/* door_deliver: a message that is whole goes to the workers of its mailboxes, and their verdicts become the answer.
 * Door.
 *
 * Targets that share an answer are first prepared (all is durable but for the name), then committed (renamed): a
 * failure before the first COMMIT leaves nothing anywhere. A single one is told to commit at once. Whatever goes wrong
 * on our side is a passing trouble: a sender who comes again may deliver twice, but nothing that was acknowledged is
 * lost. */
#include "daemon/door_reception.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/door_trace.h"

/* ---- groups */

static enum smtp_verdict group_verdict(const struct group *g)
{
    if (!g->failed)
        return SMTP_OK;
    if (g->targets == 1)
        return g->verdict;
    /* Some may have it, or may have room for it: only who is told to come again can give it to them. */
    bool all_alike = !g->committing && !g->mixed && g->failed == g->targets;
    return all_alike && smtp_verdict_permanent(g->verdict) ? g->verdict : SMTP_TEMP;
}

/* The answers in the order of their recipients, as far as they are known. true: that was the last, and the transaction
 * is over. */
static bool decide(struct reception *r)
{
    struct transaction *m = &r->mail;
    while (m->decided < m->n_groups && m->groups[m->decided].done) {
        enum smtp_verdict v = group_verdict(&m->groups[m->decided++]);
        m->delivered += v == SMTP_OK ? (r->service == CONF_SMTP ? m->n_rcpts : 1) : 0;
        if (v != SMTP_OK && !m->why)
            m->why = transaction_word(v);
        if (v != SMTP_OK)
            reception_not_delivered(r, m->decided - 1, v);
        smtp_server_delivered(&r->smtp, v, m->id, conn_out(r->conn));
    }
    if (m->decided < m->n_groups)
        return false;
    r->messages += m->delivered > 0;
    transaction_over(r);
    r->step = RECEPTION_TALK;
    return true;
}

static void say(struct reception *r, const struct target *t, enum talk_type type)
{
    struct talk talk = transaction_says(r, type);
    struct door_worker *w = map_get(&r->door->workers, t->worker);
    talk.num[0] = (uint32_t)(t - r->mail.targets);
    if (w)
        talk_send(w->chan, &talk);
}

/* All of a group are prepared. */
static void commit(struct reception *r, struct group *g)
{
    struct transaction *m = &r->mail;
    unsigned number = (unsigned)(g - m->groups);
    g->committing = true;
    g->waiting = g->targets;
    for (unsigned i = 0; i < transaction_named(m); i++) {
        struct target *t = &m->targets[i];
        if (t->state != TARGET_PREPARED || t->group != number)
            continue;
        t->state = TARGET_COMMITTED;
        say(r, t, TALK_COMMIT);
    }
}

static void note(struct reception *r, struct target *t, enum smtp_verdict v)
{
    struct group *g = &r->mail.groups[t->group];
    if (v != SMTP_OK) {
        g->mixed |= g->failed && v != g->verdict;
        g->verdict = g->failed ? g->verdict : v;
        g->failed++;
    }
    if (--g->waiting > 0)
        return;
    if (g->failed || g->committing || g->targets == 1)
        g->done = true;
    else
        commit(r, g);
}

/* ---- to the workers */

static bool gone(const struct door *d, uint32_t worker)
{
    for (unsigned i = 0; i < DOOR_GONE; i++)
        if (d->gone[i] == worker)
            return true;
    return false;
}

/* Once to each worker, before the first of its targets. */
static bool send_message(struct reception *r, struct door_worker *w)
{
    struct transaction *m = &r->mail;
    if (map_get(&m->told, w->number))
        return true;
    struct talk t = transaction_says(r, TALK_MESSAGE);
    do
        t.fd = fcntl(m->message.fd, F_DUPFD_CLOEXEC, 0);
    while (t.fd < 0 && errno == EMFILE && door_place_descriptor(r->door));
    if (t.fd < 0) {
        limit_reached(&r->door->crowded, "descriptors");
        return false;
    }
    talk_set_wide(t.num, m->message.size);
    map_put(&m->told, w->number, w);
    talk_send(w->chan, &t);
    return true;
}

static void send_target(struct reception *r, struct target *t, struct door_worker *w)
{
    struct transaction *m = &r->mail;
    const struct tls_stream *tls = conn_tls(r->conn);
    struct trace trace = {
        .peer = &r->smtp.peer,
        .address = r->address,
        .mail = &r->smtp.mail,
        .dialect = r->smtp.offer.dialect,
        .host = r->host,
        .tls = tls ? tls_version(tls) : NULL,
        .cipher = tls ? tls_cipher(tls) : NULL,
        .id = m->id,
        .seconds = clock_wall().tv_sec,
    };
    char text[TALK_TRACE_MAX];
    unsigned rcpt = t->rcpt;
    bool now = m->groups[t->group].targets == 1;
    struct talk talk = transaction_says(r, TALK_DELIVER);
    talk.num[0] = (uint32_t)(t - m->targets);
    talk.num[1] = now ? TALK_COMMIT_NOW : 0;
    talk.text[0] = (struct span){text, trace_text(&trace, m->rcpts[rcpt], m->n_rcpts == 1, text)};
    t->state = now ? TARGET_COMMITTED : TARGET_ASKED;
    m->in_flight++;
    talk_send(w->chan, &talk);
}

static void fail_target(struct reception *r, struct target *t)
{
    t->state = TARGET_DONE;
    note(r, t, SMTP_TEMP);
}

static void pump(struct reception *r)
{
    struct transaction *m = &r->mail;
    for (; m->next_target < transaction_named(m) && m->in_flight < RECEPTION_WINDOW; m->next_target++) {
        struct target *t = &m->targets[m->next_target];
        if (t->state != TARGET_NAMED)
            continue;
        struct door_worker *w = map_get(&r->door->workers, t->worker);
        if (!w && !gone(r->door, t->worker))
            return; /* its channel comes by another road, and may be later than auth's word */
        if (w && send_message(r, w))
            send_target(r, t, w);
        else
            fail_target(r, t);
    }
}

void reception_pump(struct reception *r)
{
    if (r->step != RECEPTION_DELIVER)
        return;
    pump(r);
    if (decide(r))
        reception_go_on(r);
    else
        conn_flush(r->conn);
}

/* A mailbox gets one copy for one answer, however many of its names were given. */
static bool seen(struct map *marks, struct target *t)
{
    uint64_t key = t->mark ^ (uint64_t)t->worker << 32 ^ t->group;
    struct target *other = map_get(marks, key);
    if (other && other->mark == t->mark && other->worker == t->worker && other->group == t->group)
        return true;
    map_put(marks, key, t);
    return false;
}

static void make_groups(struct reception *r)
{
    struct transaction *m = &r->mail;
    bool one = r->service == CONF_SMTP;
    struct map marks;
    map_init(&marks);
    m->n_groups = one ? 1 : m->n_rcpts;
    m->groups = mem_alloc(m->n_groups * sizeof *m->groups);
    for (unsigned i = 0; i < transaction_named(m); i++) {
        struct target *t = &m->targets[i];
        if (t->state != TARGET_NAMED)
            continue;
        t->group = one ? 0 : t->rcpt;
        if (seen(&marks, t)) {
            t->state = TARGET_DROPPED;
            continue;
        }
        m->groups[t->group].targets++;
        m->groups[t->group].waiting++;
    }
    map_fini(&marks);
}

static void give_up(struct reception *r)
{
    struct transaction *m = &r->mail;
    for (unsigned i = 0; i < m->n_groups; i++) {
        struct group *g = &m->groups[i];
        if (g->done)
            continue;
        g->verdict = SMTP_TEMP;
        g->failed = g->targets = 1;
        g->done = true;
    }
}

void reception_give_up(struct reception *r)
{
    give_up(r);
    if (decide(r))
        reception_go_on(r);
}

bool reception_deliver(struct reception *r)
{
    struct transaction *m = &r->mail;
    struct err err;
    m->whole = clock_ms();
    r->step = RECEPTION_DELIVER;
    conn_pause(r->conn, false);
    make_groups(r);
    if (message_seal(&m->message, &err) < 0) {
        log_error("message", "id=%s %s", m->id, err.text);
        give_up(r);
    } else {
        reception_wait(r, r->door->start.conf.delivery_timeout);
        pump(r);
    }
    if (!decide(r))
        return false;
    conn_resume(r->conn);
    return true;
}

/* ---- what workers say */

static struct target *target_of(struct reception *r, uint32_t worker, uint32_t number)
{
    if (r->step != RECEPTION_DELIVER || number >= transaction_named(&r->mail) ||
        r->mail.targets[number].worker != worker)
        return NULL;
    return &r->mail.targets[number];
}

static enum smtp_verdict verdict_of(const struct talk *t)
{
    return t->num[1] < SMTP_VERDICTS ? (enum smtp_verdict)t->num[1] : SMTP_TEMP;
}

void door_smtp_prepared(struct reception *r, uint32_t worker, const struct talk *talk)
{
    struct target *t = target_of(r, worker, talk->num[0]);
    enum smtp_verdict v = verdict_of(talk);
    if (!t || (t->state != TARGET_ASKED && (t->state != TARGET_COMMITTED || v == SMTP_OK)))
        return;
    r->mail.in_flight -= t->state == TARGET_ASKED || r->mail.groups[t->group].targets == 1;
    t->state = v == SMTP_OK ? TARGET_PREPARED : TARGET_DONE;
    note(r, t, v);
    reception_pump(r);
}

void door_smtp_delivered(struct reception *r, uint32_t worker, const struct talk *talk)
{
    struct target *t = target_of(r, worker, talk->num[0]);
    if (!t || t->state != TARGET_COMMITTED)
        return;
    r->mail.in_flight -= r->mail.groups[t->group].targets == 1;
    t->state = TARGET_DONE;
    note(r, t, verdict_of(talk));
    reception_pump(r);
}

/* ---- workers that come and go */

static void came(void *value, void *arg)
{
    (void)arg;
    reception_pump(value);
}

static void lost(void *value, void *arg)
{
    struct reception *r = value;
    uint32_t worker = *(const uint32_t *)arg;
    struct transaction *m = &r->mail;
    if (r->step != RECEPTION_DELIVER)
        return;
    for (unsigned i = 0; i < transaction_named(m); i++) {
        struct target *t = &m->targets[i];
        bool out = t->state == TARGET_ASKED || t->state == TARGET_COMMITTED || t->state == TARGET_PREPARED;
        if (t->worker != worker || !out)
            continue;
        if (t->state == TARGET_ASKED || m->groups[t->group].targets == 1)
            m->in_flight--;
        if (t->state == TARGET_PREPARED) /* its answer was counted, and is none any more */
            m->groups[t->group].waiting++;
        fail_target(r, t);
    }
    reception_pump(r);
}

void door_smtp_worker_came(struct door *d, uint32_t worker)
{
    (void)worker;
    map_each(&d->transactions, came, NULL);
}

void door_smtp_worker_gone(struct door *d, uint32_t worker)
{
    d->gone[d->n_gone++ % DOOR_GONE] = worker;
    map_each(&d->transactions, lost, &worker);
}
