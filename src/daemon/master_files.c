/* master_files: ports, keys, logs and mail roots, opened by the master for the roles. Runs as root; reads nothing of a stranger. */
#include "daemon/master_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/account.h"
#include "base/control.h"
#include "net/inherited.h"
#include "net/sock.h"

enum { BACKLOG = 1024 };

int master_make_conf(struct master *m, struct err *err)
{
    int fd = memfd_create("bustia.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *to = copy < 0 ? NULL : fdopen(copy, "w");
    if (!to) {
        close(copy);
        close(fd);
        return err_set(err, ERR_TEMP, "memory file: %s", strerror(errno));
    }
    conf_print(&m->conf, to);
    if (fclose(to) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
        close(fd);
        return err_set(err, ERR_TEMP, "memory file: %s", strerror(errno));
    }
    if (m->conf_fd >= 0)
        close(m->conf_fd);
    m->conf_fd = fd;
    return 0;
}

int master_open_log(struct master *m, const struct conf *c, struct err *err)
{
    int fd = -1;
    switch (c->log) {
    case CONF_LOG_STDERR:
        fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        break;
    case CONF_LOG_SYSLOG:
        fd = sock_connect_syslog(err);
        break;
    case CONF_LOG_FILE:
        fd = open(c->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
        break;
    }
    if (fd < 0)
        return err_set(err, ERR_CONFIG, "log %s: %s", c->log == CONF_LOG_FILE ? c->log_file : "", strerror(errno));
    if (m->log_fd >= 0)
        close(m->log_fd);
    m->log_fd = fd;
    return 0;
}

static int open_pid_file(struct master *m, struct err *err)
{
    char path[4096], text[32];
    if (*m->conf.pid_file)
        snprintf(path, sizeof path, "%s", m->conf.pid_file);
    else
        snprintf(path, sizeof path, "%s/bustiad.pid", m->conf.run_dir);
    m->pid_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (m->pid_fd < 0)
        return err_set(err, ERR_CONFIG, "pid_file %s: %s", path, strerror(errno));
    /* The lock goes with the master however it ends, so that a stale file never bars a start. */
    if (flock(m->pid_fd, LOCK_EX | LOCK_NB) < 0) {
        close(m->pid_fd); /* it is the other's: nothing of it is touched at the end */
        m->pid_fd = -1;
        return err_set(err, ERR_CONFIG, "pid_file %s is held: bustiad runs already", path);
    }
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(m->pid_fd, 0) < 0 || pwrite(m->pid_fd, text, (size_t)n, 0) != n)
        return err_set(err, ERR_TEMP, "pid_file %s: %s", path, strerror(errno));
    return 0;
}

/* run_dir and, below it, the directory that roles get as their root: nobody can ever write to it. */
static int make_run_dir(const struct master *m, struct err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/empty", m->conf.run_dir);
    mode_t mask = umask(022); /* whoever may use a socket in it has to get there */
    int made = mkdir(m->conf.run_dir, 0755);
    umask(mask);
    if (made < 0 && errno != EEXIST)
        return err_set(err, ERR_CONFIG, "run_dir %s: %s", m->conf.run_dir, strerror(errno));
    if (m->root && mkdir(path, 0555) < 0 && errno != EEXIST)
        return err_set(err, ERR_CONFIG, "%s: %s", path, strerror(errno));
    return 0;
}

static int open_socket(struct master *m, unsigned i, struct err *err)
{
    const struct conf_listener *l = &m->conf.listen[i];
    uint32_t gid = UINT32_MAX;
    struct stat st;
    if (*l->group && account_group(l->group, &gid, err) < 0)
        return -1;
    int fd = sock_listen_unix_as(l->address, BACKLOG, l->mode, gid, err);
    if (fd >= 0 && lstat(l->address, &st) == 0)
        m->listen_name[i] = (struct name){st.st_dev, st.st_ino};
    return fd;
}

/* What the service manager has opened already takes the place of what we would open. */
static int open_listener(struct master *m, unsigned i, struct err *err)
{
    const struct conf_listener *l = &m->conf.listen[i];
    int fd = inherited_find(l->address);
    if (fd >= 0)
        return inherited_take(fd, err);
    return conf_listener_unix(l) ? open_socket(m, i, err) : sock_listen(l->address, BACKLOG, err);
}

/* One that no line names would be a port where clients wait for ever: nothing says what is to be served there. */
static int check_inherited(const struct master *m, struct err *err)
{
    for (unsigned i = 0, n = inherited_count(); i < n; i++) {
        char name[INHERITED_NAME];
        int fd = INHERITED_FIRST + (int)i;
        unsigned k = 0;
        while (k < m->conf.listeners && m->listen_fd[k] != fd)
            k++;
        if (k < m->conf.listeners || fd == m->metrics_fd)
            continue;
        inherited_name(fd, name);
        return err_set(err, ERR_CONFIG, "the service manager has passed %s, and no `listen` names it; write one, or take it out "
                       "of the manager's", name);
    }
    return 0;
}

static int open_listeners(struct master *m, struct err *err)
{
    for (unsigned i = 0; i < m->conf.listeners; i++) {
        struct err why;
        m->listen_fd[i] = open_listener(m, i, &why);
        if (m->listen_fd[i] < 0)
            return err_set(err, ERR_CONFIG, "listen %s: %s", m->conf.listen[i].address, why.text);
    }
    if (master_metrics_open(m, err) < 0 || check_inherited(m, err) < 0)
        return -1;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", m->conf.run_dir, CONTROL_SOCKET);
    m->control_fd = sock_listen_unix(path, err);
    return m->control_fd < 0 ? -1 : 0;
}

static int open_roots(struct master *m, struct err *err)
{
    for (unsigned i = 0; i < m->conf.mail_roots; i++) {
        const char *path = m->conf.mail_root[i];
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return err_set(err, ERR_CONFIG, "mail_root %s: %s", path, strerror(errno));
        m->roots[i] = (struct store_root){path, fd, m->conf.allow_memory_store};
    }
    return 0;
}

static int open_programs(struct master *m, struct err *err)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "bustia-mail");
    m->program_fd = n < 0 ? -1 : open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (n > 0) {
        path[n] = '\0';
        strcpy(strrchr(path, '/') + 1, "bustia-mail");
        m->mail_program_fd = open(path, O_PATH | O_CLOEXEC);
    }
    if (m->program_fd < 0 || m->mail_program_fd < 0)
        return err_set(err, ERR_CONFIG, "%s: %s (bustia-mail stands beside bustiad)", n > 0 ? path : "/proc/self/exe",
                       strerror(errno));
    return 0;
}

int master_open_all(struct master *m, struct err *err)
{
    if (make_run_dir(m, err) < 0 || open_pid_file(m, err) < 0 || open_programs(m, err) < 0 || open_roots(m, err) < 0 ||
        open_listeners(m, err) < 0 || master_tls_open(m, err) < 0)
        return -1;
    return master_make_conf(m, err);
}

/* The names of our own sockets, if they are still ours. */
static void remove_sockets(const struct master *m)
{
    struct stat st;
    for (unsigned i = 0; i < m->conf.listeners; i++) {
        const struct name *n = &m->listen_name[i];
        const char *path = m->conf.listen[i].address;
        if (n->ino && lstat(path, &st) == 0 && st.st_dev == n->dev && st.st_ino == n->ino)
            unlink(path);
    }
}

void master_close_all(struct master *m)
{
    char path[4096];
    remove_sockets(m);
    if (m->control_fd >= 0) {
        snprintf(path, sizeof path, "%s/%s", m->conf.run_dir, CONTROL_SOCKET);
        unlink(path);
    }
    if (m->pid_fd >= 0 && ftruncate(m->pid_fd, 0) < 0) {
        /* the lock, not the number, says whether it runs */
    }
    conf_free(&m->conf);
}
