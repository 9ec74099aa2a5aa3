/* log_json: see the header. */
#include "base/log_json.h"

#include <stdio.h>
#include <string.h>

enum { SPARE = 128 /* what closes the object however much is cut */, KEYS = 32, VALUE = 2048 };

size_t log_utf8(struct span s, uint32_t *number)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xC0 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF8 ? 4 : 0;
    if (n == 0 || n > s.n)
        return 0;
    uint32_t v = n == 1 ? c : c & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)s.p[i] & 0xC0) != 0x80)
            return 0;
        v = v << 6 | ((unsigned char)s.p[i] & 0x3F);
    }
    *number = v;
    return v < least[n] || v > 0x10FFFF || (v >= 0xD800 && v < 0xE000) ? 0 : n;
}

bool log_deceives(uint32_t v)
{
    return v < 0x20 || (v >= 0x7F && v < 0xA0) || (v >= 0x2028 && v <= 0x202E) || (v >= 0x2066 && v <= 0x2069);
}

/* ---- writing */

struct writer {
    char *out;
    size_t n, room; /* less what is kept for the end */
    bool cut;
};

static void add(struct writer *w, struct span s)
{
    if (w->cut || s.n > w->room - w->n) {
        w->cut = true;
        return;
    }
    memcpy(w->out + w->n, s.p, s.n);
    w->n += s.n;
}

static void add_text(struct writer *w, const char *text)
{
    add(w, span_of(text));
}

/* Into the room that is kept. */
static void close_with(struct writer *w, const char *text)
{
    size_t n = strlen(text);
    memcpy(w->out + w->n, text, n);
    w->n += n;
    w->room += n;
}

/* One character as it stands inside of a string. */
static void add_character(struct writer *w, struct span s, uint32_t number)
{
    char escape[8];
    if (number == '"' || number == '\\')
        add(w, (struct span){(char[]){'\\', (char)number}, 2});
    else if (log_deceives(number)) { /* none of them lies beyond U+FFFF */
        snprintf(escape, sizeof escape, "\\u%04x", number & 0xFFFF);
        add_text(w, escape);
    } else
        add(w, s);
}

static void add_string(struct writer *w, struct span s)
{
    if (w->cut)
        return;
    add_text(w, "\"");
    if (w->cut)
        return;
    while (s.n && !w->cut) {
        uint32_t number = 0;
        size_t n = log_utf8(s, &number);
        if (n)
            add_character(w, (struct span){s.p, n}, number);
        else
            add_text(w, "\xef\xbf\xbd");
        s = span_from(s, n ? n : 1);
    }
    close_with(w, w->cut ? "\xe2\x80\xa6\"" : "\"");
}

static void add_member(struct writer *w, const char *before, const char *name, const char *value)
{
    add_text(w, before);
    add_text(w, "\"");
    add_text(w, name);
    add_text(w, "\":");
    add_string(w, span_of(value));
}

/* ---- the text */

/* key=value, as far as it reaches. */
struct pair {
    struct span key, value;
    size_t n; /* of the whole, and the blank behind it */
    bool quoted;
};

static size_t key_length(struct span s)
{
    size_t n = 0;
    while (n < s.n && ((s.p[n] >= 'a' && s.p[n] <= 'z') || s.p[n] == '_' || (n && s.p[n] >= '0' && s.p[n] <= '9')))
        n++;
    return n;
}

/* false: no pair begins here. */
static bool next_pair(struct span s, struct pair *p)
{
    size_t n = key_length(s);
    if (!n || n + 1 >= s.n || s.p[n] != '=')
        return false;
    *p = (struct pair){.key = {s.p, n}, .quoted = s.p[n + 1] == '"'};
    struct span rest = span_from(s, n + 1 + p->quoted);
    const char *end = rest.n ? memchr(rest.p, p->quoted ? '"' : ' ', rest.n) : NULL;
    p->value = (struct span){rest.p, end ? (size_t)(end - rest.p) : rest.n};
    p->n = n + 1 + p->value.n + (p->quoted ? 1u + (end != NULL) : 0);
    if (p->n < s.n && s.p[p->n] != ' ') /* it only looked like one */
        return false;
    p->n += p->n < s.n;
    return p->quoted || p->value.n;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes \xNN. */
static struct span plain(struct span s, char room[VALUE])
{
    size_t n = 0, i = 0;
    while (i < s.n && n < VALUE) {
        bool escaped = s.n - i >= 4 && s.p[i] == '\\' && s.p[i + 1] == 'x';
        int high = escaped ? digit(s.p[i + 2]) : -1, low = escaped ? digit(s.p[i + 3]) : -1;
        escaped = high >= 0 && low >= 0;
        room[n++] = escaped ? (char)(high * 16 + low) : s.p[i];
        i += escaped ? 4 : 1;
    }
    return (struct span){room, n};
}

static size_t digits(struct span s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    return n;
}

/* Digits without a sign or a zero before them, few enough for every reader; seconds have a fraction. An id may look like either. */
static bool is_number(const struct pair *p)
{
    size_t whole = digits(p->value);
    if (p->quoted || span_is(p->key, "id") || !whole || whole > 15 || (whole > 1 && p->value.p[0] == '0'))
        return false;
    struct span rest = span_from(p->value, whole);
    return !rest.n || (rest.p[0] == '.' && rest.n > 1 && rest.n < 10 && digits(span_from(rest, 1)) == rest.n - 1);
}

/* All of it or nothing, but for a string that is cut. */
static void add_pair(struct writer *w, const struct pair *p, bool first)
{
    char room[VALUE];
    size_t before = w->n;
    add_text(w, first ? "\"" : ",\"");
    add(w, p->key);
    add_text(w, "\":");
    size_t named = w->n;
    if (is_number(p))
        add(w, p->value);
    else
        add_string(w, p->quoted ? plain(p->value, room) : p->value);
    if (w->cut && w->n <= named)
        w->n = before;
}

static bool is_among(struct span key, const struct span *keys, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (keys[i].n == key.n && memcmp(keys[i].p, key.p, key.n) == 0)
            return true;
    return false;
}

/* What is behind the fields. */
static struct span add_fields(struct writer *w, struct span text)
{
    struct span keys[KEYS];
    unsigned n = 0;
    struct pair p;
    while (n < KEYS && !w->cut && next_pair(text, &p) && !is_among(p.key, keys, n)) {
        add_pair(w, &p, n == 0);
        keys[n++] = p.key;
        text = span_from(text, p.n);
    }
    return text;
}

size_t log_json(const struct log_line *l, char *out, size_t room)
{
    struct writer w = {.out = out, .room = room - SPARE};
    char pid[24];
    snprintf(pid, sizeof pid, ",\"pid\":%d", l->pid);
    add_member(&w, "{", "time", l->when);
    add_member(&w, ",", "program", l->program);
    add_text(&w, pid);
    add_member(&w, ",", "role", l->role);
    add_member(&w, ",", "level", l->level);
    add_member(&w, ",", "event", l->event);
    add_text(&w, ",\"fields\":{");
    struct span rest = add_fields(&w, span_of(l->text));
    close_with(&w, "},\"message\":");
    size_t before = w.n;
    add_string(&w, rest);
    if (w.n == before)
        close_with(&w, "\"\"");
    close_with(&w, w.cut ? ",\"cut\":true}" : "}");
    return w.n;
}
