/* maildir_used: see the header. No file is opened to count: a directory entry's size is what it holds. */
#include "store/maildir_used.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "store/maildir_open.h"

enum { US = 1000000 };
static const uint64_t fresh_us = 24ull * 3600 * US; /* an older record is not believed: it may have drifted */

static uint64_t now_us(void)
{
    struct timespec now = clock_wall();
    return (uint64_t)now.tv_sec * US + (uint64_t)now.tv_nsec / 1000;
}

/* Empty, or the scan could not ask. It may have been renamed since, and is then as good as empty. */
static uint64_t size_of(const struct maildir_box *m, const struct maildir_entry *e)
{
    struct stat st;
    if (e->size || fstatat(m->sub[e->dir], maildir_table_name(&m->table, e), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return e->size;
    return S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

/* In a table of its own: a session's is what its client was told. */
static int count(const struct maildir_box *box, struct maildir_record *r, struct err *err)
{
    struct maildir_box m = *box;
    maildir_table_init(&m.table);
    *r = (struct maildir_record){.counted_us = now_us()};
    int result = maildir_scan(&m, MAILDIR_ASK, err);
    for (unsigned i = 0; i < m.table.count; i++) {
        const struct maildir_entry *e = &m.table.entries[i];
        if (e->odd)
            continue;
        r->octets += size_of(&m, e);
        r->messages++;
    }
    maildir_table_fini(&m.table);
    return result;
}

static bool believed(const struct maildir_record *r)
{
    uint64_t now = now_us();
    return r->counted_us <= now && now - r->counted_us < fresh_us;
}

int maildir_used(struct maildir_box *m, bool afresh, struct store_used *used, struct err *err)
{
    struct maildir_record r;
    if (afresh || !maildir_record_load(m, &r) || !believed(&r)) {
        if (maildir_lock(m, err) < 0)
            return -1;
        int result = count(m, &r, err);
        if (result == 0)
            maildir_record_store(m, &r);
        maildir_unlock(m);
        if (result < 0)
            return -1;
    }
    *used = (struct store_used){r.octets, r.messages, (int64_t)(r.counted_us / US)};
    return 0;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void maildir_used_less(struct maildir_box *m, const struct maildir_record *before, uint64_t octets, uint64_t messages)
{
    struct maildir_record r;
    struct err err;
    if (!messages || !maildir_record_load(m, &r)) /* if one is being made: it is made without them, or too large */
        return;
    if (maildir_lock(m, &err) < 0) {
        maildir_record_drop(m);
        return;
    }
    if (maildir_record_load(m, &r) && before && before->counted_us == r.counted_us) {
        r.octets = less(r.octets, octets);
        r.messages = less(r.messages, messages);
        maildir_record_store(m, &r);
    } else {
        maildir_record_drop(m);
    }
    maildir_unlock(m);
}
