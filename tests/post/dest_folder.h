/* dest_folder: destinations whose messages a test finds as files, "got/000000" and so on. */
#ifndef DEST_FOLDER_H
#define DEST_FOLDER_H

#include "dest.h"

/* A folder with "got" and "spool" in it; temporary files go to the latter. */
void dest_folder_make(struct dest_test *t);
void dest_folder_clean(struct dest_test *t);
unsigned dest_folder_count(const struct dest_test *t);
char *dest_folder_read(const struct dest_test *t, unsigned i, size_t *n);

#endif
