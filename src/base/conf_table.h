/* conf_table: the rows that describe options, and the machinery that reads, checks and lists a file by them: the server's
 * configuration (base/conf.h) and a person's accounts (base/accounts.h). For those files alone; the rest of the house uses their headers. */
#ifndef BASE_CONF_TABLE_H
#define BASE_CONF_TABLE_H

#include <stddef.h>

#include "base/conf.h"

enum { CONF_WHY = 1500, CONF_TEXT = 4096 };

struct conf_option;

/* What a kind of value can do. `base` is the struct that the table describes. `why` is told what is wrong and the remedy, to stand
 * after `name = "value" `; of several things that are wrong each has a line. */
struct conf_kind {
    const char *form; /* how a value is written, for the sample and the manual */
    bool (*read)(const struct conf_option *o, void *base, struct span value, unsigned line, char why[CONF_WHY]);
    void (*print)(const struct conf_option *o, const void *base, unsigned i, FILE *to);
    void (*free)(const struct conf_option *o, void *base);
    unsigned (*count)(const void *base);         /* of a list; NULL: one value */
    void (*number)(uint64_t value, FILE *to);    /* prints a limit; NULL: no number */
};

struct conf_option {
    const char *name;
    const struct conf_kind *kind;
    size_t at;            /* in the struct */
    const char *fallback; /* the default as one would write it; NULL: whoever reads the file makes it */
    const char *said;     /* the default in words, where `fallback` does not tell */
    const char *examples; /* what the sample shows instead of `fallback`, a value a line */
    uint64_t least, most; /* of numbers, times (ms) and sizes */
    const char *const *words; /* of CONF_KIND_WORD and CONF_KIND_WORDS, ends with NULL */
    bool reloads;         /* the server takes it up at SIGHUP */
    bool begins;          /* a new struct, which this option and those below it fill */
    const char *group;    /* a heading before this option, or NULL */
    const char *about;
};

struct conf_other {
    const char *name, *said; /* said: what to do instead */
};

struct conf_schema {
    const struct conf_option *table;
    unsigned count;     /* at most CONF_OPTIONS */
    const char *manual; /* "bustia.conf(5)" */
    const char *head;   /* of the sample: comments */
    const struct conf_other *others; /* names that people look for and that are none here, up to one that is NULL; or NULL */
};
extern const struct conf_schema conf_schema_server, conf_schema_accounts;
unsigned conf_find(const struct conf_schema *s, struct span name); /* s->count: no such option */

extern const struct conf_kind CONF_KIND_LISTEN, CONF_KIND_PAIR, CONF_KIND_TEXT, CONF_KIND_HOST, CONF_KIND_FILE, CONF_KIND_NETWORKS, CONF_KIND_WORDS,
    CONF_KIND_ROOT, CONF_KIND_STORE, CONF_KIND_USER, CONF_KIND_NAME, CONF_KIND_NUMBER, CONF_KIND_TIME, CONF_KIND_DAYS, CONF_KIND_SIZE, CONF_KIND_YES, CONF_KIND_LOOPBACK,
    CONF_KIND_WORD;

/* For kinds of their own: false and *why; a text field, which then owns `text`. */
static inline bool conf_say(char why[CONF_WHY], const char *text)
{
    snprintf(why, CONF_WHY, "%s", text);
    return false;
}
bool conf_text_set(const struct conf_option *o, void *base, char *text);
void conf_text_print(const struct conf_option *o, const void *base, unsigned i, FILE *to);
void conf_text_free(const struct conf_option *o, void *base);

/* ---- reading */
struct conf_reader {
    const struct conf_schema *schema;
    struct conf_problems *p;
    void *base;      /* what is filled now, */
    unsigned *lines; /* which line set each option of it, */
    bool *wrong;     /* and which were refused */
    void (*begin)(struct conf_reader *r, void *arg); /* an option that `begins` comes: sets the three anew */
    void *arg;
    unsigned line;
};
void conf_defaults(const struct conf_schema *s, void *base); /* into a struct of zeroes */
void conf_parse(struct conf_reader *r, struct span text);
void conf_clear(const struct conf_schema *s, void *base); /* frees every value */

/* A file of at most 1 MB, in a room of its own (mem_free), also on failure. *st: who owns it, who may write it. */
struct stat;
int conf_file_read(const char *path, char **text, size_t *n, struct stat *st, struct err *err);

/* ---- writing */
/* One option in the file's syntax, each value of a list on its line. */
void conf_print_option(const struct conf_option *o, const void *base, FILE *to);
/* `to` gets the option's value that `from` has. */
void conf_copy_option(const struct conf_option *o, void *to, const void *from);
void conf_sample_print(const struct conf_schema *s, FILE *to);
void conf_manual_print(const struct conf_schema *s, FILE *to);

/* conf_fit: what does not fit together. `wrong`, in the table's order: options whose values were refused, about which there is
 * nothing more to say. */
void conf_fit(const struct conf *c, const bool wrong[CONF_OPTIONS], struct conf_problems *p);

#endif
