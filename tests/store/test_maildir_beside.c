/* A Maildir beside programs that deliver into it, rename in it and delete from it all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "place.h"
#include "store/maildir.h"

/* So many files that a directory is read in several pieces, between which they move. */
enum { FILES = 1800, SESSIONS = 30 };

/* A program beside the session: a thread that does `once` with ever new numbers until it is told to stop. */
struct beside {
    struct place place;
    pthread_t thread;
    atomic_bool stop;
    void (*once)(struct beside *b, unsigned turn);
    char flags[FILES]; /* of each file: which of the names it bears */
    atomic_uint turns, delivered;
};

static void name_of(unsigned file, int flags, char out[64])
{
    static const char *const forms[] = {"new/%u.x", "cur/%u.x:2,", "cur/%u.x:2,S", "cur/%u.x:2,FS"};
    snprintf(out, 64, forms[flags], 1000 + file);
}

/* A message may have been removed by the session. */
static void toggle(struct beside *b, unsigned turn)
{
    unsigned file = turn * 7 % FILES;
    char from[64], to[64], a[PLACE_PATH], c[PLACE_PATH];
    int next = b->flags[file] == 3 ? 1 : b->flags[file] + 1;
    name_of(file, b->flags[file], from);
    name_of(file, next, to);
    place_path(&b->place, from, a);
    place_path(&b->place, to, c);
    if (rename(a, c) == 0)
        b->flags[file] = (char)next;
    else if (errno != ENOENT)
        abort();
}

/* By the rules of the Maildir: written in tmp/, then renamed into new/. */
static void deliver(struct beside *b, unsigned turn)
{
    char name[64], from[PLACE_PATH], to[PLACE_PATH];
    snprintf(name, sizeof name, "tmp/%u.d", 5000000 + turn);
    place_text(&b->place, name, "delivered\n");
    place_path(&b->place, name, from);
    snprintf(name, sizeof name, "new/%u.d", 5000000 + turn);
    place_path(&b->place, name, to);
    if (rename(from, to) < 0)
        abort();
    atomic_store(&b->delivered, turn + 1);
    usleep(700);
}

static void *run(void *arg)
{
    struct beside *b = arg;
    for (unsigned turn = 0; !atomic_load(&b->stop); turn++) {
        b->once(b, turn);
        atomic_fetch_add(&b->turns, 1);
    }
    return NULL;
}

static int set_up(void **state)
{
    struct beside *b = mem_alloc(sizeof *b);
    place_maildir(&b->place);
    for (unsigned i = 0; i < FILES; i++) {
        char name[64], text[32];
        name_of(i, 0, name);
        snprintf(text, sizeof text, "message %u\n", i);
        place_text(&b->place, name, text);
    }
    *state = b;
    return 0;
}

static void start(struct beside *b, void (*once)(struct beside *, unsigned))
{
    b->once = once;
    assert_int_equal(pthread_create(&b->thread, NULL, run, b), 0);
    while (!atomic_load(&b->turns))
        usleep(100);
}

static void stop(struct beside *b)
{
    atomic_store(&b->stop, true);
    pthread_join(b->thread, NULL);
}

static int tear_down(void **state)
{
    struct beside *b = *state;
    if (b->once && !atomic_load(&b->stop))
        stop(b);
    place_free(&b->place);
    mem_free(b);
    return 0;
}

static void expect_message(struct store *s, const struct drop *drop, unsigned msg)
{
    char text[32];
    snprintf(text, sizeof text, "message %lu\n", strtoul(drop->messages[msg].uid, NULL, 10) - 1000);
    assert_int_equal(drop->messages[msg].octets, strlen(text) + 1);
    place_expect(s, msg, text);
}

/* ---- */

static void test_flags_toggle(void **state)
{
    struct beside *b = *state;
    start(b, toggle);
    for (unsigned round = 0; round < SESSIONS; round++) {
        struct drop drop;
        struct store *s = place_open_list(&b->place, &store_maildir, &drop);
        assert_int_equal(drop.count, FILES);
        for (unsigned i = 0; i < FILES; i++) {
            char uid[32];
            snprintf(uid, sizeof uid, "%u.x", 1000 + i);
            assert_string_equal(drop.messages[i].uid, uid);
        }
        for (unsigned i = round % 7; i < FILES; i += 150)
            expect_message(s, &drop, i);
        drop_fini(&drop);
        s->ops->close(s);
    }
}

static void test_removal_while_flags_toggle(void **state)
{
    enum { EACH = 5 };
    struct beside *b = *state;
    start(b, toggle);
    for (unsigned round = 0; round < SESSIONS; round++) {
        struct drop drop;
        struct err err = {0};
        size_t left = 9;
        struct store *s = place_open_list(&b->place, &store_maildir, &drop);
        assert_int_equal(drop.count, FILES - EACH * round);
        char uids[EACH][71];
        for (unsigned i = 0; i < EACH; i++) {
            unsigned msg = (round + i * (drop.count / EACH)) % drop.count;
            assert_true(drop_mark(&drop, msg));
            snprintf(uids[i], sizeof uids[i], "%s", drop.messages[msg].uid);
        }
        if (s->ops->remove(s, &drop, &left, &err) < 0)
            fail_msg("%s", err.text);
        for (unsigned i = 0; i < EACH; i++)
            for (int flags = 0; flags < 4; flags++) {
                char name[64];
                name_of((unsigned)strtoul(uids[i], NULL, 10) - 1000, flags, name);
                assert_false(place_has(&b->place, name));
            }
        drop_fini(&drop);
        s->ops->close(s);
    }
}

/* All at once: what is not where it was is looked for together. */
static void test_removal_of_all_while_flags_toggle(void **state)
{
    struct beside *b = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    struct store *s = place_open_list(&b->place, &store_maildir, &drop);
    start(b, toggle);
    while (atomic_load(&b->turns) < 2 * FILES)
        usleep(100);
    for (unsigned i = 0; i < FILES; i++)
        drop_mark(&drop, i);
    if (s->ops->remove(s, &drop, &left, &err) < 0)
        fail_msg("%s", err.text);
    stop(b);
    assert_int_equal(left, 0);
    assert_int_equal(place_count(&b->place, "new") + place_count(&b->place, "cur"), 0);
    drop_fini(&drop);
    s->ops->close(s);
}

/* What was delivered before the listing began is in it, in its order, whatever comes meanwhile. */
static void test_deliveries(void **state)
{
    struct beside *b = *state;
    start(b, deliver);
    for (unsigned round = 0; round < SESSIONS; round++) {
        struct drop drop;
        unsigned before = atomic_load(&b->delivered);
        struct store *s = place_open_list(&b->place, &store_maildir, &drop);
        assert_true(drop.count >= FILES + before);
        for (unsigned i = 0; i < FILES + before; i++)
            assert_int_equal(strtoul(drop.messages[i].uid, NULL, 10), i < FILES ? 1000 + i : 5000000 + i - FILES);
        place_expect(s, FILES + before - 1, before ? "delivered\n" : "message 1799\n");
        drop_fini(&drop);
        s->ops->close(s);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flags_toggle),
        TEST(removal_while_flags_toggle),
        TEST(removal_of_all_while_flags_toggle),
        TEST(deliveries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
