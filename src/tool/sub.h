/* sub: a command of `bustia` that has commands of its own: one table of them, one reader of their words. */
#ifndef TOOL_SUB_H
#define TOOL_SUB_H

#include "tool/tool.h"
#include "tool/user_state.h"

struct sub_call {
    struct user_job job; /* the configuration, the mail roots, the database once it is opened */
    int argc;            /* words after the command's own, without options */
    char **argv;
    bool flag; /* the option was given */
};

struct sub_command {
    const char *word, *arguments;
    const char *flag; /* the one option it knows, NULL: none */
    int least, most;  /* words */
    int (*run)(struct sub_call *call, struct err *err);
    const char *about;
};

struct sub {
    const char *name;
    const struct sub_command *commands;
    unsigned count;
    const char *notes; /* a line below the list of commands */
};

enum { SUB_ANY = 1 << 20 };

/* argv[0] is the command's word. Closes the database. The result is the exit status. */
int sub_run(const struct sub *s, const struct tool *t, int argc, char **argv);

#endif
