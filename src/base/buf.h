/* buf: a queue of bytes with a ceiling. Holds no memory while it is empty and released, so that an
 * idle connection costs almost nothing. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/span.h"

/* Bytes that many buffers together may hold. A buffer beyond it still works, but only up to its
 * first BUF_SMALL bytes: many slow peers degrade to small pieces instead of taking the memory. */
struct budget {
    size_t used, ceiling;
};

enum { BUF_SMALL = 2048 };

struct buf {
    char *mem;
    struct budget *budget; /* or NULL */
    size_t len;            /* the bytes are mem[start .. start+len) */
    uint32_t start;
    uint32_t cap;          /* bytes at mem */
    uint32_t max;          /* ceiling of len */
    bool secret;           /* what it holds is overwritten before its memory goes back (set after buf_init) */
};

void buf_init(struct buf *b, size_t max, struct budget *budget);
void buf_fini(struct buf *b);    /* frees; empty again, ceiling kept */
void buf_release(struct buf *b); /* gives the memory back if no bytes wait */

size_t buf_room(const struct buf *b); /* how many bytes can still be added (budget included) */
struct span buf_span(const struct buf *b);
void buf_take(struct buf *b, size_t n); /* the first n are done with; n <= len */
void buf_wipe(struct buf *b);           /* empties it and overwrites what was there (secrets) */

/* Adds all of it and returns true, or adds nothing and returns false (no room). */
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_add_span(struct buf *b, struct span s);
bool buf_add_text(struct buf *b, const char *text);
/* Adds what is in our memory already, and for which there was room when it came: others may have used up the budget since.
 * n <= max - len. */
void buf_add_held(struct buf *b, const void *p, size_t n);
bool buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for at least one byte and at most `want`, contiguous; *got says how many. Write there, then
 * buf_commit what was written. NULL if there is no room. */
char *buf_reserve(struct buf *b, size_t want, size_t *got);
void buf_commit(struct buf *b, size_t n);

#endif
