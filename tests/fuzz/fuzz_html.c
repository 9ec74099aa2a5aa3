/* fuzz_html: HTML as readable text.
 * Fuzzes: src/reader/html.c src/reader/html_layout.c
 *
 * Whatever the HTML is: it comes to an end, in text that is not much more than it was, in lines that are ended. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MORE = 1000 /* of a footnote, of the beginnings of lines: for each octet at most so many */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    if (!to)
        abort();
    (void)html_text((struct span){(const char *)data, size}, to);
    fclose(to);
    if (n > (size + 1) * MORE || (n && text[n - 1] != '\n'))
        abort();
    free(text);
    return 0;
}
