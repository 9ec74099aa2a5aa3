/* span: bytes borrowed from somebody. Never outlives the call it is given to. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *p;
    size_t n;
};

struct span span_of(const char *text); /* without the NUL */
struct span span_from(struct span s, size_t start); /* what follows; empty when start > n */
bool span_is(struct span s, const char *text);
bool span_is_nocase(struct span s, const char *text); /* ASCII only, whatever the locale */
bool span_equal(struct span a, struct span b);
int span_compare(struct span a, struct span b); /* bytewise, a prefix sorts first: <0, 0, >0 */

/* Cuts the bytes before the first `c` off `s` and returns them; `s` becomes what follows `c`
 * (empty, p = NULL, when there was none). */
struct span span_cut(struct span *s, char c);

/* Only decimal digits, at least one, at most 2^64-1: true and *value. Anything else: false. */
bool span_number(struct span s, uint64_t *value);
/* The decimal digits of v, at p, which has room for SPAN_DIGITS. Returns what follows them. */
enum { SPAN_DIGITS = 20 };
char *span_put_number(char *p, uint64_t v);

#endif
