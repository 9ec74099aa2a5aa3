/* maildir_pass: see the header. Mail and deliver processes, and the tool; blocking. */
#include "store/maildir_pass.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    PATIENT = 3, /* so many passes wait until a change would show */
    ROOM_LEAST = 32 * 1024, /* for the entries of a directory at once */
    ROOM_MOST = 64 * 1024, /* more is no faster, and this much is still near when it is looked at */
    ONE_BLOCK = 4096, /* the size of a directory that the kernel may read at one blow, */
    ONE_PIECE = 3072  /* if its entries are no more octets than these */
};

struct stamps {
    struct timespec changed[MAILDIR_DIRS];
    struct maildir_state state[MAILDIR_DIRS];
    size_t size[MAILDIR_DIRS];
    int64_t tick; /* before they were read */
};

static int read_stamps(const struct maildir_box *m, struct stamps *s, struct err *err)
{
    s->tick = maildir_tick();
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        struct stat st;
        if (fstat(m->sub[i], &st) < 0)
            return err_set(err, ERR_TEMP, "%s/%s: fstat: %s", m->where, maildir_dir_name(i), strerror(errno));
        s->changed[i] = st.st_ctim;
        s->state[i] = maildir_state_of(&st);
        s->size[i] = (size_t)st.st_size;
    }
    return 0;
}

/* No change after they were read, and before `end`, could have left this one's stamp. (One in the future could not either.) */
static bool sharp(const struct stamps *s, enum maildir_dir dir, struct timespec end)
{
    return maildir_told(s->changed[dir], s->tick) || maildir_ns(s->changed[dir]) > maildir_ns(end);
}

/* None is in the future: a change in some time to come could bear such a one. */
static bool past(const struct stamps *s)
{
    return s->state[MAILDIR_NEW].changed < s->tick && s->state[MAILDIR_CUR].changed < s->tick;
}

/* There is no need to wait: a small one may be read in one piece while the other stands still. */
static bool worth_a_pass(const struct stamps *s, unsigned n)
{
    struct timespec now = clock_wall();
    bool in_new = sharp(s, MAILDIR_NEW, now), in_cur = sharp(s, MAILDIR_CUR, now);
    size_t size = s->size[in_new ? MAILDIR_CUR : MAILDIR_NEW];
    return (in_new && in_cur) || (n == 1 && (in_new || in_cur) && size <= ONE_BLOCK);
}

/* The stamps before a pass. When they are too fresh to tell a later change by, a tick's patience is cheaper
 * than another pass; where they stay fresh it is vain. */
static int first_stamps(const struct maildir_box *m, unsigned n, struct stamps *s, struct err *err)
{
    if (read_stamps(m, s, err) < 0)
        return -1;
    if (n > PATIENT || worth_a_pass(s, n))
        return 0;
    maildir_tick_wait();
    return read_stamps(m, s, err);
}

/* ---- one directory */

static void see_all(struct maildir_box *m, enum maildir_dir dir, const char *p, size_t n, maildir_see_fn *see, void *arg)
{
    for (const char *end = p + n; p < end; p += ((const struct dirent64 *)(const void *)p)->d_reclen)
        see(m, dir, (const struct dirent64 *)(const void *)p, arg);
}

/* For so much as its entries may take, as far as its size tells it: the fewer calls the better. */
static size_t room_for(size_t size)
{
    return size < ROOM_LEAST / 2 ? ROOM_LEAST : size > ROOM_MOST / 2 ? ROOM_MOST : 2 * size;
}

/* *whole: in one piece, and so few octets that no file system makes several of them. */
static int read_dir(struct maildir_box *m, enum maildir_dir dir, size_t room, bool *whole, maildir_see_fn *see, void *arg,
                    struct err *err)
{
    int fd = maildir_beneath(m->sub[dir], ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return err_set(err, ERR_TEMP, "%s/%s: cannot be opened: %s", m->where, maildir_dir_name(dir), strerror(errno));
    char *p = mem_resize(NULL, room);
    unsigned pieces = 0;
    size_t octets = 0;
    ssize_t n;
    for (; (n = getdents64(fd, p, room)) > 0; pieces++, octets += (size_t)n)
        see_all(m, dir, p, (size_t)n, see, arg);
    int failed = n < 0 ? errno : 0;
    mem_free(p);
    close(fd);
    if (failed)
        return err_set(err, ERR_TEMP, "%s/%s: cannot be read: %s", m->where, maildir_dir_name(dir), strerror(failed));
    *whole = pieces <= 1 && octets <= ONE_PIECE;
    return 0;
}

static void judge(struct maildir_view *view, const struct stamps *before, const struct stamps *after,
                  const bool whole[MAILDIR_DIRS])
{
    struct timespec now = clock_wall();
    bool stood[MAILDIR_DIRS] = {false};
    for (int i = 0; i < MAILDIR_DIRS; i++)
        stood[i] = sharp(before, i, now) && before->state[i].changed == after->state[i].changed;
    bool both = stood[MAILDIR_NEW] && stood[MAILDIR_CUR];
    view->counts = both || (stood[MAILDIR_NEW] && whole[MAILDIR_CUR]) || (stood[MAILDIR_CUR] && whole[MAILDIR_NEW]);
    view->still = both && past(before);
    view->looked = before->tick;
    memcpy(view->state, before->state, sizeof view->state);
}

/* new/ before cur/: what is moved meanwhile is moved that way. */
int maildir_pass(struct maildir_box *m, unsigned n, maildir_see_fn *see, void *arg, struct maildir_view *view,
                 struct err *err)
{
    struct stamps before = {0}, after = {0};
    bool whole[MAILDIR_DIRS] = {false, false};
    if (first_stamps(m, n, &before, err) < 0)
        return -1;
    maildir_table_walk(&m->table);
    for (int i = 0; i < MAILDIR_DIRS; i++)
        if (maildir_state_same(&m->known[i], &before.state[i])) /* all that is in it is in the table already */
            maildir_table_meet_all(&m->table, i);
        else if (read_dir(m, i, room_for(before.size[i]), &whole[i], see, arg, err) < 0)
            return -1;
    if (read_stamps(m, &after, err) < 0)
        return -1;
    judge(view, &before, &after, whole);
    return 0;
}
