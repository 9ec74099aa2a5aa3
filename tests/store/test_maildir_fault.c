/* A Maildir on a disk that fails: what the answers say, and that they never say too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "fault.h"
#include "place.h"
#include "store/maildir.h"

enum { FILES = 10 };

static int set_up(void **state)
{
    place_set_up(state);
    struct place *p = *state;
    for (unsigned i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, i % 2 ? "new/%u.a" : "cur/%u.a:2,S", 1000 + i);
        place_text(p, name, "text\n");
    }
    return 0;
}

static unsigned files(const struct place *p)
{
    return place_count(p, "new") + place_count(p, "cur");
}

/* Marks all; then the removal under these rules. */
static enum err_kind remove_all(const struct place *p, const char *rules, size_t *left)
{
    struct drop drop;
    struct err err = {0};
    struct store *s = place_open_list(p, &store_maildir, &drop);
    for (unsigned i = 0; i < drop.count; i++)
        drop_mark(&drop, i);
    *left = 99;
    fault_rules(rules);
    int result = s->ops->remove(s, &drop, left, &err);
    assert_true(fault_hits() > 0);
    fault_rules("");
    assert_true(result == 0 ? err.kind == ERR_NONE : err.text[0] != '\0');
    drop_fini(&drop);
    s->ops->close(s);
    return err.kind;
}

static void test_unlink_fails(void **state)
{
    static const char *const errors[] = {"EIO", "EROFS", "EACCES", "EPERM"};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        char rule[64];
        size_t left;
        snprintf(rule, sizeof rule, "unlinkat:%s:/anna/:1", errors[i]);
        assert_int_equal(remove_all(*state, rule, &left), ERR_TEMP);
        assert_int_equal(left, FILES);
        assert_int_equal(files(*state), FILES);
    }
}

/* The others go all the same, and the answer counts what is left. */
static void test_some_unlinks_fail(void **state)
{
    size_t left;
    assert_int_equal(remove_all(*state, "unlinkat:EIO:/anna/:3-5", &left), ERR_TEMP);
    assert_int_equal(left, 3);
    assert_int_equal(files(*state), 3);
}

static void test_examining_fails(void **state)
{
    size_t left;
    assert_int_equal(remove_all(*state, "openat:EIO:/cur/1004:1", &left), ERR_TEMP);
    assert_int_equal(left, 1);
    assert_int_equal(files(*state), 1);
    assert_int_equal(remove_all(*state, "openat:EMFILE:/cur/1:1", &left), ERR_TEMP);
    assert_int_equal(left, 1);
    assert_int_equal(files(*state), 1);
}

/* Interrupted is not failed. */
static void test_interrupted(void **state)
{
    size_t left;
    assert_int_equal(remove_all(*state, "openat:EINTR:/anna/:1-3;openat:EAGAIN:/anna/:5-6", &left), ERR_NONE);
    assert_int_equal(left, 0);
    assert_int_equal(files(*state), 0);
}

static void test_fsync_fails(void **state)
{
    size_t left;
    assert_int_equal(remove_all(*state, "fsync:EIO:/anna/cur:1", &left), ERR_UNKNOWN);
    assert_int_equal(left, FILES);
}

/* A failed fsync is told once by the kernel; a second try must not turn it into success. */
static void test_fsync_failure_is_not_forgotten(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    size_t left;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    drop_mark(&drop, 0);
    fault_rules("fsync:EIO:/anna/:1-1");
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_UNKNOWN);
    err.kind = ERR_NONE;
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_UNKNOWN);
    assert_int_equal(left, 1);
    drop_fini(&drop);
    s->ops->close(s);
}

/* Only what was changed is flushed: a read-only part does not stand in the way. */
static void test_only_what_changed_is_flushed(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    size_t left;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    drop_mark(&drop, 0);
    fault_rules("fsync:EIO:/anna/new:1");
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    drop_reset(&drop);
    drop_mark(&drop, 1);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_UNKNOWN);
    drop_fini(&drop);
    s->ops->close(s);
}

