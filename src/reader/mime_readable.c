/* mime_readable: a text part as a person reads it (mime_walk.h). */
#include <string.h>

#include "base/mem.h"
#include "reader/html.h"
#include "reader/mime_walk.h"

struct plain {
    FILE *to;
    char last;
};

static bool put_plain(void *arg, struct span piece)
{
    struct plain *p = arg;
    fwrite(piece.p, 1, piece.n, p->to);
    p->last = piece.p[piece.n - 1];
    return !ferror(p->to);
}

struct collected {
    char *p;
    size_t n;
};

static bool collect(void *arg, struct span piece)
{
    struct collected *c = arg;
    size_t n = piece.n < HTML_MAX + 1 - c->n ? piece.n : HTML_MAX + 1 - c->n;
    memcpy(c->p + c->n, piece.p, n);
    c->n += n;
    return n == piece.n;
}

static void put_html(GMimePart *part, FILE *to)
{
    struct collected c = {.p = mem_alloc(HTML_MAX + 1)};
    mime_text(part, collect, &c);
    if (!html_text((struct span){c.p, c.n}, to))
        fputs("[there is more of this HTML than is shown]\n", to);
    mem_free(c.p);
}

void mime_readable(GMimePart *part, FILE *to)
{
    struct plain p = {.to = to, .last = '\n'};
    if (g_mime_content_type_is_type(g_mime_object_get_content_type(GMIME_OBJECT(part)), "text", "html")) {
        put_html(part, to);
        return;
    }
    mime_text(part, put_plain, &p);
    if (p.last != '\n')
        putc('\n', to);
}
