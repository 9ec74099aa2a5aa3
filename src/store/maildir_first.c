/* maildir_first: see the header. The tool, under the mailbox's own uid. */
#include "store/maildir_first.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "store/store.h"

static const char head[] = "bustia-first v1";

enum { ROW = 20 + 1 + 20 + 1 + STORE_UID, TAIL = 4 + 20 + 1 + 2 * DIGEST_SHA256 + 2 };

static int compare(const void *a, const void *b)
{
    const struct maildir_first *x = a, *y = b;
    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return span_compare(x->uid, y->uid);
}

static bool is_uid(struct span uid)
{
    for (size_t i = 0; i < uid.n; i++)
        if (uid.p[i] < 0x21 || uid.p[i] > 0x7e)
            return false;
    return uid.n > 0 && uid.n < STORE_UID;
}

static bool read_row(struct span line, struct maildir_first *row)
{
    uint64_t time;
    struct span seconds = span_cut(&line, ' '), inode = span_cut(&line, ' ');
    if (!span_number(seconds, &time) || time > INT64_MAX || !span_number(inode, &row->inode) || !is_uid(line))
        return false;
    row->time = (int64_t)time;
    row->uid = line;
    return true;
}

/* The last line, with its LF; *body is what stands before it. */
static bool check_end(struct span text, struct span *body, uint64_t *count)
{
    if (text.n == 0 || text.p[text.n - 1] != '\n')
        return false;
    const char *before = memrchr(text.p, '\n', text.n - 1);
    if (!before)
        return false;
    *body = (struct span){text.p, (size_t)(before + 1 - text.p)};
    struct span line = {before + 1, (size_t)(text.p + text.n - 1 - (before + 1))};
    unsigned char hash[DIGEST_SHA256];
    char hex[2 * DIGEST_SHA256 + 1];
    if (!span_is(span_cut(&line, ' '), "end") || !span_number(span_cut(&line, ' '), count))
        return false;
    digest_sha256(*body, hash);
    digest_hex(hash, sizeof hash, hex);
    return span_is(line, hex);
}

/* The count is not believed before there is as much text. */
bool maildir_firsts_read(struct span text, struct maildir_firsts *f)
{
    struct span body;
    uint64_t count;
    *f = (struct maildir_firsts){0};
    if (!check_end(text, &body, &count) || !span_is(span_cut(&body, '\n'), head) || count > body.n)
        return false;
    f->rows = mem_alloc((size_t)count * sizeof *f->rows);
    while (body.n && f->count < count && read_row(span_cut(&body, '\n'), &f->rows[f->count]))
        f->count++;
    if (body.n || f->count != count)
        return false;
    if (f->count)
        qsort(f->rows, f->count, sizeof *f->rows, compare);
    for (size_t i = 1; i < f->count; i++)
        if (compare(&f->rows[i - 1], &f->rows[i]) == 0)
            return false; /* which of them would be meant? */
    return true;
}

const struct maildir_first *maildir_firsts_find(const struct maildir_firsts *f, uint64_t inode, struct span uid)
{
    struct maildir_first key = {.inode = inode, .uid = uid};
    return f->count ? bsearch(&key, f->rows, f->count, sizeof key, compare) : NULL;
}

char *maildir_firsts_text(const struct maildir_firsts *f, size_t *n)
{
    char *text = mem_alloc(sizeof head + 1 + f->count * ROW + TAIL + 1);
    char *at = text + sprintf(text, "%s\n", head);
    for (size_t i = 0; i < f->count; i++)
        at += sprintf(at, "%" PRId64 " %" PRIu64 " %.*s\n", f->rows[i].time, f->rows[i].inode, (int)f->rows[i].uid.n,
                      f->rows[i].uid.p);
    unsigned char hash[DIGEST_SHA256];
    char hex[2 * DIGEST_SHA256 + 1];
    digest_sha256((struct span){text, (size_t)(at - text)}, hash);
    digest_hex(hash, sizeof hash, hex);
    at += sprintf(at, "end %zu %s\n", f->count, hex);
    *n = (size_t)(at - text);
    return text;
}
