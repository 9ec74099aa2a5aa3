/* Deliveries into a Maildir: names, places, what may be in their way, the record of what is used, and who is beside. */
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
#include "store/maildir_record.h"

static int set_up(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    place_maildir(p);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    fault_rules("");
    place_free(*state);
    mem_free(*state);
    return 0;
}

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

/* ---- the record */

static struct store_used used(struct store *s, bool afresh)
{
    struct store_used u = {0};
    struct err err = {0};
    if (s->ops->used(s, afresh, &u, &err) < 0)
        fail_msg("used: %s", err.text);
    return u;
}

static bool record(const struct place *p, struct maildir_record *r)
{
    char path[PLACE_PATH], text[256];
    place_path(p, MAILDIR_RECORD, path);
    ssize_t n = readlink(path, text, sizeof text);
    return n > 0 && maildir_record_read((struct span){text, (size_t)n}, r);
}

static void write_record(const struct place *p, uint64_t octets, uint64_t n, int64_t age_s)
{
    char text[MAILDIR_RECORD_TEXT];
    if (place_has(p, MAILDIR_RECORD))
        place_remove(p, MAILDIR_RECORD);
    uint64_t counted_us = (uint64_t)(clock_wall().tv_sec - age_s) * 1000000;
    maildir_record_text(&(struct maildir_record){octets, n, counted_us}, text);
    make_link(p, text, MAILDIR_RECORD);
}

/* Deliveries keep one that is there, begin none, and scan nothing. */
static void test_record_is_kept(void **state)
{
    struct place *p = *state;
    struct maildir_record r;
    struct store *s = open_to_deliver(p);
    deliver(s, "x\n");
    assert_false(place_has(p, MAILDIR_RECORD));
    write_record(p, 1000, 10, 5);
    fault_rules("readdir:EIO:/anna:1");
    deliver(s, "123\n");
    struct store_used u = used(s, false);
    fault_rules("");
    assert_int_equal(u.octets, 1004);
    assert_int_equal(u.messages, 11);
    assert_in_range(u.counted, clock_wall().tv_sec - 65, clock_wall().tv_sec - 5);
    assert_true(record(p, &r));
    assert_int_equal(r.octets, 1004);
    u = used(s, true);
    assert_int_equal(u.octets, 6);
    assert_int_equal(u.messages, 2);
    assert_true(record(p, &r));
    assert_int_equal(r.octets, 6);
    assert_int_equal(place_count(p, "tmp"), 0);
    s->ops->close(s);
}

static void test_what_is_no_record(void **state)
{
    static const char *const targets[] = {"nonsense", "v1:1:2:",   "v1::2:3",    "v2:1:2:3",
                                          "v1:1:2",   "v1:-1:2:3", "v1:1:2:3:4", "v1:99999999999999999999:1:1"};
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    deliver(s, "123\n");
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        make_link(p, targets[i], MAILDIR_RECORD);
        deliver(s, "123\n");
        assert_int_equal(used(s, false).messages, i + 2);
        assert_int_equal(used(s, false).octets, 4 * (i + 2));
        place_remove(p, MAILDIR_RECORD);
    }
    const unsigned n = messages(p);
    write_record(p, 5, 5, 25 * 3600); /* too old */
    assert_int_equal(used(s, false).messages, n);
    write_record(p, 5, 5, -60); /* from the future */
    assert_int_equal(used(s, false).messages, n);
    write_record(p, 5, 5, 23 * 3600);
    assert_int_equal(used(s, false).messages, 5);
    place_remove(p, MAILDIR_RECORD);
    place_text(p, MAILDIR_RECORD, "a file");
    assert_int_equal(used(s, false).messages, n); /* and it is replaced */
    s->ops->close(s);
}

/* What stands there cannot be replaced: everything goes on, and is counted each time. */
static void test_record_cannot_be_written(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    size_t left;
    make_directory(p, MAILDIR_RECORD);
    place_text(p, MAILDIR_RECORD "/file", "x");
    struct store *s = open_to_deliver(p);
    deliver(s, "123\n");
    assert_int_equal(used(s, false).messages, 1);
    deliver(s, "123\n");
    assert_int_equal(used(s, false).messages, 2);
    s->ops->close(s);
    s = place_open_list(p, &store_maildir, &drop);
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(used(s, false).messages, 1);
    drop_fini(&drop);
    s->ops->close(s);
    assert_int_equal(place_count(p, "tmp"), 0);
}

/* A record that cannot be brought up to date goes, so that nobody believes it. */
static void test_record_goes_when_it_cannot_be_changed(void **state)
{
    static const char *const rules[] = {"symlink:ENOSPC:/anna/tmp/:1", "rename:EIO:/anna/bustia-used:1"};
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    for (unsigned i = 0; i < 2; i++) {
        write_record(p, 5, 5, 5);
        fault_rules(rules[i]);
        deliver(s, "123\n");
        assert_true(fault_hits() > 0);
        fault_rules("");
        assert_false(place_has(p, MAILDIR_RECORD));
        assert_int_equal(place_count(p, "tmp"), 0);
        assert_int_equal(used(s, false).messages, i + 1);
    }
    s->ops->close(s);
}

static void test_a_record_left_half_made(void **state)
{
    struct place *p = *state;
    make_link(p, "v1:0:0:0", "tmp/" MAILDIR_RECORD);
    struct store *s = open_to_deliver(p);
    deliver(s, "123\n");
    assert_int_equal(used(s, false).messages, 1);
    assert_int_equal(place_count(p, "tmp"), 0);
    s->ops->close(s);
}

