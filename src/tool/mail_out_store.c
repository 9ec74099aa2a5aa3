/* mail_out_store: root's way into a mailbox: a child that takes the mailbox's ids, then opens it. What is read from a
 * foreign file stays on this side, what is written below the mail root on that one; between them a socket of octets. */
#include "tool/mail_out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/open.h"
#include "post/ids.h"

enum { PIECE = 64 * 1024, KEY_MAX = 200, TOGETHER_MAX = 256 };

/* What goes before the octets of each message, and (n_key = END) after the last of those that are put together. */
struct head {
    uint32_t n_key;
    int64_t time;
    uint64_t size;
};
enum { END = UINT32_MAX };

struct out {
    struct mail_out out;
    int fd;
    pid_t pid;
};

/* ---- octets through the socket, both sides */

static int send_all(int fd, const void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t sent = send(fd, (const char *)p + done, n - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        done += (size_t)sent;
    }
    return 0;
}

static int receive_all(int fd, void *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = recv(fd, (char *)p + done, n - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

/* ---- the child */

struct box {
    const struct conf *conf;
    const struct user *user;
    int fd;
    struct store *store; /* NULL: trouble says why */
    struct err trouble;
    struct store_used used, pending; /* what the record says; what this round will add */
    bool used_known;
    struct store_draft *drafts[TOGETHER_MAX];
    unsigned place[TOGETHER_MAX]; /* which message of this round a draft is */
    unsigned n_drafts, n;
    struct err errs[TOGETHER_MAX];
    char piece[PIECE];
};

static void open_box(struct box *b)
{
    struct store_root roots[CONF_ROOTS];
    const struct conf *c = b->conf;
    for (unsigned i = 0; i < c->mail_roots; i++) {
        int fd = open(c->mail_root[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        roots[i] = (struct store_root){.path = c->mail_root[i], .fd = fd, .memory = c->allow_memory_store};
    }
    if (store_open(&b->store, roots, c->mail_roots, b->user->where, STORE_DELIVER, &b->trouble) < 0)
        b->store = NULL;
    else if (!b->store->ops->begin) {
        b->store->ops->close(b->store);
        b->store = NULL;
        err_set(&b->trouble, ERR_CONFIG, "%s takes no deliveries", b->user->where);
    }
}

/* Counted afresh before anybody is told that there is no room: other programs delete, too. */
static int room_for(struct box *b, uint64_t size, struct err *err)
{
    const struct user *u = b->user;
    if (!u->quota_octets && !u->quota_messages)
        return 0;
    for (bool afresh = false;; afresh = true) {
        if ((afresh || !b->used_known) && b->store->ops->used(b->store, afresh, &b->used, err) < 0)
            return -1;
        b->used_known = true;
        if ((!u->quota_octets || b->used.octets + b->pending.octets + size <= u->quota_octets) &&
            (!u->quota_messages || b->used.messages + b->pending.messages + 1 <= u->quota_messages))
            break;
        if (afresh)
            return err_set(err, ERR_LIMIT, "%s is over quota", u->name);
    }
    b->pending.octets += size;
    b->pending.messages++;
    return 0;
}

/* The other side is gone in the middle of a message: nothing of this round stays. */
static void give_up(struct box *b, struct store_draft *d)
{
    if (d)
        b->store->ops->abort(d);
    for (unsigned i = 0; i < b->n_drafts; i++)
        b->store->ops->abort(b->drafts[i]);
    _exit(EX_IOERR);
}

/* The octets are taken off the socket also when they are of no use. */
static void take_message(struct box *b, const struct head *h, const char *key)
{
    struct err *err = &b->errs[b->n];
    struct store_draft *d = NULL;
    struct store_about about = {.key = *key ? key : NULL, .time = h->time};
    *err = b->trouble;
    if (b->store && room_for(b, h->size, err) == 0 && b->store->ops->begin(b->store, &about, &d, err) < 0)
        d = NULL;
    bool failed = !d;
    for (uint64_t left = h->size; left;) {
        size_t n = left < PIECE ? (size_t)left : PIECE;
        if (receive_all(b->fd, b->piece, n) < 0)
            give_up(b, d);
        if (!failed && b->store->ops->write(d, (struct span){b->piece, n}, err) < 0)
            failed = true;
        left -= n;
    }
    if (!failed && b->store->ops->ready(d, err) < 0)
        failed = true;
    if (failed && d)
        b->store->ops->abort(d);
    if (!failed) {
        b->place[b->n_drafts] = b->n;
        b->drafts[b->n_drafts++] = d;
    }
    b->n++;
}

static void commit(struct box *b)
{
    struct err errs[TOGETHER_MAX] = {0};
    if (b->n_drafts)
        b->store->ops->commit(b->drafts, b->n_drafts, errs);
    for (unsigned i = 0; i < b->n_drafts; i++)
        b->errs[b->place[i]] = errs[i];
    if (send_all(b->fd, b->errs, b->n * sizeof *b->errs) < 0)
        _exit(EX_IOERR);
    b->n = b->n_drafts = 0;
    b->used_known = false;
    b->pending = (struct store_used){0};
    memset(b->errs, 0, sizeof b->errs);
}

static void serve(struct box *b)
{
    struct head h;
    char key[KEY_MAX + 1];
    while (receive_all(b->fd, &h, sizeof h) == 0) {
        if (h.n_key == END) {
            commit(b);
            continue;
        }
        if (h.n_key > KEY_MAX || b->n == TOGETHER_MAX || receive_all(b->fd, key, h.n_key) < 0)
            _exit(EX_SOFTWARE);
        key[h.n_key] = '\0';
        take_message(b, &h, key);
    }
    if (b->n_drafts)
        give_up(b, NULL);
    if (b->store)
        b->store->ops->close(b->store);
}

static void be_child(const struct conf *c, const struct user *u, int fd)
{
    struct box *b = mem_alloc(sizeof *b);
    *b = (struct box){.conf = c, .user = u, .fd = fd};
    ids_take(u->uid, u->gid);
    open_box(b);
    serve(b);
    _exit(EX_OK);
}

/* ---- the parent */

static int give(const struct out *o, const struct mail_out_message *m)
{
    struct head h = {.n_key = m->key ? (uint32_t)strlen(m->key) : 0, .time = m->time, .size = m->head.n + m->text.n};
    return send_all(o->fd, &h, sizeof h) || send_all(o->fd, m->key, h.n_key) || send_all(o->fd, m->head.p, m->head.n) ||
                   send_all(o->fd, m->text.p, m->text.n)
               ? -1
               : 0;
}

static int put_together(struct out *o, const struct mail_out_message *m, unsigned n, struct err *errs)
{
    struct head end = {.n_key = END};
    for (unsigned i = 0; i < n; i++)
        if (give(o, &m[i]) < 0)
            return -1;
    return send_all(o->fd, &end, sizeof end) || receive_all(o->fd, errs, n * sizeof *errs) ? -1 : 0;
}

static void put(struct mail_out *out, const struct mail_out_message *m, unsigned n, struct err *errs)
{
    struct out *o = (struct out *)out;
    while (n) {
        unsigned part = n < TOGETHER_MAX ? n : TOGETHER_MAX;
        if (put_together(o, m, part, errs) < 0)
            for (unsigned i = 0; i < part; i++)
                err_set(&errs[i], ERR_UNKNOWN, "the process that writes the mailbox has ended");
        m += part;
        errs += part;
        n -= part;
    }
}

static void end(struct mail_out *out)
{
    struct out *o = (struct out *)out;
    close(o->fd);
    while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    mem_free(o);
}

static const struct mail_out_ops ops = {put, end};

int mail_out_store(struct mail_out **out, const struct conf *c, const struct user *u, struct err *err)
{
    int pair[2];
    if (geteuid() != 0)
        return err_set(err, ERR_PERM, "only root opens another's mailbox");
    if (u->uid == 0 || u->gid == 0 || u->uid < c->first_uid)
        return err_set(err, ERR_PERM, "%s has uid %u; no mailbox is opened for a uid below first_uid", u->name, u->uid);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_TEMP, "socketpair: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        be_child(c, u, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return err_set(err, ERR_TEMP, "fork: %s", strerror(errno));
    }
    struct out *o = mem_alloc(sizeof *o);
    *o = (struct out){.out = {&ops}, .fd = pair[0], .pid = pid};
    *out = &o->out;
    return 0;
}
