/* fuzz_netrc: a netrc, which other programs write too.
 * Fuzzes: src/client/netrc.c
 *
 * What is found must be found again behind a comment and behind another machine's entry; what is wrong must be told
 * without a word of the file. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "client/netrc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int find(struct span text, struct buf *password, struct err *err)
{
    buf_init(password, NETRC_WORD_MAX, NULL);
    password->secret = true;
    *err = (struct err){.kind = ERR_NONE};
    int rc = netrc_find(text, "pop.example.org", 995, "anna", password, err);
    assert(rc == 0 || (password->len == 0 && (err->kind == ERR_GONE || err->kind == ERR_CONFIG)));
    assert(rc == 0 || strncmp(err->text, err->kind == ERR_GONE ? "there is" : "line ", 5) == 0);
    for (const char *p = err->text; rc < 0 && *p; p++)
        assert(*p >= ' ' && *p <= '~');
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "# a \"comment\nmachine other.example password \"x y\"\n";
    const size_t n = sizeof before - 1;
    struct buf once, again;
    struct err err, err_again;
    if (size > 1 << 17)
        return 0;
    int rc = find((struct span){(const char *)data, size}, &once, &err);
    char *more = mem_alloc(n + size);
    memcpy(more, before, n);
    if (size)
        memcpy(more + n, data, size);
    int rc_again = find((struct span){more, n + size}, &again, &err_again);
    if (rc == 0)
        assert(rc_again == 0 && span_equal(buf_span(&once), buf_span(&again)));
    else
        /* "login" alone is wrong at the beginning, and belongs to the other machine here */
        assert(rc_again < 0 || strstr(err.text, "before the first machine"));
    mem_free(more);
    buf_fini(&once);
    buf_fini(&again);
    return 0;
}
