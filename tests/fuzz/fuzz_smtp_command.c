/* fuzz_smtp_command: what a client may say between messages, through smtp_server: commands, paths, parameters, XCLIENT.
 * Fuzzes: src/wire/smtp_command.c src/wire/smtp_mail.c src/wire/smtp_xclient.c src/wire/smtp_address.c
 * src/wire/smtp_reply.c src/wire/smtp_feed.c src/wire/line.c
 *
 * Input: a byte of what is offered, one from which the owner's decisions follow, then the client's bytes. They are
 * given whole, and cut into small pieces with the least room for output; both must be answered the same, and well. */
#include <assert.h>
#include <string.h>

#include "smtp_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* RFC 5321 §4.2, §4.5.3.1.5: each line is short, printable and begins with a code; only a greeting or EHLO goes on. */
static void check_replies(struct span got)
{
    while (got.n) {
        const char *lf = memchr(got.p, '\n', got.n);
        assert(lf && lf > got.p && lf[-1] == '\r');
        struct span line = span_cut(&got, '\n');
        assert(line.n >= 5 && line.n <= 511);
        assert(line.p[0] >= '2' && line.p[0] <= '5' && (line.p[3] == ' ' || memcmp(line.p, "250-", 4) == 0));
        for (size_t i = 0; i + 1 < line.n; i++)
            assert(line.p[i] >= ' ' && line.p[i] <= '~');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 12000)
        return 0;
    struct smtp_owner whole, cut;
    smtp_owner_play(&whole, data, size, size, 8192);
    check_replies(buf_span(&whole.said));
    for (size_t piece = 1; piece < 8; piece += 6) {
        smtp_owner_play(&cut, data, size, piece, SMTP_REPLY_MAX);
        smtp_owner_compare(&whole, &cut);
        smtp_owner_end(&cut);
    }
    smtp_owner_end(&whole);
    return 0;
}
