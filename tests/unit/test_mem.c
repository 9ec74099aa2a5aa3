/* base/mem: zeroes, alignment, arenas; and that a process without memory ends. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"

static void allocates_zeroes(void **state)
{
    char *p = mem_alloc(5000);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(p[i], 0);
    mem_free(p);
    p = mem_alloc(0);
    assert_non_null(p);
    mem_free(p);
    mem_free(NULL);
}

static void resizes(void **state)
{
    char *p = mem_resize(NULL, 3);
    memcpy(p, "abc", 3);
    p = mem_resize(p, 100000);
    assert_memory_equal(p, "abc", 3);
    p = mem_resize(p, 0);
    assert_non_null(p);
    mem_free(p);
}

static void copies_end_with_nul(void **state)
{
    char *p = mem_copy("a\0b", 3);
    assert_memory_equal(p, "a\0b", 4);
    mem_free(p);
    p = mem_copy(NULL, 0);
    assert_string_equal(p, "");
    mem_free(p);
    p = mem_copy_text("text");
    assert_string_equal(p, "text");
    mem_free(p);
}

static void wipes(void **state)
{
    char secret[] = "secret";
    mem_wipe(secret, sizeof secret);
    for (unsigned i = 0; i < sizeof secret; i++)
        assert_int_equal(secret[i], 0);
    mem_wipe(NULL, 0);
}

static void arena_pieces_do_not_overlap(void **state)
{
    enum { PIECES = 2000 };
    static unsigned char *piece[PIECES];
    struct arena a;
    arena_init(&a);
    for (unsigned i = 0; i < PIECES; i++) {
        size_t n = i % 97 + (i % 500 == 0 ? 9000 : 0); /* some larger than a block */
        piece[i] = arena_alloc(&a, n);
        assert_int_equal((uintptr_t)piece[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(piece[i][k], 0);
        memset(piece[i], (int)(i % 255 + 1), n);
    }
    for (unsigned i = 0; i < PIECES; i++)
        for (size_t k = 0; k < i % 97; k++)
            assert_int_equal(piece[i][k], i % 255 + 1);
    assert_true(a.used >= PIECES * 40);
    arena_fini(&a);
    assert_int_equal(a.used, 0);
    assert_string_equal(arena_copy(&a, "again", 5), "again");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    arena_fini(&a);
}

/* What holds little costs little: an idle session has an arena too. */
static void a_small_arena_is_small(void **state)
{
    struct arena a;
    size_t before = mallinfo2().uordblks;
    arena_init(&a);
    arena_copy(&a, "two uids of a", 13);
    arena_copy(&a, "small maildrop", 14);
    size_t now = mallinfo2().uordblks;
    assert_true(now <= before + 512);
    arena_fini(&a);
}

/* Memory goes back when three of four have ended, or all, and not for a few. */
static void the_tide(void **state)
{
    struct mem_tide t = {0};
    for (unsigned left = 60; left-- > 0;)
        assert_false(mem_ended(&t, left));
    for (unsigned left = 200; left-- > 0;)
        assert_int_equal(mem_ended(&t, left), left == 0);
    for (unsigned left = 1000; left-- > 250;) {
        assert_int_equal(mem_ended(&t, left), left == 250);
        if (left == 600)
            assert_false(mem_ended(&t, left + 100)); /* some came again */
    }
    assert_false(mem_ended(&t, 249));
    assert_true(mem_ended(&t, 0));
    for (unsigned left = 500; left-- > 126;)
        assert_false(mem_ended(&t, left));
    assert_true(mem_ended(&t, 125));
}

static size_t free_at_the_top(void)
{
    return mallinfo2().keepcost;
}

/* A block that comes and goes is not the kernel's each time, and none is kept when there is to be rest. */
static void blocks_come_and_go(void **state)
{
    enum { BLOCK = 300 * 1024 };
    mem_come_and_go(512 * 1024);
    void *volatile block = mem_resize(NULL, BLOCK);
    bool tells = mallinfo2().arena > 0; /* another allocator does not */
    if (tells)
        assert_int_equal(mallinfo2().hblkhd, 0); /* not mapped by itself */
    mem_free(block);
    if (tells)
        assert_true(free_at_the_top() >= BLOCK);
    mem_rest();
    assert_true(free_at_the_top() < BLOCK / 2);
}

/* A child that asks for what cannot be had must not live on. */
static void ends_without(void *(*ask)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        close(STDERR_FILENO);
        _exit(ask() ? 0 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static volatile size_t endless = SIZE_MAX; /* volatile: hidden from the compiler's own check */

static void *ask_alloc(void)
{
    return mem_alloc(endless / 2);
}

static void *ask_resize(void)
{
    return mem_resize(NULL, endless / 2);
}

static void *ask_copy(void)
{
    return mem_copy("", endless);
}

static void *ask_arena(void)
{
    struct arena a;
    arena_init(&a);
    return arena_alloc(&a, endless - 3);
}

static void ends_without_memory(void **state)
{
    ends_without(ask_alloc);
    ends_without(ask_resize);
    ends_without(ask_copy);
    ends_without(ask_arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocates_zeroes),
        cmocka_unit_test(resizes),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(wipes),
        cmocka_unit_test(arena_pieces_do_not_overlap),
        cmocka_unit_test(a_small_arena_is_small),
        cmocka_unit_test(the_tide),
        cmocka_unit_test(blocks_come_and_go),
        cmocka_unit_test(ends_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
