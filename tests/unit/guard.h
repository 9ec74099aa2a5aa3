/* guard: copies that end where the next page may not be touched, so that reading one byte too far ends the
 * test at once, with or without a sanitizer. */
#ifndef TESTS_UNIT_GUARD_H
#define TESTS_UNIT_GUARD_H

#include <stddef.h>

/* A writable copy of n bytes (n = 0 too: then not one may be read). Free with guard_free. */
char *guard_copy(const void *p, size_t n);

/* n writable bytes of zeroes in the same place: for output that must not overrun. */
char *guard_space(size_t n);

void guard_free(char *p);

#endif
