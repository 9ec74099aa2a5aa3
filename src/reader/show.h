/* show: `bustia show`, `headers` and `save`: one message, as a person reads it, its head as it is, its parts as files.
 */
#ifndef READER_SHOW_H
#define READER_SHOW_H

#include "reader/reader.h"

int reader_show(struct reader *r, int argc, char **argv, struct err *err);
int reader_headers(struct reader *r, int argc, char **argv, struct err *err);

#endif
