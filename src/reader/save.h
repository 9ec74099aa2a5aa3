/* save: `bustia save`: what is attached to a message, as files of this machine's people's. */
#ifndef READER_SAVE_H
#define READER_SAVE_H

#include "reader/reader.h"

int reader_save(struct reader *r, int argc, char **argv, struct err *err);

#endif
