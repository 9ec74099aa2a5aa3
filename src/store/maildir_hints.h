/* maildir_hints: names of which something has become, as the kernel told (maildir_watch.h). */
#ifndef STORE_MAILDIR_HINTS_H
#define STORE_MAILDIR_HINTS_H

#include <sys/fanotify.h>

#include "store/maildir_box.h"
#include "store/maildir_event.h"

#define MAILDIR_HINTS_COMES (FAN_CREATE | FAN_MOVED_TO) /* all that can be followed */

struct maildir_hints {
    char *text; /* for each: an octet, its enum maildir_dir; the name; a NUL */
    size_t n;
    bool of[MAILDIR_DIRS]; /* something has happened in it, if only to what is no message */
    bool lost;             /* more has happened than they say */
};

void maildir_hints_add(struct maildir_hints *h, enum maildir_dir dir, const struct maildir_event *e);
/* Forgets them: what has happened is not all that they would say. */
void maildir_hints_lose(struct maildir_hints *h);
/* The next one from *at, which begins at 0; false: there is none. */
bool maildir_hints_next(const struct maildir_hints *h, size_t *at, enum maildir_dir *dir, const char **name);
void maildir_hints_free(struct maildir_hints *h);

#endif
