/* ask: a question to whoever sits there. */
#ifndef READER_ASK_H
#define READER_ASK_H

#include <stdbool.h>

/* Somebody can be asked. */
bool ask_possible(void);
/* "QUESTION [y/N] ": true only for a yes. */
bool ask_yes(const char *question);

#endif
