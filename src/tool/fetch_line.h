/* fetch_line: where an account's check is, and the one line that shows it. Pure. */
#ifndef TOOL_FETCH_LINE_H
#define TOOL_FETCH_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fetch/event.h"

struct fetch_line {
    const char *name;  /* the account's */
    uint64_t began;    /* ms: when its first message began; 0: not yet */
    uint64_t said;     /* ms: when its progress was last told, for forms that tell it now and then */
    uint64_t whole;    /* octets of all that is to be fetched */
    uint64_t octets;   /* of it, so far */
    uint32_t at, todo; /* message at of todo; 0: no message yet */
    bool listed;       /* the server has said what it holds */
    char step[300];
};

void fetch_line_begin(struct fetch_line *l, const char *name);
/* `e` holds only what may be shown. */
void fetch_line_event(struct fetch_line *l, const struct event *e, uint64_t now);
/* "message 12 of 340, 3.4 of 80 MB, 1.2 MB/s, 0:42 left", or the step. */
void fetch_line_text(const struct fetch_line *l, uint64_t now, char *out, size_t room);

/* Columns of a terminal that text takes: what is not narrow for certain counts two. */
int fetch_columns(const char *text);
/* Cuts text, whose buffer has `room` bytes, to at most `width` columns, "…" included. */
void fetch_fit(char *text, size_t room, int width);

#endif
