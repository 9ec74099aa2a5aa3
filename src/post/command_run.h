/* command_run: one run of a command, watched until it ends. */
#ifndef POST_COMMAND_RUN_H
#define POST_COMMAND_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum { COMMAND_SAID = 160 };

struct command_job {
    const char *words;         /* for sh -c */
    const char *account, *uid; /* of its environment */
    uint64_t size;
    int input; /* its standard input */
    unsigned limit_ms;
};

struct command_end {
    int status;              /* waitpid's */
    bool known;              /* it ended by itself, and status is its own */
    char said[COMMAND_SAID]; /* the last line of its standard error, escaped; "": none */
};

/* -1: it could not be started (ERR_TEMP). */
int command_run(const struct command_job *job, struct command_end *end, struct err *err);

#endif
