/* The record of a Maildir's ages: whatever becomes of it, messages only ever live longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fault.h"
#include "place.h"
#include "store/maildir.h"
#include "store/maildir_first.h"

enum { DAY = 86400 };

static int64_t now(void)
{
    return clock_wall().tv_sec + 1;
}

/* The first of the first message (0: none), with ages' result. */
static int64_t first_of(const struct place *p, int64_t when, bool keep, int result)
{
    struct drop drop;
    struct err err = {0};
    int64_t *first = NULL;
    struct store *s = place_open(p, &store_maildir);
    drop_init(&drop);
    int got = s->ops->ages(s, when, keep, &drop, &first, &err);
    if (got != result)
        fail_msg("ages: %d %s", got, err.text);
    int64_t at = first && drop.count ? first[0] : 0;
    mem_free(first);
    drop_fini(&drop);
    s->ops->close(s);
    return at;
}

static char *record(const struct place *p, size_t *n)
{
    char path[PLACE_PATH];
    place_path(p, MAILDIR_FIRST, path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = mem_alloc(65536);
    *n = fread(text, 1, 65535, f);
    fclose(f);
    return text;
}

static void write_record(const struct place *p, int64_t time, const char *name, const char *uid)
{
    struct maildir_first row = {time, place_inode(p, name), span_of(uid)};
    size_t n;
    char *text = maildir_firsts_text(&(struct maildir_firsts){&row, 1}, &n), path[PLACE_PATH];
    place_write(p, MAILDIR_FIRST, (struct span){text, n});
    place_path(p, MAILDIR_FIRST, path);
    assert_int_equal(chmod(path, 0600), 0);
    mem_free(text);
}

static void test_owner_and_mode(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    struct stat st;
    place_text(p, "new/1.a", "x\n");
    first_of(p, now(), true, 0);
    place_path(p, MAILDIR_FIRST, path);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(place_count(p, "tmp"), 0);
}

static void test_an_empty_maildrop_gets_no_record(void **state)
{
    struct place *p = *state;
    first_of(p, now(), true, 0);
    assert_false(place_has(p, MAILDIR_FIRST));
}

static void test_flags_and_folders_change_nothing(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    place_text(p, "new/1.a", "x\n");
    first_of(p, when, true, 0);
    place_rename(p, "new/1.a", "cur/1.a:2,S");
    assert_int_equal(first_of(p, when + DAY, true, 0), when);
    place_rename(p, "cur/1.a:2,S", "cur/1.a:2,FS");
    assert_int_equal(first_of(p, when + 2 * DAY, true, 0), when);
}

/* What vanished leaves the record: a backup that brings it back brings a new message. */
static void test_who_is_gone_is_forgotten(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    size_t n;
    place_text(p, "new/1.a", "x\n");
    first_of(p, when, true, 0);
    place_remove(p, "new/1.a");
    first_of(p, when + DAY, true, 0);
    char *text = record(p, &n);
    assert_null(strstr(text, "1.a"));
    assert_non_null(strstr(text, "\nend 0 "));
    mem_free(text);
    place_text(p, "new/1.a", "x\n");
    assert_int_equal(first_of(p, when + 2 * DAY, true, 0), when + 2 * DAY);
}

/* The same name, and another file: a copy that has replaced it. */
static void test_another_file_is_another_message(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    place_text(p, "new/1.a", "x\n");
    first_of(p, when, true, 0);
    place_text(p, "tmp/copy", "x\n");
    place_rename(p, "tmp/copy", "new/1.a");
    assert_int_equal(first_of(p, when + DAY, true, 0), when + DAY);
}

/* No file was seen before the file system had it, whatever the record says. */
static void test_nobody_is_older_than_his_file(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    struct statx x;
    place_text(p, "new/1.a", "x\n");
    place_path(p, "new/1.a", path);
    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &x) < 0 || !(x.stx_mask & STATX_BTIME))
        skip();
    write_record(p, 1000, "new/1.a", "1.a");
    int64_t first = first_of(p, now() + DAY, true, 0);
    assert_in_range(first, (uint64_t)x.stx_btime.tv_sec, (uint64_t)x.stx_btime.tv_sec + 1);
    write_record(p, 1000, "new/1.a", "1.a"); /* and a clock that has gone back is believed all the same */
    assert_int_equal(first_of(p, 2000, true, 0), 2000);
}

static void test_a_time_in_the_future_is_now(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    place_text(p, "new/1.a", "x\n");
    write_record(p, INT64_MAX, "new/1.a", "1.a");
    assert_int_equal(first_of(p, when, true, 0), when);
    assert_int_equal(first_of(p, when + DAY, true, 0), when);
}

/* Every octet of it matters: with any other in its place everything counts from now. */
static void test_every_octet_counts(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    size_t n;
    place_text(p, "new/1.a", "x\n");
    first_of(p, when, true, 0);
    char *text = record(p, &n);
    for (size_t i = 0; i < n; i++) {
        text[i] ^= 1;
        place_write(p, MAILDIR_FIRST, (struct span){text, n});
        text[i] ^= 1;
        assert_int_equal(first_of(p, when + DAY, false, 0), when + DAY);
        place_write(p, MAILDIR_FIRST, (struct span){text, i});
        assert_int_equal(first_of(p, when + DAY, false, 0), when + DAY);
    }
    place_write(p, MAILDIR_FIRST, (struct span){text, n});
    assert_int_equal(first_of(p, when + DAY, false, 0), when);
    mem_free(text);
}

