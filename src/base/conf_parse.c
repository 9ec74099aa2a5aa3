/* conf: reads the configuration by its table. The master and the tool read the file, every role what the master prints.
 */
#include "base/conf.h"

#include <string.h>
#include <unistd.h>

#include "base/conf_table.h"
#include "base/conf_value.h"
#include "base/log.h"
#include "base/mem.h"

static const char *nearest_option(struct span word)
{
    const char *names[CONF_OPTIONS + 1];
    for (unsigned i = 0; i < conf_table_count; i++)
        names[i] = conf_table[i].name;
    names[conf_table_count] = NULL;
    return conf_nearest(word, names);
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

static void unknown_option(struct span name, unsigned line, struct conf_problems *p)
{
    const char *near = nearest_option(name);
    if (near)
        conf_problem_add(p, line, true, "unknown option %s; did you mean \"%s\"?", log_quote(name), near);
    else
        conf_problem_add(p, line, true, "unknown option %s; bustia.conf(5) lists those that there are",
                         log_quote(name));
}

/* What is under way while a text is read. */
struct reader {
    struct conf *c;
    struct conf_problems *p;
    unsigned line;
    bool wrong[CONF_OPTIONS];
};

/* May `name =` stand without a value? Where the default is none, and where a list may be empty. */
static bool may_be_empty(const struct conf_option *o)
{
    return (o->fallback && !*o->fallback) || o->kind == &CONF_KIND_NETWORKS || o->kind == &CONF_KIND_WORDS;
}

static void read_option(struct reader *r, struct span name, struct span value)
{
    unsigned i = conf_table_find(name);
    if (i == conf_table_count) {
        unknown_option(name, r->line, r->p);
        return;
    }
    const struct conf_option *o = &conf_table[i];
    char why[CONF_WHY] = "";
    if (r->c->lines[i] && !o->kind->count) {
        conf_problem_add(r->p, r->line, true, "%s stands on line %u already; keep one of the two", o->name,
                         r->c->lines[i]);
        return;
    }
    if (!r->c->lines[i])
        r->c->lines[i] = r->line;
    unsigned before = r->p->count;
    if (!value.n && !may_be_empty(o))
        conf_problem_add(r->p, r->line, true, "%s has no value; write %s = %s, or take the line out", o->name, o->name,
                         o->kind->form);
    else if (!o->kind->read(o, r->c, value, r->line, why))
        conf_problem_add(r->p, r->line, true, "%s = %s %s", o->name, log_quote(value), why);
    r->wrong[i] |= r->p->count > before;
}

static void read_line(struct reader *r, struct span text)
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
    if (conf_table_find(first) < conf_table_count)
        conf_problem_add(r->p, r->line, true, "%s has no \"=\"; write %.*s = VALUE", log_quote(whole), (int)first.n,
                         first.p);
    else
        conf_problem_add(r->p, r->line, true, "%s sets nothing; write NAME = VALUE, or \"#\" before a comment",
                         log_quote(whole));
}

/* ---- defaults */

/* The machine's name if it can stand in a greeting. */
static void default_hostname(const struct conf_option *o, struct conf *c)
{
    char name[256] = "", why[CONF_WHY];
    if (gethostname(name, sizeof name - 1) < 0 || !o->kind->read(o, c, span_of(name), 0, why))
        o->kind->read(o, c, span_of("localhost"), 0, why);
}

static void default_listeners(const struct conf_option *o, struct conf *c)
{
    char why[CONF_WHY];
    o->kind->read(o, c, span_of("[::]:110 pop3"), 0, why);
    o->kind->read(o, c, span_of("0.0.0.0:110 pop3"), 0, why);
    if (!*c->tls_cert)
        return;
    o->kind->read(o, c, span_of("[::]:995 pop3s"), 0, why);
    o->kind->read(o, c, span_of("0.0.0.0:995 pop3s"), 0, why);
}

static void defaults_before(struct conf *c)
{
    char why[CONF_WHY];
    memset(c, 0, sizeof *c);
    for (unsigned i = 0; i < conf_table_count; i++) {
        const struct conf_option *o = &conf_table[i];
        if (o->fallback && !o->kind->count)
            o->kind->read(o, c, span_of(o->fallback), 0, why);
    }
    default_hostname(&conf_table[conf_table_find(span_of("hostname"))], c);
}

static void defaults_after(struct conf *c)
{
    char why[CONF_WHY];
    const struct conf_option *root = &conf_table[conf_table_find(span_of("mail_root"))];
    if (!c->mail_roots)
        root->kind->read(root, c, span_of(root->fallback), 0, why);
    if (!c->listeners)
        default_listeners(&conf_table[conf_table_find(span_of("listen"))], c);
}

/* ---- the whole */

void conf_read(struct conf *c, struct span text, struct conf_problems *p)
{
    struct reader r = {.c = c, .p = p};
    struct span rest = text;
    defaults_before(c);
    if (rest.n >= 3 && memcmp(rest.p, "\xef\xbb\xbf", 3) == 0) /* some editors begin UTF-8 with it */
        rest = span_from(rest, 3);
    for (r.line = 1; rest.n; r.line++)
        read_line(&r, span_cut(&rest, '\n'));
    defaults_after(c);
    conf_fit(c, r.wrong, p);
}

void conf_free(struct conf *c)
{
    for (unsigned i = 0; i < conf_table_count; i++)
        conf_table[i].kind->free(&conf_table[i], c);
    memset(c, 0, sizeof *c);
}
