/* metric: pages that nobody resizes and that are read without being written, the steps of a histogram, and the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/metric.h"

static char *text(const metric_cell *page, enum metric_page_of of)
{
    const metric_cell *pages[METRIC_PAGES] = {NULL};
    char *out = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&out, &n);
    pages[of] = page;
    metric_print(pages, to);
    assert_int_equal(fclose(to), 0);
    return out;
}

static void says(const metric_cell *page, enum metric_page_of of, const char *line, bool said)
{
    char *all = text(page, of);
    if ((strstr(all, line) != NULL) != said)
        fail_msg("%s is %s in:\n%s", line, said ? "not" : "found", all);
    free(all);
}

/* One page for all tests: who counts never gives his up. */
static const metric_cell *own;
static int own_fd;

static int make(void **state)
{
    struct err err;
    (void)state;
    own_fd = metric_page_new(&err);
    own = own_fd < 0 ? NULL : metric_map(own_fd);
    return own ? metric_use(own_fd, &err) : -1;
}

static void nobody_resizes_a_page(void **state)
{
    (void)state;
    assert_int_equal(ftruncate(own_fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(own_fd, 8192), -1);
    assert_int_equal(fcntl(own_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void a_descriptor_for_reading_cannot_write(void **state)
{
    char path[40];
    (void)state;
    snprintf(path, sizeof path, "/proc/self/fd/%d", own_fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct err err;
    assert_int_equal(metric_use(fd, &err), -1);
    assert_non_null(metric_map(fd));
    close(fd);
}

static void counts(void **state)
{
    (void)state;
    metric_add(METRIC_DELETED, 2);
    metric_add(METRIC_DELETED, 1);
    metric_set(METRIC_SESSIONS, 7);
    says(own, METRIC_MAIL, "\nbustia_messages_deleted_total 3\n", true);
    says(own, METRIC_AUTH, "\nbustia_sessions 7\n", true);
    says(own, METRIC_DOOR, "\nbustia_sessions 7\n", false); /* another's page */
    metric_add(METRIC_LOGINS + metric_mechanism("SCRAM-SHA-1", 11) * METRIC_RESULTS + METRIC_IN_USE, 1);
    says(own, METRIC_DOOR, "\nbustia_logins_total{mechanism=\"SCRAM-SHA-1\",result=\"in_use\"} 1\n", true);
    assert_int_equal(metric_mechanism("SCRAM-SHA-11", 12), 0);
    assert_int_equal(metric_mechanism("other", 5), 0);
}

/* What was taken too often is no number of 20 digits. */
static void no_gauge_is_below_zero(void **state)
{
    (void)state;
    metric_set(METRIC_HELD, 0);
    metric_take(METRIC_HELD);
    says(own, METRIC_DOOR, "\nbustia_connections_held{service=\"pop3\"} 0\n", true);
}

static void steps(void **state)
{
    (void)state;
    metric_took(METRIC_LOGIN_TIME, 0);
    metric_took(METRIC_LOGIN_TIME, 1000); /* a step's end belongs to it */
    metric_took(METRIC_LOGIN_TIME, 1001);
    metric_took(METRIC_LOGIN_TIME, 10000000);
    metric_took(METRIC_LOGIN_TIME, 10000001);
    says(own, METRIC_DOOR,
         "bustia_login_seconds_bucket{le=\"0.001\"} 2\nbustia_login_seconds_bucket{le=\"0.005\"} 3\n", true);
    says(own, METRIC_DOOR,
         "bustia_login_seconds_bucket{le=\"10.0\"} 4\nbustia_login_seconds_bucket{le=\"+Inf\"} 5\nbustia_login_seconds_count 5\n"
         "bustia_login_seconds_sum 20.002002\n",
         true);
}

static void the_text_ends(void **state)
{
    char *all = text(NULL, METRIC_DOOR);
    (void)state;
    assert_string_equal(all + strlen(all) - strlen("\n# EOF\n"), "\n# EOF\n");
    assert_memory_equal(all, "# TYPE bustia_build info\n", 25);
    free(all);
}

static void every_kind_of_error_is_a_result(void **state)
{
    (void)state;
    assert_int_equal(metric_result_of(ERR_NONE), METRIC_OK);
    assert_int_equal(metric_result_of(ERR_AUTH), METRIC_WRONG);
    assert_int_equal(metric_result_of(ERR_BUSY), METRIC_IN_USE);
    assert_int_equal(metric_result_of(ERR_LIMIT), METRIC_LIMITED);
    assert_int_equal(metric_result_of(ERR_PERM), METRIC_TROUBLE);
    assert_int_equal(metric_result_of((enum err_kind)1000), METRIC_TROUBLE); /* from another process */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_resizes_a_page),
        cmocka_unit_test(a_descriptor_for_reading_cannot_write),
        cmocka_unit_test(counts),
        cmocka_unit_test(no_gauge_is_below_zero),
        cmocka_unit_test(steps),
        cmocka_unit_test(the_text_ends),
        cmocka_unit_test(every_kind_of_error_is_a_result),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
