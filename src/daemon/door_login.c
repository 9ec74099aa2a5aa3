/* door_login: a log-in, from the question to auth to the mail process that has the session. Door.
 *
 * The door keeps its copy of the descriptor and the unread bytes until the mail process says TAKEN: if it refuses, or dies first,
 * the client gets an answer and may try again. A TLS connection stays here and is relayed through a socketpair. */
#include "daemon/door_session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"

/* ---- the question */

void door_forget(struct door_session *s)
{
    struct door *d = s->door;
    if (s->at_auth && d->auth)
        talk_send(d->auth, &(struct talk){.type = TALK_GONE, .id = {d->start.generation, s->n}, .fd = -1});
    s->at_auth = false;
}

enum { TLS_TEXT = TLS_NAME_MAX + 1 };

/* Also where it does not bind: who says that he could, and that it was not offered, is told from who cannot (RFC 5802 §6). */
static bool is_scram(struct span mechanism)
{
    static const char scram[] = "SCRAM-";
    return mechanism.n >= sizeof scram - 1 && memcmp(mechanism.p, scram, sizeof scram - 1) == 0;
}

/* What a mechanism needs to know of the TLS below: the name in the client's certificate, or what there is to bind to. */
static struct span tls_text(const struct door_session *s, struct span mechanism, char out[TLS_TEXT])
{
    const struct tls_stream *tls = conn_tls(s->conn);
    struct tls_binding b;
    if (tls && span_is(mechanism, "EXTERNAL"))
        return tls_client_name(tls, out) ? span_of(out) : (struct span){"", 0};
    if (!tls || !is_scram(mechanism) || !tls_binding(tls, &b))
        return (struct span){"", 0};
    int n = snprintf(out, TLS_TEXT - TLS_BINDING_MAX, "%s ", b.kind);
    memcpy(out + n, b.octets, b.n);
    return (struct span){out, (size_t)n + b.n};
}

static unsigned mechanism_of(const struct pop3_auth *a)
{
    if (a->how == POP3_AUTH_PASS || a->how == POP3_AUTH_APOP)
        return metric_mechanism(a->how == POP3_AUTH_PASS ? "PASS" : "APOP", 4);
    return metric_mechanism(a->mechanism.p, a->mechanism.n);
}

static void count(const struct door_session *s, enum err_kind kind)
{
    metric_add(METRIC_LOGINS + s->mechanism * METRIC_RESULTS + metric_result_of(kind), 1);
    if (kind == ERR_NONE)
        metric_took(METRIC_LOGIN_TIME, clock_us() - s->asked);
}

bool door_ask(struct door_session *s)
{
    char below[TLS_TEXT];
    struct door *d = s->door;
    const struct pop3_auth *a = &s->pop3.auth;
    struct talk t = {.type = TALK_VERIFY, .id = {d->start.generation, s->n}, .fd = -1};
    if (a->how != POP3_AUTH_SASL_STEP)
        s->mechanism = mechanism_of(a);
    s->asked = clock_us();
    if (!d->auth) {
        count(s, ERR_TEMP);
        pop3_server_denied(&s->pop3, ERR_TEMP, conn_out(s->conn));
        return true;
    }
    t.num[0] = a->how;
    t.num[1] = (conn_is_tls(s->conn) ? TALK_TLS : 0) | (s->clear_allowed ? TALK_CLEAR_ALLOWED : 0) |
               (a->has_initial ? TALK_HAS_INITIAL : 0);
    t.text[0] = a->how == POP3_AUTH_SASL_BEGIN ? a->mechanism : a->user;
    t.text[1] = a->secret;
    t.text[2] = span_of(s->address);
    if (a->how == POP3_AUTH_APOP)
        t.text[3] = span_of(s->stamp);
    else if (a->how == POP3_AUTH_SASL_BEGIN)
        t.text[3] = tls_text(s, a->mechanism, below);
    s->step = STEP_AUTH;
    s->at_auth = true;
    door_place_busy(d, &s->place, true);
    conn_pause(s->conn, true);
    door_deadline(s);
    talk_send(d->auth, &t);
    return false;
}

/* ---- what auth says */

static void go_on(struct door_session *s)
{
    s->step = STEP_TALK;
    door_place_busy(s->door, &s->place, false);
    conn_flush(s->conn);
    conn_resume(s->conn);
    door_drive(s); /* what a pipelining client has sent meanwhile */
}

void door_pop3_challenge(struct door_session *s, struct span challenge)
{
    if (s->step != STEP_AUTH)
        return;
    pop3_server_challenge(&s->pop3, challenge, conn_out(s->conn));
    go_on(s);
}

/* auth drops what it granted when the mail process says ENDED, and the client may be faster with its next try; an auth that died
 * may have told a mail process to expect a user, and the next try may be another user's. So each try bears a number of its own,
 * and nobody takes two for one. */
static void number_again(struct door_session *s)
{
    map_take(&s->door->sessions, s->n);
    s->n = ++s->door->counter;
    map_put(&s->door->sessions, s->n, s);
}

static void deny(struct door_session *s, enum err_kind kind)
{
    count(s, kind == ERR_NONE ? ERR_TEMP : kind);
    number_again(s);
    if (s->pair_fd >= 0)
        close(s->pair_fd);
    s->pair_fd = -1;
    s->at_auth = false;
    if (s->door->stopping) { /* nobody could let him in any more */
        conn_resume(s->conn);
        door_stop_one(s);
        return;
    }
    pop3_server_denied(&s->pop3, kind, conn_out(s->conn));
    go_on(s);
}

