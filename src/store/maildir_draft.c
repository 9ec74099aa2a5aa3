/* maildir_draft: see the header. Deliver processes and the tool. Opens nothing but the new file itself, and writes in
 * large pieces: a line costs no system call. */
#include "store/maildir_draft.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "store/maildir_open.h"

enum { PIECE = 64 * 1024 };

/* ---- the beginning */

/* By the clock, unless a time was given: then in the order of their beginning. */
static void name_draft(struct store_draft *d, const struct store_about *about)
{
    struct timespec now = clock_wall();
    struct maildir_stamp stamp = {.seconds = now.tv_sec,
                                  .microseconds = (unsigned)(now.tv_nsec / 1000),
                                  .pid = (unsigned)getpid(),
                                  .key = d->key[0] ? d->key : NULL};
    if (about->time) {
        stamp.seconds = about->time;
        stamp.microseconds = d->box->begun++ % 1000000;
    }
    digest_random(&stamp.random, sizeof stamp.random);
    maildir_name_make(&stamp, d->name);
}

static void digest_key(const char *key, char out[MAILDIR_KEY + 1])
{
    unsigned char hash[DIGEST_SHA256];
    digest_sha256(span_of(key), hash);
    digest_hex(hash, MAILDIR_KEY / 2, out);
}

int maildir_draft_begin(struct maildir_box *m, const struct store_about *about, struct store_draft **out,
                        struct err *err)
{
    if (maildir_box_tmp(m, err) < 0)
        return -1;
    struct store_draft *d = mem_alloc(sizeof *d);
    d->box = m;
    d->uid = about->uid;
    d->had = about->had;
    d->only_known = about->only_known;
    d->strip = about->wire && !about->keep_crlf && !m->wire_ends;
    if (about->key)
        digest_key(about->key, d->key);
    name_draft(d, about);
    d->fd = maildir_create(m->tmp, d->name);
    if (d->fd < 0 && errno == ENOENT) {
        if (maildir_box_tmp_again(m, err) < 0) {
            mem_free(d);
            return -1;
        }
        d->fd = maildir_create(m->tmp, d->name);
    }
    if (d->fd < 0) {
        int error = errno;
        mem_free(d);
        return err_set(err, ERR_TEMP, "%s/tmp: a message cannot be begun: %s", m->where, strerror(error));
    }
    *out = d;
    return 0;
}

/* ---- writing */

static void let_go(struct store_draft *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    mem_free(d->buf);
    d->buf = NULL;
}

/* The first failure ends it: nothing is tried a second time, because a disk may forget what it has told once. */
static int fail(struct store_draft *d, const char *what, int error, struct err *err)
{
    let_go(d);
    return err_set(err, ERR_TEMP, "%s/tmp/%s: %s: %s", d->box->where, d->name, what, strerror(error));
}

static int write_out(struct store_draft *d, const char *p, size_t n, struct err *err)
{
    store_count_add(&d->count, (struct span){p, n});
    while (n) {
        ssize_t wrote = write(d->fd, p, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return fail(d, "write", wrote < 0 ? errno : ENOSPC, err);
        p += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

static int flush(struct store_draft *d, struct err *err)
{
    size_t n = d->n;
    d->n = 0;
    return n ? write_out(d, d->buf, n, err) : 0;
}

static void gather(struct store_draft *d, struct span *in)
{
    char *out = d->buf + d->n;
    size_t room = PIECE - d->n;
    if (d->strip) {
        d->n += ends_strip(&d->ends, in, out, room);
        return;
    }
    size_t n = in->n < room ? in->n : room;
    memcpy(out, in->p, n);
    d->n += n;
    *in = span_from(*in, n);
}

static int over(const struct store_draft *d, struct err *err)
{
    return err_set(err, ERR_TEMP, "%s: this message has failed already", d->box->where);
}

int maildir_draft_write(struct store_draft *d, struct span in, struct err *err)
{
    if (d->fd < 0)
        return over(d, err);
    if (!d->strip && in.n >= PIECE) /* as it is, past the buffer */
        return flush(d, err) < 0 ? -1 : write_out(d, in.p, in.n, err);
    if (!d->buf)
        d->buf = mem_resize(NULL, PIECE);
    while (in.n) {
        gather(d, &in);
        if (d->n == PIECE && flush(d, err) < 0)
            return -1;
    }
    return 0;
}

/* fsync alone would wait for each file's octets in turn, and again for the journal each time. */
int maildir_draft_start(struct store_draft *d, struct err *err)
{
    if (d->fd < 0)
        return over(d, err);
    if (flush(d, err) < 0)
        return -1;
    (void)sync_file_range(d->fd, 0, 0, SYNC_FILE_RANGE_WRITE); /* a hint: fsync says what became of it */
    return 0;
}

int maildir_draft_ready(struct store_draft *d, struct err *err)
{
    if (d->fd < 0)
        return over(d, err);
    char cr;
    if (flush(d, err) < 0 || (ends_finish(&d->ends, &cr) && write_out(d, &cr, 1, err) < 0))
        return -1;
    if (fsync(d->fd) < 0)
        return fail(d, "fsync", errno, err);
    int fd = d->fd;
    d->fd = -1; /* closed, whatever close says */
    if (close(fd) < 0)
        return fail(d, "close", errno, err);
    let_go(d);
    d->ready = true;
    return 0;
}

void maildir_draft_abort(struct store_draft *d)
{
    let_go(d);
    (void)unlinkat(d->box->tmp, d->name, 0); /* what stays is swept one day */
    mem_free(d);
}
