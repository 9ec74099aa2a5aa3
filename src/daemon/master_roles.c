/* master_roles: starts the roles, each a fresh exec, and makes the channels between them before anybody speaks. Runs as root. */
#include "daemon/master_state.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/account.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/limit_files.h"

enum { BACKOFF_FIRST_MS = 200, BACKOFF_MOST_MS = 5000, LIVED_MS = 1000 };

struct child *master_find(const struct master *m, enum role role)
{
    for (struct child *c = m->children; c; c = c->next)
        if (c->role == role && c->chan)
            return c;
    return NULL;
}

/* -1: it has not been told. */
static int say(struct child *c, const struct talk *t)
{
    struct talk copy = *t;
    if (!c->chan) /* its end will be heard of */
        return -1;
    if (t->fd >= 0)
        copy.fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
    if (t->fd >= 0 && copy.fd < 0) {
        log_error("tell", "role=%s pid=%d %s: %s", role_name(c->role), (int)c->pid, talk_name(t->type), strerror(errno));
        return -1;
    }
    return talk_send(c->chan, &copy);
}

/* What a role needs at its start. */
static void tell(struct child *c, const struct talk *t)
{
    if (say(c, t) < 0)
        c->lame = true;
}

void master_tell_all(struct master *m, const struct talk *t)
{
    for (struct child *c = m->children; c; c = c->next)
        (void)say(c, t); /* what it had before goes on */
}

int master_tell_certificate(const struct master *m, struct child *door)
{
    const struct master_tls *t = &m->tls;
    if (t->n && t->client_ca_fd >= 0 && say(door, &(struct talk){.type = TALK_CLIENT_CA, .fd = t->client_ca_fd}) < 0)
        return -1;
    for (unsigned i = 0; i < t->n; i++)
        if (say(door, &(struct talk){.type = TALK_CERT, .fd = t->pairs[i].cert_fd}) < 0 ||
            say(door, &(struct talk){.type = TALK_KEY, .num = {t->n - 1 - i}, .fd = t->pairs[i].key_fd}) < 0)
            return -1;
    return 0;
}

/* What of the environment is passed on: nothing of who started the server, but what a debugging build or a preloaded library needs. */
static char **environment(void)
{
    static const char *const kept[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "LD_PRELOAD=", "FAULT="};
    static char *passed[sizeof kept / sizeof *kept + 1];
    unsigned n = 0;
    for (char **e = environ; *e; e++)
        for (size_t i = 0; i < sizeof kept / sizeof *kept && n < sizeof kept / sizeof *kept; i++)
            if (strncmp(*e, kept[i], strlen(kept[i])) == 0)
                passed[n++] = *e;
    passed[n] = NULL;
    return passed;
}

static bool is_worker(enum role role)
{
    return role == ROLE_MAIL || role == ROLE_DELIVER;
}

