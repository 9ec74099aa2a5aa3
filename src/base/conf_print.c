/* conf_print: a table as a file, as the sample file and as the manual's list. */
#include "base/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"
#include "base/mem.h"

void conf_print_option(const struct conf_option *o, const void *base, FILE *to)
{
    unsigned count = o->kind->count ? o->kind->count(base) : 1;
    for (unsigned i = 0; i < count; i++) {
        fprintf(to, "%s = ", o->name);
        o->kind->print(o, base, i, to);
        fputc('\n', to);
    }
}

/* ---- the sample */

/* Words of `text` in lines of at most 100 characters, each after `before`. */
static void print_wrapped(const char *before, const char *text, FILE *to)
{
    size_t column = 0;
    while (*text) {
        size_t n = strcspn(text, " ");
        bool first = column == 0;
        if (!first && column + 1 + n > 100) {
            fputc('\n', to);
            first = true;
        }
        fputs(first ? before : " ", to);
        column = first ? strlen(before) + n : column + 1 + n;
        fwrite(text, 1, n, to);
        text += n + (text[n] == ' ');
    }
    fputc('\n', to);
}

/* How a value is written: "NUMBER from 1 to 500". */
static void print_form(const struct conf_option *o, FILE *to)
{
    if (o->kind != &CONF_KIND_WORD)
        fputs(o->kind->form, to);
    for (unsigned i = 0; o->words && o->words[i]; i++)
        fprintf(to, "%s%s", i ? "|" : o->kind == &CONF_KIND_WORD ? "" : " of ", o->words[i]);
    if (!o->kind->number)
        return;
    fputs(" from ", to);
    o->kind->number(o->least, to);
    fputs(" to ", to);
    o->kind->number(o->most, to);
}

/* The values that the sample shows, each on its line behind a "#". */
static void print_examples(const struct conf_option *o, FILE *to)
{
    struct span rest = span_of(o->examples ? o->examples : o->fallback);
    do {
        struct span value = span_cut(&rest, '\n');
        fprintf(to, "#%s =%s%.*s\n", o->name, value.n ? " " : "", (int)value.n, value.p);
    } while (rest.p);
}

void conf_sample_print(const struct conf_schema *s, FILE *to)
{
    fputs(s->head, to);
    for (unsigned i = 0; i < s->count; i++) {
        const struct conf_option *o = &s->table[i];
        if (o->group)
            fprintf(to, "\n\n# ---- %s\n", o->group);
        fputc('\n', to);
        print_wrapped("# ", o->about, to);
        fputs("# ", to);
        print_form(o, to);
        fputs(o->kind->count ? "; may stand several times" : "", to);
        if (o->said)
            fprintf(to, "; default: %s", o->said);
        fputc('\n', to);
        print_examples(o, to);
    }
}

/* ---- the manual */

/* Text that roff must not take for its own. */
static void print_roff(const char *text, FILE *to)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", to);
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            fputs("\\e", to);
        else if (*p == '"')
            fputs("\\(dq", to);
        else if (*p == '-')
            fputs("\\-", to);
        else
            fputc(*p, to);
    }
}

static void print_roff_form(const struct conf_option *o, FILE *to)
{
    char *form = NULL;
    size_t n;
    FILE *memory = open_memstream(&form, &n);
    if (!memory)
        abort(); /* out of memory, as in mem */
    print_form(o, memory);
    fclose(memory);
    print_roff(form, to);
    free(form);
}

static void print_default(const struct conf_option *o, FILE *to)
{
    if (o->said || !*o->fallback) {
        fputs("Default: ", to);
        print_roff(o->said ? o->said : "none", to);
        fputs(".\n", to);
        return;
    }
    fputs("Default:\n.Ql \"", to);
    print_roff(o->fallback, to);
    fputs("\" .\n", to);
}

void conf_manual_print(const struct conf_schema *s, FILE *to)
{
    for (unsigned i = 0; i < s->count; i++) {
        const struct conf_option *o = &s->table[i];
        if (o->group)
            fprintf(to, "%s.Ss %s\n.Bl -tag -width Ds\n", i ? ".El\n" : "", o->group);
        fprintf(to, ".It Ic %s No = Ar \"", o->name);
        print_roff_form(o, to);
        fputs("\"\n", to);
        print_roff(o->about, to);
        fputs(o->kind->count ? "\nMay stand several times.\n" : "\n", to);
        print_default(o, to);
        fputs(o->reloads ? "Takes effect at SIGHUP.\n" : "", to);
    }
    fputs(".El\n", to);
}

/* ---- the server's */

void conf_print(const struct conf *c, FILE *to)
{
    for (unsigned i = 0; i < conf_schema_server.count; i++)
        conf_print_option(&conf_schema_server.table[i], c, to);
}

void conf_sample(FILE *to)
{
    conf_sample_print(&conf_schema_server, to);
}

void conf_manual(FILE *to)
{
    conf_manual_print(&conf_schema_server, to);
}
