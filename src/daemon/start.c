/* start: see the header. Every role but the master; runs with the master's rights until start_seal. */
#include "daemon/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

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

bool start_common(struct start *s, const struct talk *m)
{
    if (m->type == TALK_LOG) {
        take_log(s, m);
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

static struct chan *log_watcher; /* log's hook takes no argument */

static void log_lost(void)
{
    static uint64_t told;
    uint64_t now = clock_ms();
    if (!log_watcher || (told && now - told < LOG_LOST_MS))
        return;
    told = now;
    talk_send(log_watcher, &(struct talk){.type = TALK_LOG_LOST, .fd = -1});
}

void start_watch_log(struct chan *master)
{
    log_watcher = master;
    log_on_failure(log_lost);
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
        if (!start_common(s, &m))
            keep(arg, &m);
    }
    mem_free(room);
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
