/* fuzz_passwd_file: a passwd-file of another server.
 * Fuzzes: src/tool/passwd_file.c
 *
 * Input: a file. What an entry says must lie within its line, and be what it is said to be. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "tool/passwd_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct span part, struct span line)
{
    if (part.n)
        assert(part.p >= line.p && part.p + part.n <= line.p + line.n);
}

static void check(struct span line)
{
    struct passwd_entry e;
    struct err err = {.kind = ERR_NONE};
    int what = passwd_file_parse(line, &e, &err);
    if (what < 0) {
        assert(err.kind == ERR_INPUT && *err.text);
        for (const char *p = err.text; *p; p++)
            assert(*p >= ' ' && *p <= '~'); /* it goes to a terminal */
    }
    if (what != 1)
        return;
    within(e.user, line);
    within(e.secret, line);
    within(e.home, line);
    within(e.store, line);
    assert(e.user.n && !memchr(e.user.p, ':', e.user.n));
    assert(e.secret.n && !memchr(e.secret.p, ':', e.secret.n) && !memchr(e.secret.p, '\0', e.secret.n));
    assert(e.has_uid || e.uid == 0);
    assert(e.kind != PASSWD_LOCKED || e.secret.p[0] == '*' || e.secret.p[0] == '!');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = {(const char *)data, size}, line;
    size_t lines = 0;
    while (passwd_file_line(&text, &line)) {
        assert(++lines <= size);
        assert(!line.n || !memchr(line.p, '\n', line.n));
        check(line);
    }
    return 0;
}
