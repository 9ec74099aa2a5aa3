/* conf_parse: a text of options, read by a table. */
#include "base/conf_table.h"

#include <string.h>

#include "base/conf_value.h"
#include "base/log.h"

unsigned conf_find(const struct conf_schema *s, struct span name)
{
    unsigned i = 0;
    while (i < s->count && !span_is(name, s->table[i].name))
        i++;
    return i;
}

static const char *nearest_option(const struct conf_schema *s, struct span word)
{
    const char *names[CONF_OPTIONS + 1];
    for (unsigned i = 0; i < s->count; i++)
        names[i] = s->table[i].name;
    names[s->count] = NULL;
    return conf_nearest(word, names);
}

/* What is said of a name that other programs have. */
static const char *other_option(const struct conf_schema *s, struct span word)
{
    for (const struct conf_other *o = s->others; o && o->name; o++)
        if (span_is_nocase(word, o->name))
            return o->said;
    return NULL;
}

/* ---- one line */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
    while (s.n && blank(s.p[0]))
        s = span_from(s, 1);
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Without its comment: a "#" at the start or after a blank. */
static struct span without_comment(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == '#' && (i == 0 || blank(line.p[i - 1])))
            return (struct span){line.p, i};
    return line;
}

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return true;
    return false;
}

static void unknown_option(const struct conf_reader *r, struct span name)
{
    const char *near = nearest_option(r->schema, name), *other = other_option(r->schema, name);
    if (other)
        conf_problem_add(r->p, r->line, true, "unknown option %s; %s", log_quote(name), other);
    else if (near)
        conf_problem_add(r->p, r->line, true, "unknown option %s; did you mean \"%s\"?", log_quote(name), near);
    else
        conf_problem_add(r->p, r->line, true, "unknown option %s; %s lists those that there are", log_quote(name),
                         r->schema->manual);
}

/* May `name =` stand without a value? Where the default is none, and where a list may be empty. */
static bool may_be_empty(const struct conf_option *o)
{
    return (o->fallback && !*o->fallback) || o->kind == &CONF_KIND_NETWORKS || o->kind == &CONF_KIND_WORDS;
}

static void read_option(struct conf_reader *r, struct span name, struct span value)
{
    unsigned i = conf_find(r->schema, name);
    if (i == r->schema->count) {
        unknown_option(r, name);
        return;
    }
    const struct conf_option *o = &r->schema->table[i];
    char why[CONF_WHY] = "";
    if (o->begins)
        r->begin(r, r->arg);
    if (r->lines[i] && !o->kind->count) {
        conf_problem_add(r->p, r->line, true, "%s stands on line %u already; keep one of the two", o->name,
                         r->lines[i]);
        return;
    }
    if (!r->lines[i])
        r->lines[i] = r->line;
    unsigned before = r->p->count;
    if (!value.n && !may_be_empty(o))
        conf_problem_add(r->p, r->line, true, "%s has no value; write %s = %s, or take the line out", o->name, o->name,
                         o->kind->form);
    else if (!o->kind->read(o, r->base, value, r->line, why)) {
        struct span rest = span_of(why);
        do {
            struct span one = span_cut(&rest, '\n');
            conf_problem_add(r->p, r->line, true, "%s = %s %.*s", o->name, log_quote(value), (int)one.n, one.p);
        } while (rest.p);
    }
    r->wrong[i] |= r->p->count > before;
}

static void read_line(struct conf_reader *r, struct span text)
{
    struct span rest = trim(without_comment(text));
    if (!rest.n)
        return;
    if (has_control(rest)) {
        conf_problem_add(r->p, r->line, true, "there is a control character in %s; take it out", log_quote(rest));
        return;
    }
    struct span whole = rest, name = trim(span_cut(&rest, '='));
    if (rest.p && name.n) {
        read_option(r, name, trim(rest));
        return;
    }
    struct span words = name, first = conf_word(&words);
    if (conf_find(r->schema, first) < r->schema->count)
        conf_problem_add(r->p, r->line, true, "%s has no \"=\"; write %.*s = VALUE", log_quote(whole), (int)first.n,
                         first.p);
    else
        conf_problem_add(r->p, r->line, true, "%s sets nothing; write NAME = VALUE, or \"#\" before a comment",
                         log_quote(whole));
}

/* ---- the whole */

void conf_parse(struct conf_reader *r, struct span text)
{
    struct span rest = text;
    if (rest.n >= 3 && memcmp(rest.p, "\xef\xbb\xbf", 3) == 0) /* some editors begin UTF-8 with it */
        rest = span_from(rest, 3);
    for (r->line = 1; rest.n; r->line++)
        read_line(r, span_cut(&rest, '\n'));
}

void conf_defaults(const struct conf_schema *s, void *base)
{
    char why[CONF_WHY];
    for (unsigned i = 0; i < s->count; i++) {
        const struct conf_option *o = &s->table[i];
        if (o->fallback && !o->kind->count)
            o->kind->read(o, base, span_of(o->fallback), 0, why);
    }
}

void conf_clear(const struct conf_schema *s, void *base)
{
    for (unsigned i = 0; i < s->count; i++)
        s->table[i].kind->free(&s->table[i], base);
}
