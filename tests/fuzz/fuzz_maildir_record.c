/* fuzz_maildir_record: the text beside a Maildir that says how full it is.
 * Fuzzes: src/store/maildir_record.c
 *
 * Input: what a symbolic link points to. What is a record must come back as it was from what is written for it. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "store/maildir_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct maildir_record r, again;
    if (!maildir_record_read((struct span){(const char *)data, size}, &r))
        return 0;
    char text[MAILDIR_RECORD_TEXT];
    size_t n = maildir_record_text(&r, text);
    assert(n < sizeof text && strlen(text) == n);
    assert(maildir_record_read((struct span){text, n}, &again));
    assert(again.octets == r.octets && again.messages == r.messages && again.counted_us == r.counted_us);
    return 0;
}
