/* start: see the header. Every role but the master; runs with the master's rights until start_seal. */
#include "daemon/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/lines.h"

enum { LOG_LOST_MS = 1000 }; /* the master is told at most this often */

void start_read_conf(struct conf *c, int fd)
{
    struct stat st;
    char *text = NULL;
    size_t n = 0;
    if (fstat(fd, &st) == 0 && st.st_size >= 0 && st.st_size < 1 << 20) {
        text = mem_alloc((size_t)st.st_size + 1);
        while (n < (size_t)st.st_size) {
            ssize_t got = pread(fd, text + n, (size_t)st.st_size - n, (off_t)n);
            if (got <= 0)
                break;
            n += (size_t)got;
        }
    }
    struct conf_problems problems = {0};
    conf_read(c, (struct span){text ? text : "", n}, &problems);
    conf_problems_free(&problems);
    mem_free(text);
    close(fd);
}

static void apply_log(const struct conf *c)
{
    static const enum log_level levels[] = {
        [CONF_LEVEL_ERROR] = LOG_L_ERROR,
        [CONF_LEVEL_WARNING] = LOG_L_WARNING,
        [CONF_LEVEL_INFO] = LOG_L_INFO,
        [CONF_LEVEL_DEBUG] = LOG_L_DEBUG,
    };
    log_level_set(levels[c->log_level]);
    log_format_set(c->log_format == CONF_FORMAT_JSON ? LOG_JSON : LOG_TEXT);
}

/* The log's descriptor lives at one number, so that a fresh one replaces the old in one step. */
static void take_log(const struct start *s, const struct talk *m)
{
    static int log_fd = -1;
    if (log_fd < 0)
        log_fd = m->fd;
    else {
        dup3(m->fd, log_fd, O_CLOEXEC);
        close(m->fd);
    }
    log_open(log_fd, m->num[0] == CONF_LOG_SYSLOG ? LOG_TO_SYSLOG : LOG_TO_STREAM, role_name(s->role));
}

static bool common(struct start *s, const struct talk *m)
{
    if (m->type == TALK_LOG) {
        take_log(s, m);
        return true;
    }
    if (m->type == TALK_METRIC && s->role != ROLE_METRICS) {
        struct err err;
        if (metric_use(m->fd, &err) < 0)
            log_error("start", "%s", err.text);
        close(m->fd);
        return true;
    }
    if (m->type != TALK_CONF)
        return false;
    struct conf fresh;
    start_read_conf(&fresh, m->fd);
    conf_free(&s->conf);
    s->conf = fresh;
    apply_log(&s->conf);
    return true;
}

/* A line may be written by any thread: the hook only rings, the loop tells the master. */
static struct {
    struct loop_fd *source;
    int bell;
    uint64_t told;
} lost = {.bell = -1};

static void log_lost(void)
{
    eventfd_write(lost.bell, 1);
}

static void on_bell(void *arg, bool readable, bool writable)
{
    struct start *s = arg;
    eventfd_t rings;
    uint64_t now = clock_ms();
    (void)readable;
    (void)writable;
    if (eventfd_read(lost.bell, &rings) < 0 || !s->master || (lost.told && now - lost.told < LOG_LOST_MS))
        return;
    lost.told = now;
    talk_send(s->master, &(struct talk){.type = TALK_LOG_LOST, .fd = -1});
}

static void watch_log(struct start *s, struct loop *l)
{
    lost.bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lost.source = loop_fd_new(l, lost.bell, on_bell, s);
    loop_fd_want(lost.source, true, false);
    log_on_failure(log_lost);
}

static void master_closed(void *arg)
{
    struct start *s = arg;
    chan_free(s->master);
    s->master = NULL;
    s->events->stop(s->arg);
}

static void master_message(void *arg, const void *p, size_t n, int fd)
{
    struct start *s = arg;
    struct talk m;
    if (talk_parse(p, n, fd, ROLE_MASTER, s->role, &m) < 0) {
        master_closed(s);
        return;
    }
    if (common(s, &m)) {
        if (m.type == TALK_CONF && s->events->fresh)
            s->events->fresh(s->arg);
        return;
    }
    if (m.type == TALK_STOP)
        s->events->stop(s->arg);
    else if (m.type == TALK_PING)
        talk_send(s->master, &(struct talk){.type = TALK_PONG, .num = {m.num[0]}, .fd = -1});
    else if (m.type == TALK_LINES)
        lines_say(&(struct lines_to){.chan = s->master, .type = TALK_LINE, .token = m.num[0]});
    else if (!s->events->says(s->arg, &m) && m.fd >= 0)
        close(m.fd);
}

