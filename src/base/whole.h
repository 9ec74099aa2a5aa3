/* whole: so many octets of a descriptor that may give and take fewer at once: a file, a pipe, a stream's socket, blocking. */
#ifndef BASE_WHOLE_H
#define BASE_WHOLE_H

#include <stddef.h>

/* 0: all n. -1: errno says why; at the end of what there is to read it is 0. */
int whole_read(int fd, void *p, size_t n);
int whole_write(int fd, const void *p, size_t n);

#endif
