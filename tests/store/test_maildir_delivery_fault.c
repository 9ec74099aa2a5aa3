/* Deliveries into a Maildir on a disk that fails, and by processes that are killed: nothing half-written is ever seen,
 * nothing is vouched for that is not there, and the sender's next try delivers once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fault.h"
#include "place.h"
#include "store/maildir.h"
#include "store/maildir_draft.h"
#include "store/maildir_open.h"
#include "store/maildir_kept.h"

/* As long as several pieces, in lines that are told apart; ends in a line END. */
enum { LINES = 4000 };

static char *make_text(size_t *n)
{
    size_t room = LINES * 40 + 16, at = 0;
    char *text = mem_alloc(room);
    for (unsigned i = 0; i < LINES; i++)
        at += (size_t)snprintf(text + at, room - at, "line %u of a message on its way\r\n", i);
    at += (size_t)snprintf(text + at, room - at, "END\r\n");
    *n = at;
    return text;
}

/* Stored as it should be: with LF. */
static void expect_whole(struct store *s, unsigned msg)
{
    struct store_body b;
    struct err err = {0};
    size_t n, sent_n, kept = 0;
    char *got = place_body(s, msg, &n, &b, &err), *sent = make_text(&sent_n);
    assert_non_null(got);
    for (size_t i = 0; i < sent_n; i++)
        if (sent[i] != '\r')
            sent[kept++] = sent[i];
    assert_int_equal(n, kept);
    assert_memory_equal(got, sent, n);
    mem_free(got);
    mem_free(sent);
}

/* All that a session sees is whole. Returns how many. */
static unsigned expect_all_whole(const struct place *p)
{
    struct drop drop;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    unsigned n = drop.count;
    for (unsigned i = 0; i < n; i++)
        expect_whole(s, i);
    drop_fini(&drop);
    s->ops->close(s);
    return n;
}

static const struct store_about about_a = {.wire = true, .key = "a"}, about_b = {.wire = true, .key = "b"},
                                about_c = {.wire = true, .key = "c"}, unkeyed = {.wire = true};

/* A draft in pieces; NULL: err says why, and it was aborted. */
static struct store_draft *draft(struct store *s, const struct store_about *about, struct err *err)
{
    size_t n;
    char *text = make_text(&n);
    struct store_draft *d = NULL;
    int result = s->ops->begin(s, about, &d, err);
    for (struct span rest = {text, n}; result == 0 && rest.n; rest = span_from(rest, 30011))
        result = s->ops->write(d, (struct span){rest.p, rest.n < 30011 ? rest.n : 30011}, err);
    if (result == 0)
        result = s->ops->ready(d, err);
    mem_free(text);
    if (result < 0 && d)
        s->ops->abort(d);
    return result < 0 ? NULL : d;
}

/* One delivery from the opening on. */
static enum err_kind deliver(const struct place *p, const struct store_about *about)
{
    struct store *s = NULL;
    struct err err = {0};
    if (store_maildir.open(&s, &p->root, p->drop, STORE_DELIVER, &err) < 0)
        return err.kind;
    struct store_draft *d = draft(s, about, &err);
    unsigned durable = d ? s->ops->commit(&d, 1, &err) : 0;
    assert_int_equal(durable, err.kind == ERR_NONE);
    assert_true(err.kind == ERR_NONE || err.text[0]);
    s->ops->close(s);
    return err.kind;
}

/* ---- one call fails */

