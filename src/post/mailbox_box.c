/* mailbox_box: see the header. What is read from foreign servers and files stays on the other side of the socket. */
#include "post/mailbox_box.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "post/ids.h"
#include "post/mailbox_talk.h"
#include "store/open.h"

struct slot {
    struct store_draft *draft;  /* NULL: fate.err says why */
    bool taken, counted;        /* it has a part of the mailbox's room */
    uint64_t written, reserved; /* octets so far; of that room */
    struct err full;            /* there is no room, but it may be there already: nothing of it is written */
    struct mailbox_fate fate;
};

struct box {
    const struct conf *conf;
    const struct user *user;
    struct store *store; /* NULL: trouble says why */
    int fd;
    bool used_known;
    struct err trouble;
    struct store_used used, pending; /* what the record says; what the drafts will add */
    struct slot slots[MAILBOX_SLOTS];
    char piece[MAILBOX_PIECE];
};

static void open_box(struct box *b)
{
    struct store_root roots[CONF_ROOTS];
    const struct conf *c = b->conf;
    for (unsigned i = 0; i < c->mail_roots; i++) {
        int fd = open(c->mail_root[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        roots[i] = (struct store_root){.path = c->mail_root[i],
                                       .fd = fd,
                                       .memory = c->allow_memory_store,
                                       .wire_ends = c->line_ends == CONF_LINES_WIRE};
    }
    if (store_open(&b->store, roots, c->mail_roots, b->user->where, STORE_DELIVER, &b->trouble) < 0)
        b->store = NULL;
    else if (!b->store->ops->begin) {
        b->store->ops->close(b->store);
        b->store = NULL;
        err_set(&b->trouble, ERR_CONFIG, "%s takes no deliveries", b->user->where);
    }
}

/* ---- room */

/* A size is a foreign server's word: it is added to nothing. */
static bool is_left(uint64_t quota, uint64_t used, uint64_t pending, uint64_t more)
{
    return !quota || (used <= quota && pending <= quota - used && more <= quota - used - pending);
}

static bool fits(const struct box *b, uint64_t octets, uint64_t messages)
{
    const struct user *u = b->user;
    return is_left(u->quota_octets, b->used.octets, b->pending.octets, octets) &&
           is_left(u->quota_messages, b->used.messages, b->pending.messages, messages);
}

/* Counted afresh before anybody is told that there is no room: other programs delete, too. */
static int ask_room(struct box *b, uint64_t octets, uint64_t messages, struct err *err)
{
    const struct user *u = b->user;
    if (!u->quota_octets && !u->quota_messages)
        return 0;
    for (bool afresh = false;; afresh = true) {
        if ((afresh || !b->used_known) && b->store->ops->used(b->store, afresh, &b->used, err) < 0)
            return -1;
        b->used_known = true;
        if (fits(b, octets, messages))
            break;
        if (afresh)
            return err_set(err, ERR_LIMIT, "%s is over quota", u->name);
    }
    return 0;
}

/* Room for so many octets in all, the message itself included. */
static int reserve(struct box *b, struct slot *s, uint64_t octets, struct err *err)
{
    uint64_t more = octets - s->reserved;
    if (ask_room(b, more, !s->counted, err) < 0)
        return -1;
    b->pending.octets += more;
    b->pending.messages += !s->counted;
    s->reserved = octets;
    s->counted = true;
    return 0;
}

static void release(struct box *b, struct slot *s)
{
    if (s->counted) {
        b->pending.octets -= s->reserved;
        b->pending.messages--;
    }
    s->counted = false;
    s->draft = NULL;
}

/* ---- frames */

/* It has failed: nothing of it stays, and commit tells why. */
static void drop(struct box *b, struct slot *s)
{
    if (b->store && s->draft)
        b->store->ops->abort(s->draft);
    release(b, s);
}

/* The other side is gone: nothing stays that was not committed. */
static void __attribute__((noreturn)) give_up(struct box *b, int status)
{
    for (unsigned i = 0; i < MAILBOX_SLOTS; i++)
        drop(b, &b->slots[i]);
    if (b->store)
        b->store->ops->close(b->store);
    _exit(status);
}

static struct slot *slot_of(struct box *b, const struct mailbox_frame *f, bool taken)
{
    if (f->slot >= MAILBOX_SLOTS || b->slots[f->slot].taken != taken)
        give_up(b, EX_SOFTWARE);
    return &b->slots[f->slot];
}

/* true: it may go on, perhaps for the question alone whether it is there already. */
static bool has_room(struct box *b, struct slot *s, const struct mailbox_frame *f, struct store_about *about,
                     struct err *err)
{
    if (reserve(b, s, f->size, err) == 0)
        return true;
    if (err->kind != ERR_LIMIT || !f->ask_first || !about->key)
        return false;
    s->full = *err;
    about->only_known = true;
    *err = (struct err){.kind = ERR_NONE};
    return true;
}

static void begin(struct box *b, const struct mailbox_frame *f)
{
    char key[MAILBOX_KEY_MAX + 1];
    struct slot *s = slot_of(b, f, false);
    if (f->n > MAILBOX_KEY_MAX || mailbox_receive(b->fd, key, f->n) < 0)
        give_up(b, EX_SOFTWARE);
    key[f->n] = '\0';
    *s = (struct slot){.taken = false};
    struct store_about about = {
        .key = *key ? key : NULL, .time = f->time, .wire = f->wire, .uid = s->fate.uid, .had = &s->fate.had};
    struct err *err = &s->fate.err;
    *err = b->trouble;
    if (b->store && has_room(b, s, f, &about, err)) {
        if (b->store->ops->begin(b->store, &about, &s->draft, err) < 0)
            release(b, s);
        s->taken = s->draft != NULL;
    }
    if (mailbox_send(b->fd, err, sizeof *err) < 0)
        give_up(b, EX_IOERR);
}

/* The octets are taken off the socket also when they are of no use. */
static void write_pieces(struct box *b, const struct mailbox_frame *f)
{
    struct slot *s = slot_of(b, f, true);
    for (size_t left = f->n; left;) {
        size_t n = left < MAILBOX_PIECE ? left : MAILBOX_PIECE;
        if (mailbox_receive(b->fd, b->piece, n) < 0)
            give_up(b, EX_IOERR);
        left -= n;
        if (!s->draft || s->full.kind != ERR_NONE)
            continue;
        s->written += n;
        if ((s->written > s->reserved && reserve(b, s, s->written, &s->fate.err) < 0) ||
            b->store->ops->write(s->draft, (struct span){b->piece, n}, &s->fate.err) < 0)
            drop(b, s);
    }
}

static void commit(struct box *b, const struct mailbox_frame *f)
{
    uint32_t which[MAILBOX_SLOTS];
    struct store_draft *drafts[MAILBOX_SLOTS];
    struct slot *ready[MAILBOX_SLOTS];
    struct err errs[MAILBOX_SLOTS] = {0};
    struct mailbox_fate fates[MAILBOX_SLOTS] = {0};
    unsigned count = f->n / (unsigned)sizeof *which, n = 0;
    if (count > MAILBOX_SLOTS || f->n % sizeof *which || mailbox_receive(b->fd, which, f->n) < 0)
        give_up(b, EX_SOFTWARE);
    for (unsigned i = 0; i < count; i++) {
        struct slot *s = slot_of(b, &(struct mailbox_frame){.slot = which[i]}, true);
        s->taken = false; /* named once */
        if (b->store && s->draft && b->store->ops->start && b->store->ops->start(s->draft, &s->fate.err) < 0)
            drop(b, s);
    }
    for (unsigned i = 0; i < count; i++) {
        struct slot *s = &b->slots[which[i]];
        if (b->store && s->draft && b->store->ops->ready(s->draft, &s->fate.err) < 0)
            drop(b, s);
        if (s->draft) {
            drafts[n] = s->draft;
            ready[n++] = s;
        }
    }
    if (b->store && n)
        b->store->ops->commit(drafts, n, errs);
    for (unsigned i = 0; i < n; i++) {
        ready[i]->fate.err = errs[i].kind == ERR_GONE && ready[i]->full.kind != ERR_NONE ? ready[i]->full : errs[i];
        release(b, ready[i]);
    }
    b->used_known = false;
    for (unsigned i = 0; i < count; i++)
        fates[i] = b->slots[which[i]].fate;
    if (mailbox_send(b->fd, fates, count * sizeof *fates) < 0)
        give_up(b, EX_IOERR);
}

static void obey(struct box *b, const struct mailbox_frame *f)
{
    struct slot *s;
    switch ((enum mailbox_what)f->what) {
    case MAILBOX_BEGIN:
        begin(b, f);
        return;
    case MAILBOX_WRITE:
        write_pieces(b, f);
        return;
    case MAILBOX_ABORT:
        s = slot_of(b, f, true);
        s->taken = false;
        drop(b, s);
        return;
    case MAILBOX_COMMIT:
        commit(b, f);
        return;
    }
    give_up(b, EX_SOFTWARE);
}

/* What the other side has open (a server's connection, a database, a lock) is none of this process's. */
static void keep_only(int fd)
{
    if (fd > STDERR_FILENO + 1)
        (void)syscall(SYS_close_range, STDERR_FILENO + 1, (unsigned)fd - 1, 0);
    (void)syscall(SYS_close_range, (unsigned)fd + 1, ~0U, 0);
}

void mailbox_box_serve(const struct conf *c, const struct user *u, int fd)
{
    struct mailbox_frame f;
    struct box *b = mem_alloc(sizeof *b);
    *b = (struct box){.conf = c, .user = u, .fd = fd};
    keep_only(fd);
    ids_take(u->uid, u->gid);
    open_box(b);
    while (mailbox_receive(fd, &f, sizeof f) == 0)
        obey(b, &f);
    give_up(b, EX_OK);
}
