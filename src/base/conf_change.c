/* conf_change: a configuration against the one before it, for SIGHUP. The master. */
#include "base/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/conf_table.h"

static char *option_text(const struct conf_option *o, const void *base)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    if (!to)
        abort(); /* out of memory, as in mem */
    conf_print_option(o, base, to);
    fclose(to);
    return text;
}

void conf_differ(const struct conf *a, const struct conf *b, void (*fn)(void *arg, const char *name), void *arg)
{
    const struct conf_option *table = conf_schema_server.table;
    for (unsigned i = 0; i < conf_schema_server.count; i++) {
        char *x = option_text(&table[i], a), *y = option_text(&table[i], b);
        if (strcmp(x, y) != 0)
            fn(arg, table[i].name);
        free(x);
        free(y);
    }
}

bool conf_reloads(const char *name)
{
    unsigned i = conf_find(&conf_schema_server, span_of(name));
    return i < conf_schema_server.count && conf_schema_server.table[i].reloads;
}

/* By the values as they are printed: "NAME = VALUE", one a line. */
void conf_copy_option(const struct conf_option *o, void *to, const void *from)
{
    char why[CONF_WHY], *text = option_text(o, from);
    struct span rest = span_of(text);
    o->kind->free(o, to);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        o->kind->read(o, to, span_from(line, strlen(o->name) + 3), 0, why);
    }
    free(text);
}

void conf_keep(struct conf *fresh, const struct conf *old)
{
    const struct conf_option *table = conf_schema_server.table;
    for (unsigned i = 0; i < conf_schema_server.count; i++)
        if (!table[i].reloads)
            conf_copy_option(&table[i], fresh, old);
}
