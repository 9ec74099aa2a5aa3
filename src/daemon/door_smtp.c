/* door_smtp: one connection over which mail comes in, by SMTP or LMTP. Drives the machine and obeys it. Door. */
#include "daemon/door_reception.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

enum { IN_MAX = 65536, OUT_MAX = 32768 };

/* ---- the end */

static void log_end(const struct reception *r, const char *how)
{
    const struct smtp_peer *peer = &r->smtp.peer;
    char not_shown[32] = "";
    if (r->refusals > REFUSALS_SHOWN)
        snprintf(not_shown, sizeof not_shown, " not_shown=%u", r->refusals - REFUSALS_SHOWN);
    log_info(
        "reception",
        "service=%s addr=%s tls=%s helo=%s%s%s messages=%u recipients=%u refused=%u errors=%u%s time=%.3f end=%s%s%s",
        conf_service_name(r->service), r->address, conn_is_tls(r->conn) ? "yes" : r->proxy_tls ? "proxy" : "no", log_quote_text(peer->helo),
        *peer->address ? " for=" : "", *peer->address ? log_quote_text(peer->address) : "", r->messages, r->recipients,
        r->refused, r->smtp.count.errors, not_shown, (double)(clock_ms() - r->started) / 1000, how,
        *conn_trouble(r->conn) ? " why=" : "", *conn_trouble(r->conn) ? log_quote_text(conn_trouble(r->conn)) : "");
    if (smtp_server_guesses(&r->smtp))
        log_warning("reception", "service=%s addr=%s%s%s tried names: unknown=%u", conf_service_name(r->service),
                    r->address, *peer->address ? " for=" : "", *peer->address ? log_quote_text(peer->address) : "",
                    r->smtp.count.unknown);
}

/* `how` NULL: not logged. */
static void reception_end(struct reception *r, const char *how)
{
    struct door *d = r->door;
    if (how)
        log_end(r, how);
    if (r->step == RECEPTION_WHOSE && d->auth) {
        struct talk t = transaction_says(r, TALK_GONE);
        talk_send(d->auth, &t);
    }
    transaction_over(r);
    metric_take(METRIC_HELD + r->service);
    door_place_leave(d, &r->place);
    if (r->counted)
        limit_peers_leave(&d->peers, r->address);
    if (r->counted_tls)
        d->tls_receiving--;
    map_take(&d->receptions, r->n);
    smtp_server_fini(&r->smtp);
    conn_free(r->conn);
    loop_timer_free(r->timer);
    mem_free(r->host);
    mem_free(r);
    door_rest(d);
}

static void finish(struct reception *r)
{
    r->step = RECEPTION_END;
    loop_timer_stop(r->timer);
    conn_finish(r->conn);
}

/* Ends it with a word, where one may be said. */
static void stop_one(struct reception *r, const char *text)
{
    smtp_server_stop(&r->smtp, text, conn_out(r->conn));
    transaction_over(r);
    finish(r);
}

/* ---- what takes too long */

void reception_wait(struct reception *r, uint64_t ms)
{
    loop_timer_set(r->timer, ms);
}

static void on_timer(void *arg)
{
    struct reception *r = arg;
    struct door *d = r->door;
    switch (r->step) {
    case RECEPTION_TALK:
        stop_one(r, "Nothing was said for too long");
        break;
    case RECEPTION_HANDSHAKE:
        reception_end(r, "timeout");
        break;
    case RECEPTION_WHOSE:
        log_warning("message", "id=%s no word about a recipient: it is put off", r->mail.id);
        if (d->auth) {
            struct talk t = transaction_says(r, TALK_GONE);
            talk_send(d->auth, &t);
        }
        reception_rcpt_failed(r);
        break;
    case RECEPTION_DELIVER:
        log_warning("message", "id=%s not delivered within delivery_timeout: it is put off", r->mail.id);
        reception_give_up(r);
        break;
    case RECEPTION_END:
        break;
    }
}

/* ---- the machine's wants */

static struct smtp_offer offer(const struct reception *r)
{
    const struct conf *c = &r->door->start.conf;
    bool stranger = r->service == CONF_SMTP; /* LMTP is for the networks of an MTA, which asks for others */
    return (struct smtp_offer){
        .dialect = r->service == CONF_LMTP ? SMTP_IS_LMTP : SMTP_IS_SMTP,
        .hostname = r->host,
        .tls_offered = r->door->tls_mail && !r->proxy_tls && strcmp(r->address, "unix") != 0,
        .tls_active = conn_is_tls(r->conn),
        .xclient = !r->unknown && sock_in_networks(r->address, c->xclient_networks),
        .size_max = c->message_size,
        .recipients_max = (unsigned)c->recipients,
        .unknown_max = stranger ? (unsigned)c->smtp_unknown : 0,
        .received_max = 100,
        .header_max = c->header_size,
    };
}

