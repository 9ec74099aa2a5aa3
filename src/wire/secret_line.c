/* secret_line: see the header. */
#include "wire/secret_line.h"

#include <string.h>

#include "base/mem.h"
#include "wire/base64.h"

void secret_line_end(struct secret_line *l)
{
    if (l->p)
        mem_wipe(l->p, l->n);
    mem_free(l->p);
    *l = (struct secret_line){0};
}

/* Room for a line of `head` and n octets more, its head and its end written. Returns where the n octets belong. */
static char *begin(struct secret_line *l, const char *head, size_t n)
{
    size_t before = strlen(head);
    secret_line_end(l);
    l->n = before + n + 2;
    l->p = mem_alloc(l->n);
    memcpy(l->p, head, before);
    memcpy(l->p + l->n - 2, "\r\n", 2);
    return l->p + before;
}

void secret_line_set(struct secret_line *l, const char *head, struct span tail)
{
    char *to = begin(l, head, tail.n);
    if (tail.n)
        memcpy(to, tail.p, tail.n);
}

void secret_line_set_base64(struct secret_line *l, const char *head, struct span tail, const char *empty_is)
{
    if (tail.n == 0)
        secret_line_set(l, head, span_of(empty_is));
    else
        base64_encode(tail, begin(l, head, base64_length(tail.n)));
}

bool secret_line_send(struct secret_line *l, struct buf *out)
{
    size_t left = l->n - l->sent, room = buf_room(out), n = left < room ? left : room;
    if (!l->p)
        return true;
    buf_add(out, l->p + l->sent, n);
    l->sent += n;
    if (n < left)
        return false;
    secret_line_end(l);
    return true;
}
