/* size: a number of octets for people. */
#ifndef READER_SIZE_H
#define READER_SIZE_H

#include <stdint.h>

enum { SIZE_TEXT = 24 };

/* "812", "4.2k", "31k", "1.5M": at most five characters up to 999 T. */
void size_text(uint64_t octets, char out[SIZE_TEXT]);

#endif
