/* mem: see the header. Every process uses it. */
#include "base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *before;
    size_t used, size;
    _Alignas(max_align_t) char bytes[];
};

enum {
    FIRST = 256, /* bytes of the first block, its head included; each is twice the one before, */
    MOST = 4096, /* up to this: what holds little costs little */
    TIDE_LEAST = 256,
    TIDE_ALL = 64 /* where none is left */
};

static void *must(void *p)
{
    if (!p) {
        fputs("bustia: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_alloc(size_t n)
{
    return must(calloc(1, n ? n : 1));
}

void *mem_resize(void *p, size_t n)
{
    return must(realloc(p, n ? n : 1));
}

char *mem_copy(const void *p, size_t n)
{
    char *copy = must(n < SIZE_MAX ? malloc(n + 1) : NULL);
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *mem_copy_text(const char *text)
{
    return mem_copy(text, strlen(text));
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}

/* The allocator learns it from a large block that is freed; with mallopt it would never learn again, from larger ones. */
void mem_come_and_go(size_t n)
{
    void *volatile block = mem_resize(NULL, n);
    mem_free(block);
}

void mem_rest(void)
{
    malloc_trim(0);
}

/* Looking for what is free costs as much as there is of it: so it is done once when three of four have ended, or all. */
bool mem_ended(struct mem_tide *t, size_t left)
{
    if (t->most <= left)
        t->most = left + 1;
    if (t->most < (left ? TIDE_LEAST : TIDE_ALL) || left > t->most / 4)
        return false;
    t->most = left;
    mem_rest();
    return true;
}

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t align = _Alignof(max_align_t);
    if (n > SIZE_MAX - align - sizeof(struct arena_block))
        must(NULL);
    n = (n + align - 1) & ~(align - 1);
    struct arena_block *b = a->last;
    if (!b || b->size - b->used < n) {
        size_t whole = !b ? FIRST : b->size + sizeof *b < MOST / 2 ? 2 * (b->size + sizeof *b) : MOST;
        size_t size = n > whole - sizeof *b ? n : whole - sizeof *b;
        b = mem_alloc(sizeof *b + size);
        b->size = size;
        b->before = a->last;
        a->last = b;
    }
    void *p = b->bytes + b->used;
    b->used += n;
    a->used += n;
    return p;
}

char *arena_copy(struct arena *a, const void *p, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

void arena_fini(struct arena *a)
{
    for (struct arena_block *b = a->last; b;) {
        struct arena_block *before = b->before;
        free(b);
        b = before;
    }
    arena_init(a);
}
