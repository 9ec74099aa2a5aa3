/* remove: `bustia delete`: messages that are to be gone from a server. */
#ifndef READER_REMOVE_H
#define READER_REMOVE_H

#include "reader/reader.h"

int reader_delete(struct reader *r, int argc, char **argv, struct err *err);

#endif
