/* dot: see the header. Runs in the mail worker, on the text of its own user's messages. */
#include "wire/dot.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

/* Most of a whole message: a block is copied as it is looked at, whatever it is, and what is wrong of it is written over. What is left for the
 * loop below are the ends of pieces, where a block does not fit. */
#ifdef __SSE2__
enum { BLOCK = 32, ADDED = 3 /* by one line feed and a dot behind it */ };

static inline unsigned line_feeds(const char *p, char *out)
{
    const __m128i lf = _mm_set1_epi8('\n');
    __m128i a = _mm_loadu_si128((const __m128i *)p), b = _mm_loadu_si128((const __m128i *)p + 1);
    _mm_storeu_si128((__m128i *)out, a);
    _mm_storeu_si128((__m128i *)out + 1, b);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, lf)) | (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(b, lf)) << BLOCK / 2;
}

static void encode_blocks(struct dot *d, const char **in, const char *end, char **out, const char *stop)
{
    const char *p = *in, *first = p;
    char *o = *out;
    bool start = d->at_line_start, saw_cr = d->saw_cr;
    while (end - p >= BLOCK && stop - o >= BLOCK + ADDED) {
        if (start && *p == '.')
            *o++ = '.';
        unsigned lf = line_feeds(p, o);
        start = lf != 0;
        unsigned n = lf ? (unsigned)__builtin_ctz(lf) : BLOCK;
        o += n;
        p += n;
        if (!start)
            continue;
        if (p == first ? !saw_cr : p[-1] != '\r')
            *o++ = '\r';
        *o++ = '\n';
        p++;
    }
    if (p == first)
        return;
    d->at_line_start = start;
    d->saw_cr = p[-1] == '\r';
    *in = p;
    *out = o;
}
#else
static void encode_blocks(struct dot *d, const char **in, const char *end, char **out, const char *stop)
{
}
#endif

size_t dot_encode(struct dot *d, struct span in, char *out, size_t room, size_t *wrote)
{
    if (d->wire && !d->limited)
        return *wrote = copy(d, in, out, room);

    const char *p = in.p, *end = p + in.n;
    char *o = out, *stop = out + room;
    if (!d->limited)
        encode_blocks(d, &p, end, &o, stop);
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
