/* door: see the header. Listeners, certificates, and the channels to auth, to the mail processes and to the master. */
#include "daemon/door.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/door_state.h"
#include "wire/pop3_server.h"

enum { ACCEPT_BATCH = 32, ACCEPT_MORE = 16, ACCEPT_PAUSE_MS = 100, AUTH_PATIENCE_MS = 2000 };

static void listen_all(struct door *d, bool on)
{
    for (unsigned i = 0; i < d->n_listeners; i++)
        if (d->listeners[i].source)
            loop_fd_want(d->listeners[i].source, on, false);
}

/* What is closed to turn somebody away when no descriptor is left. */
static void spare(struct door *d)
{
    if (d->spare_fd < 0 && d->n_listeners)
        d->spare_fd = fcntl(d->listeners[0].fd, F_DUPFD_CLOEXEC, 0);
}

static void accept_again(void *arg)
{
    spare(arg); /* another process of the system may have been faster when it was to be taken back */
    listen_all(arg, true);
}

/* No room: said in clear where the client reads clear text, then closed. */
static void turn_away(const struct door_listener *l, int fd)
{
    metric_add(METRIC_TURNED_AWAY, 1);
    if (l->service == CONF_LMTP || l->service == CONF_SMTP) {
        door_smtp_turn_away(l->door, fd);
        return;
    }
    if (l->service == CONF_POP3) {
        char text[POP3_REPLY_MAX];
        int n = snprintf(text, sizeof text, "-ERR [SYS/TEMP] %s\r\n", pop3_text(POP3_ENGLISH, SAY_TOO_MANY));
        (void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    close(fd);
}

/* Nobody has the place that the new one needs: refused. */
void door_enter(const struct door_listener *l, int fd, const struct door_peer *peer)
{
    if (!door_place_free(l->door, l->service, peer->address, fd)) {
        turn_away(l, fd);
        return;
    }
    metric_add(METRIC_CONNECTIONS + l->service, 1);
    if (l->service == CONF_LMTP || l->service == CONF_SMTP)
        door_smtp_begin(l, fd, peer);
    else
        door_pop3_begin(l, fd, peer);
}

/* A proxy has no place, as it is not he who is served; what he brings has one as soon as he has said whose it is. */
static void let_in(const struct door_listener *l, int fd, const struct door_peer *peer)
{
    if (!l->proxy)
        door_enter(l, fd, peer);
    else if (l->door->proxied.count < l->door->start.conf.connections)
        door_proxy_begin(l, fd, peer->address);
    else
        turn_away(l, fd);
}

/* Everybody who waits in the kernel is told so, a batch at a time, by the help of the descriptor that is kept for it. What is left stays
 * readable: rest instead of spinning. */
static void no_descriptors(const struct door_listener *l, const char *why)
{
    struct door *d = l->door;
    limit_reached(&d->crowded, why);
    for (int i = 0; i < ACCEPT_BATCH && d->spare_fd >= 0; i++) {
        close(d->spare_fd);
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            turn_away(l, fd);
        d->spare_fd = -1;
        spare(d);
        if (fd < 0)
            break;
    }
    listen_all(d, false);
    loop_timer_set(d->accept_again, ACCEPT_PAUSE_MS);
}

/* As many as came the last times: to be told that there is no more costs as much as to be told again that there is. */
static void on_listener(void *arg, bool readable, bool writable)
{
    struct door_listener *l = arg;
    unsigned batch = l->batch;
    (void)readable;
    (void)writable;
    if (++l->full % ACCEPT_MORE == 0 && batch < ACCEPT_BATCH)
        l->batch = 2 * batch;
    for (unsigned i = 0; i < batch; i++) {
        struct door_peer peer = {.unknown = false};
        int fd = sock_accept(l->fd, peer.address);
        bool crowded = fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
        const char *why = strerror(errno);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (crowded && errno == EMFILE && door_place_descriptor(l->door))
            continue;
        if (crowded)
            no_descriptors(l, why);
        if (fd < 0) {
            l->batch = i ? i : 1;
            l->full = 0;
            return;
        }
        let_in(l, fd, &peer);
    }
}

/* Running sessions finish, nobody new. */
static void stop(void *arg)
{
    struct door *d = arg;
    if (d->stopping)
        return;
    d->stopping = true;
    loop_timer_stop(d->accept_again);
    loop_timer_stop(d->auth_lost);
    for (unsigned i = 0; i < d->n_listeners; i++) {
        loop_fd_free(d->listeners[i].source);
        d->listeners[i].source = NULL;
        close(d->listeners[i].fd);
    }
    if (d->spare_fd >= 0) /* which holds a port as well */
        close(d->spare_fd);
    d->spare_fd = -1;
    door_proxy_stop(d);
    door_pop3_stop(d);
    door_smtp_stop(d);
    door_rest(d);
}

void door_rest(struct door *d)
{
    if (d->stopping && d->sessions.count == 0 && d->receptions.count == 0)
        loop_stop(d->loop);
}

/* ---- mail processes */

static void worker_message(void *arg, const void *p, size_t n, int fd);
static void worker_closed(void *arg);
static const struct chan_events worker_events = {worker_message, worker_closed};

static void worker_closed(void *arg)
{
    struct door_worker *w = arg;
    struct door *d = w->door;
    uint32_t number = w->number;
    enum role role = w->role;
    map_take(&d->workers, number);
    chan_free(w->chan);
    mem_free(w);
    if (role == ROLE_MAIL)
        door_pop3_worker_gone(d, number);
    else {
        door_smtp_worker_gone(d, number);
        door_left_worker_gone(d, number);
    }
}

static void mail_says(struct door *d, const struct talk *t)
{
    struct door_session *s = map_get(&d->sessions, t->id.n);
    if (s && t->type == TALK_TAKEN)
        door_pop3_taken(s);
    else if (s && t->type == TALK_REFUSED)
        door_pop3_refused(s, t->num[0]);
}

static void deliver_says(struct door *d, uint32_t worker, const struct talk *t)
{
    struct reception *r = map_get(&d->transactions, t->id.n);
    if (t->type == TALK_FORGOTTEN)
        door_left_forgotten(d, worker, t->id.n);
    else if (r && t->type == TALK_ROOM)
        door_smtp_room(r, worker, t);
    else if (r && t->type == TALK_PREPARED)
        door_smtp_prepared(r, worker, t);
    else if (r && t->type == TALK_DELIVERED)
        door_smtp_delivered(r, worker, t);
}

static void worker_message(void *arg, const void *p, size_t n, int fd)
{
    struct door_worker *w = arg;
    struct talk t;
    if (talk_parse(p, n, fd, w->role, ROLE_DOOR, &t) < 0 || t.id.door != w->door->start.generation)
        worker_closed(w);
    else if (w->role == ROLE_MAIL)
        mail_says(w->door, &t);
    else
        deliver_says(w->door, w->number, &t);
}

static void take_worker(struct door *d, const struct talk *t)
{
    struct door_worker *w = mem_alloc(sizeof *w);
    *w = (struct door_worker){.door = d, .number = t->num[0]};
    w->role = t->id.n & TALK_FOR_DELIVERY ? ROLE_DELIVER : ROLE_MAIL;
    w->chan = chan_new(d->loop, t->fd, &worker_events, w);
    map_put(&d->workers, w->number, w);
    if (w->role == ROLE_MAIL)
        door_pop3_worker_came(d, w->number);
    else
        door_smtp_worker_came(d, w->number);
}

/* ---- auth */

/* An auth that has ended is started again, and its channel comes. None comes for one that lives on: only the master can
 * tell the two apart. */
static void on_auth_lost(void *arg)
{
    struct door *d = arg;
    if (!d->start.master)
        return;
    talk_send(d->start.master, &(struct talk){.type = TALK_AUTH_LOST, .num = {d->auths}, .fd = -1});
    loop_timer_set(d->auth_lost, AUTH_PATIENCE_MS);
}

static void auth_closed(void *arg)
{
    struct door *d = arg;
    chan_free(d->auth);
    d->auth = NULL;
    if (!d->stopping)
        loop_timer_set(d->auth_lost, AUTH_PATIENCE_MS);
    door_pop3_auth_gone(d);
    door_smtp_auth_gone(d);
}

/* The sender has left meanwhile: the worker need not wait for the message. */
static void forget(struct door *d, const struct talk *target)
{
    struct door_worker *w = map_get(&d->workers, target->num[2]);
    if (w && w->role == ROLE_DELIVER)
        talk_send(w->chan, &(struct talk){.type = TALK_FORGET, .id = target->id, .fd = -1});
}

static void auth_says_of_mail(struct reception *r, const struct talk *t)
{
    if (t->type == TALK_TARGET)
        door_smtp_target(r, t);
    else if (t->type == TALK_RECIPIENT)
        door_smtp_recipient(r, t);
}

/* What differs from user to user says so (RFC 2449 §6.7). Connections that are open announce the new one. */
static void terms(struct door *d, const uint32_t num[4])
{
    talk_term(num[0], d->expire);
    if (num[0] != num[1])
        strcat(d->expire, " USER");
    d->login_delay[0] = '\0';
    if (num[3])
        snprintf(d->login_delay, sizeof d->login_delay, "%u%s", num[3], num[2] != num[3] ? " USER" : "");
}

static void auth_message(void *arg, const void *p, size_t n, int fd)
{
    struct door *d = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_AUTH, ROLE_DOOR, &t) < 0) {
        auth_closed(d);
        return;
    }
    if (t.type == TALK_COUNT) {
        d->away = t.num[0];
        return;
    }
    if (t.type == TALK_TERMS) {
        terms(d, t.num);
        return;
    }
    bool ours = t.id.door == d->start.generation;
    struct reception *r = ours ? map_get(&d->transactions, t.id.n) : NULL;
    if (r)
        auth_says_of_mail(r, &t);
    else if (ours && t.type == TALK_TARGET)
        forget(d, &t);
    struct door_session *s = ours ? map_get(&d->sessions, t.id.n) : NULL;
    if (!s)
        return; /* the client has left meanwhile */
    if (t.type == TALK_CHALLENGE)
        door_pop3_challenge(s, t.text[0]);
    else if (t.type == TALK_DENIED)
        door_pop3_denied(s, t.num[0]);
    else if (t.type == TALK_GRANTED)
        door_pop3_granted(s, t.num[0]);
    else if (t.type == TALK_PROBE)
        door_pop3_probe(s);
}

