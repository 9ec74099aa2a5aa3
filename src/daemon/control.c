/* control: see the header. One request per connection; asks auth; few connections at a time. */
#include "daemon/control.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/log.h"
#include "base/log_kept.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/start.h"
#include "net/conn.h"

enum { CLIENTS_MAX = 16, CLIENT_MS = 30000, ERRORS_MS = 2000 /* a role that hangs says nothing */, OUT_MAX = 8 << 20 };

struct control {
    struct start start;
    struct loop *loop;
    struct chan *auth;
    int listen_fd;
    struct loop_fd *listener;
    uint32_t owner; /* uid that may ask, beside root */
    uint32_t tokens;
    struct map clients; /* token → struct client */
};

struct client {
    struct control *control;
    uint32_t token;
    struct conn *conn;
    bool asked, answered;
    unsigned owed;    /* ERRORS: how many processes have not said their last line */
    struct map ended; /* those that have, by their pids: none ends for another */
    struct loop_timer *late;
};

static void client_free(struct client *k)
{
    map_take(&k->control->clients, k->token);
    conn_free(k->conn);
    loop_timer_free(k->late);
    map_fini(&k->ended);
    mem_free(k);
}

static void send_row(struct client *k, const struct control_row *r)
{
    buf_add(conn_out(k->conn), r, sizeof *r);
    conn_flush(k->conn);
}

static void refuse(struct client *k, enum err_kind kind, const char *text)
{
    struct control_row row;
    struct err err;
    err_set(&err, kind, "%s", text);
    control_row_error(&row, &err);
    k->answered = true;
    send_row(k, &row);
    conn_finish(k->conn);
}

/* ---- the last errors and warnings */

static void send_done(struct client *k, uint32_t count)
{
    struct control_row row;
    control_row_make(&row, CONTROL_DONE);
    row.count = count;
    k->answered = true;
    send_row(k, &row);
    conn_finish(k->conn);
}

/* In pieces of a row's room. A zero ends it: no row with one inside would be believed, nor any behind it. */
static void send_line(struct client *k, const struct talk *t)
{
    struct span rest = {t->text[0].p, strnlen(t->text[0].p, t->text[0].n)};
    const char *role = role_name(t->num[4] < ROLES ? (enum role)t->num[4] : ROLE_MASTER);
    while (rest.n) {
        struct control_row row;
        size_t n = rest.n < sizeof row.text ? rest.n : sizeof row.text - 1;
        control_row_make(&row, CONTROL_ROW);
        row.read = talk_wide(&t->num[2]);
        row.deleted = t->num[1];
        row.uid = t->num[5];
        row.count = rest.n > n;
        snprintf(row.user, sizeof row.user, "%s", role);
        memcpy(row.text, rest.p, n);
        send_row(k, &row);
        rest = span_from(rest, n);
    }
}

static void errors_come(struct control *c, const struct talk *t)
{
    struct client *k = map_get(&c->clients, t->num[0]);
    if (!k || k->answered || !k->owed || map_get(&k->ended, t->num[5]))
        return;
    send_line(k, t);
    if (t->text[0].n)
        return;
    map_put(&k->ended, t->num[5], k);
    k->owed += t->num[4] == ROLE_MASTER ? t->num[6] : 0;
    if (--k->owed == 0)
        send_done(k, 0);
}

/* A role that hangs, or has ended meanwhile, keeps nobody from reading what the others have said. */
static void errors_late(void *arg)
{
    struct client *k = arg;
    if (!k->answered)
        send_done(k, k->owed);
}

/* One empty line is the master's, which says how many others are to come. */
static void ask_errors(struct client *k)
{
    k->owed = 1;
    k->late = loop_timer_new(k->control->loop, errors_late, k);
    loop_timer_set(k->late, ERRORS_MS);
    for (unsigned i = 0;; i++) {
        struct log_kept line;
        if (!log_kept(i, &line))
            break;
        struct talk t = {.num = {0, line.level, 0, 0, ROLE_CONTROL, (uint32_t)getpid()}, .text = {span_of(line.text)}};
        talk_set_wide(&t.num[2], (uint64_t)line.seconds);
        send_line(k, &t);
    }
    talk_send(k->control->start.master, &(struct talk){.type = TALK_ERRORS, .num = {k->token}, .fd = -1});
}

static void ask(struct client *k, const struct control_request *q)
{
    struct control *c = k->control;
    k->asked = true;
    if (!control_request_ok(q)) {
        refuse(k, ERR_INPUT, "not a request of this version");
        return;
    }
    if (q->what == CONTROL_ERRORS) {
        ask_errors(k);
        return;
    }
    if (!c->auth) {
        refuse(k, ERR_TEMP, "the server is starting or stopping, try again");
        return;
    }
    static const enum talk_type types[] = {[CONTROL_WHO] = TALK_WHO, [CONTROL_KICK] = TALK_KICK, [CONTROL_TEST] = TALK_TEST};
    struct talk t = {.type = types[q->what], .num = {k->token}, .fd = -1};
    t.text[0] = span_of(q->user);
    t.text[1] = span_of(q->secret);
    t.text[2] = span_of(q->address);
    t.text[3] = span_of(q->method);
    talk_send(c->auth, &t);
}

