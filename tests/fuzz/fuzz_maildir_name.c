/* fuzz_maildir_name: names of files in a Maildir, and the unique ids made of them.
 * Fuzzes: src/store/maildir_name.c
 *
 * Input: two names with a slash between them (which no name can have). What must hold for any name, and for
 * the order of any two. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "store/maildir_name.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_uid(struct span base)
{
    char uid[71];
    store_uid(base, uid);
    size_t n = strlen(uid);
    assert(n >= 1 && n <= 70);
    for (size_t i = 0; i < n; i++)
        assert(uid[i] >= 0x21 && uid[i] <= 0x7e);
    assert(!memchr(uid + 1, ':', n - 1));
    assert(uid[0] == ':' ? n == 65 : n <= base.n && memcmp(uid, base.p, n) == 0);
}

/* Another program sets flags: base, time and uid must stay what they were. */
static void check_flags(struct span name, const struct maildir_name *n)
{
    char *flagged = mem_alloc(n->base.n + 4);
    memcpy(flagged, name.p, n->base.n);
    memcpy(flagged + n->base.n, ":2,S", 4);
    struct maildir_name with;
    if (maildir_name_read((struct span){flagged, n->base.n + 4}, &with) != MAILDIR_NAME_LONG) {
        assert(span_equal(with.base, n->base) && with.time == n->time);
        assert(maildir_name_compare(&with, n) == 0);
        char a[71], b[71];
        store_uid((struct span){flagged, n->base.n + 4}, a);
        store_uid(n->base, b);
        assert(strcmp(a, b) == 0);
    }
    mem_free(flagged);
}

static bool check(struct span name, struct maildir_name *n)
{
    enum maildir_name_kind kind = maildir_name_read(name, n);
    assert((kind == MAILDIR_NAME_LONG) == (name.n > MAILDIR_NAME_MAX));
    if (kind == MAILDIR_NAME_LONG)
        return false;
    assert((kind == MAILDIR_NAME_HIDDEN) == (name.n > 0 && name.p[0] == '.'));
    assert(n->base.p == name.p && n->base.n <= name.n);
    assert(n->base.n == name.n || name.p[n->base.n] == ':');
    assert(!n->base.n || !memchr(n->base.p, ':', n->base.n));
    check_uid(n->base);
    if (n->base.n)
        check_flags(name, n);
    struct span key = maildir_name_key(name);
    assert(key.n == 0 || (key.n == MAILDIR_KEY && key.p > name.p && key.p + key.n < name.p + name.n));
    return true;
}

/* What is made here is a message's name, is a uid, and gives its key back. */
static void check_made(const uint8_t *data, size_t size)
{
    struct maildir_stamp t = {0};
    char made[MAILDIR_MADE], uid[71];
    struct maildir_name n;
    static const char key[] = "0123456789abcdef0123456789abcdef";
    if (size < sizeof t.seconds + sizeof t.random)
        return;
    memcpy(&t.seconds, data, sizeof t.seconds);
    memcpy(&t.random, data + sizeof t.seconds, sizeof t.random);
    t.seconds %= 100000000000;
    t.microseconds = data[size - 1] * 3900U;
    t.pid = data[size - 1];
    for (int keyed = 0; keyed < 2; keyed++) {
        t.key = keyed ? key : NULL;
        struct span name = {made, maildir_name_make(&t, made)};
        assert(name.n < sizeof made && strlen(made) == name.n);
        assert(maildir_name_read(name, &n) == MAILDIR_NAME_MESSAGE && span_equal(n.base, name));
        assert(n.time == (t.seconds < 0 ? 0 : (uint64_t)t.seconds));
        store_uid(name, uid);
        assert(strcmp(uid, made) == 0);
        struct span got = maildir_name_key(name);
        assert(keyed ? span_is(got, key) : got.n == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_made(data, size);
    struct span rest = {(const char *)data, size}, first = span_cut(&rest, '/');
    struct maildir_name a, b;
    if (!check(first, &a) || !rest.p || !check(rest, &b))
        return 0;
    int order = maildir_name_compare(&a, &b);
    assert((order < 0) == (maildir_name_compare(&b, &a) > 0));
    assert((order == 0) == (a.time == b.time && span_equal(a.base, b.base)));
    if (a.time != b.time)
        assert((order < 0) == (a.time < b.time));
    return 0;
}