static const struct chan_events auth_events = {auth_message, auth_closed};

static void take_auth(struct door *d, int fd)
{
    if (d->auth)
        auth_closed(d);
    loop_timer_stop(d->auth_lost);
    d->auths++;
    d->auth = chan_new(d->loop, fd, &auth_events, d);
}

/* ---- master */

static bool master_says(void *arg, const struct talk *t)
{
    struct door *d = arg;
    if (t->type == TALK_AUTH)
        take_auth(d, t->fd);
    else if (t->type == TALK_WORKER)
        take_worker(d, t);
    else
        return door_tls_take(d, t);
    return true;
}

static const struct start_events master_events = {master_says, stop, NULL};

static void keep(void *arg, const struct talk *t)
{
    struct door *d = arg;
    if (door_tls_take(d, t))
        return;
    if (t->type == TALK_LISTEN && d->n_listeners < CONF_LISTENERS)
        d->listeners[d->n_listeners++] =
            (struct door_listener){.door = d, .fd = t->fd, .service = t->num[0], .cleartext = t->num[1], .proxy = t->num[2]};
    else if (t->fd >= 0)
        close(t->fd);
}

int door_run(void)
{
    struct door *d = mem_alloc(sizeof *d);
    d->spare_fd = -1;
    door_tls_init(d);
    signal(SIGPIPE, SIG_IGN);
    start_role(&d->start, ROLE_DOOR, keep, d);
    for (unsigned i = 0; i < METRIC_SERVICES; i++) /* those of a door before this one are gone */
        metric_set(METRIC_HELD + i, 0);
    tls_init(); /* what OpenSSL wants from files, it takes now */
    start_seal(&d->start, start_empty_root(&d->start), NULL, 0);
    d->budget.ceiling = d->start.conf.memory_buffers;
    d->loop = loop_new();
    d->accept_again = loop_timer_new(d->loop, accept_again, d);
    d->auth_lost = loop_timer_new(d->loop, on_auth_lost, d);
    start_listen(&d->start, d->loop, &master_events, d);
    for (unsigned i = 0; i < d->n_listeners; i++) {
        d->listeners[i].batch = 1;
        d->listeners[i].source = loop_fd_new(d->loop, d->listeners[i].fd, on_listener, &d->listeners[i]);
    }
    spare(d);
    listen_all(d, true);
    loop_run(d->loop);
    return EXIT_SUCCESS;
}
