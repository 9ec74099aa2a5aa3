/* surrogate_field: what stands for one field that is not ASCII (RFC 6858 §2). Mail process. */
#include "wire/surrogate.h"

#include <string.h>

#include "wire/words.h"

#define INVALID "invalid@internationalized-address.invalid" /* RFC 6858 §2.1, RFC 2606 §2: nobody's */

const char surrogate_from[] = "From: " INVALID "\r\n";

/* ---- walking over a structured field (RFC 5322 §3.2) */

/* The octet behind the quoted string, comment or domain literal that begins at `at`; 0: it does not end. */
static size_t skip_group(struct span v, size_t at)
{
    char open = v.p[at], close = open == '"' ? '"' : open == '(' ? ')' : ']';
    unsigned depth = 1;
    for (at++; at < v.n; at++) {
        if (v.p[at] == '\\')
            at++;
        else if (v.p[at] == close && --depth == 0)
            return at + 1;
        else if (open == '(' && v.p[at] == '(')
            depth++;
    }
    return 0;
}

/* The octet behind what stands at `at`: a quoted string or comment as a whole, else one octet. 0: one does not end. */
static size_t skip_one(struct span v, size_t at)
{
    return v.p[at] == '"' || v.p[at] == '(' ? skip_group(v, at) : at + 1;
}

