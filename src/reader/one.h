/* one: one message, fetched for a process apart that reads it. */
#ifndef READER_ONE_H
#define READER_ONE_H

#include "reader/mime.h"
#include "reader/reader.h"

enum { ONE_SHOWN_MB = 256, ONE_SAVED_MB = 2048 };

struct one {
    struct spool spool;
    struct apart *apart;
    struct source *source;
    unsigned msg;
};

/* Begins `work` (NULL: nobody reads it apart) before anything is known that it must not know. */
int one_begin(struct one *o, unsigned most_mb, apart_work *work, const struct mime_how *how, struct err *err);
/* argv: the source and the message. Fetches it and leaves the source. */
int one_fetch(struct one *o, struct reader *r, char **argv, struct err *err);
void one_end(struct one *o);

#endif
