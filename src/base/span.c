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
