/* fuzz_dot: stored text to wire text, whole and in pieces that the input chooses.
 * Fuzzes: src/wire/dot.c
 *
 * Input: a byte of how (RETR or TOP, wire form), one of how many lines, one of how it is cut, then the text. Both ways
 * must give the same, and what comes out must be a well-formed multi-line reply (RFC 1939 §3). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void init(struct dot *d, const uint8_t *how)
{
    if (how[0] & 1)
        dot_init_top(d, how[0] & 2, how[1] & 15);
    else
        dot_init(d, how[0] & 2);
}

/* Into `out`, which has room for all; pieces and rooms are made of `cut`, 0: whole. Returns the length. */
static size_t encode(const uint8_t *how, struct span in, unsigned cut, char *out)
{
    struct dot d;
    size_t n = 0, wrote;
    init(&d, how);
    while (in.n && !d.done) {
        size_t piece = cut ? 1 + cut % 7 : in.n, room = cut ? 2 + cut % 5 : in.n * 2 + 2;
        if (piece > in.n)
            piece = in.n;
        char *small = malloc(room); /* of its own, so that a sanitizer sees the end */
        size_t took = dot_encode(&d, (struct span){in.p, piece}, small, room, &wrote);
        assert(took <= piece && wrote <= room && (took || d.done));
        memcpy(out + n, small, wrote);
        free(small);
        n += wrote;
        in = (struct span){in.p + took, in.n - took};
        if (cut)
            cut = cut * 5 + 1;
    }
    char end[5];
    size_t last = dot_finish(&d, end);
    memcpy(out + n, end, last);
    return n + last;
}

/* Lines end with CRLF, the lone dot comes once and last, every other that begins with one has two. */
static void check(const char *out, size_t n)
{
    assert(n >= 3 && memcmp(out + n - 3, ".\r\n", 3) == 0);
    for (size_t i = 0; i + 3 < n;) {
        const char *lf = memchr(out + i, '\n', n - i);
        size_t length = (size_t)(lf - (out + i));
        assert(length && lf[-1] == '\r');
        assert(out[i] != '.' || out[i + 1] == '.');
        i += length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 100000)
        return 0;
    struct span in = {(const char *)data + 3, size - 3};
    char *a = malloc(in.n * 2 + 10), *b = malloc(in.n * 2 + 10);
    size_t na = encode(data, in, 0, a), nb = encode(data, in, data[2] | 256u, b);
    assert(na == nb && memcmp(a, b, na) == 0);
    if (!(data[0] & 2)) /* what claims to be in wire form is passed on as it is */
        check(a, na);
    free(a);
    free(b);
    return 0;
}
