/* import_source: the messages of a Maildir, of an mbox file or of a folder of .eml files, one after another, in the
 * order in which they came. Reads as who started the program, hence never through a symbolic link that lies in a
 * foreign folder. */
#ifndef TOOL_IMPORT_SOURCE_H
#define TOOL_IMPORT_SOURCE_H

#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

struct import_message {
    struct span text; /* borrowed until the next call */
    int64_t time;     /* s since 1970; 0: not known */
    const char *name; /* for messages about it: "new/1234.M5P6.host", "message 17"; borrowed */
};

struct import_source;

/* `most`: octets a message may have. ERR_INPUT: neither of the three; ERR_TEMP: it cannot be read, or another program
 * holds the mbox. */
int import_source_open(struct import_source **s, const char *path, uint64_t most, struct err *err);

/* 1: a message; 0: that was all; -1: this one cannot be had (err says why), the next call goes on with the one after
 * it. */
int import_source_next(struct import_source *s, struct import_message *m, struct err *err);

/* For progress: how much of it is done, in parts of a whole (messages or octets). */
void import_source_progress(const struct import_source *s, uint64_t *done, uint64_t *whole);
/* What was passed over and why, or "". */
const char *import_source_note(const struct import_source *s);

void import_source_close(struct import_source *s); /* NULL is allowed */

#endif
