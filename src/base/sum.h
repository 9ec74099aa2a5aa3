/* sum: tells whether octets are those that were written, where chance may have changed them. No defence against who
 * means to: he computes it as well. Eight octets of XXH3, by a library that is compiled in whole (no library is loaded). */
#ifndef BASE_SUM_H
#define BASE_SUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t sum_of(const void *p, size_t n);

/* The same in pieces. */
struct sum;
struct sum *sum_new(void);
void sum_add(struct sum *s, const void *p, size_t n);
uint64_t sum_finish(struct sum *s); /* and frees it */
void sum_free(struct sum *s);       /* NULL does nothing */

#endif
