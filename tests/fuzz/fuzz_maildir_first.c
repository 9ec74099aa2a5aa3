/* fuzz_maildir_first: the file beside a Maildir that says since when its messages have been there.
 * Fuzzes: src/store/maildir_first.c
 *
 * Input: the file, without its last line or with it (first octet 'w'). What is a record must come back as it was from what is
 * written for it, and each of its rows must be found. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "store/maildir_first.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct span text)
{
    struct maildir_firsts f, again;
    if (maildir_firsts_read(text, &f)) {
        size_t n;
        char *written = maildir_firsts_text(&f, &n);
        assert(maildir_firsts_read((struct span){written, n}, &again) && again.count == f.count);
        for (size_t i = 0; i < f.count; i++) {
            const struct maildir_first *row = maildir_firsts_find(&again, f.rows[i].inode, f.rows[i].uid);
            assert(row == &again.rows[i] && row->time == f.rows[i].time && span_equal(row->uid, f.rows[i].uid));
        }
        mem_free(written);
        mem_free(again.rows);
    }
    mem_free(f.rows);
}

/* With a last line that is right: else the digest would keep every input out. */
static void check_ended(struct span text)
{
    unsigned char hash[DIGEST_SHA256];
    char hex[2 * DIGEST_SHA256 + 1];
    size_t lines = 0, room = text.n + 128;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    char *whole = mem_alloc(room);
    if (text.n)
        memcpy(whole, text.p, text.n);
    digest_sha256(text, hash);
    digest_hex(hash, sizeof hash, hex);
    int n = snprintf(whole + text.n, room - text.n, "end %zu %s\n", lines ? lines - 1 : 0, hex);
    check((struct span){whole, text.n + (size_t)n});
    mem_free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size};
    if (size && data[0] == 'w')
        check(span_from(text, 1));
    else
        check_ended(text);
    return 0;
}
