/* column: see the header. */
#include "tool/column.h"

#include <stdio.h>

int column_width(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += (*text & 0xC0) != 0x80;
    return n;
}

void column_print(const char *text, int width)
{
    int n = column_width(text);
    printf("%s%*s", text, width > n ? width - n : 0, "");
}