static const struct chan_events master_events = {master_message, master_closed};

void start_listen(struct start *s, struct loop *l, const struct start_events *ev, void *arg)
{
    s->events = ev;
    s->arg = arg;
    s->master = chan_new(l, ROLE_FD_MASTER, &master_events, s);
    watch_log(s, l);
}

enum list { LIST_ANY, LIST_CLEAR, LIST_BOUND, LIST_EXTERNAL, LISTS };

static enum list list_of(struct span word)
{
    static const char plus[] = "-PLUS";
    size_t n = sizeof plus - 1;
    if (word.n > n && span_is(span_from(word, word.n - n), plus))
        return LIST_BOUND;
    if (span_is(word, "EXTERNAL"))
        return LIST_EXTERNAL;
    return span_is(word, "PLAIN") || span_is(word, "LOGIN") ? LIST_CLEAR : LIST_ANY;
}

/* The configured mechanisms in four lists: those that show the password need TLS, and so do those that bind to it, and EXTERNAL. */
static void sort_mechanisms(struct start *s)
{
    struct span rest = span_of(s->conf.sasl_mechanisms);
    struct buf lists[LISTS];
    char **const made[LISTS] = {&s->sasl, &s->sasl_clear, &s->sasl_bound, &s->sasl_external};
    for (unsigned i = 0; i < LISTS; i++)
        buf_init(&lists[i], 512, NULL);
    while (rest.n) {
        struct span word = span_cut(&rest, ' ');
        struct buf *b = &lists[list_of(word)];
        if (word.n && (b->len == 0 || buf_add_text(b, " ")))
            buf_add_span(b, word);
    }
    for (unsigned i = 0; i < LISTS; i++) {
        *made[i] = mem_copy(buf_span(&lists[i]).p, lists[i].len);
        buf_fini(&lists[i]);
    }
}

void start_role(struct start *s, enum role role, void (*keep)(void *arg, const struct talk *m), void *arg)
{
    *s = (struct start){.role = role};
    log_open(STDERR_FILENO, LOG_TO_STREAM, role_name(role));
    start_read_conf(&s->conf, ROLE_FD_CONF);
    apply_log(&s->conf);
    char *room = mem_alloc(CHAN_MAX);
    for (;;) {
        struct talk m;
        if (talk_receive_now(ROLE_FD_MASTER, room, ROLE_MASTER, role, &m) <= 0)
            exit(EX_UNAVAILABLE);
        if (m.type == TALK_GO) {
            s->generation = m.id.door;
            s->uid = m.num[0];
            s->gid = m.num[1];
            s->root = m.num[2];
            s->worker = m.num[3];
            break;
        }
        if (!common(s, &m))
            keep(arg, &m);
    }
    mem_free(room);
    sort_mechanisms(s);
}

int start_empty_root(const struct start *s)
{
    if (!s->root)
        return -1;
    char path[4096];
    snprintf(path, sizeof path, "%s/empty", s->conf.run_dir);
    int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        log_error("start", "empty directory %s: %s", log_quote_text(path), strerror(errno));
        exit(EX_OSERR);
    }
    return fd;
}

void start_seal(struct start *s, int chroot_fd, const struct jail_path *paths, unsigned n_paths)
{
    struct rlimit files;
    struct jail jail = {
        .role = s->role,
        .root = s->root,
        .uid = s->uid,
        .gid = s->gid,
        .chroot_fd = chroot_fd,
        .paths = paths,
        .n_paths = n_paths,
        .files = getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 1024,
    };
    struct jail_report report;
    struct err err;
    if (jail_enter(&jail, &report, &err) < 0) {
        log_error("jail", "%s", err.text);
        exit(EX_OSERR);
    }
    if (chroot_fd >= 0)
        close(chroot_fd);
    char text[128];
    jail_report_text(&report, text);
    struct talk ready = {.type = TALK_READY, .text = {span_of(text)}, .fd = -1};
    talk_send_now(ROLE_FD_MASTER, &ready);
}
