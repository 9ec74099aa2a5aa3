/* A large maildrop to which messages come between two sessions: what the kernel has told is taken in without a reading
 * of the directories, and whatever else happens, or is not told, what a client hears is what is there. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/maildir_index.h"
#include "store/open.h"
#include "watching.h"

static void test_what_comes_is_heard_of(void **state)
{
    struct place *p = *state;
    fill(p);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
    session(p, HEARD, false);
    put(p, "new", "two\n");
    put(p, "cur", "Subject: \303\244\n\nthree");
    place_text(p, "tmp/four", "four\r\n");
    place_rename(p, "tmp/four", "new/2000000.four,S=6:2,S");
    next_time = 2000001;
    place_text(p, "new/.hidden", "");
    settle();
    session(p, HEARD, true);
    place_remove(p, "new/.hidden"); /* it says what the stamp is of */
    settle();
    session(p, HEARD, true);
    put(p, "new", "at once\n"); /* within this tick: it is waited for */
    session(p, HEARD, true);
    settle();
    session(p, HEARD, true);
}

static unsigned parts_of(const struct place *p, off_t *octets)
{
    char path[PLACE_PATH], block[MAILDIR_INDEX_HEAD];
    struct maildir_index_head head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    struct stat st;
    place_path(p, MAILDIR_INDEX, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, block, sizeof block) == sizeof block &&
                maildir_index_head_read(block, &head, parts));
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    *octets = st.st_size;
    return head.parts;
}

/* Parts of an index that are few beside its first become one, and the file does not grow for ever. */
static void test_parts_become_one(void **state)
{
    struct place *p = *state;
    off_t octets, most = 0;
    fill(p);
    parts_of(p, &octets);
    for (unsigned i = 0; i < 3 * MAILDIR_INDEX_PARTS; i++) {
        put(p, "new", i % 5 ? "one\n" : "Subject: \303\244\n\nb\n");
        settle();
        session(p, HEARD, i % 4 == 0);
        unsigned parts = parts_of(p, &most);
        assert_int_equal(
            parts, i < MAILDIR_INDEX_PARTS - 1 ? i + 2 : 2 + (i + 1 - MAILDIR_INDEX_PARTS) % (MAILDIR_INDEX_PARTS - 1));
    }
    assert_true(most < 2 * octets);
    session(p, HEARD, true);
}

static void test_all_else_is_read(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    fill(p);
    for (unsigned way = 0; way < 12; way++) {
        put(p, "new", "beside\n");
        switch (way) {
        case 0:
            place_remove(p, "new/1000001.x");
            break;
        case 1:
            place_rename(p, "new/1000002.x", "cur/1000002.x:2,S");
            break;
        case 2: /* another under the name of one that was there */
            place_text(p, "tmp/another", "another, longer\n");
            place_remove(p, "new/1000004.x");
            place_rename(p, "tmp/another", "new/1000004.x");
            break;
        case 3:
            place_text(p, "tmp/over", "over it\n");
            place_rename(p, "tmp/over", "new/1000005.x");
            break;
        case 4: /* before the last */
            place_text(p, "new/7.x", "early\n");
            break;
        case 5: /* one that has come and gone; and one that has come and was moved */
            put(p, "new", "gone\n");
            place_text(p, "new/3000000.x", "moved\n");
            place_rename(p, "new/3000000.x", "cur/3000000.x:2,S");
            next_time = 3000001;
            break;
        case 6:
            place_path(p, "new/3100000.dir", path);
            assert_int_equal(mkdir(path, 0700), 0);
            break;
        case 7:
            place_path(p, "new/3100000.dir", path);
            assert_int_equal(rmdir(path), 0);
            break;
        case 8: /* what is no file */
            place_path(p, "new/3200000.fifo", path);
            assert_int_equal(mkfifo(path, 0600), 0);
            break;
        case 9:
            place_remove(p, "new/3200000.fifo");
            break;
        case 10: /* rights: a stamp without a name */
            place_path(p, "cur", path);
            assert_int_equal(chmod(path, 0750), 0);
            break;
        case 11: /* more than is kept */
            for (unsigned i = 0; i < 400; i++)
                put(p, "new", "many\n");
            break;
        }
        settle();
        session(p, READ, true);
        if (way == 6 || way == 8) /* while it is there nothing speaks for the maildrop */
            continue;
        put(p, "new", "and then\n");
        settle();
        session(p, HEARD, true);
    }
}

static void one_more(const struct place *p)
{
    put(p, "new", "in the midst of it\n");
}

static void one_less(const struct place *p)
{
    place_remove(p, "cur/1000003.x");
}

