/* Deliveries into a Maildir: names, places, what may be missing or in the way, and who is beside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fault.h"
#include "place.h"
#include "store/maildir.h"
#include "store/maildir_draft.h"
#include "store/maildir_open.h"
#include "store/maildir_kept.h"

static struct store *open_to_deliver(const struct place *p)
{
    return place_open_to_deliver(p, &store_maildir);
}

static const struct store_about plain, by_wire = {.wire = true};

static void deliver(struct store *s, const char *text)
{
    place_deliver(s, &plain, span_of(text));
}

static void deliver_one(const struct place *p, const char *text)
{
    struct store *s = open_to_deliver(p);
    deliver(s, text);
    s->ops->close(s);
}

/* The only file of this directory. */
static void only_name(const struct place *p, const char *directory, char out[256])
{
    char path[PLACE_PATH];
    assert_int_equal(place_count(p, directory), 1);
    place_path(p, directory, path);
    DIR *stream = opendir(path);
    assert_non_null(stream);
    const struct dirent *d;
    while ((d = readdir(stream)))
        if (d->d_name[0] != '.')
            snprintf(out, 256, "%s", d->d_name);
    closedir(stream);
}

static void make_directory(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void remove_directory(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(rmdir(path), 0);
}

static void make_link(const struct place *p, const char *target, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(symlink(target, path), 0);
}

static unsigned messages(const struct place *p)
{
    return place_count(p, "new") + place_count(p, "cur");
}

/* ---- names */

/* SECONDS.M<6 digits>P<pid>R<16 digits>.bustia,S=<stored>,W=<wire> */
static void test_name(void **state)
{
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    time_t before = clock_wall().tv_sec;
    place_deliver(s, &by_wire, span_of("Subject: x\r\n\r\nbody\r\n"));
    s->ops->close(s);
    char name[256], expected[300], path[PLACE_PATH];
    only_name(p, "new", name);
    long long seconds;
    unsigned us, pid;
    unsigned long long random;
    int n = 0;
    assert_int_equal(sscanf(name, "%lld.M%6uP%uR%16llx.bustia%n", &seconds, &us, &pid, &random, &n), 4);
    assert_in_range(seconds, before, before + 60);
    assert_int_equal(pid, getpid());
    snprintf(expected, sizeof expected, "%lld.M%06uP%uR%016llx.bustia,S=17,W=20", seconds, us, pid, random);
    assert_string_equal(name, expected);
    struct drop drop;
    s = place_open_list(p, &store_maildir, &drop);
    assert_memory_equal(drop.messages[0].uid, name, (size_t)n);
    assert_int_equal(strlen(drop.messages[0].uid), n);
    assert_int_equal(drop.messages[0].octets, 20);
    drop_fini(&drop);
    s->ops->close(s);
    snprintf(expected, sizeof expected, "new/%s", name);
    place_path(p, expected, path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(place_count(p, "tmp"), 0);
}

static void test_times_of_every_kind(void **state)
{
    static const int64_t times[] = {1, -1, INT64_MIN, INT64_MAX, 1700000000, 99999999999};
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    for (unsigned i = 0; i < 6; i++) {
        place_deliver(s, &(struct store_about){.time = times[i], .key = "key"}, span_of("x\n"));
        place_deliver(s, &(struct store_about){.time = times[i]}, span_of("x\n"));
    }
    s->ops->close(s);
    struct drop drop;
    s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(drop.count, 7);
    drop_fini(&drop);
    s->ops->close(s);
}

/* Wherever another program has put it and whatever flags it bears; and never by the name of one without a key. */
static void test_key_is_found_under_any_name(void **state)
{
    struct place *p = *state;
    const struct store_about about = {.key = "a key"};
    struct store *s = open_to_deliver(p);
    place_deliver(s, &about, span_of("x\n"));
    char name[256], from[300], to[300];
    only_name(p, "new", name);
    snprintf(from, sizeof from, "new/%s", name);
    snprintf(to, sizeof to, "cur/%s:2,RS", name);
    place_rename(p, from, to);
    place_deliver(s, &about, span_of("x\n"));
    assert_int_equal(messages(p), 1);
    *strchr(name, ',') = '\0';
    snprintf(from, sizeof from, "cur/%s:2,", name);
    place_rename(p, to, from);
    place_deliver(s, &about, span_of("x\n"));
    assert_int_equal(messages(p), 1);
    snprintf(to, sizeof to, "cur/x%s:2,", strchr(name, 'K'));
    place_rename(p, from, to);
    place_deliver(s, &about, span_of("x\n"));
    assert_int_equal(messages(p), 2);
    s->ops->close(s);
    assert_int_equal(place_count(p, "tmp"), 0);
}

/* ---- what may be missing or in the way */

static void test_missing_parts_are_made(void **state)
{
    struct place *p = *state;
    remove_directory(p, "tmp");
    deliver_one(p, "x\n");
    remove_directory(p, "tmp");
    remove_directory(p, "cur");
    deliver_one(p, "x\n");
    assert_int_equal(place_count(p, "new"), 2);
    p->drop = "bea";
    deliver_one(p, "x\n");
    assert_int_equal(place_count(p, "new"), 1);
}

/* Whatever bears the name already stays as it is. */
static void test_nothing_is_replaced(void **state)
{
    static const char *const rules[] = {"", "rename:EINVAL:/anna/new/:1"};
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    for (unsigned i = 0; i < 2; i++) {
        struct store_draft *d = place_draft(s, &plain, span_of("x\n"));
        struct err err = {0};
        char name[256], there[300];
        only_name(p, "tmp", name);
        snprintf(there, sizeof there, "new/%s,S=2,W=3", name);
        place_text(p, there, "another\n");
        fault_rules(rules[i]);
        assert_int_equal(s->ops->commit(&d, 1, &err), 0);
        fault_rules("");
        assert_int_equal(err.kind, ERR_TEMP);
        assert_int_equal(place_count(p, "tmp"), 0);
    }
    s->ops->close(s);
    struct drop drop;
    s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(drop.count, 2);
    place_expect(s, 0, "another\n");
    place_expect(s, 1, "another\n");
    drop_fini(&drop);
    s->ops->close(s);
}

/* Also while it is open. */
static void test_parts_vanish(void **state)
{
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    remove_directory(p, "tmp");
    deliver(s, "x\n");
    assert_int_equal(place_count(p, "new"), 1);
    char name[256], path[300];
    only_name(p, "new", name);
    snprintf(path, sizeof path, "new/%s", name);
    place_remove(p, path);
    struct store_draft *d = place_draft(s, &plain, span_of("x\n"));
    remove_directory(p, "new");
    struct err err;
    assert_int_equal(s->ops->commit(&d, 1, &err), 1);
    assert_int_equal(place_count(p, "new"), 1);
    d = place_draft(s, &plain, span_of("x\n"));
    only_name(p, "tmp", name);
    snprintf(path, sizeof path, "tmp/%s", name);
    place_remove(p, path); /* somebody sweeps too early */
    assert_int_equal(s->ops->commit(&d, 1, &err), 0);
    assert_int_equal(err.kind, ERR_TEMP);
    s->ops->close(s);
    assert_int_equal(place_count(p, "new"), 1);
}

static void expect_no_delivery(const struct place *p)
{
    struct store *s = NULL;
    struct err err = {0};
    assert_int_equal(store_maildir.open(&s, &p->root, p->drop, STORE_DELIVER, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_true(strlen(err.text) > 0);
}

static void test_something_is_in_the_way(void **state)
{
    static const char *const parts[] = {"tmp", "new", "cur"};
    struct place *p = *state;
    make_directory(p, "../outside");
    for (unsigned i = 0; i < 3; i++) {
        remove_directory(p, parts[i]);
        place_text(p, parts[i], "a file");
        expect_no_delivery(p);
        place_remove(p, parts[i]);
        make_link(p, "../outside", parts[i]);
        expect_no_delivery(p);
        place_remove(p, parts[i]);
        make_directory(p, parts[i]);
    }
    assert_int_equal(place_count(p, "../outside"), 0);
    deliver_one(p, "x\n");
    p->drop = "missing/anna"; /* the parent may be a disk that is not mounted */
    expect_no_delivery(p);
    p->drop = "outside";
    place_text(p, "a file", "x");
    expect_no_delivery(p);
}

/* A link put where the parts were, while it is open: the directories that were opened are those that are used. */
static void test_replaced_while_open(void **state)
{
    struct place *p = *state;
    make_directory(p, "../outside");
    struct store *s = open_to_deliver(p);
    remove_directory(p, "tmp");
    make_link(p, "../outside", "tmp");
    struct store_draft *d = NULL;
    struct err err = {0};
    assert_int_equal(s->ops->begin(s, &plain, &d, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    place_remove(p, "tmp");
    d = place_draft(s, &plain, span_of("x\n"));
    remove_directory(p, "new");
    make_link(p, "../outside", "new");
    assert_int_equal(s->ops->commit(&d, 1, &err), 0);
    assert_int_equal(err.kind, ERR_TEMP);
    s->ops->close(s);
    assert_int_equal(place_count(p, "../outside"), 0);
    assert_int_equal(place_count(p, "tmp"), 0);
}

/* Nothing but our record is left of it: still a Maildir. */
static void test_only_the_record_is_left(void **state)
{
    struct place *p = *state;
    make_link(p, "v1:0:0:0", MAILDIR_RECORD);
    remove_directory(p, "tmp");
    remove_directory(p, "new");
    remove_directory(p, "cur");
    deliver_one(p, "x\n");
    assert_int_equal(place_count(p, "new"), 1);
}

/* ---- no message is opened */

/* By any call: deliveries, keys, counts and sweeps only look at names and sizes. */
static void test_no_message_is_opened(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.a", "x\n");
    place_text(p, "cur/2.a:2,S", "x\n");
    place_text(p, "tmp/3.a", "x\n");
    fault_rules(
        "openat:EACCES:/anna/new/:1;openat:EACCES:/anna/cur/:1;openat:EACCES:/anna/tmp/3:1;read:EACCES:/anna:1");
    struct store *s = open_to_deliver(p);
    struct store_used used;
    struct err err;
    assert_int_equal(s->ops->used(s, true, &used, &err), 0);
    assert_int_equal(used.messages, 2);
    place_deliver(s, &(struct store_about){.key = "a"}, span_of("x\n"));
    place_deliver(s, &(struct store_about){.key = "a"}, span_of("x\n"));
    deliver(s, "x\n");
    assert_int_equal(s->ops->used(s, false, &used, &err), 0);
    assert_int_equal(used.messages, 4);
    assert_int_equal(s->ops->sweep(s, &err), 0);
    s->ops->close(s);
    assert_int_equal(fault_hits(), 0);
}

/* ---- sweeping */

static void test_sweep(void **state)
{
    enum { HOURS_36 = 36 * 3600 };
    struct place *p = *state;
    place_text(p, "tmp/left", "x\n");
    place_text(p, "tmp/.hidden", "x\n");
    place_text(p, "tmp/touched in the future", "x\n");
    place_text(p, "new/1.a", "x\n");
    make_directory(p, "tmp/directory");
    make_link(p, "/etc/passwd", "tmp/link");
    char path[PLACE_PATH];
    place_path(p, "tmp/touched in the future", path);
    time_t now = clock_wall().tv_sec;
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){{now, 0}, {now + 3600, 0}}, 0), 0);
    place_path(p, "tmp/left", path); /* its own time is old, and it was put there just now */
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){{1, 0}, {1, 0}}, 0), 0);
    struct store *s = open_to_deliver(p);
    struct store_draft *d = NULL;
    struct err err;
    assert_int_equal(s->ops->begin(s, &plain, &d, &err), 0);
    assert_int_equal(s->ops->sweep(s, &err), 0);
    assert_int_equal(place_count(p, "tmp"), 6);
    s->ops->abort(d);
    s->ops->close(s);
    struct maildir_box box;
    assert_int_equal(maildir_box_open(&box, &p->root, p->drop, STORE_DELIVER, &err), 0);
    assert_int_equal(maildir_sweep(&box, now + HOURS_36 - 60, &err), 0);
    assert_int_equal(place_count(p, "tmp"), 5);
    assert_int_equal(maildir_sweep(&box, now + HOURS_36 + 60, &err), 0);
    assert_int_equal(place_count(p, "tmp"), 3);
    assert_true(place_has(p, "tmp/touched in the future"));
    assert_true(place_has(p, "tmp/link"));
    assert_int_equal(place_count(p, "new"), 1);
    maildir_box_close(&box);
}

/* ---- beside each other */

/* One key, several processes, one message. */
static void deliver_same_keys(const struct place *p)
{
    struct store *s = open_to_deliver(p);
    for (unsigned i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        place_deliver(s, &(struct store_about){.key = key}, span_of(key));
    }
    s->ops->close(s);
}

static void test_one_key_beside_each_other(void **state)
{
    struct place *p = *state;
    pid_t pids[3];
    for (unsigned i = 0; i < 3; i++)
        pids[i] = place_beside(p, deliver_same_keys);
    place_wait(3, pids);
    assert_int_equal(place_count(p, "new"), 40);
    assert_int_equal(place_count(p, "tmp"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(name),
        TEST(times_of_every_kind),
        TEST(key_is_found_under_any_name),
        TEST(missing_parts_are_made),
        TEST(nothing_is_replaced),
        TEST(parts_vanish),
        TEST(something_is_in_the_way),
        TEST(replaced_while_open),
        TEST(only_the_record_is_left),
        TEST(no_message_is_opened),
        TEST(sweep),
        TEST(one_key_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
