/* output: standard output, of foreign text: cleaned (terminal.h) and, when it is long and somebody sits there, through
 * $PAGER. */
#ifndef READER_OUTPUT_H
#define READER_OUTPUT_H

#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "reader/terminal.h"

struct output {
    FILE *to; /* where it is written: first into `held`, then standard output or the pager */
    char *held;
    size_t held_n;
    struct terminal terminal;
    unsigned lines, rows, columns; /* written; of the terminal, 0: there is none */
    pid_t pager;
};

void output_open(struct output *o);
/* -1: nobody takes it any more. */
int output_text(struct output *o, struct span text);
/* The octets as they are, unless somebody sits there. */
int output_octets(struct output *o, struct span octets);
/* A line of ours, whose foreign parts are clean (terminal_line, terminal_cell): begun by writing to o->to. */
int output_line(struct output *o);
/* All is written, and the pager has ended. -1: it could not be written. Who leaves the pager, or reads no more of a
 * pipe, has seen enough: that is no error, and `result` is -1 with ERR_NONE where the writing ended for it. */
int output_close(struct output *o, int result, struct err *err);

#endif
