/* door_pop3: one connection of a stranger, from the greeting to the hand-over. Drives the POP3 machine through AUTHORIZATION. */
#include "daemon/door_session.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

enum { IN_MAX = POP3_AUTH_LINE_MAX + 1024, OUT_MAX = 32768, STAMP_MAX = 200 };

void door_end(struct door_session *s, const char *how)
{
    struct door *d = s->door;
    if (how && s->step != STEP_RELAY)
        log_info("connection", "addr=%s tls=%s commands=%u errors=%u time=%.3f end=%s%s%s", talk_word(s->address),
                 conn_is_tls(s->conn) ? "yes" : s->proxy_tls ? "proxy" : "no", s->pop3.count.commands, s->pop3.count.errors,
                 (double)(clock_ms() - s->started) / 1000, how, *conn_trouble(s->conn) ? " why=" : "",
                 *conn_trouble(s->conn) ? log_quote_text(conn_trouble(s->conn)) : "");
    door_forget(s);
    metric_take(METRIC_HELD + (s->implicit_tls ? CONF_POP3S : CONF_POP3));
    if (s->waits_tls)
        d->tls_waiting--;
    door_place_leave(d, &s->place);
    if (s->pair_fd >= 0)
        close(s->pair_fd);
    map_take(&d->sessions, s->n);
    pop3_server_fini(&s->pop3);
    conn_free(s->conn);
    mem_free(s->stamp);
    mem_free(s);
    (void)mem_ended(&d->tide, d->sessions.count);
    door_rest(d);
}

static void finish(struct door_session *s, const char *how)
{
    s->how = how;
    s->step = STEP_END;
    conn_finish(s->conn);
}

static void draw(struct door *d, unsigned char *out, unsigned n)
{
    if (d->noise_left < n) {
        digest_random(d->noise, sizeof d->noise);
        d->noise_left = sizeof d->noise;
    }
    d->noise_left -= n;
    memcpy(out, d->noise + d->noise_left, n);
    mem_wipe(d->noise + d->noise_left, n);
}

/* "<generation.counter.random@host>": never the same twice (RFC 1939 §7), also after a restart. */
static char *make_stamp(const struct door_session *s)
{
    unsigned char noise[8];
    char hex[2 * sizeof noise + 1], text[STAMP_MAX];
    draw(s->door, noise, sizeof noise);
    digest_hex(noise, sizeof noise, hex);
    snprintf(text, sizeof text, "<%llu.%llu.%s@%.128s>", (unsigned long long)s->door->start.generation,
             (unsigned long long)s->n, hex, s->door->start.conf.hostname);
    return mem_copy_text(text);
}

/* ---- deadlines: AUTHORIZATION as a whole, and a line from its first octet on (not per octet) */

void door_deadline(struct door_session *s)
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
    if (!door_place_tls(d, &s->place, s->address))
        return false;
    d->tls_waiting++;
    s->waits_tls = true;
    return true;
}

static void start_tls(struct door_session *s)
{
    if (!s->door->tls || !count_tls(s)) {
        finish(s, "no-tls");
        return;
    }
    s->step = STEP_HANDSHAKE;
    conn_start_tls(s->conn, s->door->tls);
}

/* Whoever logs in in the clear goes to a mail process with his connection: what was said to him before must have left. */
static bool has_unsent(const struct door_session *s)
{
    return !conn_is_tls(s->conn) && conn_out(s->conn)->len;
}

/* true: go on feeding. */
static bool obey(struct door_session *s, enum pop3_want want)
{
    switch (want) {
    case POP3_WANT_AUTH:
        if (s->pop3.auth.how == POP3_AUTH_SASL_CANCEL) {
            door_forget(s);
            return true;
        }
        if (has_unsent(s)) { /* on_drained comes back to it */
            door_deadline(s);
            return false;
        }
        return door_ask(s);
    case POP3_WANT_TLS:
        start_tls(s);
        return false;
    case POP3_WANT_CLOSE:
        finish(s, s->pop3.http ? "http" : "quit");
        return false;
    case POP3_WANT_DROP: /* not in AUTHORIZATION */
    case POP3_WANT_LISTING:
    case POP3_WANT_BODY:
    case POP3_WANT_COMMIT:
        finish(s, "closed");
        return false;
    case POP3_WANT_INPUT:
    case POP3_WANT_ROOM:
        break;
    }
    door_deadline(s);
    return false;
}

void door_drive(struct door_session *s)
{
    struct conn *c = s->conn;
    bool more;
    conn_hold(c); /* what becomes due needs no round of the loop */
    do {
        enum pop3_want want = pop3_server_feed(&s->pop3, conn_in(c), conn_out(c));
        conn_flush(c);
        more = obey(s, want);
    } while (more);
    conn_release(c); /* s may be gone */
}

