/* master: see the header. The order of a start, what roles may ask, signals. */
#include "daemon/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_kept.h"
#include "check/check.h"
#include "daemon/jail.h"
#include "daemon/lines.h"
#include "daemon/master_state.h"

enum { OTHER_FILES = 1024 /* channels, logs, listeners */, LINES_MOST = 1000 };

static void log_problems(const struct conf_problems *p, const char *file)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->list[i].fatal)
            log_error("configuration", "%s:%u: %s", file, p->list[i].line, p->list[i].text);
        else
            log_warning("configuration", "%s:%u: %s", file, p->list[i].line, p->list[i].text);
    }
}

/* Reads the file and all that is wrong with it. -1: it could not be read, or something is wrong that forbids a start. At the start
 * the list is for whoever looks on; later it belongs into the log. */
static int read_file(const char *file, struct conf *c, bool running)
{
    struct conf_problems problems = {0};
    struct err err;
    if (conf_load(c, file, &problems, &err) < 0)
        conf_problem_add(&problems, 0, true, "%s", err.text);
    else
        check_server(c, file, &problems);
    if (running)
        log_problems(&problems, file);
    else
        conf_problems_print(&problems, file, stderr);
    int result = problems.fatal ? -1 : 0;
    conf_problems_free(&problems);
    if (result < 0)
        conf_free(c);
    return result;
}

static void need(struct master *m, struct child *c, const struct talk *t)
{
    uint32_t token = t->num[0], uid = t->num[1], gid = t->num[2], what = t->num[3];
    struct err err;
    char *where = mem_copy(t->text[0].p, t->text[0].n);
    if (m->stopping)
        err_set(&err, ERR_TEMP, "the server is stopping");
    else if (master_may_start(&m->conf, uid, gid, where, &err) == 0 &&
             master_start_worker(m, uid, gid, what, where, token, &err) == 0) {
        mem_free(where);
        return;
    }
    log_error("need", "uid=%u store=%s refused: %s", uid, log_quote_text(where), err.text);
    mem_free(where);
    talk_send(c->chan, &(struct talk){.type = TALK_NO_WORKER, .num = {token, err.kind}, .fd = -1});
}

static void use_log(const struct master *m)
{
    log_format_set(m->conf.log_format == CONF_FORMAT_JSON ? LOG_JSON : LOG_TEXT);
    log_open(m->log_fd, m->conf.log == CONF_LOG_SYSLOG ? LOG_TO_SYSLOG : LOG_TO_STREAM, role_name(ROLE_MASTER));
}

static void reopen_log(struct master *m)
{
    struct err err;
    m->log_opened = clock_ms();
    if (master_open_log(m, &m->conf, &err) < 0) {
        log_error("log", "%s: the old one goes on", err.text);
        return;
    }
    use_log(m);
    master_tell_all(m, &(struct talk){.type = TALK_LOG, .num = {m->conf.log}, .fd = m->log_fd});
}

/* A line of the master's or of a role's could not be written. */
static struct loop_timer *log_again;

/* Each time costs a descriptor for every child that does not read: whoever asks, and however often, it is once in a while. */
static void log_lost(struct master *m)
{
    unsigned wait = master_log_wait(clock_ms(), m->log_opened);
    if (wait)
        loop_timer_set(log_again, wait);
    else
        reopen_log(m);
}

/* The channel has broken while both live: one of them has said what it must not, or does not read. Nothing would join them
 * again, and every log-in would be put off for ever. The door is the one that strangers speak to. */
static void auth_lost(const struct master *m, const struct child *door, const struct talk *t)
{
    const struct child *auth = master_find(m, ROLE_AUTH);
    if (m->stopping || !auth || t->num[0] != door->auths) /* one is on its way, or will be */
        return;
    log_error("join", "role=door pid=%d has lost its channel to role=auth pid=%d, which lives: the door is started anew",
              (int)door->pid, (int)auth->pid);
    kill(door->pid, SIGKILL);
}

/* ---- the last errors and warnings, for the operator */

