/* The mailbox of a user of the server: written by a process that has become him, within his quota. Only root can try
 * it. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest_mailbox.h"
#include "post/out_mailbox.h"

static const char text[] = "Subject: x\r\n\r\nbody\r\n"; /* 20 octets, 17 as they are stored */
static const struct out_about wire = {.wire = true}, sized = {.wire = true, .size = sizeof text - 1};

/* ---- who writes */

static void test_written_by_its_owner(void **state)
{
    struct dest_test *t = *state;
    char id[OUT_ID], path[PLACE_PATH], name[2 * OUT_ID];
    struct stat st;
    struct out *o = dest_open(t);
    dest_deliver(o, &wire, span_of(text), id);
    out_close(o);
    snprintf(name, sizeof name, "new/%s,S=17,W=20", id);
    place_path(&t->place, name, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, DEST_UID);
    assert_int_equal(st.st_gid, DEST_UID);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* The only child: what it holds, and who it is. */
static pid_t child_of_us(void)
{
    char text_of[32] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(text_of, sizeof text_of, f));
    fclose(f);
    return (pid_t)strtol(text_of, NULL, 10);
}

static void expect_status(pid_t pid, const char *field, const char *value)
{
    char path[64], line[400], expected[400];
    bool met = false;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    snprintf(expected, sizeof expected, "%s:%s\n", field, value);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    while (!met && fgets(line, sizeof line, f))
        met = strcmp(line, expected) == 0;
    fclose(f);
    if (!met)
        fail_msg("no %s", expected);
}

/* No way back to root, no group of root's, and none of the descriptors that are open here. */
static void test_a_process_that_can_do_nothing_else(void **state)
{
    struct dest_test *t = *state;
    int left[2];
    char path[64], ids[64];
    unsigned n = 0;
    assert_int_equal(pipe(left), 0);
    struct out *o = dest_open(t);
    struct out_draft *d = dest_draft(o, &wire, span_of(text), 5); /* begin was answered: it is who it is to be */
    pid_t pid = child_of_us();
    snprintf(ids, sizeof ids, "\t%d\t%d\t%d\t%d", DEST_UID, DEST_UID, DEST_UID, DEST_UID);
    expect_status(pid, "Uid", ids);
    expect_status(pid, "Gid", ids);
    expect_status(pid, "Groups", "\t ");
    expect_status(pid, "NoNewPrivs", "\t1");
    expect_status(pid, "CapEff", "\t0000000000000000");
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *stream = opendir(path);
    assert_non_null(stream);
    for (const struct dirent *e; (e = readdir(stream));) {
        char link[320], where[PLACE_PATH] = "";
        snprintf(link, sizeof link, "%s/%s", path, e->d_name);
        if (e->d_name[0] == '.' || atoi(e->d_name) <= 2 || readlink(link, where, sizeof where - 1) < 0)
            continue;
        if (strncmp(where, t->place.top, strlen(t->place.top)) == 0)
            continue;
        assert_int_equal(strncmp(where, "socket:", 7), 0);
        n++;
    }
    closedir(stream);
    assert_int_equal(n, 1);
    out_abort(o, d);
    out_close(o);
    close(left[0]);
    close(left[1]);
}

