/* master_tls: the files of TLS, for the door. Each is copied when it is opened, and a pair is kept only if it fits: so a door that is
 * started later gets what was good, whatever stands in the files by then. Files that have been renewed are seen by their names, by
 * which symbolic links may lead elsewhere than before. Runs as root; reads nothing of a stranger. */
#include "daemon/master_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"

/* SETTLED: so long a file must have stayed as it is, as the certificate is mostly written first and the key a little later. */
enum { SETTLED_MS = 2000, FILE_MAX = 1 << 20, PIECE = 65536 };

/* ---- which files there are */

struct file {
    const char *option, *path;
};

static struct file cert_of(const struct conf *c, unsigned pair)
{
    return pair == 0 ? (struct file){"tls_cert", c->tls_cert} : (struct file){"tls_also", c->tls_also[pair - 1].cert};
}

static struct file key_of(const struct conf *c, unsigned pair)
{
    return pair == 0 ? (struct file){"tls_key", c->tls_key} : (struct file){"tls_also", c->tls_also[pair - 1].key};
}

static unsigned pairs_of(const struct conf *c)
{
    return *c->tls_cert ? 1 + c->tls_pairs : 0;
}

/* ---- copies */

static int copy_into(int from, int to)
{
    char piece[PIECE];
    size_t sum = 0;
    ssize_t n;
    while ((n = read(from, piece, sizeof piece)) > 0) {
        ssize_t wrote = write(to, piece, (size_t)n);
        sum += (size_t)n;
        if (wrote != n || sum > FILE_MAX) {
            n = -1;
            errno = sum > FILE_MAX ? EFBIG : ENOSPC;
            break;
        }
    }
    mem_wipe(piece, sizeof piece);
    return n < 0 ? -1 : 0;
}

