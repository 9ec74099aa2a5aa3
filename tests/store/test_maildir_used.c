/* The record of what a Maildir holds: kept, healed, never a reason to fail. */
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
#include "store/maildir_open.h"
#include "store/maildir_used.h"

static struct store *open_to_deliver(const struct place *p)
{
    return place_open_to_deliver(p, &store_maildir);
}

static const struct store_about plain;

static void deliver(struct store *s, const char *text)
{
    place_deliver(s, &plain, span_of(text));
}

static void make_directory(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
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

/* Nobody knows whether a count in the middle has seen what was being removed: another one will tell. */
static void test_a_count_while_removing(void **state)
{
    struct place *p = *state;
    struct maildir_box box;
    struct maildir_record before, r;
    struct err err;
    assert_int_equal(maildir_box_open(&box, &p->root, p->drop, STORE_EXCLUSIVE, &err), 0);
    write_record(p, 100, 10, 5);
    assert_true(maildir_record_load(&box, &before));
    maildir_used_less(&box, &before, 30, 3);
    assert_true(record(p, &r));
    assert_int_equal(r.octets, 70);
    assert_int_equal(r.messages, 7);
    write_record(p, 90, 9, 1);
    maildir_used_less(&box, &before, 30, 3);
    assert_false(place_has(p, MAILDIR_RECORD));
    write_record(p, 90, 9, 1);
    maildir_used_less(&box, NULL, 30, 3);
    assert_false(place_has(p, MAILDIR_RECORD));
    maildir_used_less(&box, &before, 30, 3); /* and none comes of it */
    assert_false(place_has(p, MAILDIR_RECORD));
    maildir_box_close(&box);
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

static void test_record_beside_each_other(void **state)
{
    struct place *p = *state;
    struct store *s = open_to_deliver(p);
    for (unsigned round = 0; round < 2; round++) {
        used(s, true);
        pid_t pids[4];
        pids[0] = place_beside(p, deliver_rounds);
        pids[1] = place_beside(p, remove_rounds);
        pids[2] = place_beside(p, deliver_rounds);
        pids[3] = round ? place_beside(p, count_rounds) : 0;
        place_wait(round ? 4 : 3, pids);
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

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(record_is_kept),           TEST(what_is_no_record),
        TEST(record_cannot_be_written), TEST(record_goes_when_it_cannot_be_changed),
        TEST(a_record_left_half_made),  TEST(record_after_a_failed_rename),
        TEST(other_programs_remove),    TEST(update_beside_a_count),
        TEST(a_count_while_removing),   TEST(record_beside_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
