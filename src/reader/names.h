/* names: what a file is called that a message brings, and how it is made: in the folder and nowhere else, and never in
 * the place of another. */
#ifndef READER_NAMES_H
#define READER_NAMES_H

#include "base/err.h"
#include "base/span.h"

enum { NAME_SAFE = 200, NAME_ROOM = 256, NAME_TRIES = 10000 };

/* A name for `wanted`, whatever that is: valid UTF-8 without "/", "\" and control characters ("_" instead; what stands
 * before the last of either is a path, and left out), not hidden ("." at its head is left out), no option ("-" at its
 * head becomes "_"), no blanks at its ends, at most NAME_SAFE octets (its ending, if short, stays). Nothing left:
 * `otherwise`. */
void name_safe(struct span wanted, const char *otherwise, char out[NAME_ROOM]);

/* Makes a file that was not there: `name`, or with -1, -2 … before its ending; mode 0600. `made` is what it is called.
 * Returns the descriptor, or -1. */
int name_create(int folder, const char *name, char made[NAME_ROOM], struct err *err);

#endif
