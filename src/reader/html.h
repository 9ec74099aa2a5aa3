/* html: HTML as readable text. libxml2 finds the tags and entities (the only module that names it), as events without a
 * tree; what is made of them is ours: paragraphs in lines, lists, quotations, links as footnotes.
 *
 * What a reader would not see is left out (scripts, styles, what is hidden). Nothing is ever fetched. */
#ifndef READER_HTML_H
#define READER_HTML_H

#include <stdio.h>

#include "base/span.h"

enum {
    HTML_MAX = 4 << 20,  /* octets that are looked at */
    HTML_DEPTH = 200,    /* elements within elements, */
    HTML_LINKS = 500,    /* footnotes, */
    HTML_LINK_MAX = 2000 /* and octets of one */
};

/* `html` is UTF-8; octets that are not are taken as Latin-1. Writes text in lines that end with LF. false: it has more
 * than the ceilings above let through, and the rest is missing. */
bool html_text(struct span html, FILE *to);

#endif