/* A failed rename is not counted, and the others are. */
static void test_record_after_a_failed_rename(void **state)
{
    struct place *p = *state;
    struct maildir_record r;
    struct store *s = open_to_deliver(p);
    struct store_draft *d[4];
    struct err errs[4];
    write_record(p, 100, 10, 5);
    for (unsigned i = 0; i < 4; i++)
        d[i] = place_draft(s, &plain, span_of("123\n"));
    fault_rules("rename:EIO:/anna/new/:2-2");
    assert_int_equal(s->ops->commit(d, 4, errs), 3);
    fault_rules("");
    assert_int_equal(errs[0].kind, ERR_NONE);
    assert_int_equal(errs[1].kind, ERR_TEMP);
    assert_true(record(p, &r));
    assert_int_equal(r.octets, 112);
    assert_int_equal(r.messages, 13);
    assert_int_equal(place_count(p, "new"), 3);
    assert_int_equal(place_count(p, "tmp"), 0);
    s->ops->close(s);
}

/* What other programs remove nobody notes: a count finds out. */
static void test_other_programs_remove(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.a", "123\n");
    place_text(p, "new/2.a", "123\n");
    struct store *s = open_to_deliver(p);
    assert_int_equal(used(s, false).messages, 2);
    place_remove(p, "new/1.a");
    assert_int_equal(used(s, false).messages, 2);
    assert_int_equal(used(s, true).messages, 1);
    assert_int_equal(used(s, false).octets, 4);
    s->ops->close(s);
}

/* ---- UPDATE and the record */

static void test_update_beside_a_count(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    size_t left;
    struct maildir_record r;
    for (unsigned i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "new/%u.a", i);
        place_text(p, name, "123\n");
    }
    struct store *session = place_open_list(p, &store_maildir, &drop);
    drop_mark(&drop, 0);
    assert_int_equal(session->ops->remove(session, &drop, &left, &err), 0); /* without a record: none is made */
    assert_false(place_has(p, MAILDIR_RECORD));
    drop_reset(&drop);
    struct store *s = open_to_deliver(p);
    assert_int_equal(used(s, false).messages, 3);
    drop_mark(&drop, 1);
    assert_int_equal(session->ops->remove(session, &drop, &left, &err), 0);
    assert_true(record(p, &r));
    assert_int_equal(r.messages, 2);
    assert_int_equal(r.octets, 8);
    drop_reset(&drop);
    write_record(p, 1, 1, 5); /* drifted: never below nothing */
    drop_mark(&drop, 2);
    assert_int_equal(session->ops->remove(session, &drop, &left, &err), 0);
    assert_true(record(p, &r));
    assert_int_equal(r.octets, 0);
    assert_int_equal(used(s, true).messages, 1);
    s->ops->close(s);
    drop_fini(&drop);
    session->ops->close(session);
}

/* ---- beside each other */

enum { ROUNDS = 150 };

static void deliver_rounds(const struct place *p)
{
    struct store *s = open_to_deliver(p);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct store_draft *d[3];
        struct err errs[3];
        for (unsigned k = 0; k <= i % 3; k++)
            d[k] = place_draft(s, &plain, span_of("12345678\n"));
        if (s->ops->commit(d, i % 3 + 1, errs) != i % 3 + 1)
            abort();
    }
    s->ops->close(s);
}

static void remove_rounds(const struct place *p)
{
    for (unsigned i = 0; i < ROUNDS / 2; i++) {
        struct drop drop;
        struct err err;
        size_t left;
        struct store *s = place_open_list(p, &store_maildir, &drop);
        for (unsigned k = 1; k < drop.count; k += 2)
            drop_mark(&drop, k);
        if (s->ops->remove(s, &drop, &left, &err) < 0)
            abort();
        drop_fini(&drop);
        s->ops->close(s);
    }
}

static void count_rounds(const struct place *p)
{
    struct store *s = open_to_deliver(p);
    for (unsigned i = 0; i < ROUNDS; i++)
        used(s, i % 3 == 0);
    s->ops->close(s);
}

static pid_t beside(const struct place *p, void (*rounds)(const struct place *))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        rounds(p);
        _exit(0);
    }
    return pid;
}

static void test_record_beside_each_other(void **state)
{
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    for (unsigned round = 0; round < 2; round++) {
        used(s, true);
        pid_t pids[4];
        pids[0] = beside(p, deliver_rounds);
        pids[1] = beside(p, remove_rounds);
        pids[2] = beside(p, deliver_rounds);
        pids[3] = round ? beside(p, count_rounds) : 0;
        for (unsigned i = 0; i < (round ? 4 : 3); i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        struct maildir_record r;
        if (round == 0) /* nobody counted: it was kept all the time */
            assert_true(record(p, &r));
        struct store_used kept = used(s, false);
        assert_int_equal(kept.messages, messages(p));
        assert_int_equal(kept.octets, 9 * messages(p));
        assert_true(messages(p) > 0);
    }
    s->ops->close(s);
    assert_int_equal(place_count(p, "tmp"), 0);
}

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
        pids[i] = beside(p, deliver_same_keys);
    for (unsigned i = 0; i < 3; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(place_count(p, "new"), 40);
    assert_int_equal(place_count(p, "tmp"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(name),
        TEST(times_of_every_kind),
        TEST(key_is_found_under_any_name),
        TEST(missing_parts_are_made),
        TEST(parts_vanish),
        TEST(something_is_in_the_way),
        TEST(replaced_while_open),
        TEST(only_the_record_is_left),
        TEST(no_message_is_opened),
        TEST(sweep),
        TEST(record_is_kept),
        TEST(what_is_no_record),
        TEST(record_cannot_be_written),
        TEST(record_goes_when_it_cannot_be_changed),
        TEST(a_record_left_half_made),
        TEST(record_after_a_failed_rename),
        TEST(other_programs_remove),
        TEST(update_beside_a_count),
        TEST(record_beside_each_other),
        TEST(one_key_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
