/* size: see the header. */
#include "reader/size.h"

#include <inttypes.h>
#include <stdio.h>

void size_text(uint64_t octets, char out[SIZE_TEXT])
{
    static const char units[] = "kMGTPE";
    if (octets < 1000) {
        snprintf(out, SIZE_TEXT, "%" PRIu64, octets);
        return;
    }
    unsigned unit = 0;
    uint64_t whole = octets;
    uint64_t tenths = octets / 100;
    for (whole /= 1000; whole >= 1000; whole /= 1000, tenths /= 1000)
        unit++;
    if (whole < 10)
        snprintf(out, SIZE_TEXT, "%" PRIu64 ".%" PRIu64 "%c", whole, tenths % 10, units[unit]);
    else
        snprintf(out, SIZE_TEXT, "%" PRIu64 "%c", whole, units[unit]);
}
