/* door_pop3: one connection of a stranger, from the greeting to the hand-over. Drives the POP3 machine through AUTHORIZATION.
 *
 * The door keeps its copy of the descriptor and the unread bytes until the mail process says TAKEN: if it refuses, or dies first,
 * the client gets an answer and may try again. A TLS connection stays here and is relayed through a socketpair. */
#include "daemon/door_state.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "wire/pop3_server.h"

enum step {
    STEP_TALK,      /* the machine reads commands */
    STEP_HANDSHAKE, /* TLS */
    STEP_AUTH,      /* auth decides */
    STEP_WORKER,    /* granted; the mail process's channel has not come yet */
    STEP_TAKE,      /* the mail process opens the maildrop */
    STEP_RELAY,     /* logged in, over TLS */
    STEP_END        /* the last bytes leave */
};

enum { IN_MAX = POP3_AUTH_LINE_MAX + 1024, OUT_MAX = 32768, STAMP_MAX = 200 };

struct door_session {
    struct door *door;
    uint64_t n;
    struct conn *conn;
    enum step step;
    bool implicit_tls, waits_tls; /* counted in tls_waiting */
    bool clear_allowed;
    bool at_auth; /* auth keeps something for it */
    struct pop3_server pop3;
    char *stamp;
    char address[SOCK_NAME_MAX];
    uint64_t started, line_started; /* ms; 0: no line has begun */
    uint32_t worker;                /* STEP_WORKER, STEP_TAKE */
    int pair_fd;                    /* STEP_TAKE over TLS: our end */
};

static void drive(struct door_session *s);

/* auth keeps something for this session (a check that runs, an exchange, a worker that expects it): no more. */
static void forget_at_auth(struct door_session *s)
{
    struct door *d = s->door;
    if (s->at_auth && d->auth)
        talk_send(d->auth, &(struct talk){.type = TALK_GONE, .id = {d->start.generation, s->n}, .fd = -1});
    s->at_auth = false;
}

/* Ends the session here, without a further word to the client. `how` NULL: not logged. */
static void end(struct door_session *s, const char *how)
{
    struct door *d = s->door;
    if (how && s->step != STEP_RELAY)
        log_info("connection", "addr=%s tls=%s commands=%u errors=%u time=%.3f end=%s%s%s", s->address,
                 conn_is_tls(s->conn) ? "yes" : "no", s->pop3.count.commands, s->pop3.count.errors,
                 (double)(clock_ms() - s->started) / 1000, how, *conn_trouble(s->conn) ? " why=" : "",
                 *conn_trouble(s->conn) ? log_quote_text(conn_trouble(s->conn)) : "");
    forget_at_auth(s);
    if (s->waits_tls)
        d->tls_waiting--;
    if (s->pair_fd >= 0)
        close(s->pair_fd);
    map_take(&d->sessions, s->n);
    pop3_server_fini(&s->pop3);
    conn_free(s->conn);
    mem_free(s->stamp);
    mem_free(s);
    if (d->stopping && d->sessions.count == 0)
        loop_stop(d->loop);
}

static void finish(struct door_session *s)
{
    s->step = STEP_END;
    conn_finish(s->conn);
}

/* "<generation.counter.random@host>": never the same twice (RFC 1939 §7), also after a restart. */
static char *make_stamp(const struct door_session *s)
{
    unsigned char noise[8];
    char hex[2 * sizeof noise + 1], text[STAMP_MAX];
    digest_random(noise, sizeof noise);
    digest_hex(noise, sizeof noise, hex);
    snprintf(text, sizeof text, "<%llu.%llu.%s@%.128s>", (unsigned long long)s->door->start.generation,
             (unsigned long long)s->n, hex, s->door->start.conf.hostname);
    return mem_copy_text(text);
}

/* ---- deadlines: AUTHORIZATION as a whole, and a line from its first octet on (not per octet) */

static void set_deadline(struct door_session *s)
{
    const struct conf *c = &s->door->start.conf;
    uint64_t now = clock_ms(), at = s->started + c->authorization_timeout;
    bool partial = s->step == STEP_TALK && pop3_server_in_line(&s->pop3, conn_in(s->conn));
    if (!partial)
        s->line_started = 0;
    else if (!s->line_started)
        s->line_started = now;
    if (s->line_started && s->line_started + c->command_timeout < at)
        at = s->line_started + c->command_timeout;
    conn_deadline(s->conn, at > now ? at - now : 1);
}

/* ---- the machine's wants */

/* TLS that waits for a log-in costs memory and has a ceiling of its own. */
static bool count_tls(struct door_session *s)
{
    struct door *d = s->door;
    if (d->tls_waiting >= d->start.conf.tls_waiting) {
        limit_reached(&d->crowded, "tls_waiting");
        return false;
    }
    d->tls_waiting++;
    s->waits_tls = true;
    return true;
}

