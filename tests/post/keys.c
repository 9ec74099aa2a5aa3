/* keys: where a destination can be asked, one key committed twice is one message, however the program ended between:
 * before, in, and after the commit, and whatever a mail reader did to the message meanwhile. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest.h"
#include "fault.h"

static const char text[] = "Subject: one\r\n\r\nits body\r\n";
static const struct out_about about = {
    .wire = true, .key = "fetch:work:3 00000017 of a server", .uid = "00000017", .size = sizeof text - 1};

static void deliver(struct dest_test *t, const struct out_about *how, char *id)
{
    struct out *o = dest_open(t);
    assert_true(o->keys);
    dest_deliver(o, how, span_of(text), id);
    out_close(o);
}

/* The only message's name: "cur/…". */
static void find(const struct dest_test *t, char name[PLACE_PATH])
{
    static const char *const folders[] = {"new", "cur"};
    *name = '\0';
    for (unsigned i = 0; i < 2; i++) {
        char path[PLACE_PATH];
        place_path(&t->place, folders[i], path);
        DIR *stream = opendir(path);
        assert_non_null(stream);
        for (const struct dirent *e; (e = readdir(stream));)
            if (e->d_name[0] != '.') {
                assert_string_equal(name, "");
                snprintf(name, PLACE_PATH, "%s/%s", folders[i], e->d_name);
            }
        closedir(stream);
    }
    assert_string_not_equal(name, "");
}

/* ---- again */

static void test_one_key_one_message(void **state)
{
    struct dest_test *t = *state;
    char first[OUT_ID], again[OUT_ID], other[OUT_ID];
    deliver(t, &about, first);
    deliver(t, &about, again);
    assert_int_equal(t->dest->count(t), 1);
    assert_string_equal(first, again);
    deliver(t, &(struct out_about){.wire = true, .key = "another"}, other);
    deliver(t, &(struct out_about){.wire = true}, NULL);
    deliver(t, &(struct out_about){.wire = true}, NULL);
    assert_int_equal(t->dest->count(t), 4);
    assert_string_not_equal(first, other);
}

/* In one commit, too, and beside others. */
static void test_one_key_in_one_commit(void **state)
{
    struct dest_test *t = *state;
    struct out *o = dest_open(t);
    struct out_draft *d[3];
    struct err errs[3];
    char ids[3][OUT_ID];
    d[0] = dest_draft(o, &about, span_of(text), 7);
    d[1] = dest_draft(o, &(struct out_about){.wire = true, .key = "another"}, span_of(text), 7);
    d[2] = dest_draft(o, &about, span_of(text), 7);
    out_commit(o, d, 3, errs, ids);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(errs[i].kind, ERR_NONE);
    assert_string_equal(ids[0], ids[2]);
    assert_string_not_equal(ids[0], ids[1]);
    out_close(o);
    assert_int_equal(t->dest->count(t), 2);
}

/* A mail reader has seen it, and answered it. */
static void test_renamed_by_another_program(void **state)
{
    struct dest_test *t = *state;
    char first[OUT_ID], again[OUT_ID], name[PLACE_PATH], moved[2 * PLACE_PATH];
    deliver(t, &about, first);
    find(t, name);
    snprintf(moved, sizeof moved, "cur/%s:2,RS", strchr(name, '/') + 1);
    place_rename(&t->place, name, moved);
    deliver(t, &about, again);
    assert_int_equal(t->dest->count(t), 1);
    assert_string_equal(first, again);
    find(t, name);
    assert_string_equal(name, moved);
}

/* What was taken away cannot be met: it comes again. */
static void test_taken_away_comes_again(void **state)
{
    struct dest_test *t = *state;
    char name[PLACE_PATH];
    deliver(t, &about, NULL);
    find(t, name);
    place_remove(&t->place, name);
    deliver(t, &about, NULL);
    assert_int_equal(t->dest->count(t), 1);
}

/* The directory's fsync fails: it is there, and may not outlive a power cut. Trying again meets it. */
static void test_unknown_then_again(void **state)
{
    struct dest_test *t = *state;
    struct err err = {0};
    struct out *o;
    fault_rules("fsync:EIO:/new:1");
    o = dest_open(t);
    struct out_draft *d = dest_draft(o, &about, span_of(text), 7);
    out_commit(o, &d, 1, &err, NULL);
    fault_rules("");
    assert_int_equal(err.kind, ERR_UNKNOWN);
    out_close(o);
    deliver(t, &about, NULL);
    assert_int_equal(t->dest->count(t), 1);
}

/* A key may be as long as 200 octets, and is told from its neighbours by the last of them. */
static void test_long_keys(void **state)
{
    struct dest_test *t = *state;
    char key[201];
    memset(key, 'k', 200);
    key[200] = '\0';
    for (unsigned i = 0; i < 4; i++) {
        key[199] = i % 2 ? 'a' : 'b';
        deliver(t, &(struct out_about){.wire = true, .key = key}, NULL);
    }
    assert_int_equal(t->dest->count(t), 2);
}

/* ---- killed */

enum { SOME = 3 };

