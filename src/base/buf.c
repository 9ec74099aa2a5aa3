/* buf: see the header. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t max, struct budget *budget)
{
    assert(max <= UINT32_MAX);
    *b = (struct buf){.max = (uint32_t)max, .budget = budget};
}

static void charge(struct buf *b, size_t before, size_t after)
{
    if (b->budget)
        b->budget->used += after - before; /* unsigned arithmetic: also downwards */
}

void buf_fini(struct buf *b)
{
    bool secret = b->secret;
    if (secret)
        mem_wipe(b->mem, b->cap);
    charge(b, b->cap, 0);
    mem_free(b->mem);
    buf_init(b, b->max, b->budget);
    b->secret = secret;
}

void buf_release(struct buf *b)
{
    if (b->len == 0)
        buf_fini(b);
}

/* The ceiling of this buffer now: small once all together hold too much. */
static size_t ceiling(const struct buf *b)
{
    if (!b->budget || b->budget->used < b->budget->ceiling || b->max < BUF_SMALL)
        return b->max;
    return b->cap > BUF_SMALL ? (b->cap < b->max ? b->cap : b->max) : BUF_SMALL;
}

size_t buf_room(const struct buf *b)
{
    size_t top = ceiling(b);
    return b->len < top ? top - b->len : 0;
}

struct span buf_span(const struct buf *b)
{
    return (struct span){b->mem ? b->mem + b->start : "", b->len};
}

void buf_take(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->start += (uint32_t)n;
    b->len -= n;
    if (b->len == 0)
        b->start = 0;
}

void buf_wipe(struct buf *b)
{
    mem_wipe(b->mem, b->cap);
    b->start = b->len = 0;
}

/* A secret must not stay behind in memory that realloc has left. */
static void grow(struct buf *b, size_t cap)
{
    if (b->secret && b->mem) {
        char *mem = mem_alloc(cap);
        memcpy(mem, b->mem + b->start, b->len);
        mem_wipe(b->mem, b->cap);
        mem_free(b->mem);
        b->mem = mem;
        b->start = 0;
    } else
        b->mem = mem_resize(b->mem, cap);
    b->cap = (uint32_t)cap;
}

/* Makes mem[start+len .. +n) writable; the caller has checked the ceiling. */
static void make_room(struct buf *b, size_t n)
{
    if (b->cap - b->start - b->len >= n)
        return;
    if (b->start) {
        memmove(b->mem, b->mem + b->start, b->len);
        b->start = 0;
        if (b->cap - b->len >= n)
            return;
    }
    size_t cap = b->cap ? b->cap : 256;
    while (cap - b->len < n)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    charge(b, b->cap, cap);
    grow(b, cap);
}

void buf_add_held(struct buf *b, const void *p, size_t n)
{
    assert(n <= b->max - b->len);
    if (n == 0)
        return;
    make_room(b, n);
    memcpy(b->mem + b->start + b->len, p, n);
    b->len += n;
}

bool buf_add(struct buf *b, const void *p, size_t n)
{
    if (n > buf_room(b))
        return false;
    buf_add_held(b, p, n);
    return true;
}

bool buf_add_span(struct buf *b, struct span s)
{
    return buf_add(b, s.p, s.n);
}

bool buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_addf(struct buf *b, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n >= 0 && (size_t)n < sizeof line);
    return buf_add(b, line, (size_t)n);
}

char *buf_reserve(struct buf *b, size_t want, size_t *got)
{
    size_t room = buf_room(b);
    if (want > room)
        want = room;
    if (want == 0)
        return NULL;
    make_room(b, want);
    *got = want;
    return b->mem + b->start + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->start - b->len);
    b->len += n;
}