static void start_tls(struct reception *r)
{
    struct door *d = r->door;
    if (!d->tls_mail) { /* the certificate is gone since it was offered */
        finish(r);
        return;
    }
    d->tls_receiving++;
    r->counted_tls = true;
    r->step = RECEPTION_HANDSHAKE;
    reception_wait(r, d->start.conf.smtp_timeout);
    conn_start_tls(r->conn, d->tls_mail);
}

/* What a memory file's trouble means. */
static enum smtp_verdict no_message(struct reception *r, const struct err *err)
{
    enum smtp_verdict v = err->kind == ERR_LIMIT ? SMTP_NO_ROOM : SMTP_TEMP;
    r->mail.why = transaction_word(v);
    if (v == SMTP_NO_ROOM)
        limit_reached(&r->door->full, "messages_memory");
    else
        log_error("message", "id=%s %s", r->mail.id, err->text);
    return v;
}

static enum smtp_verdict begin_message(struct reception *r)
{
    struct err err;
    if (message_begin(&r->mail.message, r->smtp.mail.size, r->service == CONF_LMTP, &err) < 0)
        return no_message(r, &err);
    r->mail.why = NULL; /* an earlier try of this transaction may have found no room */
    return SMTP_OK;
}

static enum smtp_verdict take_piece(struct reception *r)
{
    struct err err;
    return message_add(&r->mail.message, r->smtp.piece, &err) < 0 ? no_message(r, &err) : SMTP_OK;
}

/* true: go on feeding. */
static bool obey(struct reception *r, enum smtp_want want)
{
    struct buf *out = conn_out(r->conn);
    switch (want) {
    case SMTP_WANT_MAIL:
        smtp_server_mail(&r->smtp, transaction_begin(r), out);
        return true;
    case SMTP_WANT_RCPT:
        return reception_ask(r);
    case SMTP_WANT_MESSAGE:
        smtp_server_message(&r->smtp, begin_message(r), out);
        return true;
    case SMTP_WANT_PIECE:
        smtp_server_piece(&r->smtp, take_piece(r), out);
        return true;
    case SMTP_WANT_DELIVER:
        return r->mail.n && !r->mail.groups && reception_deliver(r);
    case SMTP_WANT_RESET:
        if (r->mail.message.fd >= 0) /* the machine found fault with it */
            r->mail.why = "refused";
        transaction_over(r);
        return true;
    case SMTP_WANT_TLS:
        start_tls(r);
        return false;
    case SMTP_WANT_CLOSE:
        finish(r);
        return false;
    case SMTP_WANT_INPUT:
    case SMTP_WANT_ROOM:
        if (r->step == RECEPTION_TALK) /* a delivery, some of whose answers wait for room, has a time of its own */
            reception_wait(r, r->door->start.conf.smtp_timeout);
        break;
    }
    return false;
}

/* A server that stops lets a transaction come to its end: to the last answer, for which there may be no room yet. */
static bool stops_now(const struct reception *r)
{
    return r->door->stopping && r->step == RECEPTION_TALK && !r->mail.n && !smtp_server_in_message(&r->smtp) &&
           !smtp_server_answering(&r->smtp);
}

void reception_drive(struct reception *r)
{
    bool crowded = r->door->tls_receiving >= r->door->start.conf.tls_waiting;
    unsigned put_off = r->smtp.count.tls_put_off;
    r->smtp.tls_busy = crowded;
    while (obey(r, smtp_server_feed(&r->smtp, conn_in(r->conn), conn_out(r->conn))) && !stops_now(r))
        ;
    for (; put_off < r->smtp.count.tls_put_off; put_off++)
        limit_reached(&r->door->crowded, "tls_waiting");
    if (stops_now(r))
        stop_one(r, "The server is stopping");
    conn_flush(r->conn);
}

void reception_go_on(struct reception *r)
{
    r->step = RECEPTION_TALK;
    conn_resume(r->conn);
    reception_drive(r); /* what a pipelining client has sent meanwhile */
}

/* ---- what conn says */

static void on_input(void *arg)
{
    struct reception *r = arg;
    if (r->step == RECEPTION_TALK)
        reception_drive(r);
}

static void on_drained(void *arg)
{
    struct reception *r = arg;
    if (r->step == RECEPTION_TALK || r->step == RECEPTION_DELIVER)
        reception_drive(r);
}

