/* What the readers of `bustia import` share. Private to them. */
#ifndef TOOL_IMPORT_STATE_H
#define TOOL_IMPORT_STATE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tool/import_source.h"

struct import_ops {
    int (*next)(struct import_source *s, struct import_message *m, struct err *err);
    void (*close)(struct import_source *s);
};

struct import_source {
    const struct import_ops *ops;
    uint64_t most, done, whole;
    char note[200];
    char *text; /* of the message at hand */
    size_t n, room;
};

/* Each opens what it knows. */
int import_folder_open(struct import_source **s, int dir, uint64_t most, struct err *err); /* takes dir over */
int import_mbox_open(struct import_source **s, int fd, const struct stat *st, uint64_t most,
                     struct err *err); /* takes fd over */

/* Adds to s->text. -1: it is longer than a message may be (the text stays as it was). */
int import_add(struct import_source *s, const void *p, size_t n);

#endif