static const struct row {
    const char *rules;
    enum err_kind kind;
    unsigned left; /* in tmp/ */
} rows[] = {
    /* clang-format off */
    {"openat:EIO:/anna:1",                                             ERR_TEMP, 0},
    {"openat:EIO:/anna/tmp:1-1",                                       ERR_TEMP, 0},
    {"openat:EMFILE:/anna/new:1",                                      ERR_TEMP, 0},
    {"openat:ENOSPC:/anna/tmp/:1",                                     ERR_TEMP, 0},
    {"openat:EDQUOT:/anna/tmp/:1",                                     ERR_TEMP, 0},
    {"openat:EROFS:/anna/tmp/:1",                                      ERR_TEMP, 0},
    {"openat:EMFILE:/anna/tmp/:1",                                     ERR_TEMP, 0},
    {"openat:EACCES:/anna/tmp/:1",                                     ERR_TEMP, 0},
    {"openat:ENOENT:/anna/tmp/:1",                                     ERR_TEMP, 0},
    {"openat:EINTR:/anna/tmp/:1-2",                                    ERR_NONE, 0},
    {"write:ENOSPC:/anna/tmp/:1",                                      ERR_TEMP, 0},
    {"write:ENOSPC:/anna/tmp/:2",                                      ERR_TEMP, 0},
    {"write:ENOSPC:/anna/tmp/:3-3",                                    ERR_TEMP, 0},
    {"write:EDQUOT:/anna/tmp/:2-2",                                    ERR_TEMP, 0},
    {"write:EIO:/anna/tmp/:1-1",                                       ERR_TEMP, 0},
    {"write:END:/anna/tmp/:1",                                         ERR_TEMP, 0},
    {"write:EINTR:/anna/tmp/:1-3",                                     ERR_NONE, 0},
    {"write:SHORT:/anna/tmp/:1-99",                                    ERR_NONE, 0},
    {"write:SHORT:/anna/tmp/:1-5;write:ENOSPC:/anna/tmp/:1",           ERR_TEMP, 0},
    {"fsync:EIO:/anna/tmp/:1-1",                                       ERR_TEMP, 0},
    {"fsync:ENOSPC:/anna/tmp/:1-1",                                    ERR_TEMP, 0},
    {"fsync:EDQUOT:/anna/tmp/:1-1",                                    ERR_TEMP, 0},
    {"fsync:EINTR:/anna/tmp/:1-1",                                     ERR_TEMP, 0},
    {"close:EIO:/anna/tmp/:1-1",                                       ERR_TEMP, 0},
    {"close:ENOSPC:/anna/tmp/:1-1",                                    ERR_TEMP, 0},
    {"close:EDQUOT:/anna/tmp/:1-1",                                    ERR_TEMP, 0},
    {"rename:EIO:/anna/new/:1",                                        ERR_TEMP, 0},
    {"rename:ENOSPC:/anna/new/:1",                                     ERR_TEMP, 0},
    {"rename:EDQUOT:/anna/new/:1",                                     ERR_TEMP, 0},
    {"rename:EROFS:/anna/new/:1",                                      ERR_TEMP, 0},
    {"rename:EXDEV:/anna/new/:1",                                      ERR_TEMP, 0},
    {"rename:EEXIST:/anna/new/:1",                                     ERR_TEMP, 0},
    {"rename:ENOENT:/anna/new/:1",                                     ERR_TEMP, 0},
    {"rename:EINVAL:/anna/new/:1",                                     ERR_NONE, 0},
    {"rename:ENOSYS:/anna/new/:1",                                     ERR_NONE, 0},
    {"rename:EINVAL:/anna/new/:1;link:EIO:/anna/new/:1",               ERR_TEMP, 0},
    {"rename:EINVAL:/anna/new/:1;unlinkat:EIO:/anna/tmp/:1-1",         ERR_NONE, 1},
    {"write:EIO:/anna/tmp/:1;unlinkat:EIO:/anna/tmp/:1",               ERR_TEMP, 1},
    {"rename:EIO:/anna/new/:1;unlinkat:EROFS:/anna/tmp/:1",            ERR_TEMP, 1},
    {"fsync:EIO:/anna/new:1-1",                                        ERR_UNKNOWN, 0},
    {"flock:EIO:/anna/tmp:1",                                          ERR_TEMP, 0},
    {"flock:EAGAIN:/anna/tmp:1-3",                                     ERR_NONE, 0},
    {"readdir:EIO:/anna/new:1",                                        ERR_TEMP, 0}, /* to look for the key */
    {"readlink:EIO:/anna/:1",                                          ERR_NONE, 0},
    {"symlink:ENOSPC:/anna/:1",                                        ERR_NONE, 0},
    /* clang-format on */
};
enum { ROWS = sizeof rows / sizeof *rows };

static unsigned sweep(const struct place *p)
{
    struct maildir_box box;
    struct err err = {0};
    assert_int_equal(maildir_box_open(&box, &p->root, p->drop, STORE_DELIVER, &err), 0);
    assert_int_equal(maildir_sweep(&box, clock_wall().tv_sec + 37 * 3600, &err), 0);
    maildir_box_close(&box);
    return place_count(p, "tmp");
}

