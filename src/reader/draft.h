/* draft: a file that keeps what is to be sent until it is: whatever ends us, nothing of it is lost. In
 * STATE_FOLDER/drafts, for nobody else to read. */
#ifndef READER_DRAFT_H
#define READER_DRAFT_H

#include "base/err.h"
#include "base/span.h"

struct draft {
    char *path;
    int folder;
    char name[256];
};

/* Makes the empty file. ERR_CONFIG: there is no such folder, and it cannot be made. */
int draft_begin(struct draft *d, const char *state_folder, const char *account, struct err *err);
/* Is `path` one of those that were kept? Then it is this draft. */
bool draft_adopt(struct draft *d, const char *state_folder, const char *path);
/* Replaces all that is in it, durably. */
int draft_fill(struct draft *d, struct span text, struct err *err);
void draft_drop(struct draft *d);  /* it was sent, or never was anything */
void draft_close(struct draft *d); /* it stays */

#endif
