/* guard: see the header. For the tests only. */
#include "guard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The mappings that are in use: guard_free is given no length. */
struct mapping {
    struct mapping *next;
    char *given, *base;
    size_t size;
};

static struct mapping *mappings;

char *guard_space(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t data = (n + page - 1) / page * page;
    struct mapping *m = malloc(sizeof *m);
    assert(m);
    m->size = data + page;
    m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(m->base != MAP_FAILED);
    int barred = mprotect(m->base + data, page, PROT_NONE);
    assert(barred == 0);
    m->given = m->base + data - n;
    m->next = mappings;
    mappings = m;
    return m->given;
}

char *guard_copy(const void *p, size_t n)
{
    char *copy = guard_space(n);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

void guard_free(char *p)
{
    for (struct mapping **at = &mappings; *at; at = &(*at)->next) {
        struct mapping *m = *at;
        if (m->given != p)
            continue;
        *at = m->next;
        munmap(m->base, m->size);
        free(m);
        return;
    }
    assert(!"guard_free of what guard did not give");
}