static struct span trim(struct span s)
{
    while (s.n && words_blank(s.p[0]))
        s = span_from(s, 1);
    while (s.n && words_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

static struct span between(struct span v, size_t from, size_t to)
{
    return (struct span){v.p + from, to - from};
}

/* ---- phrases: names, with the comments among them */

/* Text that waits to be encoded as one, so that a name of several words is one. */
struct phrase {
    struct words *w;
    struct buf waits;
};

static void add_text(struct phrase *p, struct span text)
{
    p->w->full = p->w->full || !buf_add_span(&p->waits, text);
}

static void flush(struct phrase *p)
{
    if (p->waits.len)
        words_encode(p->w, "", buf_span(&p->waits), "");
    buf_take(&p->waits, p->waits.len);
}

/* What a quoted string or comment holds: without what encloses it and without backslashes. */
static void add_inner(struct phrase *p, struct span group)
{
    for (size_t i = 1; i + 1 < group.n; i++) {
        i += group.p[i] == '\\' && i + 2 < group.n;
        add_text(p, between(group, i, i + 1));
    }
}

static void phrase_token(struct phrase *p, struct span token, bool blank)
{
    const struct span one = {" ", blank};
    if (words_ascii(token)) {
        if (p->waits.len && words_is_encoded(token) && blank)
            add_text(p, one);
        flush(p);
        words_add(p->w, one, token);
    } else if (token.p[0] == '(') {
        flush(p);
        add_inner(p, token);
        words_encode(p->w, "(", buf_span(&p->waits), ")");
        p->w->encoded = true;
        buf_take(&p->waits, p->waits.len);
    } else {
        if ((p->waits.len || p->w->encoded) && blank) /* a blank between two encoded-words is not shown */
            add_text(p, one);
        if (token.p[0] == '"')
            add_inner(p, token);
        else
            add_text(p, token);
    }
}

/* The first word gets a blank before it. What is to be encoded at its end waits. */
static void begin_phrase(struct phrase *p, struct span s)
{
    bool blank = true;
    for (size_t at = 0; at < s.n;) {
        if (words_blank(s.p[at])) {
            blank = true;
            at++;
            continue;
        }
        size_t end = at;
        if (s.p[at] == '"' || s.p[at] == '(')
            end = skip_group(s, at);
        else
            while (end < s.n && !words_blank(s.p[end]) && s.p[end] != '"' && s.p[end] != '(')
                end++;
        phrase_token(p, between(s, at, end), blank);
        blank = false;
        at = end;
    }
}

static void add_phrase(struct phrase *p, struct span s)
{
    begin_phrase(p, s);
    flush(p);
}

/* ---- addresses (RFC 6858 §2.1) */

/* What is left without comments is ASCII. */
static bool core_is_ascii(struct span s)
{
    for (size_t at = 0; at < s.n;) {
        size_t end = skip_one(s, at);
        if (s.p[at] != '(' && !words_ascii(between(s, at, end)))
            return false;
        at = end;
    }
    return true;
}

/* Where "<" stands outside of quoted strings and comments; s.n: nowhere. */
static size_t find_angle(struct span s)
{
    size_t at = 0;
    while (at < s.n && s.p[at] != '<')
        at = skip_one(s, at);
    return at;
}

/* One address, with what it was as the name of one that is invalid. */
static void add_invalid(struct phrase *p, struct span name, struct span address)
{
    begin_phrase(p, name);
    add_text(p, span_of(p->waits.len || p->w->encoded ? " " : "")); /* see phrase_token */
    add_text(p, span_of(name.n ? "(" : ""));
    add_text(p, address);
    add_text(p, span_of(name.n ? ")" : ""));
    flush(p);
    words_add(p->w, span_of(" "), span_of("<" INVALID ">"));
}

static void add_address(struct phrase *p, struct span s)
{
    p->w->encoded = false;
    size_t open = find_angle(s), close = open;
    if (words_ascii(s)) {
        words_add_all(p->w, s);
        return;
    }
    if (open == s.n) {
        if (core_is_ascii(s))
            add_phrase(p, s);
        else
            add_invalid(p, (struct span){"", 0}, s);
        return;
    }
    while (close < s.n && s.p[close] != '>')
        close = skip_one(s, close);
    struct span name = trim(between(s, 0, open)), address = trim(between(s, open + 1, close));
    if (!words_ascii(address)) {
        add_invalid(p, name, address);
        return;
    }
    add_phrase(p, name);
    words_add(p->w, span_of(" "), between(s, open, close < s.n ? close + 1 : s.n));
    if (close < s.n)
        add_phrase(p, trim(span_from(s, close + 1)));
}

struct list {
    struct phrase p;
    bool any, comma; /* an address has been written; one has, and another needs a comma before it */
};

static void list_element(struct list *l, struct span s)
{
    s = trim(s);
    if (s.n == 0)
        return;
    if (l->comma)
        words_join(l->p.w, span_of(","));
    add_address(&l->p, s);
    l->any = l->comma = true;
}

/* "Name:" of a group (RFC 5322 §3.4). */
static void list_group(struct list *l, struct span name)
{
    if (l->comma)
        words_join(l->p.w, span_of(","));
    l->p.w->encoded = false;
    add_phrase(&l->p, trim(name));
    words_join(l->p.w, span_of(":"));
    l->comma = false;
    l->any = true;
}

/* Quoted strings, comments and "<…>" all end. */
static bool well_formed(struct span v)
{
    bool angle = false;
    for (size_t at = 0; at < v.n;) {
        angle = v.p[at] == '<' || (angle && v.p[at] != '>');
        at = skip_one(v, at);
        if (at == 0)
            return false;
    }
    return !angle;
}

static bool write_list(struct list *l, struct span v)
{
    bool angle = false, group = false;
    size_t begin = 0;
    for (size_t at = 0; at < v.n; at = skip_one(v, at)) {
        char c = v.p[at];
        angle = c == '<' || (angle && c != '>');
        if (angle || !strchr(",:;", c) || !c)
            continue;
        struct span s = between(v, begin, at);
        begin = at + 1;
        if (c == ':' && !group) {
            list_group(l, s);
            group = true;
            continue;
        }
        list_element(l, s);
        if (c == ';' && group) {
            words_join(l->p.w, span_of(";"));
            group = false;
            l->comma = true;
        }
    }
    list_element(l, span_from(v, begin));
    if (group)
        words_join(l->p.w, span_of(";"));
    return l->any;
}

static bool addresses(struct words *w, struct span v)
{
    if (!well_formed(v))
        return false;
    struct list l = {.p = {.w = w}};
    buf_init(&l.p.waits, SURROGATE_FIELD, NULL);
    bool good = write_list(&l, v);
    buf_fini(&l.p.waits);
    return good;
}

/* A path has no name (RFC 5322 §3.6.7). */
static bool return_path(struct words *w, struct span v)
{
    words_add(w, span_of(" "), span_of("<" INVALID ">"));
    return true;
}

/* ---- Subject (RFC 6858 §2.3) */

/* The next blanks and the word behind them. */
static struct span next_word(struct span v, size_t at, size_t *word)
{
    size_t end = at;
    while (end < v.n && words_blank(v.p[end]))
        end++;
    *word = end;
    while (end < v.n && !words_blank(v.p[end]))
        end++;
    return between(v, at, end);
}

/* Words that need no encoding stay; those in a row that do are one text, with the blanks that would not be shown. */
static bool subject(struct words *w, struct span v)
{
    v = trim(v);
    size_t text = v.n, at = 0; /* where the text begins that waits; v.n: none does */
    for (size_t word; at < v.n;) {
        struct span s = next_word(v, at, &word), bare = span_from(s, word - at);
        if (!words_ascii(bare)) {
            if (text == v.n)
                text = w->encoded ? at : word;
        } else {
            bool encoded = words_is_encoded(bare);
            if (text != v.n)
                words_encode(w, "", between(v, text, encoded ? word : at), "");
            text = v.n;
            words_add(w, at ? between(v, at, word) : span_of(" "), bare);
        }
        at += s.n;
    }
    if (text != v.n)
        words_encode(w, "", span_from(v, text), "");
    return true;
}

/* ---- parameters (RFC 6858 §2.2) */

static bool parameters(struct words *w, struct span v)
{
    if (!well_formed(v))
        return false;
    size_t begin = 0;
    bool first = true;
    for (size_t at = 0; at <= v.n; at = at < v.n ? skip_one(v, at) : at + 1) {
        if (at < v.n && v.p[at] != ';')
            continue;
        struct span s = trim(between(v, begin, at));
        begin = at + 1;
        if (!words_ascii(s)) {
            if (first)
                return false;
            continue;
        }
        if (!first && s.n)
            words_join(w, span_of(";"));
        words_add_all(w, s);
        first = false;
    }
    return true;
}

/* ---- fields */

struct row {
    const char *name;
    bool (*write)(struct words *w, struct span value);
};

static const struct row rows[] = {
    {"From", addresses},          {"To", addresses},          {"Cc", addresses},           {"Bcc", addresses},
    {"Sender", addresses},        {"Reply-To", addresses},    {"Resent-From", addresses},  {"Resent-To", addresses},
    {"Resent-Cc", addresses},     {"Resent-Bcc", addresses},  {"Resent-Sender", addresses}, {"Return-Path", return_path},
    {"Subject", subject},         {"Content-Type", parameters}, {"Content-Disposition", parameters},
};

/* The field's name, as it stands there; blanks before the colon are passed over (RFC 5322 §4.5). */
static struct span name_of(struct span field, struct span *value)
{
    *value = field;
    struct span name = span_cut(value, ':');
    while (name.n && words_blank(name.p[name.n - 1]))
        name.n--;
    return name;
}

bool surrogate_is_from(struct span field)
{
    struct span value, head = {field.p, field.n < 32 ? field.n : 32}; /* the field may be endless */
    return span_is_nocase(name_of(head, &value), rows[0].name) && value.p;
}

/* On one line (RFC 5322 §2.2.3). */
static void unfold(struct span value, struct buf *out)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '\r' && value.p[i] != '\n')
            buf_add(out, value.p + i, 1);
}

bool surrogate_field(struct span field, struct buf *out)
{
    struct span value, name = name_of(field, &value);
    for (size_t i = 0; value.p && i < sizeof rows / sizeof *rows; i++) {
        if (!span_is_nocase(name, rows[i].name))
            continue;
        struct words w = {.out = out};
        struct buf line;
        buf_init(&line, SURROGATE_FIELD, NULL);
        unfold(value, &line);
        words_join(&w, name);
        words_join(&w, span_of(":"));
        bool good = rows[i].write(&w, buf_span(&line));
        words_join(&w, span_of("\r\n"));
        buf_fini(&line);
        return good && !w.full;
    }
    return false;
}
