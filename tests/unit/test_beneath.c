/* base/beneath: what is opened, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"

/* top/dir/{file,sub/,fifo,link -> file,away -> ..}, top/file: what may be opened is below top/dir. */
static int dir = -1, top = -1;

static void make(int at, const char *name)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int setup(void **state)
{
    static char path[] = "/tmp/bustia-beneath-XXXXXX";
    *state = mkdtemp(path);
    top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(top, "dir", 0700), 0);
    dir = openat(top, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    make(top, "file");
    make(dir, "file");
    assert_int_equal(mkdirat(dir, "sub", 0700), 0);
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    assert_int_equal(symlinkat("file", dir, "link"), 0);
    assert_int_equal(symlinkat("..", dir, "away"), 0);
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"file", "fifo", "link", "away"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlinkat(dir, names[i], 0);
    (void)unlinkat(dir, "sub", AT_REMOVEDIR);
    (void)unlinkat(top, "file", 0);
    (void)unlinkat(top, "dir", AT_REMOVEDIR);
    return rmdir(*state);
}

static const struct {
    const char *name;
    int error; /* 0: it is opened */
} rows[] = {{"file", 0},        {"fifo", 0},          {"sub", 0},           {"link", ELOOP},        {"away", ELOOP}, {"none", ENOENT},
            {"", ENOENT},       {"..", EXDEV},        {".", 0},             {"../file", EXDEV},     {"sub/../file", 0},
            {"sub/../../file", EXDEV}, {"away/file", ELOOP}, {"/etc/passwd", EXDEV}, {"sub/../link", ELOOP}, {"file/", ENOTDIR}};

/* By both ways the same. */
static void opens_what_is_beneath(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const char *name = rows[i / 2].name;
        int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
        int fd = i % 2 ? beneath_open_name(dir, name, flags) : beneath_open(dir, name, flags, 0);
        int error = fd < 0 ? errno : 0;
        if (error != rows[i / 2].error)
            fail_msg("%s: %d", name, error);
        if (fd < 0)
            continue;
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
    }
}

/* It is the one in the directory. */
static void opens_what_bears_the_name(void **state)
{
    (void)state;
    struct stat st, want;
    int fd = beneath_open_name(dir, "file", O_RDONLY);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(fstatat(dir, "file", &want, 0), 0);
    assert_int_equal(st.st_ino, want.st_ino);
    close(fd);
}

/* Its holder has some time to give the lease back: meanwhile nobody waits, nor tries without end. */
static void says_that_it_is_leased(void **state)
{
    (void)state;
    int holder = openat(dir, "file", O_RDWR | O_CLOEXEC);
    assert_true(holder >= 0);
    assert_true(signal(SIGIO, SIG_IGN) != SIG_ERR);
    if (fcntl(holder, F_SETLEASE, F_WRLCK) < 0) { /* not every file system has them */
        close(holder);
        skip();
    }
    alarm(5); /* a lease is broken after 45 s */
    assert_int_equal(beneath_open_name(dir, "file", O_RDONLY | O_NONBLOCK), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(beneath_open(dir, "file", O_RDONLY | O_NONBLOCK, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(fcntl(holder, F_SETLEASE, F_UNLCK), 0);
    alarm(0);
    int fd = beneath_open_name(dir, "file", O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    close(fd);
    close(holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opens_what_is_beneath), cmocka_unit_test(opens_what_bears_the_name),
                                       cmocka_unit_test(says_that_it_is_leased)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
