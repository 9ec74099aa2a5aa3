/* maildir_index_out: see the header. Mail processes; blocking. */
#include "store/maildir_index_out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sum.h"
#include "store/maildir_index_format.h"

enum { PIECE = 65536 };

void maildir_index_out_init(struct maildir_index_out *o, int fd, uint64_t at)
{
    *o = (struct maildir_index_out){.fd = fd, .at = at, .piece = mem_resize(NULL, PIECE)};
}

static void write_at(struct maildir_index_out *o, const char *p, size_t n, uint64_t at)
{
    for (size_t wrote = 0; wrote < n && !o->failed;) {
        ssize_t now = pwrite(o->fd, p + wrote, n - wrote, (off_t)(at + wrote));
        if (now >= 0)
            wrote += (size_t)now;
        else if (errno != EINTR)
            o->failed = errno;
    }
}

static void sum_rest(struct maildir_index_out *o)
{
    if (o->sum)
        sum_add(o->sum, o->piece + o->summed, o->n - o->summed);
    o->summed = o->n;
}

static void flush(struct maildir_index_out *o)
{
    sum_rest(o);
    write_at(o, o->piece, o->n, o->at - o->n);
    o->n = 0;
    o->summed = 0;
}

void maildir_index_put(struct maildir_index_out *o, const void *p, size_t n)
{
    if (n > PIECE - o->n)
        flush(o);
    memcpy(o->piece + o->n, p, n); /* what is put at once is always much smaller than a piece */
    o->n += n;
    o->at += n;
    if (o->at > MAILDIR_INDEX_MOST && !o->failed)
        o->failed = EFBIG;
}

void maildir_index_put_number(struct maildir_index_out *o, uint64_t number)
{
    char digits[SPAN_DIGITS];
    maildir_index_put(o, digits, (size_t)(span_put_number(digits, number) - digits));
}

void maildir_index_section_begin(struct maildir_index_out *o)
{
    o->summed = o->n;
    o->sum = sum_new();
}

uint64_t maildir_index_section_end(struct maildir_index_out *o)
{
    sum_rest(o);
    uint64_t sum = sum_finish(o->sum);
    o->sum = NULL;
    return sum;
}

int maildir_index_out_end(struct maildir_index_out *o, const char *head)
{
    if (o->at == o->n) { /* all of it is here, the head's place too */
        memcpy(o->piece, head, MAILDIR_INDEX_HEAD);
        flush(o);
    } else {
        flush(o);
        write_at(o, head, MAILDIR_INDEX_HEAD, 0);
    }
    mem_free(o->piece);
    o->piece = NULL;
    errno = o->failed;
    return o->failed ? -1 : 0;
}