/* Beside the reading of the queue. */
static void test_beside_us(void **state)
{
    static void (*const what[])(const struct place *) = {one_more, one_less};
    struct place *p = *state;
    fill(p);
    kernel.changes_in = p;
    for (unsigned i = 0; i < 2; i++) {
        put(p, "new", "one\n");
        settle();
        kernel.after_reading = what[i];
        session(p, EITHER, true);
        assert_null(kernel.after_reading);
        settle();
        session(p, EITHER, true);
        put(p, "new", "one\n");
        settle();
        session(p, EITHER, true);
        put(p, "new", "one\n");
        settle();
        session(p, HEARD, true);
    }
}

/* Between the log-in that believes the index and the mark: what comes then is not told of, and what comes later is. */
static void test_before_the_mark(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    next_time = 1000000;
    for (unsigned i = 0; i < MANY; i++)
        put(p, "new", "x\n");
    settle();
    session(p, READ, false);
    kernel.changes_in = p;
    kernel.before_mark = one_more;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_null(kernel.before_mark);
    assert_int_equal(drop.count, MANY);
    s->ops->keep(s, &drop, &err);
    s->ops->close(s);
    drop_fini(&drop);
    put(p, "new", "later\n");
    settle();
    session(p, READ, true);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

/* What a session finds out of a message is written down: the hints are of that index, too. */
static void test_what_is_found_out_later(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    off_t octets;
    fill(p);
    put(p, "new", "Subject: \303\244\n\nx\n");
    settle();
    session(p, HEARD, true);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(s->ops->load(s, &drop, &err), 0);
    drop.messages[drop.count - 1].downgraded = 30;
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    assert_int_equal(parts_of(p, &octets), 1);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

/* Two that bear one unique id, one base, or the time of the last. */
static void test_names_that_need_the_others(void **state)
{
    static const char *const names[][2] = {{"new/5000000.same,S=1", "new/5000000.same,S=2"},
                                           {"new/5000001.base", "cur/5000001.base:2,S"},
                                           {"new/5000001.later", NULL}};
    struct place *p = *state;
    fill(p);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct drop drop;
        struct err err;
        for (unsigned j = 0; j < 2 && names[i][j]; j++)
            place_text(p, names[i][j], "x\n");
        settle();
        kernel.readings = 0;
        struct store *s = place_open_list(p, &store_maildir, &drop);
        assert_true(kernel.readings > 0);
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
    }
}

/* Of an index that is not the one that was true then nothing is believed. */
static void test_index_of_another_time(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH], *old = mem_alloc(TEXT);
    fill(p);
    place_path(p, MAILDIR_INDEX, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, old, TEXT);
    assert_true(n > MAILDIR_INDEX_HEAD);
    close(fd);
    for (unsigned way = 0; way < 4; way++) {
        put(p, "new", "known\n");
        settle();
        session(p, EITHER, false);
        put(p, "new", "new\n");
        if (way == 0)
            place_write(p, MAILDIR_INDEX, (struct span){old, (size_t)n});
        else if (way == 1)
            place_remove(p, MAILDIR_INDEX);
        else if (way == 2)
            assert_int_equal(truncate(path, 5000), 0);
        else
            place_text(p, MAILDIR_INDEX, "not one\n");
        settle();
        session(p, READ, true);
        session(p, HEARD, true);
    }
    mem_free(old);
}

/* new/ is another directory, and comes back. */
static void test_another_directory(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    fill(p);
    place_path(p, "new", path);
    for (unsigned way = 0; way < 2; way++) {
        if (way == 0) {
            place_rename(p, "new", "away");
            assert_int_equal(mkdir(path, 0700), 0);
        } else {
            place_rename(p, "new", "other");
            place_rename(p, "away", "new");
        }
        put(p, "new", "in another\n");
        settle();
        session(p, READ, true);
        settle();
        session(p, EITHER, true);
        put(p, "new", "and one more\n");
        settle();
        session(p, EITHER, true);
    }
    put(p, "new", "and one more\n");
    settle();
    session(p, HEARD, true);
}

/* A small one costs nothing of this. */
static void test_small_is_not_watched(void **state)
{
    struct place *p = *state;
    next_time = 1;
    for (unsigned i = 0; i < MANY - 2; i++)
        put(p, "new", "x\n");
    kernel.no_group = ENOSYS; /* were it asked for, it would be given up */
    settle();
    for (unsigned i = 0; i < 2; i++) {
        session(p, EITHER, false);
        put(p, "new", "x\n");
        settle();
    }
    kernel.no_group = 0;
    session(p, READ, false); /* there are enough now */
    session(p, HEARD, false);
    put(p, "new", "x\n");
    settle();
    session(p, HEARD, true);
}

