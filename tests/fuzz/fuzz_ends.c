/* fuzz_ends: CRLF to LF, whole, in pieces and octet by octet: always the same, and what RETR makes of it is what came.
 * Fuzzes: src/store/ends.c
 *
 * Input: the first octet says how large the pieces are and how much room there is; the rest is a message. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "store/ends.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* out has room for all of it. */
static size_t strip(struct span in, size_t piece, size_t room, char *out)
{
    struct ends e = {0};
    size_t n = 0;
    while (in.n) {
        struct span part = {in.p, in.n < piece ? in.n : piece};
        in = span_from(in, part.n);
        while (part.n) {
            size_t wrote = ends_strip(&e, &part, out + n, room);
            assert(wrote <= room);
            assert(wrote == room || part.n == 0);
            n += wrote;
        }
    }
    return n + ends_finish(&e, out + n);
}

static size_t by_the_book(struct span in, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++)
        if (!(in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] == '\n' && (i == 0 || in.p[i - 1] != '\r')))
            out[n++] = in.p[i];
    return n;
}

static bool has_lone_lf(struct span in)
{
    for (size_t i = 0; i < in.n; i++)
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            return true;
    return false;
}

/* What is in lines that end with CRLF is given back: as RETR reads it, it is what came. */
static void check_octets(struct span in, struct span stored)
{
    struct store_count came = {0}, kept = {0};
    if (has_lone_lf(in))
        return;
    store_count_add(&came, in);
    store_count_add(&kept, stored);
    assert(store_count_octets(&came) == store_count_octets(&kept));
    char *read = mem_alloc(2 * stored.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < stored.n; i++) {
        if (stored.p[i] == '\n' && (i == 0 || stored.p[i - 1] != '\r'))
            read[n++] = '\r';
        read[n++] = stored.p[i];
    }
    assert(n == in.n && memcmp(read, in.p, n) == 0);
    mem_free(read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct span in = {(const char *)data + 1, size - 1};
    size_t piece = 1 + data[0] % 16, room = 1 + data[0] / 16;
    char *expected = mem_alloc(size + 1), *got = mem_alloc(size + room);
    size_t n = by_the_book(in, expected);
    assert(strip(in, size, size, got) == n && memcmp(got, expected, n) == 0);
    assert(strip(in, piece, room, got) == n && memcmp(got, expected, n) == 0);
    assert(strip(in, 1, 1, got) == n && memcmp(got, expected, n) == 0);
    check_octets(in, (struct span){expected, n});
    mem_free(expected);
    mem_free(got);
    return 0;
}
