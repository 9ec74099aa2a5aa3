/* spool: a file without a name for one message: what is read from a server, and what is to be sent. Gone with its last
 * descriptor, whatever becomes of us; 0600 in $TMPDIR or /var/tmp, else in memory. */
#ifndef READER_SPOOL_H
#define READER_SPOOL_H

#include "base/err.h"
#include "base/span.h"

struct spool {
    uint64_t size, most; /* octets in it, and the most that may be */
    int fd;
};

int spool_open(struct spool *s, uint64_t most, struct err *err);
/* ERR_LIMIT beyond `most`; ERR_TEMP. */
int spool_add(struct spool *s, struct span in, struct err *err);
/* All that is left of `fd`. */
int spool_copy(struct spool *s, int fd, struct err *err);
/* Up to n octets from `at`; 0: the end. -1: err. */
long spool_read(const struct spool *s, uint64_t at, char *p, size_t n, struct err *err);
void spool_close(struct spool *s);

#endif
