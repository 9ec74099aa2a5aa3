/* html: see the header. In the process that parses (apart.h). */
#include "reader/html.h"

#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <string.h>

#include "base/mem.h"
#include "reader/html_layout.h"

/* What an element does to the text around it. */
enum {
    SKIP = 1,   /* nothing in it is text */
    LINE = 2,   /* begins and ends a line */
    PARA = 4,   /* with a blank line before and behind */
    PRE = 8,    /* white space counts */
    QUOTE = 16, /* is somebody else's */
    ITEM = 32,  /* of a list */
    CELL = 64,  /* of a table */
    LIST = 128  /* its items are set in */
};

/* clang-format off */
static const struct element { const char *name; unsigned does; } elements[] = {
    {"head", SKIP}, {"script", SKIP}, {"style", SKIP}, {"template", SKIP}, {"object", SKIP}, {"select", SKIP}, {"svg", SKIP},
    {"p", PARA}, {"h1", PARA}, {"h2", PARA}, {"h3", PARA}, {"h4", PARA}, {"h5", PARA}, {"h6", PARA}, {"table", LINE},
    {"div", LINE}, {"tr", LINE}, {"section", LINE}, {"article", LINE}, {"header", LINE}, {"footer", LINE}, {"center", LINE},
    {"address", LINE}, {"dt", LINE}, {"dd", LINE}, {"form", LINE}, {"dl", PARA}, {"ul", PARA | LIST}, {"ol", PARA | LIST},
    {"li", LINE | ITEM}, {"td", CELL}, {"th", CELL}, {"pre", PARA | PRE}, {"blockquote", PARA | QUOTE},
};
/* clang-format on */

struct html {
    htmlParserCtxtPtr parser;
    struct html_layout layout;
    unsigned depth;    /* of open elements */
    unsigned skipping; /* at which depth what is not shown began; 0: all is shown */
    unsigned pre, lists;
    char *link[HTML_LINKS];
    unsigned links;
    unsigned open_link; /* the footnote of the open <a>; 0: none */
    bool cut;
};

static unsigned does(const char *name)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(name, elements[i].name) == 0)
            return elements[i].does;
    return 0;
}

static const char *attribute(const xmlChar **atts, const char *name)
{
    for (; atts && atts[0]; atts += 2)
        if (strcmp((const char *)atts[0], name) == 0)
            return atts[1] ? (const char *)atts[1] : "";
    return NULL;
}

/* What senders put before the text for the lists of other programs, say. */
static bool hidden(const xmlChar **atts)
{
    const char *style = attribute(atts, "style");
    if (attribute(atts, "hidden"))
        return true;
    const char *display = style ? strcasestr(style, "display") : NULL;
    if (!display)
        return false;
    display += strlen("display");
    display += strspn(display, " \t\r\n:");
    return strncasecmp(display, "none", 4) == 0;
}

/* ---- links */

