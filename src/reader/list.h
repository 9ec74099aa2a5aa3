/* list: `bustia list`: what is there, the newest last. */
#ifndef READER_LIST_H
#define READER_LIST_H

#include "reader/reader.h"

int reader_list(struct reader *r, int argc, char **argv, struct err *err);

#endif