static void expect_record(const struct place *p, unsigned least, unsigned most)
{
    struct maildir_box box;
    struct err err = {0};
    struct maildir_record r;
    assert_int_equal(maildir_box_open(&box, &p->root, p->drop, STORE_DELIVER, &err), 0);
    if (maildir_record_load(&box, &r))
        assert_in_range(r.messages, least, most);
    maildir_box_close(&box);
}

static void count_first(const struct place *p)
{
    struct store *s = place_open_to_deliver(p, &store_maildir);
    struct store_used used;
    struct err err = {0};
    assert_int_equal(s->ops->used(s, true, &used, &err), 0);
    s->ops->close(s);
}

static void test_one_call_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct place p;
        place_maildir(&p);
        count_first(&p);
        fault_rules(rows[i].rules);
        enum err_kind kind = deliver(&p, &about_a);
        unsigned long hits = fault_hits();
        fault_rules("fsync:SKIP::1");
        if (kind != rows[i].kind || !hits)
            fail_msg("%s: %s, %lu hits", rows[i].rules, err_row(kind)->name, hits);
        unsigned seen = expect_all_whole(&p);
        assert_int_equal(seen, kind != ERR_TEMP);
        assert_int_equal(place_count(&p, "tmp"), rows[i].left);
        expect_record(&p, seen, seen);
        assert_int_equal(deliver(&p, &about_a), ERR_NONE); /* the sender's next try */
        assert_int_equal(expect_all_whole(&p), 1);
        assert_int_equal(sweep(&p), 0);
        expect_record(&p, 1, 1);
        place_free(&p);
    }
}

/* A failed draft stays failed: the kernel tells of an fsync's failure once. */
static void test_nothing_is_tried_twice(void **state)
{
    static const char *const rules[] = {"fsync:EIO:/anna/tmp/:1-1", "write:EIO:/anna/tmp/:1-1",
                                        "close:EIO:/anna/tmp/:1-1"};
    struct place *p = *state;
    struct store *s = place_open_to_deliver(p, &store_maildir);
    for (unsigned i = 0; i < 3; i++) {
        struct store_draft *d = NULL;
        struct err err = {0};
        fault_rules(rules[i]);
        assert_int_equal(s->ops->begin(s, &about_a, &d, &err), 0);
        assert_int_equal(s->ops->write(d, span_of("x\r\n"), &err), 0);
        assert_int_equal(s->ops->ready(d, &err), -1);
        assert_int_equal(s->ops->ready(d, &err), -1);
        assert_int_equal(s->ops->write(d, span_of("x\r\n"), &err), -1);
        assert_int_equal(err.kind, ERR_TEMP);
        s->ops->abort(d);
        fault_rules("");
    }
    s->ops->close(s);
    assert_int_equal(place_count(p, "tmp"), 0);
}

/* All of the batch are unknown, the next batch speaks for itself, and a key that was met is not vouched for. */
static void test_directory_fsync_fails(void **state)
{
    struct place *p = *state;
    struct store *s = place_open_to_deliver(p, &store_maildir);
    struct store_draft *d[2];
    struct err errs[2] = {{0}}, err = {0};
    d[0] = draft(s, &about_a, &err);
    d[1] = draft(s, &unkeyed, &err);
    fault_rules("fsync:EIO:/anna/new:1-1");
    assert_int_equal(s->ops->commit(d, 2, errs), 0);
    fault_rules("");
    assert_int_equal(errs[0].kind, ERR_UNKNOWN);
    assert_int_equal(errs[1].kind, ERR_UNKNOWN);
    assert_int_equal(expect_all_whole(p), 2); /* somebody may have seen them */
    d[0] = draft(s, &unkeyed, &err);
    assert_int_equal(s->ops->commit(d, 1, errs), 1);
    d[0] = draft(s, &about_a, &err);
    assert_int_equal(s->ops->commit(d, 1, errs), 0);
    assert_int_equal(errs[0].kind, ERR_UNKNOWN);
    s->ops->close(s);
    assert_int_equal(deliver(p, &about_a), ERR_NONE);
    assert_int_equal(expect_all_whole(p), 3);
}