/* It is never said of a message that it is not there, when it may be. */
static void test_the_process_is_killed(void **state)
{
    struct dest_test *t = *state;
    struct err err = {0};
    struct out *o = dest_open(t);
    struct out_draft *d = dest_draft(o, &wire, span_of(text), 5), *other = NULL;
    kill(child_of_us(), SIGKILL);
    out_commit(o, &d, 1, &err, NULL);
    assert_true(err.kind == ERR_UNKNOWN);
    assert_int_equal(out_begin(o, &wire, &other, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    out_close(o);
    assert_int_equal(t->dest->count(t), 0);
}

/* ---- whose mailbox */

static void expect_refused(struct dest_test *t, const char *name, enum err_kind kind, const char *words)
{
    struct out *o = NULL;
    struct err err = {0};
    assert_int_equal(out_mailbox(&o, t->own, name, "", &err), -1);
    if (err.kind != kind || !strstr(err.text, words))
        fail_msg("kind %d: %s", err.kind, err.text);
}

static void test_who_has_none(void **state)
{
    struct dest_test *t = *state;
    struct conf *c = t->own;
    expect_refused(t, "berta", ERR_GONE, "no such user");
    dest_mailbox_person(t, 0, 0, true);
    expect_refused(t, "anna", ERR_PERM, "is disabled");
    dest_mailbox_person(t, 0, 0, false);
    c->first_uid = DEST_UID + 1;
    expect_refused(t, "anna", ERR_INPUT, "below first_uid");
    c->first_uid = DEST_UID;
    c->mail_root[0][1] = '_'; /* elsewhere */
    expect_refused(t, "anna", ERR_INPUT, "not below any mail_root");
}

/* ---- quotas */

static enum err_kind begin_and_commit(struct out *o, const struct out_about *about)
{
    struct err err = {0};
    struct out_draft *d = NULL;
    if (out_begin(o, about, &d, &err) < 0)
        return err.kind;
    if (out_write(o, d, span_of(text), &err) < 0)
        fail_msg("%s", err.text);
    out_commit(o, &d, 1, &err, NULL);
    return err.kind;
}

/* Told at once where the size is known, else when it is committed; never exceeded. */
static void test_over_quota(void **state)
{
    static const struct out_about *const abouts[] = {&sized, &wire};
    struct dest_test *t = *state;
    dest_mailbox_person(t, 17 + 25, 0, false);
    struct out *o = dest_open(t);
    assert_int_equal(begin_and_commit(o, &sized), ERR_NONE);
    assert_int_equal(begin_and_commit(o, &wire), ERR_NONE);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(begin_and_commit(o, abouts[i]), ERR_LIMIT);
    assert_int_equal(t->dest->count(t), 2);
    out_close(o);
    dest_mailbox_person(t, 0, 3, false);
    o = dest_open(t);
    assert_int_equal(begin_and_commit(o, &wire), ERR_NONE);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(begin_and_commit(o, abouts[i]), ERR_LIMIT);
    out_close(o);
    assert_int_equal(t->dest->count(t), 3);
}

static void test_a_size_that_wraps(void **state)
{
    static const struct out_about huge = {.wire = true, .size = UINT64_MAX - 10};
    struct dest_test *t = *state;
    dest_mailbox_person(t, 17 + 25, 0, false);
    struct out *o = dest_open(t);
    assert_int_equal(begin_and_commit(o, &sized), ERR_NONE);
    assert_int_equal(begin_and_commit(o, &wire), ERR_NONE);
    assert_int_equal(begin_and_commit(o, &sized), ERR_LIMIT);
    assert_int_equal(begin_and_commit(o, &huge), ERR_LIMIT);
    out_close(o);
}

/* What is open counts, and what is given up does not any more. */
static void test_quota_of_what_is_open(void **state)
{
    struct dest_test *t = *state;
    struct out_draft *d[3], *more = NULL;
    struct err errs[3], err = {0};
    dest_mailbox_person(t, 3 * 20, 0, false);
    struct out *o = dest_open(t);
    for (unsigned i = 0; i < 3; i++)
        d[i] = dest_draft(o, i ? &sized : &wire, span_of(text), 7);
    assert_int_equal(out_begin(o, &sized, &more, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.text, "anna is over quota"));
    out_abort(o, d[1]);
    d[1] = dest_draft(o, &sized, span_of(text), 7);
    out_commit(o, d, 3, errs, NULL);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(errs[i].kind, ERR_NONE);
    assert_int_equal(t->dest->count(t), 3);
    out_close(o);
}

/* Other programs delete, too. */
static void test_room_that_others_made(void **state)
{
    struct dest_test *t = *state;
    char id[OUT_ID], name[2 * OUT_ID];
    dest_mailbox_person(t, 0, 1, false);
    struct out *o = dest_open(t);
    dest_deliver(o, &wire, span_of(text), id);
    assert_int_equal(begin_and_commit(o, &wire), ERR_LIMIT);
    snprintf(name, sizeof name, "new/%s,S=17,W=20", id);
    place_remove(&t->place, name);
    assert_int_equal(begin_and_commit(o, &wire), ERR_NONE);
    out_close(o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, dest_set_up, dest_tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(written_by_its_owner),
        TEST(a_process_that_can_do_nothing_else),
        TEST(the_process_is_killed),
        TEST(who_has_none),
        TEST(over_quota),
        TEST(a_size_that_wraps),
        TEST(quota_of_what_is_open),
        TEST(room_that_others_made),
    };
    if (geteuid() != 0)
        return 77; /* passed over */
    dest_current = &dest_mailbox;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
