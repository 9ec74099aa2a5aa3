/* auth: see the header. The channels to doors, mail processes, control and the master. */
#include "daemon/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/auth_state.h"

/* ---- doors */

static void door_closed(void *arg)
{
    struct auth_door *d = arg;
    struct auth *a = d->auth;
    struct auth_door **at = &a->doors;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    struct auth_session *s;
    do { /* what it had asked for is of no use to anybody; what runs in mail processes runs on */
        size_t i = 0;
        while ((s = map_next(&a->sessions, &i)) && (s->id.door != d->generation || s->worker))
            continue;
        if (s)
            auth_drop(a, s);
    } while (s);
    auth_route_door_gone(a, d->generation);
    chan_free(d->chan);
    mem_free(d);
    auth_end_if_done(a);
}

static void gone(struct auth *a, struct talk_id id)
{
    struct auth_session *s = auth_find(a, id);
    auth_route_forget(a, id);
    if (!s)
        return;
    if (s->worker) /* it will answer ENDED */
        talk_send(s->worker->chan, &(struct talk){.type = TALK_END, .id = id, .fd = -1});
    else
        auth_drop(a, s);
}

static void door_message(void *arg, const void *p, size_t n, int fd)
{
    struct auth_door *d = arg;
    struct talk t;
    if (talk_parse(p, n, fd, ROLE_DOOR, ROLE_AUTH, &t) < 0 || t.id.door != d->generation ||
        t.id.n >> TALK_COUNTER_BITS) {
        door_closed(d); /* a door that speaks for another is not itself any more */
        return;
    }
    struct auth_session *s = auth_find(d->auth, t.id);
    if (t.type == TALK_GONE)
        gone(d->auth, t.id);
    else if (t.type == TALK_WHOSE)
        auth_route_begin(d->auth, d, &t);
    else if (!s || !s->worker) /* once granted, an id is never used again */
        auth_check_begin(d->auth, &t);
}

static const struct chan_events door_events = {door_message, door_closed};

static void take_door(struct auth *a, const struct talk *t)
{
    struct auth_door *d = mem_alloc(sizeof *d);
    *d = (struct auth_door){.auth = a, .generation = t->id.door, .next = a->doors};
    a->doors = d;
    d->chan = chan_new(a->loop, t->fd, &door_events, d);
    auth_tell_count(a, d);
    auth_tell_terms(a, d);
}

/* ---- master */

static void stop(void *arg)
{
    struct auth *a = arg;
    a->stopping = true;
    auth_busy_end(a);
    auth_needs_end(a);
    auth_routes_end(a);
    auth_end_if_done(a);
}

static bool master_says(void *arg, const struct talk *t)
{
    struct auth *a = arg;
    if (t->type == TALK_DOOR)
        take_door(a, t);
    else if (t->type == TALK_WORKER && t->id.n & TALK_FOR_DELIVERY)
        auth_deliver_came(a, t);
    else if (t->type == TALK_WORKER)
        auth_worker_came(a, t);
    else if (t->type == TALK_NO_WORKER) {
        if (!auth_deliver_denied(a, t->num[0]))
            auth_worker_denied(a, t);
    } else if (t->type == TALK_CONTROL)
        auth_take_control(a, t->fd);
    else
        return false;
    return true;
}

static void fresh(void *arg)
{
    struct auth *a = arg;
    sasl_host(a->sasl, a->start.conf.hostname);
    auth_remember_shorter(a);
    auth_terms_look(a);
}

static const struct start_events master_events = {master_says, stop, fresh};

/* ---- start */

static void keep(void *arg, const struct talk *t)
{
    (void)arg;
    if (t->fd >= 0)
        close(t->fd);
}

/* The database's directory is all this process sees: its root when started as root, by a relative name because the jail makes it
 * the working directory also where a sanitizer forbids chroot. */
static void seal(struct auth *a)
{
    char *path = mem_copy_text(a->start.conf.users_db), *slash = strrchr(path, '/');
    a->db_path = mem_copy_text(a->start.root ? slash + 1 : path);
    slash[slash == path] = '\0';
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        log_error("start", "users_db: %s: %s", path, strerror(errno));
        exit(EX_CONFIG);
    }
    struct jail_path dir = {fd, JAIL_DATABASE};
    start_seal(&a->start, a->start.root ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1, &dir, 1);
    close(fd);
    mem_free(path);
}

int auth_run(void)
{
    struct auth *a = mem_alloc(sizeof *a);
    struct err err;
    signal(SIGPIPE, SIG_IGN);
    start_role(&a->start, ROLE_AUTH, keep, a);
    metric_set(METRIC_SESSIONS, 0); /* what runs is told */
    if (sasl_new(&a->sasl, a->start.conf.sasl_mechanisms, &err) < 0) {
        log_error("start", "%s", err.text);
        return EX_CONFIG;
    }
    sasl_host(a->sasl, a->start.conf.hostname);
    seal(a);
    if (!auth_users(a, &err))
        log_error("users", "%s", err.text); /* answered [SYS/TEMP] and tried again at each log-in */
    a->loop = loop_new();
    start_listen(&a->start, a->loop, &master_events, a);
    auth_remember_init(a);
    auth_refuse_init(a);
    auth_limit_init(a);
    auth_check_init(a);
    auth_grant_init(a);
    auth_busy_init(a);
    auth_who_init(a);
    auth_terms_init(a);
    auth_seen_init(a);
    loop_run(a->loop);
    auth_seen_end(a);
    return EXIT_SUCCESS;
}
