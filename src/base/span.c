/* span: see the header. */
#include "base/span.h"

#include <string.h>

struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

struct span span_from(struct span s, size_t start)
{
    if (start >= s.n)
        return (struct span){NULL, 0};
    return (struct span){s.p + start, s.n - start};
}

bool span_is(struct span s, const char *text)
{
    return span_equal(s, span_of(text));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool span_is_nocase(struct span s, const char *text)
{
    for (size_t i = 0; i < s.n; i++)
        if (text[i] == '\0' || lower(s.p[i]) != lower(text[i]))
            return false;
    return text[s.n] == '\0';
}

bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

int span_compare(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

struct span span_cut(struct span *s, char c)
{
    const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
    struct span head = *s;
    if (!at) {
        *s = (struct span){NULL, 0};
        return head;
    }
    head.n = (size_t)(at - s->p);
    *s = (struct span){at + 1, s->n - head.n - 1};
    return head;
}

bool span_number(struct span s, uint64_t *value)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

/* Two at a time: snprintf would be most of what a listing of a large maildrop costs. */
char *span_put_number(char *p, uint64_t v)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    unsigned n = 1;
    for (uint64_t least = 10; v >= least && n < SPAN_DIGITS; least *= 10)
        n++;
    char *at = p + n;
    for (; v >= 100; v /= 100)
        memcpy(at -= 2, pairs + 2 * (v % 100), 2);
    if (v >= 10)
        memcpy(at - 2, pairs + 2 * v, 2);
    else
        at[-1] = (char)('0' + v);
    return p + n;
}
