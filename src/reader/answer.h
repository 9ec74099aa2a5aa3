/* answer: what a letter that answers a message begins with. */
#ifndef READER_ANSWER_H
#define READER_ANSWER_H

#include "reader/letter.h"
#include "reader/reader.h"

/* Adds to `l` to whom, about what, to which message, and what that says, quoted. `own`: the address that is left out
 * with --all. All of it is a stranger's word: no field of it ends a line, no text commands a terminal. */
int answer_begin(struct letter *l, struct reader *r, const char *account, const char *own, struct err *err);

#endif