/* What another program has removed is vouched for only when that is durable. */
static void test_removed_by_another_is_flushed(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    size_t left;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    place_remove(p, "new/1001.a");
    drop_mark(&drop, 1);
    fault_rules("fsync:EIO:/anna/new:1");
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_UNKNOWN);
    assert_int_equal(left, 1);
    drop_fini(&drop);
    s->ops->close(s);
}

static unsigned long fsyncs(struct store *s, const struct drop *drop)
{
    struct err err = {0};
    size_t left;
    fault_rules("fsync:SLOW:/anna/:1");
    if (s->ops->remove(s, drop, &left, &err) < 0)
        fail_msg("%s", err.text);
    unsigned long n = fault_hits();
    fault_rules("");
    return n;
}

/* A file with links elsewhere is gone from here when it is gone from its directory; while the other one stood still nothing in
 * that needs to be made durable. */
static void test_links_elsewhere_cost_no_second_flush(void **state)
{
    struct place *p = *state;
    for (unsigned round = 0; round < 2; round++) {
        char a[PLACE_PATH], b[PLACE_PATH];
        place_path(p, round ? "new/1003.a" : "new/1001.a", a);
        place_path(p, round ? "tmp/2" : "tmp/1", b);
        assert_int_equal(link(a, b), 0);
        usleep(12000); /* until a change would show */
        struct drop drop;
        struct store *s = place_open_list(p, &store_maildir, &drop);
        drop_mark(&drop, round ? 2 : 1);
        assert_int_equal(fsyncs(s, &drop), 1);
        assert_false(place_has(p, round ? "new/1003.a" : "new/1001.a"));
        assert_true(place_has(p, round ? "tmp/2" : "tmp/1"));
        drop_fini(&drop);
        s->ops->close(s);
    }
}

/* ---- listing */

static unsigned long hits; /* of the last listing */

static unsigned list_under(const struct place *p, const char *rules, struct err *err)
{
    struct drop drop;
    struct store *s = place_open(p, &store_maildir);
    *err = (struct err){0};
    drop_init(&drop);
    fault_rules(rules);
    int result = s->ops->list(s, &drop, err);
    hits = fault_hits();
    assert_true(hits > 0);
    fault_rules("");
    unsigned count = result < 0 ? 99 : drop.count;
    drop_fini(&drop);
    s->ops->close(s);
    return count;
}

/* One message that cannot be read closes nothing. */
static void test_one_message_fails(void **state)
{
    static const char *const rules[] = {"read:EIO:/1001.a:1", "openat:EIO:/1004.a:1", "openat:EACCES:/1004.a:1",
                                        "fstat:EIO:/1001.a:1", "read:END:/1001.a:1"};
    struct err err;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        assert_int_equal(list_under(*state, rules[i], &err), FILES - 1);
    assert_int_equal(list_under(*state, "read:EINTR:/1001.a:1-2", &err), FILES);
    assert_int_equal(list_under(*state, "openat:EMFILE:/100:4-4", &err), FILES); /* others are closed, and it is tried again */
    assert_int_equal(list_under(*state, "openat:EPERM:/1004.a:1-1", &err), FILES); /* another's: not without a time of access */
    assert_int_equal(list_under(*state, "openat:EPERM:/1004.a:1", &err), FILES - 1);
    assert_int_equal(list_under(*state, "openat:EPERM:/100:1", &err), 0);
    assert_int_equal(hits, FILES + 4); /* where all are another's it is not asked for each */
}

/* Trouble that is not one message's must not make the others vanish. */
static void test_list_fails(void **state)
{
    static const char *const rules[] = {"readdir:EIO:/anna/new:3", "readdir:EIO:/anna/cur:1", "openat:EIO:/anna/cur:1",
                                        "openat:EMFILE:/100:4",    "openat:ENFILE:/100:1",    "openat:ENOMEM:/100:10",
                                        "fstat:EIO:/anna/new:1",   "openat:EAGAIN:/1004.a:1" /* a lease */};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct err err;
        assert_int_equal(list_under(*state, rules[i], &err), 99);
        assert_int_equal(err.kind, ERR_TEMP);
    }
}

