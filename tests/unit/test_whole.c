/* base/whole: octets that come and go in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/whole.h"

enum { MANY = 300000 }; /* more than a pipe holds */

static unsigned char sent[MANY], got[MANY];

static void *give(void *arg)
{
    int fd = *(int *)arg;
    void *failed = whole_write(fd, sent, MANY) < 0 ? arg : NULL;
    close(fd);
    return failed;
}

static void more_than_a_pipe_holds(void **state)
{
    int ends[2];
    pthread_t giver;
    void *failed;
    for (unsigned i = 0; i < MANY; i++)
        sent[i] = (unsigned char)(i * 31 / 7);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&giver, NULL, give, &ends[1]), 0);
    assert_int_equal(whole_read(ends[0], got, MANY), 0);
    assert_memory_equal(sent, got, MANY);
    assert_int_equal(whole_read(ends[0], got, 1), -1); /* its end */
    assert_int_equal(errno, 0);
    pthread_join(giver, &failed);
    assert_null(failed);
    close(ends[0]);
}

static void what_is_cut_short(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(whole_write(ends[1], "four", 4), 0);
    assert_int_equal(whole_write(ends[1], "", 0), 0);
    close(ends[1]);
    assert_int_equal(whole_read(ends[0], got, 0), 0);
    assert_int_equal(whole_read(ends[0], got, 5), -1);
    assert_int_equal(errno, 0);
    close(ends[0]);
}

static void trouble_is_told(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(whole_read(ends[1], got, 1), -1);
    assert_int_equal(errno, EBADF);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(whole_write(ends[1], "x", 1), -1);
    assert_int_equal(errno, EPIPE);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_than_a_pipe_holds),
        cmocka_unit_test(what_is_cut_short),
        cmocka_unit_test(trouble_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
