/* name: see the header. A name stands in POP3 commands (no spaces), in paths of maildrops (no slash), in logs and
 * lists. */
#include "user/name.h"

#include <stdint.h>

#include "base/log.h"
#include <string.h>

/* Code points that no name and no address has, with what people call them. */
static const struct range {
    uint32_t first, last;
    const char *what;
} refused[] = {
    {0x0000, 0x001F, "a control character"},
    {0x0020, 0x0020, "a space"},
    {0x007F, 0x009F, "a control character"},
    {0x00A0, 0x00A0, "a space"},
    {0x00AD, 0x00AD, "an invisible character"},
    {0x1680, 0x1680, "a space"},
    {0x2000, 0x200A, "a space"},
    {0x200B, 0x200F, "an invisible character"},
    {0x2028, 0x202E, "a character that changes lines or their direction"},
    {0x202F, 0x202F, "a space"},
    {0x205F, 0x205F, "a space"},
    {0x2060, 0x206F, "an invisible character"},
    {0x3000, 0x3000, "a space"},
    {0xD800, 0xDFFF, "half a character (a surrogate)"},
    {0xFEFF, 0xFEFF, "an invisible character"},
    {0xFFF9, 0xFFFF, "a code point that is no character"},
};

/* The length of the sequence that begins with a byte, its bits, and the least value that needs that length. */
static unsigned lead(unsigned char c, uint32_t *bits, uint32_t *least)
{
    static const struct {
        unsigned char mask, is;
        uint32_t least;
    } rows[] = {{0x80, 0x00, 0}, {0xE0, 0xC0, 0x80}, {0xF0, 0xE0, 0x800}, {0xF8, 0xF0, 0x10000}};
    for (unsigned i = 0; i < 4; i++)
        if ((c & rows[i].mask) == rows[i].is) {
            *bits = c & (unsigned char)~rows[i].mask;
            *least = rows[i].least;
            return i + 1;
        }
    return 0;
}

/* One code point (RFC 3629 §3: shortest form only, up to U+10FFFF). Returns its length, 0 when it is none. */
static unsigned code_point(struct span s, uint32_t *value)
{
    uint32_t least, v;
    unsigned n = lead((unsigned char)s.p[0], &v, &least);
    if (n == 0 || n > s.n)
        return 0;
    for (unsigned i = 1; i < n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c & 0xC0) != 0x80)
            return 0;
        v = v << 6 | (c & 0x3F);
    }
    *value = v;
    return v >= least && v <= 0x10FFFF ? n : 0;
}

/* In quotes, cut where a sentence would be. */
static const char *shown(struct span text)
{
    enum { MOST = 100 };
    return log_quote((struct span){text.p, text.n < MOST ? text.n : MOST});
}

int users_check_text(struct span text, const char *what, struct err *err)
{
    for (struct span rest = text; rest.n;) {
        uint32_t c;
        unsigned n = code_point(rest, &c);
        if (n == 0)
            return err_set(err, ERR_INPUT, "%s must be UTF-8: %s", what, shown(text));
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            if (c >= refused[i].first && c <= refused[i].last)
                return err_set(err, ERR_INPUT, "%s may not have %s (U+%04X) in it: %s", what, refused[i].what,
                               (unsigned)c, shown(text));
        rest = span_from(rest, n);
    }
    return 0;
}

int users_check_name(struct span name, struct err *err)
{
    if (name.n == 0)
        return err_set(err, ERR_INPUT, "a user's name may not be empty");
    if (name.n > USER_NAME_MAX)
        return err_set(err, ERR_INPUT, "a user's name has at most %d bytes", USER_NAME_MAX);
    if (span_is(name, ".") || span_is(name, ".."))
        return err_set(err, ERR_INPUT, "\".\" and \"..\" are no users' names");
    if (memchr(name.p, '/', name.n))
        return err_set(err, ERR_INPUT, "a user's name may not have a slash (U+002F) in it: %s", shown(name));
    return users_check_text(name, "a user's name", err);
}