static void start_tls(struct door_session *s)
{
    if (!s->door->tls || !count_tls(s)) {
        finish(s);
        return;
    }
    s->step = STEP_HANDSHAKE;
    conn_start_tls(s->conn, s->door->tls);
}

/* true: refused at once, go on feeding. */
static bool ask_auth(struct door_session *s)
{
    struct door *d = s->door;
    const struct pop3_auth *a = &s->pop3.auth;
    struct talk t = {.type = TALK_VERIFY, .id = {d->start.generation, s->n}, .fd = -1};
    if (!d->auth) {
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
    s->step = STEP_AUTH;
    s->at_auth = true;
    conn_pause(s->conn, true);
    set_deadline(s);
    talk_send(d->auth, &t);
    return false;
}

/* true: go on feeding. */
static bool obey(struct door_session *s, enum pop3_want want)
{
    switch (want) {
    case POP3_WANT_AUTH:
        if (s->pop3.auth.how == POP3_AUTH_SASL_CANCEL) {
            forget_at_auth(s);
            return true;
        }
        return ask_auth(s);
    case POP3_WANT_TLS:
        start_tls(s);
        return false;
    case POP3_WANT_BODY: /* not in AUTHORIZATION */
    case POP3_WANT_COMMIT:
    case POP3_WANT_CLOSE:
        finish(s);
        return false;
    case POP3_WANT_INPUT:
    case POP3_WANT_ROOM:
        break;
    }
    set_deadline(s);
    return false;
}

static void drive(struct door_session *s)
{
    bool more;
    do {
        enum pop3_want want = pop3_server_feed(&s->pop3, conn_in(s->conn), conn_out(s->conn));
        conn_flush(s->conn);
        more = obey(s, want);
    } while (more);
}

static void greet(struct door_session *s)
{
    s->stamp = make_stamp(s);
    struct pop3_offer offer = {
        .implementation = "Bustia-" BUSTIA_VERSION,
        .stamp = s->stamp,
        .sasl = s->door->start.sasl,
        .sasl_clear = s->door->start.sasl_clear,
        .tls_offered = s->door->tls != NULL,
        .tls_active = conn_is_tls(s->conn),
        .clear_allowed = s->clear_allowed,
    };
    s->step = STEP_TALK;
    pop3_server_init(&s->pop3, &offer, conn_out(s->conn));
    drive(s);
}

/* ---- what conn says */

static void on_input(void *arg)
{
    struct door_session *s = arg;
    if (s->step == STEP_TALK)
        drive(s);
}

static void on_drained(void *arg)
{
    on_input(arg);
}

static void on_secure(void *arg)
{
    struct door_session *s = arg;
    if (s->step != STEP_HANDSHAKE)
        return;
    if (s->implicit_tls) {
        greet(s);
        return;
    }
    s->step = STEP_TALK;
    pop3_server_secured(&s->pop3);
    drive(s);
}

static void on_ended(void *arg, enum conn_end why)
{
    struct door_session *s = arg;
    end(s, conn_end_text(why));
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

void door_pop3_begin(struct door *d, int fd, const struct door_listener *from)
{
    struct door_session *s = mem_alloc(sizeof *s);
    struct conn_limits limits = {IN_MAX, OUT_MAX, (unsigned)d->start.conf.write_timeout, &d->budget};
    *s = (struct door_session){.door = d, .n = ++d->counter, .pair_fd = -1, .started = clock_ms()};
    sock_peer(fd, s->address);
    s->implicit_tls = from->service == CONF_POP3S;
    s->clear_allowed = from->cleartext && sock_in_networks(s->address, d->start.conf.cleartext_networks);
    map_put(&d->sessions, s->n, s);
    s->conn = conn_new(d->loop, fd, &limits, &events, s);
    if (!s->implicit_tls) {
        greet(s);
        return;
    }
    conn_deadline(s->conn, d->start.conf.authorization_timeout);
    if (!d->tls || !count_tls(s))
        end(s, "no-tls");
    else {
        s->step = STEP_HANDSHAKE;
        conn_start_tls(s->conn, d->tls);
    }
}

/* ---- what auth says */

static void go_on(struct door_session *s)
{
    s->step = STEP_TALK;
    conn_flush(s->conn);
    conn_resume(s->conn);
    drive(s); /* what a pipelining client has sent meanwhile */
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
    number_again(s);
    if (s->pair_fd >= 0)
        close(s->pair_fd);
    s->pair_fd = -1;
    s->at_auth = false;
    pop3_server_denied(&s->pop3, kind, conn_out(s->conn));
    go_on(s);
}

/* In STEP_TAKE only the mail process's own channel decides: it may have taken the session and answered. */
void door_pop3_denied(struct door_session *s, enum err_kind kind)
{
    if (s->step == STEP_AUTH || s->step == STEP_WORKER)
        deny(s, kind);
}

/* Our end in pair[0], the mail process's in pair[1]: with room for a piece as large as the relay passes on at once. */
static int relay_pair(int pair[2])
{
    const int room = 512 * 1024;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -1;
    (void)setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return 0;
}

static void hand_over(struct door_session *s, struct door_worker *w)
{
    struct door *d = s->door;
    int pair[2] = {-1, -1};
    struct talk t = {.type = TALK_TAKE, .id = {d->start.generation, s->n}, .fd = -1};
    if (conn_is_tls(s->conn)) {
        if (relay_pair(pair) == 0)
            t.fd = pair[1];
    } else
        t.fd = conn_lend(s->conn);
    if (t.fd < 0) {
        limit_reached(&d->crowded, "descriptors");
        forget_at_auth(s);
        deny(s, ERR_TEMP);
        return;
    }
    s->pair_fd = pair[0];
    s->worker = w->number;
    s->step = STEP_TAKE;
    s->at_auth = false; /* from here on the mail process tells auth how it ends */
    t.num[0] = (conn_is_tls(s->conn) ? TALK_TLS : 0) | (s->clear_allowed ? TALK_CLEAR_ALLOWED : 0) |
               (s->pop3.offer.tls_offered ? TALK_TLS_OFFERED : 0);
    t.text[0] = span_of(s->address);
    t.text[1] = buf_span(conn_in(s->conn));
    t.text[2] = span_of(conn_is_tls(s->conn) ? tls_version(conn_tls(s->conn)) : "");
    talk_send(w->chan, &t);
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

/* Calls fn for every session in `step` (of this worker, if not 0). Sessions may end meanwhile. */
static void each(struct door *d, enum step step, uint32_t worker, void (*fn)(struct door_session *s, enum err_kind kind),
                 enum err_kind kind)
{
    size_t at = 0, n = 0;
    uint64_t *ids = mem_alloc((d->sessions.count + 1) * sizeof *ids);
    for (struct door_session *s; (s = map_next(&d->sessions, &at));)
        if (s->step == step && (!worker || s->worker == worker))
            ids[n++] = s->n;
    for (size_t i = 0; i < n; i++) {
        struct door_session *s = map_get(&d->sessions, ids[i]);
        if (s && s->step == step)
            fn(s, kind);
    }
    mem_free(ids);
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
    each(d, STEP_WORKER, worker, came, ERR_NONE);
}

void door_pop3_worker_gone(struct door *d, uint32_t worker)
{
    each(d, STEP_TAKE, worker, deny, ERR_TEMP);
    each(d, STEP_WORKER, worker, deny, ERR_TEMP);
}

void door_pop3_auth_gone(struct door *d)
{
    each(d, STEP_AUTH, 0, deny, ERR_TEMP);
    each(d, STEP_WORKER, 0, deny, ERR_TEMP);
}

void door_pop3_taken(struct door_session *s)
{
    if (s->step != STEP_TAKE)
        return;
    pop3_server_granted(&s->pop3);
    if (!conn_is_tls(s->conn)) {
        end(s, NULL); /* the worker has its own copy of the descriptor */
        return;
    }
    int fd = s->pair_fd;
    s->pair_fd = -1;
    s->step = STEP_RELAY;
    s->door->tls_waiting--;
    s->waits_tls = false;
    pop3_server_fini(&s->pop3);
    conn_deadline(s->conn, 0);
    conn_relay(s->conn, fd);
}

void door_pop3_refused(struct door_session *s, enum err_kind kind)
{
    if (s->step == STEP_TAKE)
        deny(s, kind);
}

/* ---- the end of the server */

static void stop_one(struct door_session *s, enum err_kind kind)
{
    pop3_server_abort(&s->pop3, kind, "the server is stopping", conn_out(s->conn));
    finish(s);
}

static void stop_quietly(struct door_session *s, enum err_kind kind)
{
    (void)kind;
    end(s, "stop");
}

void door_pop3_stop(struct door *d)
{
    each(d, STEP_TALK, 0, stop_one, ERR_TEMP);
    each(d, STEP_AUTH, 0, stop_one, ERR_TEMP);
    each(d, STEP_WORKER, 0, stop_one, ERR_TEMP);
    each(d, STEP_HANDSHAKE, 0, stop_quietly, ERR_NONE);
}
