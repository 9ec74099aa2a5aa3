/* smtp_body: see the header. */
#include "wire/smtp_body.h"

#include <string.h>

enum at {
    AT_START,  /* of a line: nothing has come, or CRLF */
    AT_TEXT,   /* inside a line */
    AT_CR,     /* after a CR that is inside a line */
    AT_DOT,    /* after a dot at the start of a line; it is not data */
    AT_DOT_CR, /* after that dot and a CR, which is data unless LF follows */
};

static const char field[] = "received:";

void smtp_body_init(struct smtp_body *b)
{
    *b = (struct smtp_body){.at = AT_START, .in_header = true};
}

/* ---- the header */

/* How much of `field` the line begins with, now that n octets more of it are known. */
static void match_field(struct smtp_body *b, const char *p, size_t n)
{
    while (b->matched == b->line_octets && b->matched < sizeof field - 1 && n) {
        char c = *p++;
        n--;
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c != field[b->matched])
            return;
        b->matched++;
        b->line_octets++;
        if (b->matched == sizeof field - 1)
            b->received++;
    }
}

static void scan_header(struct smtp_body *b, struct span run)
{
    const char *p = run.p, *end = run.p + run.n;
    while (b->in_header && p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        size_t n = lf ? (size_t)(lf - p) : (size_t)(end - p);
        uint64_t before = b->line_octets;
        match_field(b, p, n);
        b->line_octets = before + n;
        b->header_octets += n + (lf != NULL);
        p += n + (lf != NULL);
        if (!lf)
            continue;
        b->in_header = b->line_octets > 1; /* RFC 5322 §2.1: CRLF alone ends it */
        b->line_octets = 0;
        b->matched = 0;
    }
}

/* Octets of the message have been found. */
static void note(struct smtp_body *b, struct span run)
{
    b->octets += run.n;
    if (b->in_header)
        scan_header(b, run);
}

/* ---- lines */

/* Follows the lines of a run. `dots`: stops before a dot at the start of a line. Returns how far it came. */
static size_t follow(struct smtp_body *b, struct span in, bool dots)
{
    const char *p = in.p, *end = in.p + in.n;
    while (p < end && !(dots && b->at == AT_START && *p == '.')) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf) {
            b->at = end[-1] == '\r' ? AT_CR : AT_TEXT;
            return in.n;
        }
        bool crlf = lf > p ? lf[-1] == '\r' : b->at == AT_CR;
        b->at = crlf ? AT_START : AT_TEXT;
        if (!crlf)
            b->bare_lf = true;
        p = lf + 1;
    }
    return (size_t)(p - in.p);
}

void smtp_body_chunk(struct smtp_body *b, struct span in)
{
    follow(b, in, false);
    note(b, in);
}

/* What follows a dot at the start of a line decides what it was. true: the octet at `c` has been dealt with. */
static bool after_dot(struct smtp_body *b, char c, struct span *run)
{
    if (b->at == AT_DOT) {
        b->at = c == '\r' ? AT_DOT_CR : AT_TEXT;
        return c == '\r';
    }
    b->ended = c == '\n';
    if (b->ended)
        return true;
    *run = span_of("\r"); /* it was data after all, and is no longer in the queue */
    b->at = AT_CR;
    return false;
}

size_t smtp_body_data(struct smtp_body *b, struct span in, struct span *run)
{
    *run = (struct span){in.p, 0};
    if (in.n == 0)
        return 0;
    if (b->at == AT_START && in.p[0] == '.') {
        b->at = AT_DOT;
        return 1;
    }
    if (b->at == AT_DOT || b->at == AT_DOT_CR) {
        if (after_dot(b, in.p[0], run))
            return 1;
        if (run->n) {
            note(b, *run);
            return 0;
        }
    }
    run->n = follow(b, in, true);
    note(b, *run);
    return run->n;
}
