/* words: see the header. Mail process. */
#include "wire/words.h"

#include <string.h>

#include "wire/base64.h"

enum { WORD_MAX = 72 }; /* of an encoded-word, so that a blank, what stands around it and a comma fit on its line; 75 by RFC 2047 §2 */

bool words_ascii(struct span text)
{
    unsigned char all = 0; /* without a branch, so that the compiler takes many octets at once */
    for (size_t i = 0; i < text.n; i++)
        all |= (unsigned char)text.p[i];
    return all < 0x80;
}

bool words_is_encoded(struct span word)
{
    return word.n > 6 && memcmp(word.p, "=?", 2) == 0 && memcmp(word.p + word.n - 2, "?=", 2) == 0;
}

bool words_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- lines */

void words_join(struct words *w, struct span text)
{
    w->full = w->full || !buf_add_span(w->out, text);
    w->column += text.n;
}

static void new_word(struct words *w, struct span blank, size_t n)
{
    const struct span one = {" ", 1};
    if (blank.n == 0 && w->encoded)
        blank = one;
    if (blank.n && w->column + blank.n + n > WORDS_LINE) {
        words_join(w, span_of("\r\n"));
        w->column = 0;
    }
    words_join(w, blank);
}

void words_add(struct words *w, struct span blank, struct span word)
{
    new_word(w, blank, word.n);
    words_join(w, word);
    w->encoded = words_is_encoded(word);
}

void words_add_all(struct words *w, struct span text)
{
    if (text.n == 0) /* of nothing there need be no octets to point to */
        return;
    const char *p = text.p, *end = p + text.n;
    bool first = true;
    while (p < end) {
        const char *blank = p;
        while (p < end && words_blank(*p))
            p++;
        const char *word = p;
        while (p < end && !words_blank(*p))
            p++;
        if (p > word)
            words_add(w, first ? (struct span){" ", 1} : (struct span){blank, (size_t)(word - blank)},
                      (struct span){word, (size_t)(p - word)});
        first = false;
    }
}

/* ---- encoded-words */

/* How long the character is that begins here; 0: it is no UTF-8 (RFC 3629 §4). */
static size_t character(struct span s)
{
    static const struct {
        unsigned char first, last, least, most; /* of the first octet; of the second */
        size_t n;
    } rows[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t n = rows[i].n;
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        bool good = n <= s.n && (n < 2 || (p[1] >= rows[i].least && p[1] <= rows[i].most));
        for (size_t k = 2; good && k < n; k++)
            good = (p[k] & 0xc0) == 0x80;
        return good ? n : 0;
    }
    return 0;
}

static bool is_utf8(struct span s)
{
    while (s.n) {
        size_t n = character(s);
        if (n == 0)
            return false;
        s = span_from(s, n);
    }
    return true;
}

/* What may stand for itself in Q wherever an encoded-word may stand (RFC 2047 §5 (3)). */
static bool plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '!' || c == '*' || c == '+' ||
           c == '-' || c == '/';
}

static size_t q_length(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += plain(s.p[i]) || s.p[i] == ' ' ? 1 : 3;
    return n;
}

static size_t q_write(struct span s, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *o = out;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == ' ' || plain(s.p[i])) {
            *o++ = c == ' ' ? '_' : s.p[i];
            continue;
        }
        *o++ = '=';
        *o++ = digits[c >> 4];
        *o++ = digits[c & 15];
    }
    return (size_t)(o - out);
}

struct coding {
    const char *head; /* "=?utf-8?q?" */
    bool utf8, q;
};

/* As many whole characters as fit into one encoded-word. */
static struct span cut_piece(const struct coding *c, struct span *text)
{
    size_t room = WORD_MAX - strlen(c->head) - 2, n = 0, q = 0;
    while (n < text->n) {
        struct span rest = span_from(*text, n);
        rest.n = c->utf8 ? character(rest) : 1;
        q += c->q ? q_length(rest) : 0;
        if ((c->q ? q : base64_length(n + rest.n)) > room)
            break;
        n += rest.n;
    }
    struct span piece = {text->p, n};
    *text = span_from(*text, n);
    return piece;
}

void words_encode(struct words *w, const char *open, struct span text, const char *close)
{
    static const char *const heads[2][2] = {{"=?unknown-8bit?b?", "=?unknown-8bit?q?"}, {"=?utf-8?b?", "=?utf-8?q?"}};
    /* Q as long as a person can still read it (RFC 2047 §4). */
    struct coding c = {.utf8 = is_utf8(text), .q = 2 * q_length(text) <= 5 * text.n};
    c.head = heads[c.utf8][c.q];
    for (bool first = true; text.n; first = false) {
        struct span piece = cut_piece(&c, &text);
        char word[WORD_MAX + 4];
        size_t n = 0;
        for (const char *p = first ? open : ""; *p; p++)
            word[n++] = *p;
        memcpy(word + n, c.head, strlen(c.head));
        n += strlen(c.head);
        if (c.q) {
            n += q_write(piece, word + n);
        } else {
            base64_encode(piece, word + n);
            n += base64_length(piece.n);
        }
        word[n++] = '?';
        word[n++] = '=';
        for (const char *p = text.n ? "" : close; *p; p++)
            word[n++] = *p;
        words_add(w, (struct span){" ", 1}, (struct span){word, n});
        w->encoded = true;
    }
}
