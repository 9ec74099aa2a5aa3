/* fuzz_smtp_body: the octets of a message, by DATA and by BDAT.
 * Fuzzes: src/wire/smtp_body.c src/wire/smtp_message.c
 *
 * Input: a byte of what is offered, one from which the owner's decisions follow, then the client's bytes, which begin
 * where a message may: after EHLO, MAIL and two RCPT. They are given whole, in sevens and one octet at a time: the same
 * replies, the same messages, the same wants. Where a message is delivered it must be what a plain decoder finds. */
#include <assert.h>
#include <string.h>

#include "smtp_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* DATA as RFC 5321 §4.5.2 says it, octet by octet: the message and true, or false if it does not end or has a bare
 * LF. */
static bool plain(struct span in, struct buf *out)
{
    size_t start = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '\n')
            continue;
        if (i == 0 || in.p[i - 1] != '\r')
            return false;
        if (i - start == 2 && in.p[start] == '.')
            return true;
        start += in.p[start] == '.';
        buf_add(out, in.p + start, i + 1 - start);
        start = i + 1;
    }
    return false;
}

static void check_plain(const uint8_t *data, size_t size)
{
    struct buf want, have;
    struct smtp_body b;
    struct span in = {(const char *)data, size};
    buf_init(&want, 1 << 20, NULL);
    buf_init(&have, 1 << 20, NULL);
    smtp_body_init(&b);
    bool good = plain(in, &want);
    while (in.n && !b.ended) {
        struct span run;
        size_t took = smtp_body_data(&b, in, &run);
        assert(took + run.n);
        buf_add_span(&have, run);
        in = span_from(in, took);
    }
    assert(good == (b.ended && !b.bare_lf));
    assert(!good || span_equal(buf_span(&want), buf_span(&have)));
    assert(b.octets == have.len && b.header_octets <= b.octets);
    buf_fini(&want);
    buf_fini(&have);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "EHLO c\r\nLHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a>\r\nRCPT TO:<b>\r\n";
    enum { BEFORE = sizeof before - 1 };
    static uint8_t input[12000 + BEFORE];
    if (size < 2 || size > 12000)
        return 0;
    check_plain(data + 2, size - 2);
    memcpy(input, data, 2);
    memcpy(input + 2, before, BEFORE);
    memcpy(input + 2 + BEFORE, data + 2, size - 2);
    size += BEFORE;
    struct smtp_owner whole, cut;
    smtp_owner_play(&whole, input, size, size, 8192);
    static const size_t pieces[] = {1, 7};
    for (unsigned i = 0; i < 2; i++) {
        smtp_owner_play(&cut, input, size, pieces[i], SMTP_REPLY_MAX);
        smtp_owner_compare(&whole, &cut);
        smtp_owner_end(&cut);
    }
    smtp_owner_end(&whole);
    return 0;
}
