/* mailbox_open: see the header. Small pieces are gathered, so that a line costs no system call. */
#include "post/mailbox_open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "post/ids.h"
#include "post/mailbox_box.h"
#include "post/mailbox_talk.h"

struct mailbox {
    struct out out;
    int fd;
    pid_t pid;
    bool over; /* the other process has ended */
    bool taken[MAILBOX_SLOTS];
    size_t n; /* octets that wait */
    char wait[MAILBOX_PIECE];
};

struct out_draft {
    struct mailbox *mailbox;
    bool *had; /* the owner's, or NULL */
    uint32_t slot;
};

/* ---- what is said */

static int gone(struct err *err)
{
    return err_set(err, ERR_TEMP, "the process that writes the mailbox has ended");
}

static int flush(struct mailbox *m)
{
    if (!m->over && mailbox_send(m->fd, m->wait, m->n) < 0)
        m->over = true;
    m->n = 0;
    return m->over ? -1 : 0;
}

static int say(struct mailbox *m, const struct mailbox_frame *f, const void *p)
{
    if (sizeof *f + f->n > sizeof m->wait - m->n && flush(m) < 0)
        return -1;
    memcpy(m->wait + m->n, f, sizeof *f);
    m->n += sizeof *f;
    if (f->n <= sizeof m->wait - m->n) {
        if (f->n)
            memcpy(m->wait + m->n, p, f->n);
        m->n += f->n;
        return m->over ? -1 : 0;
    }
    if (flush(m) == 0 && mailbox_send(m->fd, p, f->n) < 0)
        m->over = true;
    return m->over ? -1 : 0;
}

static int ask(struct mailbox *m, const struct mailbox_frame *f, const void *p, void *answer, size_t n)
{
    if (say(m, f, p) < 0 || flush(m) < 0)
        return -1;
    if (mailbox_receive(m->fd, answer, n) < 0)
        m->over = true;
    return m->over ? -1 : 0;
}

/* ---- drafts */

static int begin(struct out *o, const struct out_about *about, struct out_draft **out, struct err *err)
{
    struct mailbox *m = (struct mailbox *)o;
    const char *key = about->key ? about->key : "";
    struct mailbox_frame f = {.what = MAILBOX_BEGIN,
                              .n = (uint32_t)strnlen(key, MAILBOX_KEY_MAX + 1),
                              .wire = about->wire,
                              .ask_first = about->ask_first,
                              .time = about->time,
                              .size = about->size};
    if (f.n > MAILBOX_KEY_MAX)
        return err_set(err, ERR_INPUT, "a key has at most %d octets", MAILBOX_KEY_MAX);
    while (f.slot < MAILBOX_SLOTS && m->taken[f.slot])
        f.slot++;
    if (f.slot == MAILBOX_SLOTS)
        return err_set(err, ERR_LIMIT, "at most %d messages are open at once", MAILBOX_SLOTS);
    struct err answer;
    if (ask(m, &f, key, &answer, sizeof answer) < 0)
        return gone(err);
    if (answer.kind != ERR_NONE) {
        *err = answer;
        return -1;
    }
    m->taken[f.slot] = true;
    *out = mem_alloc(sizeof **out);
    **out = (struct out_draft){m, about->had, f.slot};
    return 0;
}

/* Trouble on the other side is told at the end. */
static int write_piece(struct out_draft *d, struct span in, struct err *err)
{
    while (in.n) {
        struct mailbox_frame f = {
            .what = MAILBOX_WRITE, .slot = d->slot, .n = in.n < MAILBOX_PIECE ? (uint32_t)in.n : MAILBOX_PIECE};
        if (say(d->mailbox, &f, in.p) < 0)
            return gone(err);
        in = span_from(in, f.n);
    }
    return 0;
}

static void let_go(struct out_draft *d)
{
    d->mailbox->taken[d->slot] = false;
    mem_free(d);
}

/* At once: what nobody wants takes no room. */
static void abort_draft(struct out_draft *d)
{
    struct mailbox_frame f = {.what = MAILBOX_ABORT, .slot = d->slot};
    if (say(d->mailbox, &f, NULL) == 0)
        (void)flush(d->mailbox);
    let_go(d);
}

static void commit(struct out_draft **d, unsigned n, struct err *errs, char (*ids)[OUT_ID])
{
    struct mailbox_fate fates[MAILBOX_SLOTS];
    uint32_t slots[MAILBOX_SLOTS];
    struct mailbox_frame f = {.what = MAILBOX_COMMIT, .n = n * (uint32_t)sizeof *slots};
    for (unsigned i = 0; i < n; i++)
        slots[i] = d[i]->slot;
    bool before = n && d[0]->mailbox->over;
    int result = n ? ask(d[0]->mailbox, &f, slots, fates, n * sizeof *fates) : 0;
    for (unsigned i = 0; i < n; i++) {
        if (result == 0)
            errs[i] = fates[i].err;
        else
            err_set(&errs[i], before ? ERR_TEMP : ERR_UNKNOWN, "the process that writes the mailbox has ended");
        bool there = result == 0 && errs[i].kind == ERR_NONE;
        if (ids)
            snprintf(ids[i], OUT_ID, "%s", there ? fates[i].uid : "");
        if (d[i]->had)
            *d[i]->had = there && fates[i].had;
        let_go(d[i]);
    }
}

static void close_mailbox(struct out *o)
{
    struct mailbox *m = (struct mailbox *)o;
    (void)flush(m);
    close(m->fd);
    while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    mem_free(m);
}

static const struct out_ops ops = {begin, write_piece, commit, abort_draft, close_mailbox};

int mailbox_open(struct out **o, const struct conf *c, const struct user *u, struct err *err)
{
    int pair[2];
    if (!ids_may(u->uid))
        return err_set(err, ERR_PERM, "only root opens another's mailbox");
    if (u->uid == 0 || u->gid == 0 || u->uid < c->first_uid)
        return err_set(err, ERR_PERM, "%s has uid %u; no mailbox is opened for a uid below first_uid", u->name, u->uid);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_TEMP, "socketpair: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]); /* may be a standard stream's number, which the box keeps */
        mailbox_box_serve(c, u, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return err_set(err, ERR_TEMP, "fork: %s", strerror(errno));
    }
    struct mailbox *m = mem_alloc(sizeof *m);
    m->out = (struct out){.ops = &ops, .keys = true, .together = MAILBOX_SLOTS};
    m->fd = pair[0];
    m->pid = pid;
    *o = &m->out;
    return 0;
}
