/* name: what a user may be called. */
#ifndef USER_NAME_H
#define USER_NAME_H

#include "base/err.h"
#include "base/span.h"

enum { USER_NAME_MAX = 249 };

/* A name is 1..249 bytes of valid UTF-8 without control characters, spaces, '/', and not "." or "..". Nor with what
 * shows as nothing or turns the direction of a line round, so that two names never look the same on a terminal.
 * 0, or -1 with ERR_INPUT. */
int users_check_name(struct span name, struct err *err);

/* The same characters but for '/', in any text; `what` ("a user's name") stands in the error. */
int users_check_text(struct span text, const char *what, struct err *err);

#endif
