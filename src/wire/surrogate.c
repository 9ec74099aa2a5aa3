/* surrogate: the machine; see the header. What becomes of a field is in surrogate_field.c. Mail process. */
#include "wire/surrogate.h"

#include <string.h>

#include "wire/words.h"

enum {
    STEP_FIELDS, /* a field begins at `at` */
    STEP_SCAN,   /* where does this long field end, and is it ASCII? */
    STEP_PASS,   /* it is: up to `end` */
    STEP_STAND   /* it is not, and is From */
};

void surrogate_init(struct surrogate *s)
{
    *s = (struct surrogate){.step = STEP_FIELDS};
}

/* Where what is to be written goes. */
struct sink {
    char *out;
    size_t room, wrote;
};

/* Writes what of `text` has not been written before. false: not all of it has found room. */
static bool put(struct surrogate *s, struct sink *to, struct span text)
{
    struct span left = span_from(text, (size_t)s->skip);
    size_t n = left.n < to->room - to->wrote ? left.n : to->room - to->wrote;
    if (n)
        memcpy(to->out + to->wrote, left.p, n);
    to->wrote += n;
    s->skip += n;
    if (n < left.n)
        return false;
    s->skip = 0;
    return true;
}

/* Where the field ends that `in` begins with: before the first line that does not begin with a blank (RFC 5322 §2.2.3). `pending`: in
 * begins a line within the field. in.n + 1: not here. */
static size_t field_end(struct span in, bool last, bool *pending)
{
    size_t at = 0;
    for (;;) {
        if (*pending) {
            if (at == in.n)
                return last ? at : in.n + 1;
            if (!words_blank(in.p[at]))
                return at;
        }
        const char *lf = in.n > at ? memchr(in.p + at, '\n', in.n - at) : NULL;
        *pending = lf != NULL;
        if (!lf)
            return last ? in.n : in.n + 1;
        at = (size_t)(lf - in.p) + 1;
    }
}

static bool is_empty_line(struct span in)
{
    return (in.n >= 1 && in.p[0] == '\n') || (in.n >= 2 && in.p[0] == '\r' && in.p[1] == '\n');
}

/* One field, all of which is here. false: there is no more room. */
static bool write_field(struct surrogate *s, struct sink *to, struct span field)
{
    if (words_ascii(field))
        return put(s, to, field);
    struct buf made;
    buf_init(&made, SURROGATE_WRITTEN, NULL);
    bool written = true;
    if (s->work < SURROGATE_WORK && surrogate_field(field, &made))
        written = put(s, to, buf_span(&made));
    else if (surrogate_is_from(field))
        written = put(s, to, span_of(surrogate_from));
    buf_fini(&made);
    if (written && s->work < SURROGATE_WORK) /* once for each, however often it is read */
        s->work += field.n;
    return written;
}

/* Fields one after the other. true: this piece is used up. */
static bool run_fields(struct surrogate *s, struct span *in, bool last, struct sink *to)
{
    if (is_empty_line(*in) || (in->n == 0 && last)) {
        s->done = true;
        return true;
    }
    bool pending = false;
    size_t end = field_end(*in, last, &pending);
    if (end > SURROGATE_FIELD && in->n > SURROGATE_FIELD) {
        s->step = STEP_SCAN;
        s->begin = s->at;
        s->pending = s->eight = false;
        s->from = surrogate_is_from(*in);
        return false;
    }
    if (end > in->n || !write_field(s, to, (struct span){in->p, end}))
        return true; /* more of the field, or more room, and then from its first octet on */
    s->at += end;
    *in = span_from(*in, end);
    return false;
}

static void scan(struct surrogate *s, struct span in, bool last)
{
    size_t end = field_end(in, last, &s->pending);
    bool ended = end <= in.n;
    if (!ended)
        end = in.n;
    s->eight = s->eight || !words_ascii((struct span){in.p, end});
    s->at += end;
    if (!ended)
        return;
    s->end = s->at;
    s->step = !s->eight ? STEP_PASS : s->from ? STEP_STAND : STEP_FIELDS;
    if (s->step == STEP_PASS)
        s->at = s->begin;
}

static void pass(struct surrogate *s, struct span in, struct sink *to)
{
    uint64_t left = s->end - s->at;
    size_t n = in.n < to->room - to->wrote ? in.n : to->room - to->wrote;
    n = n < left ? n : (size_t)left;
    memcpy(to->out + to->wrote, in.p, n);
    to->wrote += n;
    s->at += n;
    if (s->at == s->end)
        s->step = STEP_FIELDS;
}

void surrogate_feed(struct surrogate *s, struct span in, bool last, char *out, size_t room, size_t *wrote)
{
    struct sink to = {out, room, 0};
    bool over = false;
    if (s->step == STEP_SCAN) {
        scan(s, in, last);
        over = true;
    } else if (s->step == STEP_PASS) {
        pass(s, in, &to);
        over = true;
    } else if (s->step == STEP_STAND) {
        over = !put(s, &to, span_of(surrogate_from));
        s->step = over ? STEP_STAND : STEP_FIELDS;
    }
    while (!over) {
        over = run_fields(s, &in, last, &to);
        if (s->step == STEP_SCAN) { /* a field that is longer than a piece; nothing of it has been written */
            scan(s, in, last);
            over = true;
        }
    }
    *wrote = to.wrote;
}
