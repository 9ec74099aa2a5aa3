/* apart: a process of its own for those who read what strangers wrote: it knows no password, since it is begun before
 * any is asked for; it has the message, two pipes, and a ceiling for its time and its memory; it is in no terminal's
 * session, and may open no file, begin no process and reach none (apart_walls.h); and if it breaks, that is all that
 * breaks. What it says is still a stranger's word: whoever takes it looks at it as at the mail itself. */
#ifndef READER_APART_H
#define READER_APART_H

#include <stdio.h>

#include "base/err.h"
#include "base/span.h"

enum {
    APART_PIECE = 32 * 1024, /* octets of one word at most */
    APART_CPU_S = 30,        /* seconds of work */
    APART_MEMORY_MB = 1024
};

enum apart_kind {
    APART_TEXT, /* for a person */
    APART_ROW,  /* fields, each ended by NUL */
    APART_PART, /* a file begins: its name as the message has it */
    APART_DATA, /* of that file */
    APART_FAIL, /* why it cannot be done */
    APART_KINDS
};

struct apart_out {
    int fd;
    bool broken; /* nobody takes it any more */
    size_t n;    /* octets that wait in `text` */
    char text[APART_PIECE];
};

/* ---- in the process apart */

void apart_say(struct apart_out *o, enum apart_kind kind,
               struct span what);      /* cut into pieces; of a ROW only the first */
FILE *apart_text(struct apart_out *o); /* to write words of APART_TEXT; closed before the work returns */
/* What it returns 0 for is done; -1: err says why not. `message` is at its beginning. */
typedef int apart_work(int message, struct apart_out *o, const void *arg, struct err *err);

/* ---- here */

struct apart;

/* Begins the process; it waits. `message`, `arg` and all they need are there already, but the message is empty yet. */
int apart_begin(struct apart **a, int message, apart_work *work, const void *arg, struct err *err);

/* The message is whole: lets it work, and takes what it says. ERR_INPUT: it could not be done, in words (foreign ones),
 * or it broke or took too long. -1 of `take` ends it. */
typedef int apart_take(void *arg, enum apart_kind kind, struct span what, struct err *err);
int apart_run(struct apart *a, apart_take *take, void *arg, struct err *err);
void apart_end(struct apart *a); /* also if it never ran; NULL is allowed */

#endif
