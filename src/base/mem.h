/* mem: memory that cannot fail, and arenas that end at once.
 *
 * A process that cannot have a few bytes cannot do its work: it says so and ends, and the master
 * starts another. What a *peer* can make us hold has a ceiling elsewhere (`buf`, the limits). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* `n` bytes of zeroes; never NULL, also for n = 0. Free with mem_free. */
void *mem_alloc(size_t n);

/* Resizes like realloc, never NULL; new bytes are not cleared. `p` may be NULL. */
void *mem_resize(void *p, size_t n);

/* A copy of `n` bytes with a NUL after them. Free with mem_free. */
char *mem_copy(const void *p, size_t n);
char *mem_copy_text(const char *text);

/* NULL is allowed. */
void mem_free(void *p);

/* Overwrites a secret so that the compiler cannot leave it out. */
void mem_wipe(void *p, size_t n);

/* Blocks of up to `n` bytes come and go: what is free may be some of them, and more, before the kernel has its pages back, which it would
 * have to give out one by one again; until mem_rest. */
void mem_come_and_go(size_t n);
void mem_rest(void); /* what is free goes back now */

/* What a burst needed goes back to the kernel when it is over. One for each kind of which there are many, of zeroes at first. */
struct mem_tide {
    size_t most; /* there were at once since memory was given back */
};
bool mem_ended(struct mem_tide *t, size_t left); /* one of them; true: memory was given back */

/* Memory that is freed all at once: what a session or a maildrop needs. */
struct arena {
    struct arena_block *last;
    size_t used; /* bytes handed out, for limits and tests */
};

void arena_init(struct arena *a);
/* `n` bytes of zeroes, aligned for any type, that live until arena_fini. */
void *arena_alloc(struct arena *a, size_t n);
char *arena_copy(struct arena *a, const void *p, size_t n); /* with a NUL after it */
void arena_fini(struct arena *a);                           /* may be used again after it */

#endif
