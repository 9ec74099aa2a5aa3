/* maildir_record: see the header. Mail and deliver processes, and the tool. */
#include "store/maildir_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/maildir_open.h"

enum {
    LOCK_WAIT_MS = 10000,
    LOCK_TRY_MS = 1,      /* the first pause between two tries; each is twice the one before, */
    LOCK_TRY_MOST_MS = 32 /* up to this */
};

/* ---- its text */

size_t maildir_record_text(const struct maildir_record *r, char out[MAILDIR_RECORD_TEXT])
{
    int n = snprintf(out, MAILDIR_RECORD_TEXT, "v1:%" PRIu64 ":%" PRIu64 ":%" PRIu64, r->octets, r->messages,
                     r->counted_us);
    return (size_t)n;
}

bool maildir_record_read(struct span text, struct maildir_record *r)
{
    if (text.n >= MAILDIR_RECORD_TEXT || !span_is(span_cut(&text, ':'), "v1"))
        return false;
    struct span octets = span_cut(&text, ':'), messages = span_cut(&text, ':');
    return span_number(octets, &r->octets) && span_number(messages, &r->messages) && span_number(text, &r->counted_us);
}

/* ---- on disk */

bool maildir_record_load(const struct maildir_box *m, struct maildir_record *r)
{
    char text[MAILDIR_RECORD_TEXT];
    ssize_t n = readlinkat(m->dir, MAILDIR_RECORD, text, sizeof text);
    if (n < 0)
        return false;
    errno = EINVAL;
    return maildir_record_read((struct span){text, (size_t)n}, r);
}

void maildir_record_drop(struct maildir_box *m)
{
    if (unlinkat(m->dir, MAILDIR_RECORD, 0) == 0 || errno == ENOENT || m->told)
        return;
    m->told = true;
    log_warning("maildir", "maildrop=%s %s can be neither written nor removed: %s", log_quote_text(m->where),
                MAILDIR_RECORD, strerror(errno));
}

/* A constant name beside: whoever makes it holds the lock. One that is there was left by a crash. */
static int write_record(const struct maildir_box *m, const char *text)
{
    int made = symlinkat(text, m->tmp, MAILDIR_RECORD);
    if (made < 0 && errno == EEXIST) {
        (void)unlinkat(m->tmp, MAILDIR_RECORD, 0);
        made = symlinkat(text, m->tmp, MAILDIR_RECORD);
    }
    if (made < 0)
        return -1;
    if (renameat2(m->tmp, MAILDIR_RECORD, m->dir, MAILDIR_RECORD, 0) == 0)
        return 0;
    (void)unlinkat(m->tmp, MAILDIR_RECORD, 0);
    return -1;
}

void maildir_record_store(struct maildir_box *m, const struct maildir_record *r)
{
    char text[MAILDIR_RECORD_TEXT];
    maildir_record_text(r, text);
    if (write_record(m, text) < 0)
        maildir_record_drop(m);
}

/* ---- the lock */

/* On tmp/, because the maildrop's own descriptor bears that of a session, which may last for hours. */
int maildir_lock(struct maildir_box *m, struct err *err)
{
    if (maildir_box_tmp(m, err) < 0)
        return -1;
    uint64_t began = clock_ms();
    long pause_ms = LOCK_TRY_MS;
    while (flock(m->tmp, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set(err, ERR_TEMP, "%s/tmp: flock: %s", m->where, strerror(errno));
        if (clock_ms() - began > LOCK_WAIT_MS)
            return err_set(err, ERR_TEMP, "%s: others deliver or count without end", m->where);
        nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000}, NULL);
        pause_ms = pause_ms < LOCK_TRY_MOST_MS ? 2 * pause_ms : pause_ms;
    }
    return 0;
}

void maildir_unlock(struct maildir_box *m)
{
    (void)flock(m->tmp, LOCK_UN);
}