/* What is there by its key may be another's work, not durable yet. */
static void test_what_is_there_is_flushed(void **state)
{
    struct place *p = *state;
    struct drop drop;
    char from[PLACE_PATH], to[PLACE_PATH];
    assert_int_equal(deliver(p, &about_a), ERR_NONE);
    fault_rules("fsync:EIO:/anna/new:1");
    assert_int_equal(deliver(p, &about_a), ERR_UNKNOWN);
    fault_rules("");
    struct store *s = place_open_list(p, &store_maildir, &drop);
    uint64_t size = drop.messages[0].octets;
    snprintf(from, sizeof from, "new/%s,S=%llu,W=%llu", drop.messages[0].uid, (unsigned long long)(size - LINES - 1),
             (unsigned long long)size);
    snprintf(to, sizeof to, "cur/%s:2,S", drop.messages[0].uid);
    drop_fini(&drop);
    s->ops->close(s);
    place_rename(p, from, to);
    fault_rules("fsync:EIO:/anna/new:1");
    assert_int_equal(deliver(p, &about_a), ERR_NONE);
    fault_rules("fsync:EIO:/anna/cur:1");
    assert_int_equal(deliver(p, &about_a), ERR_UNKNOWN);
    fault_rules("");
    assert_int_equal(deliver(p, &about_a), ERR_NONE);
    assert_int_equal(expect_all_whole(p), 1);
}

/* A message below a directory that was made and may not outlive a power cut is not taken. */
static void test_made_directories_are_flushed(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    place_path(p, "tmp", path);
    assert_int_equal(rmdir(path), 0);
    fault_rules("fsync:EIO:/anna:1-1");
    assert_int_equal(deliver(p, &about_a), ERR_TEMP);
    assert_int_equal(fault_hits(), 1);
    p->drop = "bea";
    fault_rules("fsync:EIO::1-1");
    assert_int_equal(deliver(p, &about_a), ERR_TEMP);
    assert_int_equal(fault_hits(), 1);
    assert_false(place_has(p, "")); /* who found it would take it for durable */
    fault_rules("");
    assert_int_equal(deliver(p, &about_a), ERR_NONE);
}

/* How often a delivery makes something durable; SKIP counts. */
static unsigned long syncs(struct place *p, const char *drop)
{
    p->drop = drop;
    fault_rules("fsync:SKIP::1");
    assert_int_equal(deliver(p, &about_a), ERR_NONE);
    unsigned long n = fault_hits();
    fault_rules("");
    return n;
}

/* Whoever made the maildrop was killed before it was durable: who finds it empty sees to that before he vouches for anything in it. */
static void test_a_maildrop_that_was_just_made(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    p->drop = "cleo";
    place_path(p, "", path);
    assert_int_equal(mkdir(path, 0700), 0);
    unsigned long found = syncs(p, "cleo"), made = syncs(p, "dora"), there = syncs(p, "anna");
    assert_int_equal(found, there + 4); /* its own entry, and those of new/, cur/ and tmp/ */
    assert_in_range(made, found, found + 1);
}

