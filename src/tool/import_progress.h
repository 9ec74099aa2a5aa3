/* import_progress: how far it is: on a terminal a line that is written anew, else a line now and then. */
#ifndef TOOL_IMPORT_PROGRESS_H
#define TOOL_IMPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct import_progress { /* zeroed at the start */
    unsigned there, failed;
    uint64_t started, next; /* clock_ms */
    bool shown;
};

/* Shows it if it is time. done of whole: messages or octets. */
void import_progress_show(struct import_progress *p, uint64_t done, uint64_t whole);
/* Takes the line off the terminal, for other output. */
void import_progress_clear(struct import_progress *p);

#endif
