/* terminal: see the header. A machine over octets: no piece is too small, nothing is kept but one unfinished character.
 */
#include "reader/terminal.h"

#include <langinfo.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"

/* ---- what may not pass */

static bool turns_or_ends(uint32_t c)
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

static void put_utf8(uint32_t c, FILE *to)
{
    if (c < 0x80) {
        putc((int)c, to);
    } else if (c < 0x800) {
        putc((int)(0xC0 | c >> 6), to);
        putc((int)(0x80 | (c & 0x3F)), to);
    } else if (c < 0x10000) {
        putc((int)(0xE0 | c >> 12), to);
        putc((int)(0x80 | (c >> 6 & 0x3F)), to);
        putc((int)(0x80 | (c & 0x3F)), to);
    } else {
        putc((int)(0xF0 | c >> 18), to);
        putc((int)(0x80 | (c >> 12 & 0x3F)), to);
        putc((int)(0x80 | (c >> 6 & 0x3F)), to);
        putc((int)(0x80 | (c & 0x3F)), to);
    }
}

static void put_control(uint32_t c, FILE *to)
{
    putc('^', to);
    putc((int)(c ^ 0x40), to); /* ^@ to ^_, and ^? */
}

static void put_invalid(const struct terminal *t, FILE *to)
{
    if (t->ascii)
        putc('?', to);
    else
        put_utf8(0xFFFD, to);
}

static void put_point(const struct terminal *t, uint32_t c, FILE *to)
{
    if (c == '\n' || c == '\t')
        putc(t->line ? ' ' : (int)c, to);
    else if (c < 0x20 || c == 0x7F)
        put_control(c, to);
    else if ((c >= 0x80 && c < 0xA0) || turns_or_ends(c))
        fprintf(to, "<U+%04X>", (unsigned)c);
    else if (t->ascii && c >= 0x80)
        putc('?', to);
    else
        put_utf8(c, to);
}

/* ---- from octets to characters */

/* A CR waits for what follows: with LF it is the end of a line. */
static void take_point(struct terminal *t, uint32_t c, FILE *to)
{
    if (t->cr && c != '\n')
        put_control('\r', to);
    t->cr = c == '\r';
    if (!t->cr)
        put_point(t, c, to);
}

static void take_invalid(struct terminal *t, FILE *to)
{
    if (t->cr)
        put_control('\r', to);
    t->cr = false;
    put_invalid(t, to);
}

/* The first octet of a sequence: no overlong form, no surrogate, nothing beyond U+10FFFF (RFC 3629 §4). */
static bool begin_sequence(struct terminal *t, unsigned char b)
{
    t->low = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;
    t->high = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;
    if (b >= 0xC2 && b <= 0xDF) {
        t->need = 1;
        t->point = b & 0x1Fu;
    } else if (b >= 0xE0 && b <= 0xEF) {
        t->need = 2;
        t->point = b & 0x0Fu;
    } else if (b >= 0xF0 && b <= 0xF4) {
        t->need = 3;
        t->point = b & 0x07u;
    }
    return t->need > 0;
}

static void take_octet(struct terminal *t, unsigned char b, FILE *to)
{
    if (t->need && b >= t->low && b <= t->high) {
        t->point = t->point << 6 | (b & 0x3Fu);
        t->low = 0x80;
        t->high = 0xBF;
        if (--t->need == 0)
            take_point(t, t->point, to);
        return;
    }
    if (t->need)
        take_invalid(t, to);
    t->need = 0;
    if (b < 0x80)
        take_point(t, b, to);
    else if (!begin_sequence(t, b))
        take_invalid(t, to);
}

/* How many octets at the front pass as they are: printable ASCII. */
static size_t plain_run(struct span in)
{
    size_t n = 0;
    while (n < in.n && in.p[n] >= ' ' && in.p[n] <= '~')
        n++;
    return n;
}

void terminal_put(struct terminal *t, struct span in, FILE *to)
{
    while (in.n) {
        size_t run = t->need || t->cr ? 0 : plain_run(in);
        if (run)
            fwrite(in.p, 1, run, to);
        else
            take_octet(t, (unsigned char)in.p[run++], to);
        in = span_from(in, run);
    }
}

void terminal_end(struct terminal *t, FILE *to)
{
    if (t->need)
        take_invalid(t, to);
    if (t->cr)
        put_control('\r', to);
    t->need = 0;
    t->cr = false;
}

/* ---- lines and cells */

bool terminal_ascii(int fd)
{
    return isatty(fd) && strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

char *terminal_line(struct span text, bool ascii)
{
    struct terminal t = {.ascii = ascii, .line = true};
    char *clean = NULL;
    size_t n;
    FILE *to = open_memstream(&clean, &n);
    if (!to)
        return mem_copy_text("");
    terminal_put(&t, text, to);
    terminal_end(&t, to);
    fclose(to);
    return clean;
}

/* The first character of valid UTF-8, and how many octets it takes. */
static uint32_t first_point(const char *p, size_t *n)
{
    unsigned char b = (unsigned char)*p;
    *n = b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
    uint32_t c = *n == 1 ? b : b & (0xFFu >> (*n + 1));
    for (size_t i = 1; i < *n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3Fu);
    return c;
}

static int columns_of(uint32_t c)
{
    int n = wcwidth((wchar_t)c);
    return n < 0 ? 1 : n;
}

static int columns_of_text(const char *p)
{
    int columns = 0;
    for (size_t n; *p; p += n)
        columns += columns_of(first_point(p, &n));
    return columns;
}

void terminal_cell(const char *clean, int columns, bool pad, bool ascii, FILE *to)
{
    int room = columns_of_text(clean) > columns ? columns - 1 : columns, used = 0;
    const char *p = clean;
    for (size_t n; *p; p += n) {
        int wide = columns_of(first_point(p, &n));
        if (used + wide > room)
            break;
        fwrite(p, 1, n, to);
        used += wide;
    }
    if (*p) {
        fputs(ascii ? "~" : "…", to);
        used++;
    }
    if (pad && used < columns)
        fprintf(to, "%*s", columns - used, "");
}
