/* tool: what every subcommand of `bustia` is given. */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include "base/conf.h"

#ifndef BUSTIA_CONF
#define BUSTIA_CONF "/etc/bustia/bustia.conf"
#endif

struct tool {
    const char *file;  /* the configuration's */
    struct conf *conf; /* read from it; NULL for subcommands that do not ask for it */
};

/* argv[0] is the subcommand's word. The result is the exit status (sysexits.h). */
typedef int tool_fn(const struct tool *t, int argc, char **argv);

/* "bustia: TEXT" to stderr; the exit status of the error's kind. */
int tool_fail(const struct err *err);
/* "usage: bustia TEXT" to stderr; EX_USAGE. */
int tool_usage(const char *text);
/* What is wrong, in a sentence, and then the same. */
int tool_wrong(const char *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `word` is no option; `names`, up to one that is NULL, are those that there are. */
int tool_no_option(const char *usage, const char *word, const char *const *names);

#endif
