/* conf_change: a configuration against the one before it, for SIGHUP. The master. */
#include "base/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"

static char *option_text(const struct conf_option *o, const struct conf *c)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    if (!to)
        abort(); /* out of memory, as in mem */
    conf_print_option(o, c, to);
    fclose(to);
    return text;
}

void conf_differ(const struct conf *a, const struct conf *b, void (*fn)(void *arg, const char *name), void *arg)
{
    for (unsigned i = 0; i < conf_table_count; i++) {
        char *x = option_text(&conf_table[i], a), *y = option_text(&conf_table[i], b);
        if (strcmp(x, y) != 0)
            fn(arg, conf_table[i].name);
        free(x);
        free(y);
    }
}

bool conf_reloads(const char *name)
{
    unsigned i = conf_table_find(span_of(name));
    return i < conf_table_count && conf_table[i].reloads;
}

/* The values of `old`, as they were printed: "NAME = VALUE", one a line. */
static void keep_option(const struct conf_option *o, struct conf *fresh, const struct conf *old)
{
    char why[CONF_WHY], *text = option_text(o, old);
    struct span rest = span_of(text);
    o->kind->free(o, fresh);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        o->kind->read(o, fresh, span_from(line, strlen(o->name) + 3), 0, why);
    }
    free(text);
}

void conf_keep(struct conf *fresh, const struct conf *old)
{
    for (unsigned i = 0; i < conf_table_count; i++)
        if (!conf_table[i].reloads)
            keep_option(&conf_table[i], fresh, old);
}