/* All processes of the try have ended, those that outlived their parent too. */
static bool was_killed(pid_t pid)
{
    int status, first = 0;
    for (;;) {
        pid_t got = waitpid(-1, &status, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        if (got == pid)
            first = status;
    }
    return !(WIFEXITED(first) && WEXITSTATUS(first) == 0);
}

/* Messages, and what killed deliveries left. */
static void empty(const struct dest_test *t)
{
    static const char *const folders[] = {"new", "cur", "tmp"};
    for (unsigned i = 0; i < 3; i++) {
        char path[PLACE_PATH], name[2 * PLACE_PATH];
        place_path(&t->place, folders[i], path);
        DIR *stream = opendir(path);
        for (const struct dirent *e; stream && (e = readdir(stream));)
            if (e->d_name[0] != '.') {
                snprintf(name, sizeof name, "%s/%s", folders[i], e->d_name);
                place_remove(&t->place, name);
            }
        if (stream)
            closedir(stream);
    }
}

/* Messages of one commit, each with a key of its own. */
static int deliver_some(struct dest_test *t, unsigned n)
{
    static const char *const keys[SOME] = {"fetch:work:1", "fetch:work:2", "fetch:work:3"};
    struct out *o = NULL;
    struct out_draft *d[SOME];
    struct err errs[SOME] = {0};
    bool whole = t->dest->open(t, &o, errs) == 0;
    for (unsigned i = 0; whole && i < n; i++)
        whole = out_begin(o, &(struct out_about){.wire = true, .key = keys[i]}, &d[i], errs) == 0 &&
                out_write(o, d[i], span_of(text), errs) == 0;
    if (whole)
        out_commit(o, d, n, errs, NULL);
    for (unsigned i = 0; i < n; i++)
        whole = whole && errs[i].kind == ERR_NONE;
    if (whole) /* else a draft may be open */
        out_close(o);
    return whole ? 0 : 1;
}

/* At every call of the delivery that libfault knows, and at the end, before anybody could note anything. */
static void kill_anywhere(struct dest_test *t, unsigned n)
{
    enum { MOST = 1000 };
    unsigned kills = 0;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    for (bool killed = true; killed && kills < MOST; kills += killed) {
        char rule[PLACE_PATH + 64];
        snprintf(rule, sizeof rule, "any:KILL:%s:%u", t->place.top, kills + 1);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            fault_rules(rule);
            _exit(deliver_some(t, n));
        }
        killed = was_killed(pid);
        assert_in_range(t->dest->count(t), killed ? 0 : n, n);
        assert_int_equal(deliver_some(t, n), 0);
        assert_int_equal(t->dest->count(t), n);
        for (unsigned i = 0; i < n; i++)
            dest_expect(t, i, span_of(text));
        empty(t);
    }
    print_message("%u kills\n", kills);
    assert_in_range(kills, 9 + 2 * n, MOST - 1);
}

static void test_killed_anywhere(void **state)
{
    kill_anywhere(*state, 1);
}

static void test_killed_anywhere_among_several(void **state)
{
    kill_anywhere(*state, SOME);
}

/* Who was believed dead may go on. */
static void test_side_by_side(void **state)
{
    enum { ROUNDS = 10, PROCESSES = 4 };
    struct dest_test *t = *state;
    deliver(t, &about, NULL); /* it is there: making it is not what is tried */
    empty(t);
    for (unsigned round = 0; round < ROUNDS; round++) {
        pid_t pids[PROCESSES];
        for (unsigned i = 0; i < PROCESSES; i++) {
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0)
                _exit(deliver_some(t, SOME));
        }
        place_wait(PROCESSES, pids);
        assert_int_equal(t->dest->count(t), SOME);
        empty(t);
    }
}

/* ---- one call fails */

/* What then is said is true, and is trouble that may pass, or a person's to mend: never the message's own. */
static void fail_anywhere(struct dest_test *t, const char *error)
{
    unsigned failed = 0;
    for (unsigned call = 1; call <= 80; call++) {
        char rule[PLACE_PATH + 64];
        struct out *o = NULL;
        struct out_draft *d = NULL;
        struct err err = {.kind = ERR_NONE};
        snprintf(rule, sizeof rule, "any:%s:%s:%u-%u", error, t->place.top, call, call);
        fault_rules(rule);
        if (t->dest->open(t, &o, &err) == 0 && out_begin(o, &about, &d, &err) == 0) {
            if (out_write(o, d, span_of(text), &err) == 0)
                out_commit(o, &d, 1, &err, NULL);
            else
                out_abort(o, d);
        }
        out_close(o);
        fault_rules("");
        unsigned there = t->dest->count(t);
        if ((err.kind == ERR_NONE) != (there == 1) && err.kind != ERR_UNKNOWN)
            fail_msg("%s: %u there, kind %d, \"%s\"", rule, there, err.kind, err.text);
        if (err.kind != ERR_NONE && err.kind != ERR_TEMP && err.kind != ERR_UNKNOWN && err.kind != ERR_PERM)
            fail_msg("%s: kind %d, \"%s\"", rule, err.kind, err.text);
        failed += err.kind != ERR_NONE;
        deliver(t, &about, NULL);
        assert_int_equal(t->dest->count(t), 1);
        empty(t);
    }
    print_message("%s: %u calls failed the delivery\n", error, failed);
    assert_true(failed >= 5);
}

static void test_failing_anywhere(void **state)
{
    static const char *const errors[] = {"EIO", "EACCES"};
    for (size_t i = 0; i < sizeof errors / sizeof(void *); i++)
        fail_anywhere(*state, errors[i]);
}

int main(void)
{
    const struct CMUnitTest promises[] = {
        PROMISE(one_key_one_message),
        PROMISE(one_key_in_one_commit),
        PROMISE(renamed_by_another_program),
        PROMISE(taken_away_comes_again),
        PROMISE(unknown_then_again),
        PROMISE(long_keys),
        PROMISE(killed_anywhere),
        PROMISE(killed_anywhere_among_several),
        PROMISE(side_by_side),
        PROMISE(failing_anywhere),
    };
    DEST_RUN(promises, dest_current->keys)
}