static void on_secure(void *arg)
{
    struct reception *r = arg;
    struct smtp_offer o = offer(r);
    if (r->step != RECEPTION_HANDSHAKE)
        return;
    r->step = RECEPTION_TALK;
    smtp_server_secured(&r->smtp, &o);
    reception_drive(r);
}

static void on_ended(void *arg, enum conn_end why)
{
    reception_end(arg, conn_end_text(why));
}

static const struct conn_events events = {on_input, on_drained, on_secure, on_ended};

/* ---- the beginning */

/* Nothing waits in a fresh socket: there is room for a line. */
static void turn_away(const struct door *d, int fd, const char *code, const char *text)
{
    char line[512];
    int n = snprintf(line, sizeof line, "421 %s %.255s %s\r\n", code, d->start.conf.hostname, text);
    (void)!send(fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

void door_smtp_turn_away(const struct door *d, int fd)
{
    turn_away(d, fd, "4.3.2", "Too many connections, try again later");
}

/* true: he has been told to go. */
static bool unwelcome(struct door *d, int fd, enum conf_service service, const struct door_peer *peer, bool *counted)
{
    const struct conf *c = &d->start.conf;
    const char *address = peer->address;
    if (service == CONF_LMTP) {
        if (strcmp(address, "unix") == 0 || door_peer_in(peer, c->lmtp_networks))
            return false;
        log_warning("reception", "service=lmtp addr=%s is %s", address,
                    peer->unknown ? "a proxy that does not know its client" : "in none of lmtp_networks");
        turn_away(d, fd, "4.7.0", "LMTP is not for your network");
        return true;
    }
    if (door_peer_in(peer, c->xclient_networks)) /* it speaks for many */
        return false;
    *counted = limit_peers_enter(&d->peers, address, c->smtp_connections);
    if (*counted)
        return false;
    limit_reached(&d->pushy, "smtp_connections");
    turn_away(d, fd, "4.7.0", "Too many connections from your address");
    return true;
}

/* Somebody else needs the place more, and no message is under way. No line for each: an attack would be many. */
static void yield(void *owner)
{
    struct reception *r = owner;
    if (r->step == RECEPTION_TALK) {
        smtp_server_stop(&r->smtp, "Too many connections, try again later", conn_out(r->conn));
        conn_flush(r->conn);
    }
    reception_end(r, NULL);
}

void door_smtp_begin(const struct door_listener *from, int fd, const struct door_peer *peer)
{
    struct door *d = from->door;
    const char *address = peer->address;
    bool counted = false;
    struct conn_limits limits = {IN_MAX, OUT_MAX, (unsigned)d->start.conf.write_timeout, &d->budget};
    if (unwelcome(d, fd, from->service, peer, &counted))
        return;
    struct reception *r = mem_alloc(sizeof *r);
    *r = (struct reception){
        .door = d, .n = ++d->counter, .service = from->service, .counted = counted, .started = clock_ms()};
    memcpy(r->address, address, sizeof r->address);
    r->unknown = peer->unknown;
    r->proxy_tls = peer->tls;
    r->host = mem_copy_text(d->start.conf.hostname);
    r->timer = loop_timer_new(d->loop, on_timer, r);
    metric_add(METRIC_HELD + r->service, 1);
    message_init(&r->mail.message, &d->messages);
    r->place.yield = yield;
    r->place.owner = r;
    if (counted) /* who is trusted keeps its place */
        door_place_take(d, &r->place, address);
    map_put(&d->receptions, r->n, r);
    r->conn = conn_new(d->loop, fd, &limits, &events, r);
    struct smtp_offer o = offer(r);
    smtp_server_init(&r->smtp, &o, conn_out(r->conn));
    r->smtp.on_refused = reception_refused;
    r->smtp.owner = r;
    reception_drive(r);
}

/* ---- all of them */

static void auth_gone(void *value, void *arg)
{
    struct reception *r = value;
    if (r->step == RECEPTION_WHOSE)
        reception_rcpt_failed(r);
}

void door_smtp_auth_gone(struct door *d)
{
    map_each(&d->receptions, auth_gone, NULL);
}

static void stop_each(void *value, void *arg)
{
    struct reception *r = value;
    if (r->step == RECEPTION_HANDSHAKE)
        reception_end(r, "stop");
    else if (stops_now(r))
        stop_one(r, "The server is stopping");
}

void door_smtp_stop(struct door *d)
{
    map_each(&d->receptions, stop_each, NULL);
}
