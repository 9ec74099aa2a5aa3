/* maildir_record: how full a maildrop is, kept beside its messages as the text of a symbolic link. So it is read and
 * replaced at one blow and no file is opened for it; where the file system keeps short links in the inode it costs no
 * block either. It is a note for quotas and never the truth: what cannot be read as one is no record, and messages are
 * then counted.
 *
 *     bustia-used -> v1:OCTETS:MESSAGES:MICROSECONDS       when they were last counted one by one, since 1970
 *
 * Who adds messages, or counts, holds a short lock meanwhile (maildir_open.h). A crash may leave the record too large
 * and never too small: before a message is refused for want of room there is a count. */
#ifndef STORE_MAILDIR_RECORD_H
#define STORE_MAILDIR_RECORD_H

#include "base/span.h"

struct maildir_record {
    uint64_t octets, messages;
    uint64_t counted_us;
};

enum { MAILDIR_RECORD_TEXT = 80 };
/* Writes it with a NUL. Returns its length. */
size_t maildir_record_text(const struct maildir_record *r, char out[MAILDIR_RECORD_TEXT]);
/* false: it is no record. */
bool maildir_record_read(struct span text, struct maildir_record *r);

#endif
