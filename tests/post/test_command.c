/* The command: what it is given, what its end means, and that it comes to one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dest_folder.h"
#include "post/out_command.h"

enum { LONG_MS = 120000 };

static int set_up(void **state)
{
    struct dest_test *t = mem_alloc(sizeof *t);
    dest_folder_make(t);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    dest_folder_clean(*state);
    mem_free(*state);
    return 0;
}

/* The command's words begin with a cd to the place. */
static struct err run(const struct dest_test *t, const char *words, unsigned limit_ms, struct span text)
{
    char place[PLACE_PATH], whole[4 * PLACE_PATH];
    struct err err = {0};
    place_path(&t->place, "", place);
    snprintf(whole, sizeof whole, "cd %s; %s", place, words);
    struct out *o = out_command("work", whole, limit_ms);
    struct out_draft *d = dest_draft(o, &(struct out_about){.wire = true, .uid = "17 'of' it"}, text, text.n);
    out_commit(o, &d, 1, &err, NULL);
    out_close(o);
    return err;
}

static void expect_file(const struct dest_test *t, const char *name, const char *text)
{
    char path[PLACE_PATH], got[500];
    place_path(&t->place, name, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, got, sizeof got - 1);
    close(fd);
    assert_true(n >= 0);
    got[n] = '\0';
    assert_string_equal(got, text);
}

/* ---- what it is given */

static void test_its_environment(void **state)
{
    struct dest_test *t = *state;
    struct err err = run(t, "echo \"$BUSTIA_ACCOUNT,$BUSTIA_UID,$BUSTIA_SIZE\" > said", LONG_MS, span_of("a\r\nb\r\n"));
    assert_int_equal(err.kind, ERR_NONE);
    expect_file(t, "said", "work,17 'of' it,4\n");
}

/* No descriptor, no signal and no group of ours. */
static void test_nothing_else(void **state)
{
    struct dest_test *t = *state;
    int left[2];
    sigset_t some, before;
    sigemptyset(&some);
    sigaddset(&some, SIGTERM);
    assert_int_equal(pipe(left), 0); /* without close-on-exec */
    sigprocmask(SIG_BLOCK, &some, &before);
    void (*pipes)(int) = signal(SIGPIPE, SIG_IGN);
    struct err err =
        run(t,
            "ls /proc/self/fd | wc -l > fds; grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2 | sort -u > signals; "
            "cut -d' ' -f5 /proc/$$/stat > group; echo $$ > own; cmp group own",
            LONG_MS, span_of("text\r\n"));
    signal(SIGPIPE, pipes);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(left[0]);
    close(left[1]);
    assert_int_equal(err.kind, ERR_NONE);
    expect_file(t, "fds", "4\n"); /* and ls has one */
    expect_file(t, "signals", "0000000000000000\n");
}

/* It need not read what it is given. */
static void test_message_unread(void **state)
{
    struct dest_test *t = *state;
    char *large = mem_alloc(1 << 20);
    memset(large, 'x', 1 << 20);
    assert_int_equal(run(t, "exec <&-; true", LONG_MS, (struct span){large, 1 << 20}).kind, ERR_NONE);
    assert_int_equal(run(t, "head -c 1 > one", LONG_MS, (struct span){large, 1 << 20}).kind, ERR_NONE);
    expect_file(t, "one", "x");
    mem_free(large);
}

/* ---- its end */

