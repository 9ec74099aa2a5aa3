/* dot: see the header. Runs in the mail worker, on the text of its own user's messages. */
#include "wire/dot.h"

#include <string.h>

void dot_init(struct dot *d, bool wire)
{
    *d = (struct dot){.at_line_start = true, .wire = wire};
}

void dot_init_top(struct dot *d, bool wire, uint64_t lines)
{
    *d = (struct dot){.at_line_start = true, .wire = wire, .limited = true, .lines_left = lines};
}

/* Bytes of one line have gone by, its LF not among them. */
static void note_run(struct dot *d, const char *p, size_t n)
{
    d->saw_cr = p[n - 1] == '\r';
    d->only_cr = d->at_line_start && n == 1 && d->saw_cr;
    d->at_line_start = false;
}

/* A line has ended. TOP: the first empty one ends the header (RFC 5322 §2.1), and the lines after it count. */
static void note_line(struct dot *d)
{
    bool empty = d->at_line_start || d->only_cr;
    d->at_line_start = true;
    d->saw_cr = d->only_cr = false;
    if (!d->limited)
        return;
    if (d->in_body)
        d->lines_left--;
    else if (empty)
        d->in_body = true;
    d->done = d->in_body && d->lines_left == 0;
}

/* The wire form of a whole message, when that is what is stored. */
static size_t copy(struct dot *d, struct span in, char *out, size_t room)
{
    size_t n = in.n < room ? in.n : room;
    if (n == 0)
        return 0;
    memcpy(out, in.p, n);
    d->at_line_start = in.p[n - 1] == '\n';
    d->saw_cr = in.p[n - 1] == '\r';
    return n;
}

size_t dot_encode(struct dot *d, struct span in, char *out, size_t room, size_t *wrote)
{
    if (d->wire && !d->limited)
        return *wrote = copy(d, in, out, room);

    const char *p = in.p, *end = p + in.n;
    char *o = out, *stop = out + room;
    while (p < end && !d->done) {
        if (d->at_line_start && *p == '.') { /* RFC 1939 §3 */
            if (stop - o < 2)
                break;
            *o++ = '.';
            *o++ = '.';
            note_run(d, p++, 1);
            continue;
        }
        size_t look = (size_t)(end - p < stop - o ? end - p : stop - o);
        const char *lf = memchr(p, '\n', look);
        size_t run = lf ? (size_t)(lf - p) : look;
        if (run) {
            memcpy(o, p, run);
            note_run(d, p, run);
            o += run;
            p += run;
        }
        if (!lf || stop - o < (d->saw_cr ? 1 : 2))
            break; /* either the input or the room is used up */
        if (!d->saw_cr)
            *o++ = '\r';
        *o++ = '\n';
        p++;
        note_line(d);
    }
    *wrote = (size_t)(o - out);
    return (size_t)(p - in.p);
}

size_t dot_finish(struct dot *d, char out[DOT_END])
{
    size_t n = 0;
    if (!d->at_line_start) {
        out[n++] = '\r';
        out[n++] = '\n';
    }
    out[n++] = '.';
    out[n++] = '\r';
    out[n++] = '\n';
    d->at_line_start = true;
    d->done = true;
    return n;
}
