/* fuzz_maildir_event: what fanotify writes into its queue.
 * Fuzzes: src/store/maildir_event.c
 *
 * Each event that is taken is shorter than what was left; the directory and the name that it tells of are within it, and a name has
 * at least one octet and no NUL. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "store/maildir_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = mem_resize(NULL, size + !size); /* so many octets and no NUL behind them */
    memcpy(p, data, size);
    struct span rest = {p, size};
    struct maildir_event e;
    for (struct span before = rest; maildir_event_take(&rest, &e); before = rest) {
        const char *end = before.p + (before.n - rest.n);
        assert(rest.n < before.n);
        assert(!e.where.n == !e.name.n);
        if (e.where.n) {
            assert(e.where.p >= before.p && e.where.p + e.where.n < end && e.where.n >= 16);
            assert(e.name.p >= e.where.p + e.where.n && e.name.p + e.name.n < end && !memchr(e.name.p, '\0', e.name.n));
        }
    }
    mem_free(p);
    return 0;
}