static void errors(const struct master *m, const struct child *control, uint32_t token)
{
    uint32_t asked = 0;
    for (struct child *c = m->children; c; c = c->next) {
        if (c->role == ROLE_CONTROL || !c->chan ||
            talk_send(c->chan, &(struct talk){.type = TALK_LINES, .num = {token}, .fd = -1}) < 0)
            continue;
        c->lines = c->lines > LINES_MOST ? c->lines : c->lines + LOG_KEPT + 1;
        asked++;
    }
    lines_say(&(struct lines_to){control->chan, TALK_LINE_OF, token, ROLE_MASTER, (uint32_t)getpid(), asked});
}

/* Who says it is what we know, whatever it says; and nobody fills control's channel who was not asked. */
static void pass_line(const struct master *m, struct child *c, const struct talk *t)
{
    const struct child *control = master_find(m, ROLE_CONTROL);
    if (c->lines == 0)
        return;
    c->lines--;
    struct talk line = *t;
    line.type = TALK_LINE_OF;
    line.num[4] = c->role;
    line.num[5] = (uint32_t)c->pid;
    if (control && control->chan)
        talk_send(control->chan, &line);
}

void master_message(void *arg, const void *p, size_t n, int fd)
{
    struct child *c = arg;
    struct master *m = c->master;
    struct talk t;
    if (talk_parse(p, n, fd, c->role, ROLE_MASTER, &t) < 0) {
        kill(c->pid, SIGKILL); /* a role that speaks out of turn is not itself any more */
        return;
    }
    if (t.type == TALK_NEED)
        need(m, c, &t);
    else if (t.type == TALK_LOG_LOST)
        log_lost(m);
    else if (t.type == TALK_AUTH_LOST)
        auth_lost(m, c, &t);
    else if (t.type == TALK_ERRORS)
        errors(m, c, t.num[0]);
    else if (t.type == TALK_LINE)
        pass_line(m, c, &t);
    else if (t.type == TALK_PONG)
        master_watch_answer(m, c, t.num[0]);
    else if (t.type == TALK_READY) {
        log_info("ready", "role=%s pid=%d uid=%u walls=%s", role_name(c->role), (int)c->pid, c->uid, log_quote(t.text[0]));
        master_watch_fresh(m, c);
    }
}

static void say_restart(void *arg, const char *name)
{
    (void)arg;
    if (!conf_reloads(name))
        log_warning("reload", "%s has changed and takes effect at the next start", name);
}

/* -1: what the file says has errors, and is not taken up. */
static int take_file(struct master *m)
{
    struct conf fresh;
    struct err err;
    if (read_file(m->file, &fresh, true) < 0) {
        log_error("reload", "%s has errors: the old configuration goes on", m->file);
        reopen_log(m);
        return -1;
    }
    conf_differ(&m->conf, &fresh, say_restart, NULL);
    conf_keep(&fresh, &m->conf);
    conf_free(&m->conf);
    m->conf = fresh;
    for (unsigned i = 0; i < m->conf.mail_roots; i++)
        m->roots[i].path = m->conf.mail_root[i];
    reopen_log(m);
    if (master_make_conf(m, &err) < 0)
        log_error("reload", "%s: the roles go on with the old configuration", err.text);
    else
        master_tell_all(m, &(struct talk){.type = TALK_CONF, .fd = m->conf_fd});
    struct child *door = master_find(m, ROLE_DOOR);
    if (master_tls_open(m, &err) < 0)
        log_error("reload", "%s: the old certificate goes on", err.text);
    else if (door)
        (void)master_tell_certificate(m, door);
    master_tls_watch(m);
    log_info("reload", "%s read", m->file);
    return 0;
}

static void reload(struct master *m)
{
    master_watch_reload(m);
    int taken = take_file(m);
    master_watch_reloaded(m, taken < 0 ? "The configuration has errors: the one before goes on" : "Serving");
}

static void end_all(const struct master *m, const char *why)
{
    for (const struct child *c = m->children; c; c = c->next) {
        log_warning("stop", "role=%s pid=%d %s", role_name(c->role), (int)c->pid, why);
        kill(c->pid, SIGKILL);
    }
}

static void deadline(void *arg)
{
    end_all(arg, "is ended at the deadline");
}

