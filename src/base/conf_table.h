/* conf_table: the rows that describe the options. For the files of conf alone; the rest of the house uses base/conf.h. */
#ifndef BASE_CONF_TABLE_H
#define BASE_CONF_TABLE_H

#include <stddef.h>

#include "base/conf.h"

enum { CONF_WHY = 400 };

struct conf_option;

/* What a kind of value can do. `why` is told what is wrong and the remedy, to stand after `name = "value" `. */
struct conf_kind {
    const char *form; /* how a value is written, for the sample and the manual */
    bool (*read)(const struct conf_option *o, struct conf *c, struct span value, unsigned line, char why[CONF_WHY]);
    void (*print)(const struct conf_option *o, const struct conf *c, unsigned i, FILE *to);
    void (*free)(const struct conf_option *o, struct conf *c);
    unsigned (*count)(const struct conf *c);     /* of a list; NULL: one value */
    void (*number)(uint64_t value, FILE *to);    /* prints a limit; NULL: no number */
};

struct conf_option {
    const char *name;
    const struct conf_kind *kind;
    size_t at;            /* in struct conf */
    const char *fallback; /* the default as one would write it; NULL: conf.c makes it */
    const char *said;     /* the default in words, where `fallback` does not tell */
    const char *examples; /* what the sample shows instead of `fallback`, a value a line */
    uint64_t least, most; /* of numbers, times (ms) and sizes */
    const char *const *words; /* of CONF_KIND_WORD and CONF_KIND_WORDS, ends with NULL */
    bool reloads;
    const char *group;    /* a heading before this option, or NULL */
    const char *about;
};

extern const struct conf_option conf_table[];
extern const unsigned conf_table_count;
unsigned conf_table_find(struct span name); /* conf_table_count: no such option */

extern const struct conf_kind CONF_KIND_LISTEN, CONF_KIND_HOST, CONF_KIND_FILE, CONF_KIND_NETWORKS, CONF_KIND_WORDS,
    CONF_KIND_ROOT, CONF_KIND_STORE, CONF_KIND_USER, CONF_KIND_NAME, CONF_KIND_NUMBER, CONF_KIND_TIME, CONF_KIND_SIZE, CONF_KIND_YES,
    CONF_KIND_WORD;

/* One option in the file's syntax, each value of a list on its line. */
void conf_print_option(const struct conf_option *o, const struct conf *c, FILE *to);

/* conf_fit: what does not fit together. `wrong`, in the table's order: options whose values were refused, about which there is
 * nothing more to say. */
void conf_fit(const struct conf *c, const bool wrong[CONF_OPTIONS], struct conf_problems *p);

#endif
