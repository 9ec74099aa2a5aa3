/* maildir_record: see the header. Mail and deliver processes, and the tool. */
#include "store/maildir_record.h"

#include <inttypes.h>
#include <stdio.h>

size_t maildir_record_text(const struct maildir_record *r, char out[MAILDIR_RECORD_TEXT])
{
    int n = snprintf(out, MAILDIR_RECORD_TEXT, "v1:%" PRIu64 ":%" PRIu64 ":%" PRIu64, r->octets, r->messages,
                     r->counted_us);
    return (size_t)n;
}

bool maildir_record_read(struct span text, struct maildir_record *r)
{
    if (text.n >= MAILDIR_RECORD_TEXT || !span_is(span_cut(&text, ':'), "v1"))
        return false;
    struct span octets = span_cut(&text, ':'), messages = span_cut(&text, ':');
    return span_number(octets, &r->octets) && span_number(messages, &r->messages) && span_number(text, &r->counted_us);
}
