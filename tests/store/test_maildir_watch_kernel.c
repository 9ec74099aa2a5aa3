/* A large maildrop that is watched, where the kernel tells too much, not all, nothing, or not now: what a client hears
 * is what is there, and who is watched is watched again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/open.h"
#include "watching.h"

enum { QUEUE_MOST = 1 << 17 }; /* more would take too long to fill */

static unsigned places_of_queue(void)
{
    unsigned n = 0;
    FILE *f = fopen("/proc/sys/fs/fanotify/max_queued_events", "re");
    if (f && fscanf(f, "%u", &n) != 1)
        n = 0;
    if (f)
        fclose(f);
    return n ? n : 16384; /* as it is shipped */
}

static void test_queue_of_other_octets(void **state)
{
    struct place *p = *state;
    fill(p);
    put(p, "new", "one\n");
    put(p, "new", "two\n");
    settle();
    kernel.junk = true;
    session(p, READ, true);
    assert_false(kernel.junk);
    put(p, "new", "three\n");
    settle();
    session(p, HEARD, true);
}

/* More than the queue has places for: what is told after that is not all. */
static void test_queue_that_is_full(void **state)
{
    struct place *p = *state;
    char from[PLACE_PATH], to[PLACE_PATH], name[64];
    const unsigned queue = places_of_queue(), part = queue / 4 ? queue / 4 : 1;
    if (queue > QUEUE_MOST)
        skip();
    fill(p);
    place_text(p, "tmp/one", "");
    place_path(p, "tmp/one", from);
    for (unsigned i = 0; i < queue + 10; i++) {
        snprintf(name, sizeof name, "new/.%u", i % part + i / part * 100000);
        place_path(p, name, to);
        if (link(from, to) < 0) {
            assert_int_equal(errno, EMLINK);
            place_remove(p, "tmp/one");
            place_text(p, "tmp/one", "");
            assert_int_equal(link(from, to), 0);
        }
    }
    put(p, "new", "not told of\n");
    settle();
    session(p, READ, true);
    put(p, "new", "told of\n");
    settle();
    session(p, HEARD, true);
}

/* Where the kernel does not, or not any more, or says what cannot be understood, all is as without. */
static void test_without(void **state)
{
    struct place *p = *state;
    for (unsigned way = 0; way < 6; way++) {
        store_watch(way == 0 ? 0 : 4);
        kernel.no_group = way == 1 ? ENOSYS : way == 2 ? EMFILE : 0;
        kernel.no_mark[0] = way == 3 ? EXDEV : way == 4 ? ENOSPC : 0;
        kernel.other_handles = way == 5;
        if (way == 0)
            fill(p);
        settle();
        session(p, EITHER, false);
        for (unsigned i = 0; i < 3; i++) {
            put(p, "new", "one\n");
            settle();
            session(p, READ, i == 1);
        }
    }
}