/* Read at all, each of these would have made the message old, or hang. */
static void test_strange_records(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    char path[PLACE_PATH], real[PLACE_PATH];
    place_text(p, "new/1.a", "x\n");
    first_of(p, when, true, 0);
    place_path(p, MAILDIR_FIRST, path);
    place_path(p, "real", real);
    assert_int_equal(chmod(path, 0620), 0); /* others may have written it */
    assert_int_equal(first_of(p, when + DAY, false, 0), when + DAY);
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) {
        assert_int_equal(lchown(path, 12345, 12345), 0);
        assert_int_equal(first_of(p, when + DAY, false, 0), when + DAY);
        assert_int_equal(lchown(path, 0, 0), 0);
    }
    assert_int_equal(first_of(p, when + DAY, false, 0), when);
    place_rename(p, MAILDIR_FIRST, "real");
    assert_int_equal(symlink("real", path), 0);
    assert_int_equal(first_of(p, when + DAY, false, 0), when + DAY);
    place_remove(p, MAILDIR_FIRST);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(first_of(p, when + DAY, true, 0), when + DAY);
    assert_int_equal(first_of(p, when + 2 * DAY, true, 0), when + DAY); /* and it is a file again */
    place_remove(p, MAILDIR_FIRST);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(first_of(p, when + 3 * DAY, true, 1), when + 3 * DAY);
    assert_int_equal(rmdir(path), 0);
}

/* A full disk and the like: the old record stays, and nothing else is left behind. */
static void test_what_cannot_be_written(void **state)
{
    static const char *const rules[] = {"write:ENOSPC:/tmp/bustia-first:1", "fsync:EIO:/tmp/bustia-first:1",
                                        "close:EIO:/tmp/bustia-first:1", "rename:EIO:bustia-first:1",
                                        "openat:EROFS:/tmp/bustia-first:1", "flock:EIO:/anna/tmp:1"};
    struct place *p = *state;
    int64_t when = now();
    place_text(p, "new/1.a", "x\n");
    first_of(p, when, true, 0);
    place_text(p, "new/2.b", "y\n");
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        fault_rules(rules[i]);
        int64_t first = first_of(p, when + DAY, true, 1);
        if (fault_hits() == 0)
            fail_msg("%s: not met", rules[i]);
        fault_rules("");
        assert_int_equal(first, when);
        assert_int_equal(place_count(p, "tmp"), 0);
        assert_int_equal(first_of(p, when + DAY, false, 0), when);
    }
}

static void test_half_written(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    place_text(p, "new/1.a", "x\n");
    place_text(p, "tmp/" MAILDIR_FIRST, "left by a crash");
    fault_rules("write:SHORT:/tmp/bustia-first:1-1000");
    first_of(p, when, true, 0);
    fault_rules("");
    assert_int_equal(first_of(p, when + DAY, true, 0), when);
}

/* Two files that would bear one uid: when the older is gone, the other bears it, and is not as old. */
static void test_a_uid_that_passes_on(void **state)
{
    struct place *p = *state;
    int64_t when = now();
    place_text(p, "new/1.a,S=2", "x\n");
    first_of(p, when, true, 0);
    place_text(p, "new/1.a,S=3", "xy\n");
    first_of(p, when + DAY, true, 0);
    place_remove(p, "new/1.a,S=2");
    assert_int_equal(first_of(p, when + 2 * DAY, true, 0), when + 2 * DAY);
}

/* ---- STORE_PRESENT */

static enum err_kind open_present(const struct place *p, const char *drop)
{
    struct store *s = NULL;
    struct err err = {0};
    if (store_maildir.open(&s, &p->root, drop, STORE_PRESENT, &err) == 0)
        s->ops->close(s);
    return err.kind;
}

static void test_present_makes_nothing(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    assert_int_equal(open_present(p, "nobody"), ERR_GONE);
    assert_int_equal(open_present(p, "nobody/deeper"), ERR_GONE);
    place_path(p, "../nobody", path);
    assert_int_equal(access(path, F_OK), -1);
    place_path(p, "cur", path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(open_present(p, p->drop), ERR_GONE);
    assert_int_equal(access(path, F_OK), -1);
}

/* Who has lost all but the record is still a Maildir. */
static void test_the_record_does_not_fill_a_folder(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    place_text(p, MAILDIR_FIRST, "x");
    for (unsigned i = 0; i < 3; i++) {
        place_path(p, ((const char *const[]){"new", "cur", "tmp"})[i], path);
        assert_int_equal(rmdir(path), 0);
    }
    struct store *s = place_open(p, &store_maildir);
    s->ops->close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(owner_and_mode),
        TEST(an_empty_maildrop_gets_no_record),
        TEST(flags_and_folders_change_nothing),
        TEST(who_is_gone_is_forgotten),
        TEST(another_file_is_another_message),
        TEST(nobody_is_older_than_his_file),
        TEST(a_time_in_the_future_is_now),
        TEST(every_octet_counts),
        TEST(strange_records),
        TEST(what_cannot_be_written),
        TEST(half_written),
        TEST(a_uid_that_passes_on),
        TEST(present_makes_nothing),
        TEST(the_record_does_not_fill_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
