/* fetch_options: the words of `bustia fetch`. */
#ifndef TOOL_FETCH_OPTIONS_H
#define TOOL_FETCH_OPTIONS_H

#include "fetch/collect.h"

struct fetch_options {
    const char *file;  /* -a FILE; NULL: where accounts_file says */
    const char *whole; /* --whole UID */
    char **names;      /* accounts; part of argv */
    unsigned count;
    enum collect_what what;
    bool watch, json, quiet, exit_new, moved;
};

extern const char fetch_usage[], mark_seen_usage[];
/* argv[0] is the subcommand's word. ERR_USAGE. */
int fetch_options_read(struct fetch_options *o, int argc, char **argv, struct err *err);

#endif
