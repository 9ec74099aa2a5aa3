/* fetch_form: one way of showing. Between fetch_form.c and the forms only. */
#ifndef TOOL_FETCH_FORM_H
#define TOOL_FETCH_FORM_H

#include "tool/fetch_show.h"

enum { FETCH_LINES = 128 /* at work at one time */ };

struct fetch_show {
    struct fetch_show_rules rules;
    FILE *held; /* what is told meanwhile, or NULL */
    char *held_text;
    size_t held_size;
    uint64_t painted_at;       /* ms */
    unsigned at_work, painted; /* lines; of the terminal */
    struct fetch_line *line[FETCH_LINES];
};

struct fetch_form { /* NULL: this form has nothing to do then */
    void (*event)(struct fetch_show *s, struct fetch_line *l, const struct event *e, uint64_t now);
    void (*paint)(struct fetch_show *s, uint64_t now);
    void (*sum)(struct fetch_show *s, const struct fetch_sum *sum, int status);
};

#endif