/* A memory file that nobody changes any more; -1. */
static int copy_file(struct file f, struct err *err)
{
    struct stat st;
    int from = open(f.path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), to = -1;
    if (from >= 0 && fstat(from, &st) == 0 && !S_ISREG(st.st_mode)) {
        close(from);
        return err_set(err, ERR_CONFIG, "%s %s: no regular file", f.option, f.path);
    }
    if (from >= 0)
        to = memfd_create("bustia.pem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    bool good = to >= 0 && copy_into(from, to) == 0 &&
                fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0;
    if (!good)
        err_set(err, ERR_CONFIG, "%s %s: %s", f.option, f.path, strerror(errno));
    if (from >= 0)
        close(from);
    if (!good && to >= 0)
        close(to);
    return good ? to : -1;
}

static void close_pair(struct master_pair *p)
{
    if (p->cert_fd >= 0)
        close(p->cert_fd);
    if (p->key_fd >= 0)
        close(p->key_fd);
    *p = (struct master_pair){-1, -1};
}

/* Do the two fit each other, and can OpenSSL use them? */
static int check_pair(const struct conf *c, unsigned i, const struct master_pair *p, struct err *err)
{
    struct tls_context *t = NULL;
    struct err why;
    if (tls_context_new(&t, p->cert_fd, p->key_fd, NULL, &why) < 0)
        return err_set(err, ERR_CONFIG, "%s with %s: %s", cert_of(c, i).path, key_of(c, i).path, why.text);
    tls_context_free(t);
    return 0;
}

static int load_pair(const struct conf *c, unsigned i, struct master_pair *p, struct err *err)
{
    *p = (struct master_pair){-1, -1};
    p->cert_fd = copy_file(cert_of(c, i), err);
    if (p->cert_fd >= 0)
        p->key_fd = copy_file(key_of(c, i), err);
    if (p->key_fd >= 0 && check_pair(c, i, p, err) == 0)
        return 0;
    close_pair(p);
    return -1;
}

/* The issuers of clients' certificates, beside a pair that is good; -1. */
static int load_issuers(const struct conf *c, const struct master_pair *p, struct err *err)
{
    struct file f = {"tls_client_ca", c->tls_client_ca};
    struct tls_context *t = NULL;
    struct err why;
    int fd = copy_file(f, err);
    if (fd < 0)
        return -1;
    if (tls_context_new(&t, p->cert_fd, p->key_fd, NULL, &why) == 0 && tls_context_ask(t, fd, &why) == 0) {
        tls_context_free(t);
        return fd;
    }
    tls_context_free(t);
    close(fd);
    return err_set(err, ERR_CONFIG, "%s %s: %s", f.option, f.path, why.text);
}

/* ---- what the files were like when they were looked at last */

static struct master_stamp stamp_of(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return (struct master_stamp){0};
    return (struct master_stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static bool same(const struct master_stamp *a, const struct master_stamp *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime.tv_sec == b->mtime.tv_sec &&
           a->mtime.tv_nsec == b->mtime.tv_nsec && a->ctime.tv_sec == b->ctime.tv_sec &&
           a->ctime.tv_nsec == b->ctime.tv_nsec;
}

static void stamp_all(const struct conf *c, struct master_tls *to)
{
    for (unsigned i = 0; i < pairs_of(c); i++) {
        to->seen[i][0] = stamp_of(cert_of(c, i).path);
        to->seen[i][1] = stamp_of(key_of(c, i).path);
    }
    to->seen_client_ca = *c->tls_client_ca ? stamp_of(c->tls_client_ca) : (struct master_stamp){0};
}

static void take_stamps(struct master_tls *t, const struct master_tls *from)
{
    memcpy(t->seen, from->seen, sizeof t->seen);
    t->seen_client_ca = from->seen_client_ca;
}

/* Marks the pairs of which a file has changed. */
static bool look(struct master *m)
{
    struct master_tls *t = &m->tls, now = {0};
    bool any = false;
    stamp_all(&m->conf, &now);
    for (unsigned i = 0; i < t->n && i < pairs_of(&m->conf); i++) {
        bool changed = !same(&now.seen[i][0], &t->seen[i][0]) || !same(&now.seen[i][1], &t->seen[i][1]);
        t->changed[i] |= changed;
        any |= changed;
    }
    bool issuers = *m->conf.tls_client_ca && !same(&now.seen_client_ca, &t->seen_client_ca);
    t->client_ca_changed |= issuers;
    take_stamps(t, &now);
    return any || issuers;
}

/* ---- what is good is kept */

static void keep(struct master_tls *t, const struct master_pair *pairs, unsigned n, int client_ca)
{
    for (unsigned i = 0; i < t->n; i++)
        close_pair(&t->pairs[i]);
    if (t->client_ca_fd >= 0)
        close(t->client_ca_fd);
    t->n = n;
    memcpy(t->pairs, pairs, n * sizeof *pairs);
    t->client_ca_fd = client_ca;
}

int master_tls_open(struct master *m, struct err *err)
{
    struct master_pair fresh[MASTER_PAIRS];
    struct master_tls seen = {0};
    const struct conf *c = &m->conf;
    unsigned n = 0, all = pairs_of(c);
    int issuers = -1;
    if (all == 0) /* what there was goes on */
        return 0;
    stamp_all(c, &seen); /* before they are read: what becomes of them meanwhile is seen at the next look */
    while (n < all && load_pair(c, n, &fresh[n], err) == 0)
        n++;
    if (n == all && *c->tls_client_ca)
        issuers = load_issuers(c, &fresh[0], err);
    if (n < all || (*c->tls_client_ca && issuers < 0)) {
        while (n--)
            close_pair(&fresh[n]);
        return -1;
    }
    keep(&m->tls, fresh, n, issuers);
    take_stamps(&m->tls, &seen);
    memset(m->tls.changed, 0, sizeof m->tls.changed);
    m->tls.client_ca_changed = false;
    return 0;
}

/* ---- renewed ones */

static bool renew_pair(struct master *m, unsigned i)
{
    struct master_pair fresh;
    struct err err;
    if (!m->tls.changed[i])
        return false;
    m->tls.changed[i] = false;
    if (load_pair(&m->conf, i, &fresh, &err) < 0) {
        log_error("tls", "%s: the old certificate goes on", err.text);
        return false;
    }
    close_pair(&m->tls.pairs[i]);
    m->tls.pairs[i] = fresh;
    log_info("tls", "file=%s renewed", log_quote_text(cert_of(&m->conf, i).path));
    return true;
}

static bool renew_issuers(struct master *m)
{
    struct err err;
    if (!m->tls.client_ca_changed)
        return false;
    m->tls.client_ca_changed = false;
    int fresh = load_issuers(&m->conf, &m->tls.pairs[0], &err);
    if (fresh < 0) {
        log_error("tls", "%s: the old issuers go on", err.text);
        return false;
    }
    if (m->tls.client_ca_fd >= 0)
        close(m->tls.client_ca_fd);
    m->tls.client_ca_fd = fresh;
    return true;
}

static void renew(struct master *m)
{
    struct child *door = master_find(m, ROLE_DOOR);
    bool any = renew_issuers(m);
    for (unsigned i = 0; i < m->tls.n && i < pairs_of(&m->conf); i++)
        any |= renew_pair(m, i);
    if (any && door)
        (void)master_tell_certificate(m, door);
}

/* A file that has changed is looked at again soon: what is still being written is not taken up. */
static void on_timer(void *arg)
{
    struct master *m = arg;
    struct master_tls *t = &m->tls;
    uint64_t often = m->conf.tls_watch;
    if (look(m)) {
        t->unsettled = true;
        loop_timer_set(t->timer, often < SETTLED_MS ? often : SETTLED_MS);
        return;
    }
    if (t->unsettled)
        renew(m);
    t->unsettled = false;
    loop_timer_set(t->timer, often);
}

void master_tls_watch(struct master *m)
{
    if (!m->tls.timer)
        m->tls.timer = loop_timer_new(m->loop, on_timer, m);
    if (m->conf.tls_watch && m->tls.n)
        loop_timer_set(m->tls.timer, m->conf.tls_watch);
    else
        loop_timer_stop(m->tls.timer);
}