/* In STEP_TAKE only the mail process's own channel decides: it may have taken the session and answered. */
void door_pop3_denied(struct door_session *s, enum err_kind kind)
{
    if (s->step == STEP_AUTH || s->step == STEP_WORKER)
        deny(s, kind);
}

/* Our end in pair[0], the mail process's in pair[1]: with room for a piece as large as the relay passes on at once. Who logs in goes
 * before those who only wait. */
static int relay_pair(struct door *d, int pair[2])
{
    const int room = 512 * 1024;
    while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        if (errno != EMFILE || !door_place_descriptor(d))
            return -1;
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return 0;
}

static void hand_over(struct door_session *s, struct door_worker *w)
{
    struct door *d = s->door;
    int pair[2] = {-1, -1};
    struct talk t = {.type = TALK_TAKE, .id = {d->start.generation, s->n}, .fd = -1};
    if (!conn_is_tls(s->conn)) {
        t.fd = conn_lend(s->conn);
        t.lent = true;
    } else if (relay_pair(d, pair) == 0)
        t.fd = pair[1];
    s->pair_fd = pair[0];
    s->worker = w->number;
    s->step = STEP_TAKE;
    t.num[0] = (conn_is_tls(s->conn) ? TALK_TLS : 0) | (s->clear_allowed ? TALK_CLEAR_ALLOWED : 0) |
               (s->pop3.offer.tls_offered ? TALK_TLS_OFFERED : 0) | (s->bound ? TALK_BOUND : 0) | (s->asks ? TALK_ASKS : 0) |
               (s->pop3.utf8 ? TALK_UTF8 : 0);
    t.num[1] = s->pop3.language;
    t.text[0] = span_of(s->address);
    t.text[1] = buf_span(conn_in(s->conn));
    t.text[2] = span_of(conn_is_tls(s->conn) ? tls_version(conn_tls(s->conn)) : s->proxy_tls ? "proxy" : "");
    if (t.fd < 0)
        limit_reached(&d->crowded, "descriptors");
    if (t.fd < 0 || talk_send(w->chan, &t) < 0) {
        door_forget(s);
        deny(s, ERR_TEMP);
        return;
    }
    s->at_auth = false; /* from here on the mail process tells auth how it ends */
}

void door_pop3_granted(struct door_session *s, uint32_t worker)
{
    if (s->step != STEP_AUTH)
        return;
    s->worker = worker;
    s->step = STEP_WORKER; /* its channel comes by another road and may be later than the grant */
    struct door_worker *w = map_get(&s->door->workers, worker);
    if (w)
        hand_over(s, w);
}

/* ---- what mail processes say */

struct some {
    enum door_step step;
    uint32_t worker; /* 0: whichever */
    void (*fn)(struct door_session *s, enum err_kind kind);
    enum err_kind kind;
};

static void if_of_them(void *value, void *arg)
{
    struct door_session *s = value;
    const struct some *some = arg;
    if (s->step == some->step && (!some->worker || s->worker == some->worker))
        some->fn(s, some->kind);
}

void door_each(struct door *d, enum door_step step, uint32_t worker, void (*fn)(struct door_session *s, enum err_kind kind),
               enum err_kind kind)
{
    map_each(&d->sessions, if_of_them, &(struct some){step, worker, fn, kind});
}

static void came(struct door_session *s, enum err_kind kind)
{
    (void)kind;
    struct door_worker *w = map_get(&s->door->workers, s->worker);
    if (w)
        hand_over(s, w);
}

void door_pop3_worker_came(struct door *d, uint32_t worker)
{
    door_each(d, STEP_WORKER, worker, came, ERR_NONE);
}

void door_pop3_worker_gone(struct door *d, uint32_t worker)
{
    door_each(d, STEP_TAKE, worker, deny, ERR_TEMP);
    door_each(d, STEP_WORKER, worker, deny, ERR_TEMP);
}

void door_pop3_auth_gone(struct door *d)
{
    door_each(d, STEP_AUTH, 0, deny, ERR_TEMP);
    door_each(d, STEP_WORKER, 0, deny, ERR_TEMP);
}

void door_pop3_taken(struct door_session *s)
{
    if (s->step != STEP_TAKE)
        return;
    count(s, ERR_NONE);
    pop3_server_granted(&s->pop3);
    if (!conn_is_tls(s->conn)) {
        door_end(s, NULL); /* the worker has its own copy of the descriptor */
        return;
    }
    int fd = s->pair_fd;
    s->pair_fd = -1;
    s->step = STEP_RELAY;
    s->door->tls_waiting--;
    s->waits_tls = false;
    door_place_leave(s->door, &s->place);
    pop3_server_fini(&s->pop3);
    mem_free(s->stamp);
    s->stamp = NULL;
    conn_deadline(s->conn, 0);
    struct conn *c = s->conn;
    conn_hold(c); /* the first answer leaves without a round of the loop */
    conn_relay(c, fd);
    conn_release(c); /* s may be gone */
}

/* Another client waits for his maildrop. */
void door_pop3_probe(struct door_session *s)
{
    if (s->step == STEP_RELAY)
        conn_probe(s->conn);
}

void door_pop3_refused(struct door_session *s, enum err_kind kind)
{
    if (s->step == STEP_TAKE)
        deny(s, kind);
}
