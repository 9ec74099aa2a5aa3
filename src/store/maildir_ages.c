/* maildir_ages: see the header. The tool, under the mailbox's own uid; no session waits for it. */
#include "store/maildir_ages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/whole.h"
#include "store/maildir_first.h"
#include "store/maildir_open.h"
#include "store/maildir_uid.h"

enum { FIRST_MAX = 256 * 1024 * 1024 }; /* octets of a record: two million messages */

/* ---- the file */

/* Only what we have written ourselves is believed: whoever else could put a file here must not shorten a life. */
static bool ours(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH)) &&
           st->st_size > 0 && st->st_size <= FIRST_MAX;
}

/* The text, or NULL where there is none to be believed. */
static char *load(const struct maildir_box *m, size_t *n)
{
    int fd = maildir_beneath(m->dir, MAILDIR_FIRST, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char *text = NULL;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && ours(&st)) {
        *n = (size_t)st.st_size;
        text = mem_alloc(*n);
        if (whole_read(fd, text, *n) < 0) {
            mem_free(text);
            text = NULL;
        }
    }
    close(fd);
    return text;
}

/* A constant name in tmp/: whoever makes it holds the short lock. One that is there was left by a crash. */
static int make_file(const struct maildir_box *m, const char *text, size_t n)
{
    (void)unlinkat(m->tmp, MAILDIR_FIRST, 0);
    int fd = maildir_create(m->tmp, MAILDIR_FIRST);
    if (fd < 0)
        return -1;
    int failed = whole_write(fd, text, n) < 0 || fsync(fd) < 0 ? errno : 0;
    if (close(fd) < 0 && !failed)
        failed = errno;
    if (!failed && renameat2(m->tmp, MAILDIR_FIRST, m->dir, MAILDIR_FIRST, 0) == 0)
        return fsync(m->dir);
    failed = failed ? failed : errno;
    (void)unlinkat(m->tmp, MAILDIR_FIRST, 0);
    errno = failed;
    return -1;
}

static int store_record(struct maildir_box *m, const char *text, size_t n, struct err *err)
{
    if (maildir_lock(m, err) < 0)
        return -1;
    int failed = make_file(m, text, n) < 0 ? errno : 0;
    maildir_unlock(m);
    return failed ? err_set(err, ERR_TEMP, "%s/%s cannot be written: %s", m->where, MAILDIR_FIRST, strerror(failed))
                  : 0;
}

/* ---- the messages */

/* When the file came to be here, rounded up; 0 where the file system does not say. Nobody can have seen it before. */
static int64_t born(const struct maildir_box *m, const struct maildir_entry *e)
{
    struct statx x;
    if (statx(m->sub[e->dir], maildir_table_name(&m->table, e), AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_INO, &x) < 0 ||
        !(x.stx_mask & STATX_BTIME) || x.stx_ino != e->inode)
        return 0;
    return x.stx_btime.tv_sec + (x.stx_btime.tv_nsec > 0);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Those of whom nothing is known have been here since now. */
static void look_up(const struct maildir_box *m, const struct maildir_firsts *known, int64_t now,
                    struct maildir_first *row, unsigned i)
{
    const struct maildir_entry *e = &m->table.entries[i];
    const struct maildir_first *before = maildir_firsts_find(known, e->inode, row->uid);
    row->inode = e->inode;
    row->time = now;
    if (before && before->time < now)
        row->time = later(before->time, born(m, e));
    if (row->time > now)
        row->time = now;
}

int maildir_ages(struct maildir_box *m, int64_t now, bool keep, struct drop *drop, int64_t **first, struct err *err)
{
    *first = NULL;
    maildir_table_fini(&m->table);
    if (maildir_scan(m, MAILDIR_ASK, err) < 0)
        return -1;
    maildir_table_sift(&m->table);
    maildir_table_sort(&m->table);
    maildir_number(&m->table, drop);
    size_t n = 0;
    char *text = load(m, &n);
    struct maildir_firsts known = {0}, all = {mem_alloc(drop->count * sizeof *all.rows), drop->count};
    if (text && !maildir_firsts_read((struct span){text, n}, &known))
        known.count = 0;
    *first = mem_alloc(drop->count * sizeof **first);
    for (unsigned i = 0; i < drop->count; i++) {
        all.rows[i].uid = span_of(drop->messages[i].uid);
        look_up(m, &known, now, &all.rows[i], i);
        (*first)[i] = all.rows[i].time;
    }
    size_t fresh_n;
    char *fresh = maildir_firsts_text(&all, &fresh_n);
    bool same = text && n == fresh_n && memcmp(text, fresh, n) == 0;
    int result = keep && !same && (text || all.count) && store_record(m, fresh, fresh_n, err) < 0 ? 1 : 0;
    mem_free(fresh);
    mem_free(known.rows);
    mem_free(all.rows);
    mem_free(text);
    return result;
}
