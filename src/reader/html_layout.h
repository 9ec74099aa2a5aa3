/* html_layout: from words to lines: what html.c writes through. */
#ifndef READER_HTML_LAYOUT_H
#define READER_HTML_LAYOUT_H

#include <stdio.h>

#include "base/span.h"

enum { HTML_COLUMNS = 76, HTML_WORD = 256 };

struct html_layout {
    FILE *to;
    unsigned column; /* characters in this line, its beginning counted */
    unsigned lines;  /* line ends that are due before the next word: 1 a new line, 2 a blank one */
    unsigned quote;  /* "> " before each line, so often */
    unsigned indent; /* blanks before each line */
    bool began;      /* something was written */
    bool blank;      /* white space waits before the next word */
    bool pre;        /* white space is kept */
    char word[HTML_WORD];
    size_t word_n;
};

void html_layout_text(struct html_layout *l, struct span text);
void html_layout_break(struct html_layout *l, unsigned lines); /* at least so many line ends come before what follows */
void html_layout_line(struct html_layout *l);                  /* <br>: one more line end */
void html_layout_end(struct html_layout *l);

#endif