/* In the child: descriptors 0-2 as they are but for stdin, 3 and 4 as role.h says, all others closed on exec. */
static void become(const struct master *m, enum role role, int sock)
{
    bool worker = is_worker(role);
    const char *name = worker ? "bustia-mail" : "bustiad";
    char *argv[] = {(char *)name, "--role", (char *)role_name(role), NULL};
    int program = worker ? m->mail_program_fd : m->program_fd;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    /* Clear of 3 and 4 first, so that one copy does not close another's source. */
    sock = fcntl(sock, F_DUPFD_CLOEXEC, 10);
    int conf = fcntl(m->conf_fd, F_DUPFD_CLOEXEC, 10);
    program = fcntl(program, F_DUPFD_CLOEXEC, 10);
    if (dup2(null, STDIN_FILENO) < 0 || dup2(sock, ROLE_FD_MASTER) < 0 || dup2(conf, ROLE_FD_CONF) < 0)
        _exit(127);
    if (syscall(SYS_close_range, ROLE_FD_CONF + 1, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
        _exit(127);
    setsid(); /* a Ctrl-C at a terminal is for the master alone */
    syscall(SYS_execveat, program, "", argv, environment(), AT_EMPTY_PATH);
    _exit(127);
}

/* Either it has ended, or nothing can be said to it any more: then it takes in nobody new, and would be in its successor's way. */
static void child_closed(void *arg)
{
    struct child *c = arg;
    chan_free(c->chan);
    c->chan = NULL;
    if (!c->master->stopping)
        kill(c->pid, SIGKILL);
}

static const struct chan_events child_events = {master_message, child_closed};

static struct child *spawn(struct master *m, enum role role, struct err *err)
{
    int pair[2];
    if (chan_pair(pair, err) < 0)
        return NULL;
    if (is_worker(role) && limit_few_files(m->files, pair[1])) {
        close(pair[0]);
        close(pair[1]);
        err_set(err, ERR_TEMP, "too few descriptors are left for one more mail process");
        return NULL;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(m, role, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        err_set(err, ERR_TEMP, "fork: %s", strerror(errno));
        return NULL;
    }
    struct child *c = mem_alloc(sizeof *c);
    *c = (struct child){.master = m, .role = role, .pid = pid, .statm_fd = -1, .started = clock_ms(), .next = m->children};
    master_metrics_watch(m, c);
    m->children = c;
    c->chan = chan_new(m->loop, pair[0], &child_events, c);
    tell(c, &(struct talk){.type = TALK_LOG, .num = {m->conf.log}, .fd = m->log_fd});
    c->lame |= master_metrics_hand(m, role, say, c) < 0;
    return c;
}

/* A channel between `fresh`, which has just been started, and another role, if that is there: each is told of the other's end. */
static void join(struct child *fresh, struct talk to_fresh, struct child *other, struct talk to_other)
{
    int pair[2];
    struct err err;
    if (!other || !fresh->chan || !other->chan)
        return;
    if (chan_pair(pair, &err) < 0) {
        log_error("join", "role=%s with role=%s: %s", role_name(fresh->role), role_name(other->role), err.text);
        fresh->lame = true;
        return;
    }
    to_fresh.fd = pair[0];
    to_other.fd = pair[1];
    /* Who cannot be told any more ends, and its end of the pair with it. */
    talk_send(fresh->chan, &to_fresh);
    talk_send(other->chan, &to_other);
    fresh->auths += to_fresh.type == TALK_AUTH;
    other->auths += to_other.type == TALK_AUTH;
}

static struct talk about_worker(const struct child *c, uint32_t token)
{
    return (struct talk){.type = TALK_WORKER, .id = {.n = c->what}, .num = {c->worker, c->uid, c->gid, token}};
}

static struct talk about_door(const struct child *c)
{
    return (struct talk){.type = TALK_DOOR, .id = {.door = c->generation}};
}

static const struct talk about_auth = {.type = TALK_AUTH};

static void join_door(struct master *m, struct child *door)
{
    join(door, about_auth, master_find(m, ROLE_AUTH), about_door(door));
    for (struct child *c = m->children; c; c = c->next)
        if (is_worker(c->role))
            join(door, about_worker(c, 0), c, about_door(door));
}

static void join_auth(struct master *m, struct child *auth)
{
    struct child *door = master_find(m, ROLE_DOOR);
    for (struct child *c = m->children; c; c = c->next)
        if (is_worker(c->role))
            join(auth, about_worker(c, 0), c, about_auth);
    if (door)
        join(auth, about_door(door), door, about_auth);
    join(auth, (struct talk){.type = TALK_CONTROL}, master_find(m, ROLE_CONTROL), about_auth);
}

static void join_control(struct master *m, struct child *control)
{
    join(control, about_auth, master_find(m, ROLE_AUTH), (struct talk){.type = TALK_CONTROL});
}

static void hand_listeners(struct master *m, struct child *c)
{
    if (c->role == ROLE_CONTROL || c->role == ROLE_METRICS) {
        tell(c, &(struct talk){.type = TALK_LISTEN, .fd = c->role == ROLE_CONTROL ? m->control_fd : m->metrics_fd});
        return;
    }
    for (unsigned i = 0; i < m->conf.listeners; i++)
        tell(c, &(struct talk){.type = TALK_LISTEN,
                               .num = {m->conf.listen[i].service, m->conf.listen[i].cleartext, m->conf.listen[i].proxy},
                               .text = {span_of(m->conf.listen[i].address)},
                               .fd = m->listen_fd[i]});
}

static const char *account_of(const struct master *m, enum role role)
{
    switch (role) {
    case ROLE_DOOR:
        return m->conf.door_user;
    case ROLE_AUTH:
        return m->conf.auth_user;
    case ROLE_CONTROL:
        return m->conf.control_user;
    case ROLE_METRICS:
        return m->conf.metrics_user;
    case ROLE_MASTER:
    case ROLE_MAIL:
    case ROLE_DELIVER:
    case ROLES:
        break;
    }
    return "";
}

/* Nobody may wait for what it will never do. */
static int end_if_lame(struct child *c, struct err *err)
{
    if (!c->lame)
        return 0;
    log_error("start", "role=%s pid=%d could not be told all that it needs and is ended", role_name(c->role), (int)c->pid);
    kill(c->pid, SIGKILL);
    return err_set(err, ERR_TEMP, "a process could not be started whole");
}

static int start_kept(struct master *m, enum role role)
{
    struct err err;
    uint32_t uid = geteuid(), gid = getegid();
    struct child *c = NULL;
    if (m->root && account_find(account_of(m, role), &uid, &gid, &err) < 0)
        goto bad;
    c = spawn(m, role, &err);
    if (!c)
        goto bad;
    c->uid = uid;
    c->gid = gid;
    if (role == ROLE_DOOR) {
        c->generation = ++m->generations;
        c->lame |= master_tell_certificate(m, c) < 0;
    }
    if (role != ROLE_AUTH)
        hand_listeners(m, c);
    tell(c, &(struct talk){.type = TALK_GO, .id = {.door = c->generation}, .num = {uid, gid, m->root}, .fd = -1});
    switch (role) {
    case ROLE_DOOR:
        join_door(m, c);
        break;
    case ROLE_AUTH:
        join_auth(m, c);
        break;
    case ROLE_CONTROL:
        join_control(m, c);
        break;
    case ROLE_METRICS: /* asks nobody */
    case ROLE_MASTER:
    case ROLE_MAIL:
    case ROLE_DELIVER:
    case ROLES:
        break;
    }
    (void)end_if_lame(c, &err); /* and started again when it has been buried */
    return 0;
bad:
    log_error("start", "role=%s %s", role_name(role), err.text);
    return -1;
}

int master_start_worker(struct master *m, uint32_t uid, uint32_t gid, uint32_t what, const char *store, uint32_t token,
                        struct err *err)
{
    bool delivers = what & TALK_FOR_DELIVERY;
    struct child *c = spawn(m, delivers ? ROLE_DELIVER : ROLE_MAIL, err);
    if (!c)
        return -1;
    c->worker = ++m->workers;
    c->uid = uid;
    c->gid = gid;
    c->what = what;
    for (unsigned i = 0; i < m->conf.mail_roots; i++)
        tell(c, &(struct talk){.type = TALK_ROOT, .text = {span_of(m->roots[i].path)}, .fd = m->roots[i].fd});
    if (what & TALK_FOR_SINGLE && !delivers)
        tell(c, &(struct talk){.type = TALK_STORE, .text = {span_of(store)}, .fd = -1});
    tell(c, &(struct talk){.type = TALK_GO, .num = {uid, gid, m->root, c->worker}, .fd = -1});
    struct child *door = master_find(m, ROLE_DOOR);
    if (door)
        join(c, about_door(door), door, about_worker(c, 0));
    if (!c->lame)
        join(c, about_auth, master_find(m, ROLE_AUTH), about_worker(c, token));
    return end_if_lame(c, err);
}

static void start_again(void *arg)
{
    struct kept *k = arg;
    if (!k->master->stopping && start_kept(k->master, k->role) < 0)
        loop_timer_set(k->timer, BACKOFF_MOST_MS);
}

void master_keep(struct kept *k)
{
    k->timer = loop_timer_new(k->master->loop, start_again, k);
    start_again(k);
}

/* At once, unless it ends again and again right after its start. */
static void restart(struct master *m, const struct child *c)
{
    for (unsigned i = 0; i < m->n_kept; i++) {
        struct kept *k = &m->kept[i];
        if (k->role != c->role)
            continue;
        metric_add(METRIC_RESTARTS + c->role, 1);
        k->quick = clock_ms() - c->started < LIVED_MS ? k->quick + 1 : 0;
        uint64_t wait = 0;
        if (k->quick > 1)
            wait = k->quick < 6 ? (uint64_t)BACKOFF_FIRST_MS << (k->quick - 2) : BACKOFF_MOST_MS;
        loop_timer_set(k->timer, wait);
    }
}

static void report_end(const struct child *c, int status, bool wanted)
{
    char how[64];
    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "status %d", WEXITSTATUS(status));
    if (wanted || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        log_info("ended", "role=%s pid=%d %s", role_name(c->role), (int)c->pid, how);
    else {
        metric_add(METRIC_FAILURES + c->role, 1);
        log_error("ended", "role=%s pid=%d %s", role_name(c->role), (int)c->pid, how);
    }
}

void master_reap(struct master *m)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child **at = &m->children;
        while (*at && (*at)->pid != pid)
            at = &(*at)->next;
        struct child *c = *at;
        if (!c)
            continue;
        *at = c->next;
        report_end(c, status, m->stopping);
        chan_free(c->chan);
        if (c->statm_fd >= 0)
            close(c->statm_fd);
        if (!m->stopping)
            restart(m, c);
        mem_free(c);
    }
    if (m->stopping && !m->children)
        loop_stop(m->loop);
}
