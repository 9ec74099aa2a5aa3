/* edit: a file in the editor of whoever sits there. */
#ifndef READER_EDIT_H
#define READER_EDIT_H

#include "base/err.h"

/* $VISUAL, $EDITOR or vi, until it has ended. ERR_TEMP: it did not end well. */
int edit_file(const char *path, struct err *err);

#endif