/* A session that has read the directories writes twice. */
static void test_what_is_found_out_twice(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    fill(p);
    place_remove(p, "new/1000001.x");
    put(p, "new", "Subject: \303\244\n\nx\n");
    settle();
    struct store *s = place_open_list(p, &store_maildir, &drop);
    for (unsigned octets = 30; octets < 33; octets++) {
        assert_int_equal(s->ops->keep(s, &drop, &err), 0);
        drop.messages[drop.count - 1].downgraded = octets;
    }
    s->ops->close(s);
    drop_fini(&drop);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

static void test_two_names_of_one_file(void **state)
{
    struct place *p = *state;
    char from[PLACE_PATH], to[PLACE_PATH];
    fill(p);
    place_text(p, "tmp/one", "x\n");
    place_path(p, "tmp/one", from);
    for (unsigned i = 0; i < 2; i++) {
        place_path(p, i ? "new/5000001.b" : "new/5000000.a", to);
        assert_int_equal(link(from, to), 0);
    }
    settle();
    session(p, READ, true);
}

static unsigned open_below(const struct place *p)
{
    char link[64], path[PLACE_PATH], parts[2][PLACE_PATH];
    unsigned n = 0;
    place_path(p, "new", parts[0]);
    place_path(p, "cur", parts[1]);
    for (int fd = 0; fd < 256; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t got = readlink(link, path, sizeof path - 1);
        path[got < 0 ? 0 : got] = '\0';
        n += strcmp(path, parts[0]) == 0 || strcmp(path, parts[1]) == 0;
    }
    return n;
}

/* Who only asks whether something is new sets the marks, and keeps no directory open. */
static void test_marks_are_set_in_passing(void **state)
{
    struct place *p = *state;
    struct drop drop;
    fill(p);
    store_watch(4);
    assert_int_equal(kernel_marks(), 0);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(kernel_marks(), 2);
    assert_int_equal(open_below(p), 0);
    s->ops->close(s);
    drop_fini(&drop);
}

static struct maildir_state state_of(int dir)
{
    struct stat st;
    assert_int_equal(fstat(dir, &st), 0);
    return maildir_state_of(&st);
}

/* Two sessions that have the same directories, which were moved between their maildrops: the hints are of one of them.
 */
static void test_two_in_turn(void **state)
{
    struct place *p = *state;
    struct maildir_hints h;
    char path[PLACE_PATH];
    struct maildir_box a = {0}, b;
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        place_path(p, maildir_dir_name(i), path);
        a.sub[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        a.state[i] = state_of(a.sub[i]);
    }
    b = a;
    assert_true(maildir_watch_begin(&a) && maildir_watch_begin(&b));
    maildir_watch_settled(&a, a.state, 0, 5); /* he has seen what was before b began */
    assert_false(maildir_watch_knows(a.state, 5));
    maildir_watch_settled(&b, b.state, 0, 6);
    assert_true(maildir_watch_knows(b.state, 6));
    assert_true(maildir_watch_hints(&a, 6, &h));
    maildir_hints_free(&h);
    maildir_watch_settled(&b, b.state, 0, 7);
    assert_false(maildir_watch_knows(b.state, 7));
    maildir_watch_settled(&a, a.state, 0, 8);
    maildir_watch_settled(&b, b.state, 8, 9); /* the same as one of which they are */
    assert_true(maildir_watch_knows(b.state, 9));
    for (int i = 0; i < MAILDIR_DIRS; i++)
        close(a.sub[i]);
}

static const struct CMUnitTest watched[] = {
    WATCHED(what_comes_is_heard_of),
    WATCHED(parts_become_one),
    WATCHED(all_else_is_read),
    WATCHED(beside_us),
    WATCHED(before_the_mark),
    WATCHED(what_is_found_out_later),
    WATCHED(names_that_need_the_others),
    WATCHED(index_of_another_time),
    WATCHED(another_directory),
    WATCHED(small_is_not_watched),
    WATCHED(what_is_found_out_twice),
    WATCHED(two_names_of_one_file),
    WATCHED(marks_are_set_in_passing),
    WATCHED(two_in_turn),
};

/* Of these, where another file system stamps and names its directories. */
static const struct CMUnitTest elsewhere[] = {
    WATCHED(what_comes_is_heard_of),
    WATCHED(all_else_is_read),
    WATCHED(beside_us),
};

/* On what TMPDIR is on, and in memory. */
int main(void)
{
    bool told = kernel_tells();
    int failed = told ? cmocka_run_group_tests_name("watched", watched, NULL, NULL) : 0;
    return verdict(failed + in_memory(elsewhere, sizeof elsewhere / sizeof *elsewhere), told);
}
