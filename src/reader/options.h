/* options: a command's words: options anywhere before a "--", in a table. */
#ifndef READER_OPTIONS_H
#define READER_OPTIONS_H

#include <stdbool.h>

#include "base/err.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_TEXTS };

struct option_texts {
    const char **text;
    unsigned count;
};

struct option_row {
    const char *name; /* "--all" */
    enum option_kind kind;
    void *to; /* bool *; const char **; struct option_texts * */
};

/* What is no option stays in argv, in its order; *argc is how many. Texts may also be given as --name=TEXT; those of
 * OPTION_TEXTS are freed by mem_free(to->text). */
int options_take(const struct option_row *rows, unsigned count, int *argc, char **argv, struct err *err);

#endif
