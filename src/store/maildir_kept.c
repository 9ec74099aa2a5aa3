/* maildir_kept: see the header. Mail and deliver processes, and the tool. */
#include "store/maildir_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

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
