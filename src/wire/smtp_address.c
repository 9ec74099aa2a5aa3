/* smtp_address: see the header. Strict about octets, lenient about dots: senders such as <a..b@example.org> exist, and
 * their mail is to arrive. Runs in the door. */
#include "wire/smtp_address.h"

#include <string.h>

/* ---- octets */

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

static bool is_atext(char c)
{
    return is_alnum(c) || is_one_of(c, "!#$%&'*+-/=?^_`{|}~");
}

/* The octets of the UTF-8 character above 0x7F at the head of s; 0: it is none (RFC 3629 §4), or a control. */
static size_t utf8_length(struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (s.n == 0 || p[0] < 0xC2 || p[0] > 0xF4)
        return 0;
    size_t n = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (s.n < n)
        return 0;
    unsigned long c = p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    static const unsigned long least[] = {0, 0, 0xA0, 0x800, 0x10000}; /* U+0080 to U+009F are controls */
    return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) ? 0 : n;
}

/* ---- reading */

/* What is read, and where it goes. */
struct reader {
    struct span in;
    char *out;
    size_t n, max;
    bool utf8;
};

/* The next octets are data. false: there is no room. */
static bool keep(struct reader *r, size_t n)
{
    if (r->max - r->n < n)
        return false;
    memcpy(r->out + r->n, r->in.p, n);
    r->n += n;
    r->in = span_from(r->in, n);
    return true;
}

static bool keep_utf8(struct reader *r)
{
    size_t n = utf8_length(r->in);
    r->utf8 = true;
    return n && keep(r, n);
}

static bool at(const struct reader *r, char c)
{
    return r->in.n && *r->in.p == c;
}

static bool skip(struct reader *r, char c)
{
    if (!at(r, c))
        return false;
    r->in = span_from(r->in, 1);
    return true;
}

static void aim(struct reader *r, char *out, size_t max)
{
    r->out = out;
    r->max = max;
    r->n = 0;
}

/* Quoted-string, after its first quote (RFC 5321 §4.1.2). */
static bool take_quoted(struct reader *r)
{
    while (r->in.n && !at(r, '"')) {
        bool pair = skip(r, '\\');
        if (r->in.n && *r->in.p >= ' ' && *r->in.p <= '~') {
            if (!keep(r, 1))
                return false;
        } else if (pair || !keep_utf8(r)) {
            return false;
        }
    }
    return skip(r, '"');
}

static bool take_local(struct reader *r)
{
    if (skip(r, '"'))
        return take_quoted(r);
    while (r->in.n && !at(r, '@') && !at(r, '>'))
        if (!(is_atext(*r->in.p) || *r->in.p == '.' ? keep(r, 1) : keep_utf8(r)))
            return false;
    return r->n > 0;
}

/* Address literal: "[127.0.0.1]", "[IPv6:::1]", "[tag:…]" (RFC 5321 §4.1.3), not looked into. */
static bool take_literal(struct reader *r)
{
    keep(r, 1);
    while (r->in.n && (is_alnum(*r->in.p) || is_one_of(*r->in.p, ".:-")))
        if (!keep(r, 1))
            return false;
    return r->n > 1 && at(r, ']') && keep(r, 1);
}

/* Labels of letters, digits and hyphens; underscores occur too. */
static bool take_domain(struct reader *r)
{
    if (at(r, '['))
        return take_literal(r);
    size_t label = 0;
    while (r->in.n && !is_one_of(*r->in.p, ">,:")) {
        size_t before = r->n;
        if (at(r, '.') && label == 0)
            return false;
        if (!(is_alnum(*r->in.p) || is_one_of(*r->in.p, ".-_") ? keep(r, 1) : keep_utf8(r)))
            return false;
        label = r->out[before] == '.' ? 0 : label + r->n - before;
        if (label > 63)
            return false;
    }
    return label > 0;
}

/* "@a,@b:" is read into `a` and forgotten. */
static bool skip_route(struct reader *r, struct smtp_address *a)
{
    while (skip(r, '@')) {
        aim(r, a->domain, SMTP_DOMAIN_MAX);
        if (!take_domain(r))
            return false;
        if (skip(r, ':'))
            return true;
        if (!skip(r, ',') || !at(r, '@'))
            return false;
    }
    return true;
}

bool smtp_address_take(struct span *in, struct smtp_address *a)
{
    struct reader r = {.in = *in};
    memset(a, 0, sizeof *a);
    if (!skip(&r, '<'))
        return false;
    if (skip(&r, '>')) {
        *in = r.in;
        return true;
    }
    if (!skip_route(&r, a))
        return false;
    memset(a->domain, 0, sizeof a->domain);
    r.utf8 = false;
    aim(&r, a->local, SMTP_LOCAL_MAX);
    if (!take_local(&r))
        return false;
    size_t local = r.n;
    if (skip(&r, '@')) {
        aim(&r, a->domain, SMTP_DOMAIN_MAX);
        if (!take_domain(&r))
            return false;
    } else if (local == 0) {
        return false; /* <""> would be taken for <> */
    }
    if (!skip(&r, '>'))
        return false;
    a->utf8 = r.utf8;
    *in = r.in;
    return true;
}

/* ---- writing */

static bool needs_quotes(const char *local)
{
    char before = '.';
    for (const char *p = local; *p; p++) {
        if (!(is_atext(*p) || (unsigned char)*p >= 0x80 || (*p == '.' && before != '.')))
            return true;
        before = *p;
    }
    return before == '.';
}

size_t smtp_address_text(const struct smtp_address *a, char out[SMTP_ADDRESS_TEXT])
{
    size_t n = 0;
    bool quotes = (*a->local || *a->domain) && needs_quotes(a->local);
    if (quotes)
        out[n++] = '"';
    for (const char *p = a->local; *p; p++) {
        if (quotes && (*p == '"' || *p == '\\'))
            out[n++] = '\\';
        out[n++] = *p;
    }
    if (quotes)
        out[n++] = '"';
    if (*a->domain) {
        out[n++] = '@';
        memcpy(out + n, a->domain, strlen(a->domain));
        n += strlen(a->domain);
    }
    out[n] = '\0';
    return n;
}