/* What binds is offered where there is something to bind to, EXTERNAL where clients are asked for certificates. */
static void offer_tls_mechanisms(struct door_session *s, struct pop3_offer *offer)
{
    const struct start *start = &s->door->start;
    s->bound = conn_is_tls(s->conn) && tls_binds(conn_tls(s->conn));
    s->asks = conn_is_tls(s->conn) && tls_asks(conn_tls(s->conn));
    offer->sasl_tls = s->bound ? start->sasl_bound : "";
    offer->sasl_external = s->asks ? start->sasl_external : "";
}

static void greet(struct door_session *s)
{
    s->stamp = make_stamp(s);
    struct pop3_offer offer = {
        .implementation = "Bustia-" BUSTIA_VERSION,
        .stamp = s->stamp,
        .sasl = s->door->start.sasl,
        .sasl_clear = s->door->start.sasl_clear,
        .tls_offered = s->door->tls && !s->proxy_tls, /* nobody begins TLS inside TLS */
        .tls_active = conn_is_tls(s->conn),
        .clear_allowed = s->clear_allowed,
        .login_delay = s->door->login_delay,
        .expire = s->door->expire,
        .utf8_offered = s->door->start.conf.utf8_downgrade,
        .preferred = (enum pop3_language)s->door->start.conf.language,
    };
    offer_tls_mechanisms(s, &offer);
    s->step = STEP_TALK;
    pop3_server_init(&s->pop3, &offer, conn_out(s->conn));
    door_drive(s);
}

/* ---- what conn says */

static void on_input(void *arg)
{
    struct door_session *s = arg;
    if (s->step == STEP_TALK)
        door_drive(s);
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
    offer_tls_mechanisms(s, &s->pop3.offer);
    pop3_server_secured(&s->pop3);
    door_drive(s);
}

static void on_ended(void *arg, enum conn_end why)
{
    struct door_session *s = arg;
    const char *silence = s->line_started ? "slow-command" : "no-login";
    door_end(s, s->how ? s->how : why == CONN_TIMEOUT ? silence : conn_end_text(why));
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

/* Somebody else needs the place more. There is no line in the log for each: an attack would be many. */
static void yield(void *owner)
{
    struct door_session *s = owner;
    if (s->step == STEP_TALK) {
        pop3_server_abort(&s->pop3, ERR_LIMIT, SAY_TOO_MANY, conn_out(s->conn));
        conn_flush(s->conn);
    }
    door_end(s, s->how);
}

/* Passwords may come over TLS that ends at a proxy that is believed. */
static bool may_be_clear(const struct door_listener *from, const struct door_peer *peer)
{
    if (peer->tls)
        return true;
    return from->cleartext && door_peer_in(peer, from->door->start.conf.cleartext_networks);
}

void door_pop3_begin(const struct door_listener *from, int fd, const struct door_peer *peer)
{
    struct door *d = from->door;
    struct door_session *s = mem_alloc(sizeof *s);
    struct conn_limits limits = {IN_MAX, OUT_MAX, (unsigned)d->start.conf.write_timeout, &d->budget};
    *s = (struct door_session){.door = d, .n = ++d->counter, .pair_fd = -1, .started = clock_ms()};
    memcpy(s->address, peer->address, sizeof s->address);
    s->implicit_tls = from->service == CONF_POP3S;
    s->proxy_tls = peer->tls && !s->implicit_tls;
    s->clear_allowed = may_be_clear(from, peer);
    metric_add(METRIC_HELD + from->service, 1);
    s->place.yield = yield;
    s->place.owner = s;
    door_place_take(d, &s->place, s->address);
    map_put(&d->sessions, s->n, s);
    s->conn = conn_new(d->loop, fd, &limits, &events, s);
    if (!s->implicit_tls) {
        greet(s);
        return;
    }
    conn_deadline(s->conn, d->start.conf.authorization_timeout);
    if (!d->tls || !count_tls(s))
        door_end(s, d->tls ? NULL : "no-tls"); /* NULL: it is counted, and an attack would be many lines */
    else {
        s->step = STEP_HANDSHAKE;
        conn_start_tls(s->conn, d->tls);
    }
}

/* ---- the end of the server */

void door_stop_one(struct door_session *s)
{
    pop3_server_abort(&s->pop3, ERR_TEMP, SAY_STOPPING, conn_out(s->conn));
    finish(s, "stop");
}

static void stop_one(struct door_session *s, enum err_kind kind)
{
    (void)kind;
    door_stop_one(s);
}

static void stop_quietly(struct door_session *s, enum err_kind kind)
{
    (void)kind;
    door_end(s, "stop");
}

void door_pop3_stop(struct door *d)
{
    door_each(d, STEP_TALK, 0, stop_one, ERR_TEMP);
    door_each(d, STEP_AUTH, 0, stop_one, ERR_TEMP);
    door_each(d, STEP_WORKER, 0, stop_one, ERR_TEMP);
    door_each(d, STEP_HANDSHAKE, 0, stop_quietly, ERR_NONE);
}