static bool worth_a_note(const char *url)
{
    static const char *const schemes[] = {"http://", "https://", "mailto:", "tel:", "ftp://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static unsigned note_of(struct html *h, const char *url)
{
    if (!url || !worth_a_note(url))
        return 0;
    for (unsigned i = 0; i < h->links; i++)
        if (strcmp(h->link[i], url) == 0)
            return i + 1;
    if (h->links == HTML_LINKS || strlen(url) > HTML_LINK_MAX) {
        h->cut = true;
        return 0;
    }
    h->link[h->links++] = mem_copy_text(url);
    return h->links;
}

static void end_link(struct html *h)
{
    char note[16];
    if (!h->open_link)
        return;
    snprintf(note, sizeof note, "[%u]", h->open_link);
    html_layout_text(&h->layout, span_of(note));
    h->open_link = 0;
}

static void put_links(struct html *h)
{
    html_layout_break(&h->layout, 2);
    h->layout.pre = true; /* an address is never broken */
    h->layout.quote = h->layout.indent = 0;
    for (unsigned i = 0; i < h->links; i++) {
        char note[16];
        snprintf(note, sizeof note, "[%u] ", i + 1);
        html_layout_text(&h->layout, span_of(note));
        for (const char *p = h->link[i]; *p; p++)
            if (*p != '\n' && *p != '\r' && *p != '\t')
                html_layout_text(&h->layout, (struct span){p, 1});
        html_layout_break(&h->layout, 1);
        mem_free(h->link[i]);
    }
}

/* ---- elements */

static void begin_shown(struct html *h, const char *name, unsigned what, const xmlChar **atts)
{
    struct html_layout *l = &h->layout;
    if (what & (LINE | PARA))
        html_layout_break(l, what & PARA && !(what & LIST && h->lists) ? 2 : 1);
    h->lists += (what & LIST) != 0;
    l->quote += (what & QUOTE) != 0;
    h->pre += (what & PRE) != 0;
    l->pre = h->pre > 0;
    if (what & CELL)
        html_layout_text(l, span_of(" "));
    if (what & ITEM) {
        l->indent = h->lists ? 2 * h->lists - 2 : 0;
        html_layout_text(l, span_of("* "));
        l->indent = 2 * h->lists;
    }
    if (strcmp(name, "br") == 0) {
        html_layout_line(l);
    } else if (strcmp(name, "hr") == 0) {
        html_layout_break(l, 1);
        html_layout_text(l, span_of("----------------------------------------"));
        html_layout_break(l, 1);
    } else if (strcmp(name, "img") == 0) {
        const char *alt = attribute(atts, "alt");
        if (alt && *alt)
            html_layout_text(l, span_of(alt));
    } else if (strcmp(name, "a") == 0) {
        end_link(h);
        h->open_link = note_of(h, attribute(atts, "href"));
    }
}

static void end_shown(struct html *h, const char *name, unsigned what)
{
    struct html_layout *l = &h->layout;
    if (strcmp(name, "a") == 0)
        end_link(h);
    if (what & (LINE | PARA))
        html_layout_break(l, what & PARA && !(what & LIST && h->lists > 1) ? 2 : 1);
    if (what & LIST && h->lists)
        l->indent = 2 * --h->lists;
    if (what & QUOTE && l->quote)
        l->quote--;
    if (what & PRE && h->pre)
        h->pre--;
    l->pre = h->pre > 0;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar **atts)
{
    struct html *h = arg;
    unsigned what = does((const char *)name);
    if (++h->depth > HTML_DEPTH) {
        h->cut = true;
        xmlStopParser(h->parser);
    } else if (!h->skipping && (what & SKIP || hidden(atts))) {
        h->skipping = h->depth;
        html_layout_break(&h->layout, (what & (LINE | PARA)) != 0);
    } else if (!h->skipping) {
        begin_shown(h, (const char *)name, what, atts);
    }
}

static void on_end(void *arg, const xmlChar *name)
{
    struct html *h = arg;
    if (!h->skipping)
        end_shown(h, (const char *)name, does((const char *)name));
    else if (h->skipping >= h->depth)
        h->skipping = 0;
    h->depth -= h->depth > 0;
}

static void on_text(void *arg, const xmlChar *text, int n)
{
    struct html *h = arg;
    if (!h->skipping && n > 0)
        html_layout_text(&h->layout, (struct span){(const char *)text, (size_t)n});
}

/* ---- the parser */

/* NUL ends libxml2's input, and other control characters are no text. */
static char *without_controls(struct span html)
{
    char *copy = mem_copy(html.p, html.n);
    for (size_t i = 0; i < html.n; i++)
        if ((unsigned char)copy[i] < ' ' && copy[i] != '\n' && copy[i] != '\r' && copy[i] != '\t')
            copy[i] = ' ';
    return copy;
}

static void parse(struct html *h, const char *text, size_t n)
{
    h->parser = htmlCreateMemoryParserCtxt(text, (int)n);
    if (!h->parser)
        return;
    *h->parser->sax = (xmlSAXHandler){.startElement = on_start,
                                      .endElement = on_end,
                                      .characters = on_text,
                                      .cdataBlock = on_text,
                                      .ignorableWhitespace = on_text};
    h->parser->userData = h;
    htmlCtxtUseOptions(h->parser, HTML_PARSE_RECOVER | HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    xmlSwitchEncoding(h->parser, XML_CHAR_ENCODING_UTF8);
    htmlParseDocument(h->parser);
    htmlFreeParserCtxt(h->parser);
}

bool html_text(struct span html, FILE *to)
{
    struct html h = {.layout = {.to = to}, .cut = html.n > HTML_MAX};
    if (html.n > HTML_MAX)
        html.n = HTML_MAX;
    if (html.n) {
        char *text = without_controls(html);
        parse(&h, text, html.n);
        mem_free(text);
    }
    if (h.links)
        put_links(&h);
    html_layout_end(&h.layout);
    return !h.cut;
}