static unsigned descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* What others have open stands between what is opened to be counted. */
static void test_closes_what_it_opened(void **state)
{
    enum { HELD = 32 };
    int held[HELD];
    for (size_t i = 0; i < HELD; i++)
        held[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < HELD; i += 2)
        close(held[i]);
    unsigned before = descriptors();
    struct err err;
    assert_int_equal(list_under(*state, "fstat:EIO:/1001.a:1", &err), FILES - 1);
    assert_int_equal(descriptors(), before);
    for (size_t i = 1; i < HELD; i += 2)
        assert_int_equal(close(held[i]), 0);
}

/* ---- bodies */

static void test_body_fails(void **state)
{
    static const struct {
        const char *rule;
        enum err_kind kind;
    } rows[] = {{"openat:EIO:/1004.a:1", ERR_TEMP},
                {"openat:EACCES:/1004.a:1", ERR_TEMP},
                {"openat:EMFILE:/1004.a:1", ERR_TEMP},
                {"fstat:EIO:/1004.a:1", ERR_TEMP},
                {"openat:ENOENT:/1004.a:1-1;readdir:EIO:/anna/cur:1", ERR_TEMP},
                {"openat:ENOENT:/1004.a:1-3", ERR_NONE}}; /* as if it was renamed each time */
    struct drop drop;
    struct store *s = place_open_list(*state, &store_maildir, &drop);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store_body b;
        struct err err = {0};
        size_t n;
        fault_rules(rows[i].rule);
        char *text = place_body(s, 4, &n, &b, &err);
        assert_true(fault_hits() > 0);
        fault_rules("");
        assert_int_equal(err.kind, rows[i].kind);
        assert_true((text != NULL) == (rows[i].kind == ERR_NONE));
        mem_free(text);
    }
    drop_fini(&drop);
    s->ops->close(s);
}

/* It is there and cannot be grasped: neither gone nor an endless search. */
static void test_renamed_without_end(void **state)
{
    struct drop drop;
    struct err err = {0};
    struct store_body b;
    size_t left;
    struct store *s = place_open_list(*state, &store_maildir, &drop);
    drop_mark(&drop, 4);
    fault_rules("openat:ENOENT:/1004.a:1");
    assert_int_equal(s->ops->body(s, 4, &b, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_int_equal(left, 1);
    fault_rules("");
    drop_fini(&drop);
    s->ops->close(s);
    assert_int_equal(list_under(*state, "openat:ENOENT:/1004.a:1", &err), FILES - 1);
}

static void test_open_fails(void **state)
{
    static const char *const rules[] = {"openat:EIO:/anna:1", "openat:EMFILE:/anna/cur:1", "flock:EIO:/anna:1",
                                        "openat:EIO:/anna/new:1", "openat:ENOSYS:/anna:1"};
    struct place *p = *state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        struct store *s = NULL;
        struct err err = {0};
        fault_rules(rules[i]);
        assert_int_equal(store_maildir.open(&s, &p->root, p->drop, STORE_EXCLUSIVE, &err), -1);
        assert_int_equal(err.kind, ERR_TEMP);
        assert_true(fault_hits() > 0);
        fault_rules("");
        s = place_open(p, &store_maildir); /* nothing is left locked */
        s->ops->close(s);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unlink_fails),
        TEST(some_unlinks_fail),
        TEST(examining_fails),
        TEST(interrupted),
        TEST(fsync_fails),
        TEST(fsync_failure_is_not_forgotten),
        TEST(only_what_changed_is_flushed),
        TEST(removed_by_another_is_flushed),
        TEST(links_elsewhere_cost_no_second_flush),
        TEST(one_message_fails),
        TEST(list_fails),
        TEST(closes_what_it_opened),
        TEST(body_fails),
        TEST(renamed_without_end),
        TEST(open_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
