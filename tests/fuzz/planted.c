/* planted: a reader with a mistake in it, to show that the way the fuzz targets are built and run finds one.
 *
 * It reads "TOP " and a number, and looks at the byte behind the digits without asking whether there is one. */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long read_number(struct span s, bool *followed)
{
    unsigned long n = 0;
    size_t i = 0;
    while (i < s.n && isdigit((unsigned char)s.p[i]))
        n = n * 10 + (unsigned long)(s.p[i++] - '0');
    *followed = i > 0 && s.p[i] == ' '; /* the mistake: i may be s.n */
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || memcmp(data, "TOP ", 4) != 0)
        return 0;
    bool followed;
    volatile unsigned long seen = read_number((struct span){(const char *)data + 4, size - 4}, &followed);
    seen += followed;
    return 0;
}
