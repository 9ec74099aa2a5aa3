/* line: see the header. Runs wherever a protocol is spoken: door and mail worker. */
#include "wire/line.h"

#include <string.h>

#include "base/mem.h"

void line_init(struct line *l)
{
    *l = (struct line){0};
}

void line_init_crlf(struct line *l)
{
    *l = (struct line){.crlf = true};
}

/* The LF that ends the line, looked for in s from `from` on; l->cr tells what went before s. */
static const char *find_end(const struct line *l, struct span s, size_t from)
{
    while (from < s.n) {
        const char *lf = memchr(s.p + from, '\n', s.n - from);
        if (!lf || !l->crlf || (lf > s.p ? lf[-1] == '\r' : l->cr))
            return lf;
        from = (size_t)(lf - s.p) + 1;
    }
    return NULL;
}

/* What is thrown away may be the tail of a password. */
static void throw_away(struct buf *in, size_t n)
{
    mem_wipe(in->mem + in->start, n);
    buf_take(in, n);
}

/* Throws away what belongs to the over-long line; true once its end has gone by. */
static bool discard(struct line *l, struct buf *in)
{
    struct span s = buf_span(in);
    const char *end = find_end(l, s, 0);
    if (s.n) {
        l->cr = !end && s.p[s.n - 1] == '\r';
        throw_away(in, end ? (size_t)(end - s.p) + 1 : s.n);
    }
    l->discarding = !end;
    return end;
}

enum line_result line_next(struct line *l, struct buf *in, size_t max, struct span *line, size_t *used)
{
    if (l->discarding && !discard(l, in))
        return LINE_NONE;

    struct span s = buf_span(in);
    size_t look = s.n < max ? s.n : max;
    const char *end = find_end(l, (struct span){s.p, look}, l->scanned);
    if (end) {
        *used = (size_t)(end - s.p) + 1;
        *line = (struct span){s.p, *used - 1};
        if (line->n && line->p[line->n - 1] == '\r')
            line->n--;
        l->scanned = 0;
        return LINE_WHOLE;
    }
    if (s.n >= max || buf_room(in) == 0) {
        l->scanned = 0;
        *line = (struct span){l->head, s.n < LINE_HEAD ? s.n : LINE_HEAD};
        memcpy(l->head, s.p, line->n);
        discard(l, in);
        return LINE_TOO_LONG;
    }
    l->scanned = s.n;
    return LINE_NONE;
}