/* As when its file system was unmounted between two sessions. */
static void test_mark_that_is_gone(void **state)
{
    struct place *p = *state;
    fill(p);
    put(p, "new", "one\n");
    settle();
    kernel.no_mark[1] = ENOENT;
    session(p, READ, true);
    kernel.no_mark[1] = 0;
    settle();
    session(p, HEARD, true);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

/* Three that take turns where there is room for two. */
static void test_more_than_there_is_room_for(void **state)
{
    struct place each[3];
    store_watch(2);
    make_three(*state, each);
    for (unsigned i = 0; i < 3; i++)
        fill(&each[i]);
    for (unsigned i = 0; i < 9; i++) {
        next_time = 2000000 + i;
        put(&each[i % 3], "new", "one\n");
        settle();
        session(&each[i % 3], EITHER, true);
        assert_true(kernel.marks <= 4);
    }
    for (unsigned i = 0; i < 2; i++) { /* two of them are both told of */
        next_time = 3000000 + i;
        put(&each[1 + i], "new", "one\n");
        settle();
        session(&each[1 + i], EITHER, true);
        put(&each[1 + i], "new", "one\n");
        settle();
        session(&each[1 + i], HEARD, true);
    }
}

static unsigned next_row(const struct place *p, int group, int mark)
{
    store_watch(4);
    session(p, HEARD, false);
    assert_int_equal(kernel_marks(), 2);
    store_watch(4);
    kernel.no_group = group;
    kernel.no_mark[0] = mark;
    session(p, HEARD, false); /* by what the index tells */
    put(p, "new", "one\n");
    settle();
    session(p, READ, false);
    unsigned marks = kernel_marks();
    kernel.no_group = kernel.no_mark[0] = 0;
    return marks;
}

/* What passes is tried again; what does not is not. */
static void test_trouble(void **state)
{
    static const struct {
        int group, mark;
        bool passes;
    } rows[] = {{EMFILE, 0, true}, {ENFILE, 0, true},      {ENOMEM, 0, true}, {0, ENOSPC, true},  {0, EACCES, true},
                {0, ENOMEM, true}, {ENOSYS, 0, false},     {EPERM, 0, false}, {EINVAL, 0, false}, {0, ENOSYS, false},
                {0, EXDEV, false}, {0, EOPNOTSUPP, false}, {0, ENODEV, false}};
    struct place *p = *state;
    fill(p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        settle();
        assert_int_equal(next_row(p, rows[i].group, rows[i].mark), 0);
        for (unsigned j = 0; j < 2; j++) {
            put(p, "new", "one\n");
            settle();
            session(p, rows[i].passes && j ? HEARD : READ, true);
        }
        assert_int_equal(kernel_marks(), rows[i].passes ? 2 : 0);
    }
}

static void none_left(const struct place *p)
{
    kernel.no_mark[0] = ENOSPC;
}

static void none_left_and_locked(const struct place *p)
{
    kernel.no_mark[0] = ENOSPC;
    kernel.no_mark[1] = EACCES;
}

/* There is one for new/ and none for cur/: neither stays, and the others keep theirs; or all go. */
static void test_half_a_pair(void **state)
{
    struct place each[3];
    make_three(*state, each);
    fill(&each[0]);
    kernel.before_mark = none_left;
    fill(&each[1]);
    assert_int_equal(kernel_marks(), 2);
    kernel.before_mark = none_left_and_locked;
    kernel.no_mark[0] = 0;
    fill(&each[2]);
    assert_int_equal(kernel_marks(), 0);
    kernel.no_mark[0] = kernel.no_mark[1] = 0;
    for (unsigned i = 0; i < 6; i++) {
        next_time = 2000000 + i;
        put(&each[i % 3], "new", "one\n");
        settle();
        session(&each[i % 3], i < 3 ? EITHER : HEARD, true);
    }
    assert_int_equal(kernel_marks(), 6);
}

/* cur/ is another directory, and the old one goes on to be changed: nobody's hints are lost by it. */
static void test_directory_that_has_gone(void **state)
{
    struct place each[3];
    char path[PLACE_PATH];
    make_three(*state, each);
    fill(&each[0]);
    fill(&each[1]);
    assert_int_equal(kernel_marks(), 4);
    place_rename(&each[0], "cur", "away");
    place_path(&each[0], "cur", path);
    assert_int_equal(mkdir(path, 0700), 0);
    settle();
    session(&each[0], READ, false);
    assert_int_equal(kernel_marks(), 2);
    session(&each[1], HEARD, false);
    for (unsigned i = 0; i < 3; i++) {
        put(&each[0], "away", "not here\n");
        put(&each[1], "new", "one\n");
        settle();
        session(&each[1], HEARD, true);
        assert_int_equal(kernel_marks(), 4);
    }
}

static const struct CMUnitTest watched[] = {
    WATCHED(queue_of_other_octets), WATCHED(queue_that_is_full),          WATCHED(without),
    WATCHED(mark_that_is_gone),     WATCHED(more_than_there_is_room_for), WATCHED(trouble),
    WATCHED(half_a_pair),           WATCHED(directory_that_has_gone),
};

int main(void)
{
    bool told = kernel_tells();
    return verdict(told ? cmocka_run_group_tests_name("watched", watched, NULL, NULL) : 0, told);
}
