/* html_layout: see the header. Words are kept until they are whole; no word is longer than its buffer. */
#include "reader/html_layout.h"

enum { LINES_MOST = 2, QUOTE_MOST = 5, INDENT_MOST = 12 };

static unsigned characters(const char *p, size_t n)
{
    unsigned count = 0;
    for (size_t i = 0; i < n; i++)
        count += (p[i] & 0xC0) != 0x80;
    return count;
}

static void begin_line(struct html_layout *l)
{
    unsigned quote = l->quote < QUOTE_MOST ? l->quote : QUOTE_MOST;
    unsigned indent = l->indent < INDENT_MOST ? l->indent : INDENT_MOST;
    for (unsigned i = 0; i < quote; i++)
        fputs("> ", l->to);
    for (unsigned i = 0; i < indent; i++)
        putc(' ', l->to);
    l->column = 2 * quote + indent;
}

/* Line ends at the very beginning are none. */
static void due_lines(struct html_layout *l)
{
    if (l->began)
        for (unsigned i = 0; i < l->lines; i++)
            putc('\n', l->to);
    if (!l->began || l->lines) {
        begin_line(l);
        l->blank = false;
    }
    l->began = true;
    l->lines = 0;
}

static void flush_word(struct html_layout *l)
{
    if (!l->word_n)
        return;
    unsigned wide = characters(l->word, l->word_n);
    if (l->blank && !l->pre && !l->lines && l->column + 1 + wide > HTML_COLUMNS)
        l->lines = 1;
    due_lines(l);
    if (l->blank) {
        putc(' ', l->to);
        l->column++;
    }
    fwrite(l->word, 1, l->word_n, l->to);
    l->column += wide;
    l->word_n = 0;
    l->blank = false;
}

static void put_pre(struct html_layout *l, char c)
{
    if (c == '\n') {
        flush_word(l);
        html_layout_line(l);
        return;
    }
    if (l->word_n == HTML_WORD)
        flush_word(l);
    l->word[l->word_n++] = c == '\r' ? ' ' : c;
}

static void put_octet(struct html_layout *l, char c)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
        flush_word(l);
        l->blank = true;
        return;
    }
    if (l->word_n == HTML_WORD)
        flush_word(l);
    l->word[l->word_n++] = c;
}

void html_layout_text(struct html_layout *l, struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (l->pre)
            put_pre(l, text.p[i]);
        else
            put_octet(l, text.p[i]);
}

void html_layout_break(struct html_layout *l, unsigned lines)
{
    flush_word(l);
    if (l->lines < lines)
        l->lines = lines;
    l->blank = false;
}

/* More than one blank line in a row says nothing; but in what is preformatted every line counts. */
void html_layout_line(struct html_layout *l)
{
    flush_word(l);
    if (l->pre && l->lines >= LINES_MOST)
        due_lines(l);
    if (l->lines < LINES_MOST)
        l->lines++;
    l->blank = false;
}

void html_layout_end(struct html_layout *l)
{
    flush_word(l);
    if (l->began)
        putc('\n', l->to);
}