/* The short lock is held for ever by somebody who was stopped: the delivery is put off, a session's UPDATE is not. */
static void test_lock_is_held(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    size_t left;
    struct maildir_box holder;
    assert_int_equal(deliver(p, &unkeyed), ERR_NONE);
    count_first(p);
    assert_int_equal(maildir_box_open(&holder, &p->root, p->drop, STORE_DELIVER, &err), 0);
    assert_int_equal(maildir_lock(&holder, &err), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(deliver(p, &unkeyed) == ERR_TEMP ? 0 : 1);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_false(place_has(p, MAILDIR_RECORD));
    drop_fini(&drop);
    s->ops->close(s);
    place_wait(1, &pid);
    maildir_box_close(&holder);
    assert_int_equal(place_count(p, "tmp"), 0);
    assert_int_equal(deliver(p, &unkeyed), ERR_NONE);
    assert_int_equal(expect_all_whole(p), 1);
}

/* ---- killed before each call */

static void acknowledge(int fd)
{
    if (write(fd, "+", 1) != 1)
        abort();
}

/* What a deliver process does; each acknowledgement follows a commit. */
static void deliver_some(const struct place *p, int ack)
{
    struct store *s = NULL;
    struct err err = {0}, errs[3];
    struct store_used used;
    if (store_maildir.open(&s, &p->root, p->drop, STORE_DELIVER, &err) < 0)
        abort();
    struct store_draft *d[3] = {draft(s, &about_a, &err), draft(s, &unkeyed, &err), draft(s, &about_b, &err)};
    if (s->ops->commit(d, 3, errs) != 3)
        abort();
    acknowledge(ack);
    d[0] = draft(s, &about_c, &err);
    if (s->ops->commit(d, 1, errs) != 1)
        abort();
    acknowledge(ack);
    if (s->ops->sweep(s, &err) < 0 || s->ops->used(s, true, &used, &err) < 0)
        abort();
    s->ops->close(s);
}

static void remove_some(const struct place *p, int ack)
{
    struct store *s = NULL;
    struct err err = {0};
    struct drop drop;
    size_t left;
    drop_init(&drop);
    if (store_maildir.open(&s, &p->root, p->drop, STORE_EXCLUSIVE, &err) < 0 || s->ops->list(s, &drop, &err) < 0)
        abort();
    drop_mark(&drop, 1);
    drop_mark(&drop, 2);
    if (s->ops->remove(s, &drop, &left, &err) < 0)
        abort();
    acknowledge(ack);
    drop_fini(&drop);
    s->ops->close(s);
}

/* Kills it before its n-th call that concerns the maildrop. false: it came to its end. */
static bool killed_at(const struct place *p, void (*fn)(const struct place *, int), unsigned n, unsigned *acks)
{
    int pipe_fds[2], status;
    char got[8];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char rule[64];
        snprintf(rule, sizeof rule, "any:KILL:/anna:%u;fsync:SKIP::1", n);
        fault_rules(rule);
        fn(p, pipe_fds[1]);
        _exit(0);
    }
    close(pipe_fds[1]);
    *acks = 0;
    for (ssize_t r; (r = read(pipe_fds[0], got, sizeof got)) > 0;)
        *acks += (unsigned)r;
    close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    assert_true(killed || status == 0);
    return killed;
}

static void test_killed_at_each_call(void **state)
{
    static const unsigned least[] = {1, 4, 5}; /* with the one that was there */
    (void)state;
    unsigned n = 1, acks;
    for (bool killed = true; killed; n++) {
        struct place p;
        place_maildir(&p);
        fault_rules("fsync:SKIP::1");
        assert_int_equal(deliver(&p, &unkeyed), ERR_NONE);
        count_first(&p);
        killed = killed_at(&p, deliver_some, n, &acks);
        unsigned seen = expect_all_whole(&p);
        assert_in_range(seen, least[acks], 5);
        expect_record(&p, seen, 5);
        assert_int_equal(deliver(&p, &about_a), ERR_NONE); /* what was not acknowledged is sent again */
        assert_int_equal(deliver(&p, &about_b), ERR_NONE);
        assert_int_equal(deliver(&p, &about_c), ERR_NONE);
        unsigned all = expect_all_whole(&p);
        assert_in_range(all, acks ? 5 : 4, 5);
        count_first(&p);
        expect_record(&p, all, all);
        assert_int_equal(sweep(&p), 0);
        assert_int_equal(expect_all_whole(&p), all);
        place_free(&p);
    }
    assert_int_equal(acks, 2);
    assert_true(n > 60); /* it was in the way all along */
}

static void test_update_killed_at_each_call(void **state)
{
    (void)state;
    unsigned n = 1, acks;
    for (bool killed = true; killed; n++) {
        struct place p;
        place_maildir(&p);
        fault_rules("fsync:SKIP::1");
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(deliver(&p, &unkeyed), ERR_NONE);
        count_first(&p);
        killed = killed_at(&p, remove_some, n, &acks);
        unsigned seen = expect_all_whole(&p);
        assert_in_range(seen, 2, acks ? 2 : 4);
        expect_record(&p, seen, 4);
        count_first(&p);
        expect_record(&p, seen, seen);
        assert_int_equal(sweep(&p), 0);
        place_free(&p);
    }
    assert_int_equal(acks, 1);
    assert_true(n > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_call_fails),           TEST(nothing_is_tried_twice),       TEST(directory_fsync_fails),
        TEST(what_is_there_is_flushed), TEST(made_directories_are_flushed), TEST(lock_is_held),
        TEST(killed_at_each_call),      TEST(update_killed_at_each_call),   TEST(a_maildrop_that_was_just_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
