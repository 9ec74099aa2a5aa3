/* spool: a message that waits until it is whole, in a file without a name: its size costs no memory, nobody finds it,
 * and nothing of it stays. */
#ifndef POST_SPOOL_H
#define POST_SPOOL_H

#include "base/err.h"
#include "store/ends.h"

struct spool {
    int fd;
    bool strip;     /* lines that end with CRLF become lines that end with LF */
    bool eight_bit; /* it has octets beyond ASCII */
    bool failed;
    char last; /* the last octet that was written */
    struct ends ends;
    uint64_t size; /* octets so far, those that wait too */
    uint64_t lone; /* line feeds without a CR before them */
    size_t n;      /* octets that wait */
    char *wait;
};

/* In $TMPDIR, /var/tmp or /tmp. -1: ERR_TEMP. */
int spool_open(struct spool *s, bool strip, struct err *err);
int spool_write(struct spool *s, struct span in, struct err *err); /* ERR_TEMP: once it has failed it goes on failing */
/* All is in the file, to be read from its beginning. */
int spool_ready(struct spool *s, struct err *err);
void spool_close(struct spool *s); /* once */

#endif