static void test_what_its_end_means(void **state)
{
    static const struct {
        const char *words;
        enum err_kind kind;
        const char *text;
    } rows[] = {
        {"exit 0", ERR_NONE, ""},
        {"exit 1", ERR_TEMP, "the command ended with 1"},
        {"exit 63", ERR_TEMP, "63"},
        {"exit 64", ERR_PERM, "64"},
        {"exit 66", ERR_PERM, "66"},
        {"exit 67", ERR_GONE, "67"},
        {"exit 74", ERR_PERM, "74"},
        {"exit 75", ERR_TEMP, "75"},
        {"exit 76", ERR_INPUT, "76"},
        {"exit 78", ERR_PERM, "78"},
        {"exit 79", ERR_TEMP, "79"},
        {"no-such-command-anywhere", ERR_TEMP, "127"},
        {"kill -9 $$", ERR_UNKNOWN, "signal 9"},
        {"echo first >&2; echo the reason >&2; echo >&2; exit 75", ERR_TEMP, "ended with 75: the reason"},
        {"printf 'without an end' >&2; exit 65", ERR_INPUT, ": without an end"},
        {"printf '\\033[2Jblack\\007\\n' >&2; exit 65", ERR_INPUT, ": \\x1B[2Jblack\\x07"},
        {"echo output; exit 69", ERR_PERM, "the command ended with 69"},
        {"head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last words >&2; exit 75", ERR_TEMP,
         ": last words"},
    };
    struct dest_test *t = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = run(t, rows[i].words, LONG_MS, span_of("text\r\n"));
        if (err.kind != rows[i].kind || !strcasestr(err.text, rows[i].text))
            fail_msg("%s: kind %d, \"%s\"", rows[i].words, err.kind, err.text);
    }
}

static pid_t pid_of(const struct dest_test *t)
{
    char path[PLACE_PATH], text[32] = "";
    place_path(&t->place, "pid", path);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    return (pid_t)strtol(text, NULL, 10);
}

/* Does it run? What is dead and not waited for does not. */
static bool runs(pid_t pid)
{
    char path[64], text[400] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *end = strrchr(text, ')');
    return end && end[1] && end[2] != 'Z' && end[2] != 'X';
}

static void wait_until_dead(pid_t pid)
{
    for (unsigned i = 0; runs(pid); i++) {
        assert_true(i < 3000);
        usleep(10000);
    }
}

/* What hangs is ended, with what it has started, also if it does not want to. */
static void test_time_limit(void **state)
{
    struct dest_test *t = *state;
    struct err err = run(t, "sleep 1000 & echo $! > pid; echo waiting >&2; wait", 1500, span_of("text\r\n"));
    assert_int_equal(err.kind, ERR_UNKNOWN);
    assert_non_null(strstr(err.text, "had not ended after 1 s"));
    wait_until_dead(pid_of(t));
    err = run(t, "trap '' TERM; sleep 1000 & echo $! > pid; while :; do wait; done", 1500, span_of("text\r\n"));
    assert_int_equal(err.kind, ERR_UNKNOWN);
    wait_until_dead(pid_of(t));
}

/* What it leaves running is nobody's to wait for, even if it holds the standard error. */
static void test_what_it_leaves_running(void **state)
{
    struct dest_test *t = *state;
    struct err err = run(t, "sleep 1000 & echo $! > pid; exit 0", LONG_MS, span_of("text\r\n"));
    pid_t pid = pid_of(t);
    bool lives = runs(pid);
    kill(pid, SIGKILL);
    assert_int_equal(err.kind, ERR_NONE);
    assert_true(lives);
    wait_until_dead(pid);
}

/* Whoever ignores the ends of children is not told how one ended. */
static void test_children_ignored(void **state)
{
    struct dest_test *t = *state;
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    struct err err = run(t, "exit 0", LONG_MS, span_of("text\r\n"));
    signal(SIGCHLD, before);
    assert_int_equal(err.kind, ERR_UNKNOWN);
}

static void test_no_temporary_file(void **state)
{
    struct dest_test *t = *state;
    struct err err = {0};
    struct out_draft *d = NULL;
    struct out *o = out_command("work", "cat > /dev/null", LONG_MS);
    char before[PLACE_PATH];
    place_path(&t->place, "spool", before);
    setenv("TMPDIR", "/nowhere/at/all", 1); /* there are others */
    assert_int_equal(out_begin(o, &(struct out_about){0}, &d, &err), 0);
    out_abort(o, d);
    setenv("TMPDIR", before, 1);
    out_close(o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_environment), TEST(nothing_else),           TEST(message_unread),   TEST(what_its_end_means),
        TEST(time_limit),      TEST(what_it_leaves_running), TEST(children_ignored), TEST(no_temporary_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