static void on_input(void *arg)
{
    struct client *k = arg;
    struct buf *in = conn_in(k->conn);
    struct control_request q;
    if (k->asked || in->len < sizeof q)
        return;
    memcpy(&q, buf_span(in).p, sizeof q);
    buf_wipe(in); /* it may hold a password */
    ask(k, &q);
    mem_wipe(&q, sizeof q);
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static void on_ended(void *arg, enum conn_end why)
{
    (void)why;
    client_free(arg);
}

static const struct conn_events client_events = {on_input, on_nothing, on_nothing, on_ended};

/* Only root, or whoever the server runs as. */
static bool may_ask(const struct control *c, int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) < 0)
        return false;
    return who.uid == 0 || (!c->start.root && who.uid == c->owner);
}

static void on_listener(void *arg, bool readable, bool writable)
{
    struct control *c = arg;
    (void)readable;
    (void)writable;
    int fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (!may_ask(c, fd) || c->clients.count >= CLIENTS_MAX) {
        close(fd);
        return;
    }
    struct client *k = mem_alloc(sizeof *k);
    struct conn_limits limits = {sizeof(struct control_request), OUT_MAX, CLIENT_MS, NULL};
    *k = (struct client){.control = c, .token = ++c->tokens};
    map_init(&k->ended);
    map_put(&c->clients, k->token, k);
    k->conn = conn_new(c->loop, fd, &limits, &client_events, k);
    conn_deadline(k->conn, CLIENT_MS);
}

/* ---- auth's answers */

static void answer(struct control *c, const struct talk *t)
{
    struct client *k = map_get(&c->clients, t->num[0]);
    struct control_row row;
    if (!k || k->answered)
        return;
    if (t->type == TALK_DONE) {
        send_done(k, t->num[1]);
        return;
    }
    control_row_make(&row, CONTROL_ROW);
    if (t->type == TALK_TESTED) {
        snprintf(row.text, sizeof row.text, "%.*s", (int)t->text[0].n, t->text[0].p);
        send_row(k, &row);
        return;
    }
    row.read = t->id.door;
    row.deleted = t->id.n;
    row.uid = t->num[1];
    row.tls = t->num[2] & TALK_TLS ? 1 : 0;
    row.count = t->num[2] & TALK_WAITS ? 1 : 0;
    row.started_ms_ago = (uint64_t)t->num[3] * 1000;
    snprintf(row.user, sizeof row.user, "%.*s", (int)t->text[0].n, t->text[0].p);
    snprintf(row.address, sizeof row.address, "%.*s", (int)t->text[1].n, t->text[1].p);
    send_row(k, &row);
}

static void auth_closed(void *arg)
{
    struct control *c = arg;
    chan_free(c->auth);
    c->auth = NULL;
    size_t at = 0;
    for (struct client *k; (k = map_next(&c->clients, &at));)
        if (k->asked && !k->answered)
            refuse(k, ERR_TEMP, "auth has ended meanwhile, try again");
}

static void auth_message(void *arg, const void *p, size_t n, int fd)
{
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_AUTH, ROLE_CONTROL, &t) < 0)
        auth_closed(arg);
    else
        answer(arg, &t);
}

static const struct chan_events auth_events = {auth_message, auth_closed};

/* ---- master */

static void take_auth(struct control *c, int fd)
{
    if (c->auth)
        auth_closed(c);
    c->auth = chan_new(c->loop, fd, &auth_events, c);
}

static bool master_says(void *arg, const struct talk *t)
{
    struct control *c = arg;
    if (t->type == TALK_AUTH)
        take_auth(c, t->fd);
    else if (t->type == TALK_LINE_OF)
        errors_come(c, t);
    else
        return false;
    return true;
}

static void stop(void *arg)
{
    struct control *c = arg;
    loop_stop(c->loop);
}

static const struct start_events master_events = {master_says, stop, NULL};

static void keep(void *arg, const struct talk *t)
{
    struct control *c = arg;
    if (t->type == TALK_LISTEN)
        c->listen_fd = t->fd;
    else if (t->fd >= 0)
        close(t->fd);
}

int control_run(void)
{
    struct control *c = mem_alloc(sizeof *c);
    c->owner = geteuid();
    c->listen_fd = -1;
    signal(SIGPIPE, SIG_IGN);
    start_role(&c->start, ROLE_CONTROL, keep, c);
    start_seal(&c->start, start_empty_root(&c->start), NULL, 0);
    c->loop = loop_new();
    start_listen(&c->start, c->loop, &master_events, c);
    c->listener = loop_fd_new(c->loop, c->listen_fd, on_listener, c);
    loop_fd_want(c->listener, true, false);
    loop_run(c->loop);
    return EXIT_SUCCESS;
}
