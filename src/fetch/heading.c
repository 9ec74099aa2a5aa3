/* heading: see the header. */
#include "fetch/heading.h"

#include <string.h>

static const char field[] = "content-", before[] = "X-Bustia-";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static void let_go(struct heading *h, void (*put)(void *arg, struct span out), void *arg)
{
    if (h->n)
        put(arg, (struct span){h->held, h->n});
    h->n = 0;
    h->within = true;
}

/* The beginning of a line, as far as it has come. Returns what is left of `in`. */
static struct span look(struct heading *h, struct span in, void (*put)(void *arg, struct span out), void *arg)
{
    while (in.n && h->n < HEADING_FIELD && lower(in.p[0]) == field[h->n]) {
        h->held[h->n++] = in.p[0];
        in = span_from(in, 1);
    }
    if (h->n == HEADING_FIELD)
        put(arg, span_of(before));
    if (h->n == HEADING_FIELD || in.n)
        let_go(h, put, arg);
    return in;
}

void heading_add(struct heading *h, struct span in, void (*put)(void *arg, struct span out), void *arg)
{
    while (in.n) {
        if (!h->within) {
            in = look(h, in, put, arg);
            continue;
        }
        const char *end = memchr(in.p, '\n', in.n);
        size_t n = end ? (size_t)(end - in.p) + 1 : in.n;
        put(arg, (struct span){in.p, n});
        in = span_from(in, n);
        h->within = !end;
    }
}

void heading_end(struct heading *h, void (*put)(void *arg, struct span out), void *arg)
{
    let_go(h, put, arg);
}
