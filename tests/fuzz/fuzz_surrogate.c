/* fuzz_surrogate: the header of a message that a client cannot read as it is, whole and in pieces and rooms that the input chooses.
 * Fuzzes: src/wire/surrogate.c src/wire/surrogate_field.c src/wire/words.c
 *
 * Input: a byte of how it is cut, one of how often "long" stands for it, then the message; an octet 0x01 in it stands for a run of
 * octets that makes a field longer than a piece. Both ways must give the same: a header of ASCII, and the body as it was. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "wire/surrogate.h"
#include "wire/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RUN = 33000, RUNS = 3 };

/* Returns where the rest begins that passes as it is. */
static uint64_t run(struct span text, size_t piece, size_t room, struct buf *out)
{
    struct surrogate s;
    surrogate_init(&s);
    for (unsigned still = 0; !s.done;) {
        struct span in = span_from(text, (size_t)s.at);
        bool last = in.n <= piece;
        in.n = last ? in.n : piece;
        uint64_t at = s.at;
        size_t wrote;
        char *small = malloc(room); /* of its own, so that a sanitizer sees the end */
        surrogate_feed(&s, in, last, small, room, &wrote);
        assert(wrote <= room && s.at <= text.n);
        still = wrote || s.at != at ? 0 : still + 1;
        assert(still < 3);
        buf_add(out, small, wrote);
        free(small);
    }
    return s.at;
}

/* Lines that were written end with CRLF; no octet of the header is above 0x7F. */
static void check(struct span header, struct span rest)
{
    assert(words_ascii(header));
    assert(rest.n == 0 || rest.p[0] == '\n' || (rest.n > 1 && rest.p[0] == '\r' && rest.p[1] == '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 20000)
        return 0;
    struct buf text, whole, cut;
    buf_init(&text, 1 << 24, NULL);
    buf_init(&whole, 1 << 24, NULL);
    buf_init(&cut, 1 << 24, NULL);
    char filling[RUN];
    memset(filling, 'x', sizeof filling);
    size_t runs = 0; /* then, and in a long message, rooms are not the smallest: a long field would be made anew for each octet */
    for (size_t i = 2; i < size; i++) {
        if (data[i] == 1 && runs++ < RUNS)
            buf_add(&text, filling, sizeof filling - (data[1] & 15) * 60);
        else
            buf_add(&text, data + i, 1);
    }
    struct span message = buf_span(&text);
    uint64_t rest = run(message, message.n + 1, 1 << 20, &whole);
    uint64_t again = run(message, SURROGATE_PIECE + data[0] % 100, (runs ? 4000 : 1 + size / 200) + data[0] * 17u, &cut);
    assert(rest == again && span_equal(buf_span(&whole), buf_span(&cut)));
    check(buf_span(&whole), span_from(message, (size_t)rest));
    buf_fini(&text);
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