static void stop(struct master *m)
{
    if (m->stopping) { /* asked twice: now */
        end_all(m, "was still waited for, and is ended now: asked to stop again");
        return;
    }
    m->stopping = true;
    log_info("stop", "running sessions have %llu ms", (unsigned long long)m->conf.drain_timeout);
    for (unsigned i = 0; i < m->conf.listeners; i++)
        close(m->listen_fd[i]);
    master_watch_stop(m);
    master_tell_all(m, &(struct talk){.type = TALK_STOP, .num = {(uint32_t)m->conf.drain_timeout}, .fd = -1});
    loop_timer_set(m->deadline, m->conf.drain_timeout);
    if (!m->children)
        loop_stop(m->loop);
}

static void on_signal(void *arg, int signo)
{
    struct master *m = arg;
    if (signo == SIGCHLD)
        master_reap(m);
    else if (signo == SIGHUP)
        reload(m);
    else
        stop(m);
}

static void keep(struct master *m)
{
    static const enum role roles[KEPT] = {ROLE_AUTH, ROLE_CONTROL, ROLE_DOOR, ROLE_METRICS};
    m->n_kept = m->metrics_fd < 0 ? KEPT - 1 : KEPT;
    for (unsigned i = 0; i < m->n_kept; i++) {
        m->kept[i] = (struct kept){.role = roles[i], .master = m};
        master_keep(&m->kept[i]);
    }
}

/* As many descriptors as the connections may need: over TLS a session has two at the door. Root may raise the hard limit. */
static void more_files(const struct conf *c)
{
    struct rlimit r;
    rlim_t want = (rlim_t)c->connections * 2 + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    if (want > r.rlim_max)
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){want, want});
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max)
        (void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){r.rlim_max, r.rlim_max});
}

static int seal(struct master *m)
{
    struct jail jail = {.role = ROLE_MASTER, .root = m->root, .chroot_fd = -1, .files = 4096};
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0)
        m->files = jail.files = r.rlim_cur;
    struct jail_report report;
    struct err err;
    char text[128];
    if (jail_enter(&jail, &report, &err) < 0) {
        log_error("jail", "%s", err.text);
        return -1;
    }
    jail_report_text(&report, text);
    log_info("start", "bustiad " BUSTIA_VERSION " pid=%d walls=\"%s\"%s", (int)getpid(), text,
             m->root ? "" : " (not root: all roles run as one user)");
    return 0;
}

/* The master's own lines are lost too when syslog has been restarted. The hook must not write: it only asks for a moment later. */
static void log_failed(void)
{
    loop_timer_set(log_again, MASTER_LOG_AGAIN_MS);
}

static void on_log_again(void *arg)
{
    reopen_log(arg);
}

static int run(struct master *m)
{
    static const int signals[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    m->loop = loop_new();
    m->deadline = loop_timer_new(m->loop, deadline, m);
    log_again = loop_timer_new(m->loop, on_log_again, m);
    log_on_failure(log_failed);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        loop_signal(m->loop, signals[i], on_signal, m);
    if (seal(m) < 0)
        return EX_OSERR;
    master_watch_start(m);
    master_metrics_start(m);
    keep(m);
    master_tls_watch(m);
    loop_run(m->loop);
    log_info("stop", "ended");
    log_on_failure(NULL);
    for (unsigned i = 0; i < m->n_kept; i++)
        loop_timer_free(m->kept[i].timer);
    master_metrics_free(m);
    master_watch_free(m);
    loop_timer_free(m->deadline);
    loop_timer_free(m->tls.timer);
    loop_timer_free(log_again);
    loop_free(m->loop);
    return EX_OK;
}

int master_run(const char *file)
{
    struct master m = {.file = file, .conf_fd = -1, .program_fd = -1, .mail_program_fd = -1, .log_fd = -1, .control_fd = -1,
                       .pid_fd = -1, .tls = {.client_ca_fd = -1}, .metrics_fd = -1, .page_fd = {-1, -1, -1, -1, -1}};
    struct err err;
    m.root = geteuid() == 0;
    signal(SIGPIPE, SIG_IGN);
    umask(027);
    log_open(STDERR_FILENO, LOG_TO_STREAM, role_name(ROLE_MASTER));
    if (read_file(file, &m.conf, false) < 0)
        return EX_CONFIG;
    more_files(&m.conf);
    int status = EX_CONFIG;
    if (master_open_log(&m, &m.conf, &err) < 0 || master_open_all(&m, &err) < 0)
        log_error("start", "%s", err.text);
    else {
        use_log(&m);
        status = run(&m);
    }
    master_close_all(&m);
    return status;
}
