/* fetch_show: given events, exactly these lines: on a terminal of 80 columns, in a file, as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tool/fetch_show.h"

struct screen {
    struct fetch_show *show;
    FILE *out, *trouble;
    char *text, *troubles;
    size_t size, troubles_size;
    size_t taken;
};

static void screen_init(struct screen *s, const struct fetch_form *form, enum collect_what what, int width, bool quiet)
{
    *s = (struct screen){0};
    s->out = open_memstream(&s->text, &s->size);
    s->trouble = open_memstream(&s->troubles, &s->troubles_size);
    s->show = fetch_show_new(&(struct fetch_show_rules){.form = form,
                                                        .out = s->out,
                                                        .trouble = s->trouble,
                                                        .what = what,
                                                        .quiet = quiet,
                                                        .width = width,
                                                        .height = 5,
                                                        .name_width = 6});
}

static void screen_fini(struct screen *s)
{
    fetch_show_free(s->show);
    fclose(s->out);
    fclose(s->trouble);
    free(s->text);
    free(s->troubles);
}

/* What came since the last time. */
static const char *taken(struct screen *s)
{
    fflush(s->out);
    const char *text = s->text + s->taken;
    s->taken = s->size;
    return text;
}

static const char *troubles(struct screen *s)
{
    fflush(s->trouble);
    return s->troubles;
}

static struct event step(const char *text)
{
    struct event e = {.kind = EVENT_STEP};
    snprintf(e.text, sizeof e.text, "%s", text);
    return e;
}

static struct event failed(enum err_kind kind, const char *text)
{
    struct event e = {.kind = EVENT_DONE};
    err_set(&e.err, kind, "%s", text);
    return e;
}

static const struct event listed = {.kind = EVENT_LISTED, .count = 340, .todo = 12, .bytes = 80000000};
static const struct event well = {.kind = EVENT_DONE, .fetched = 12, .deleted = 2, .left = 338};

/* ---- words */

static void sizes_and_times_are_short(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } sizes[] = {{0, "0 B"},         {999, "999 B"},      {1000, "1.0 kB"},
                 {9949, "9.9 kB"},   {9960, "10 kB"},     {999499, "999 kB"},
                 {999500, "1.0 MB"}, {80000000, "80 MB"}, {UINT64_MAX, "18446744 TB"}};
    char out[FETCH_WORD];
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fetch_size(sizes[i].n, out);
        assert_string_equal(out, sizes[i].text);
    }
    fetch_time(42, out);
    assert_string_equal(out, "0:42");
    fetch_time(3723, out);
    assert_string_equal(out, "1:02:03");
    fetch_span(99, out);
    assert_string_equal(out, "99 s");
    fetch_span(420, out);
    assert_string_equal(out, "7 min");
    fetch_span(86400 * 12, out);
    assert_string_equal(out, "12 d");
}

static void a_status_says_what_must_be_mended(void **state)
{
    struct fetch_sum sum = {0};
    struct event e = well;
    (void)state;
    assert_int_equal(fetch_sum_status(&sum, true), 1);
    assert_int_equal(fetch_sum_status(&sum, false), EX_OK);
    fetch_sum_add(&sum, &e);
    assert_int_equal(fetch_sum_status(&sum, true), EX_OK);
    e.failed = 1; /* a message that failed is fetched again */
    fetch_sum_add(&sum, &e);
    assert_int_equal(fetch_sum_status(&sum, false), EX_TEMPFAIL);
    e = failed(ERR_AUTH, "refused");
    fetch_sum_add(&sum, &e);
    e = failed(ERR_TEMP, "down");
    fetch_sum_add(&sum, &e);
    assert_int_equal(fetch_sum_status(&sum, false), EX_NOPERM);
    e = failed(ERR_CONFIG, "wrong");
    fetch_sum_add(&sum, &e);
    assert_int_equal(fetch_sum_status(&sum, false), EX_CONFIG);
    char out[FETCH_SENTENCE];
    fetch_sum_sentence(COLLECT_FETCH, &sum, out);
    assert_string_equal(
        out, "5 accounts, 24 new messages, 1 message failed; 2 failed for now; 1 could not log in; 1 not set up right");
}

static void text_is_cut_in_columns(void **state)
{
    static const struct {
        const char *text;
        int width;
        const char *cut;
    } rows[] = {{"abcdef", 6, "abcdef"}, {"abcdef", 5, "abcd…"}, {"abcdef", 1, "…"},      {"abcdef", 0, ""},
                {"äöüßé", 5, "äöüßé"},   {"äöüßé", 4, "äöü…"},   {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"},
                {"日本語", 4, "日…"},    {"a日", 2, "a…"},       {"ab", 1, "…"}};
    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s", rows[i].text);
        fetch_fit(text, sizeof text, rows[i].width);
        assert_string_equal(text, rows[i].cut);
        assert_true(fetch_columns(text) <= rows[i].width);
    }
}

/* ---- the terminal */

static void a_terminal_has_a_line_for_each_at_work(void **state)
{
    struct screen s;
    struct fetch_line work, home;
    struct event e = {.kind = EVENT_PROGRESS, .at = 3, .todo = 12, .all_bytes = 20000000};
    (void)state;
    screen_init(&s, &fetch_terminal, COLLECT_FETCH, 80, false);
    fetch_show_begin(s.show, &work, "work", 1000);
    fetch_show_begin(s.show, &home, "home", 1000);
    struct event connecting = step("connecting to pop.example.org");
    fetch_show_event(s.show, &work, &connecting, 1000);
    fetch_show_tick(s.show, 1000);
    assert_string_equal(taken(&s), "work    connecting to pop.example.org\033[K\nhome    starting\033[K\n\033[J");
    fetch_show_event(s.show, &work, &listed, 1000);
    struct event first = {.kind = EVENT_PROGRESS, .at = 1, .todo = 12};
    fetch_show_event(s.show, &work, &first, 1000);
    fetch_show_tick(s.show, 1100); /* too soon */
    assert_string_equal(taken(&s), "");
    fetch_show_tick(s.show, 1300);
    assert_string_equal(taken(&s),
                        "\033[2A\rwork    message 1 of 12, 0 B of 80 MB\033[K\nhome    starting\033[K\n\033[J");
    fetch_show_event(s.show, &work, &e, 11000);
    fetch_show_tick(s.show, 11000);
    assert_string_equal(taken(&s), "\033[2A\rwork    message 3 of 12, 20 MB of 80 MB, 2.0 MB/s, 0:30 left\033[K\n"
                                   "home    starting\033[K\n\033[J");
    e = failed(ERR_TEMP, "connecting to \033[2J\n: no answer");
    fetch_show_event(s.show, &home, &e, 12000); /* it stays, above what moves */
    assert_string_equal(taken(&s), "\033[2A\rhome    connecting to \\x1b[2J\\x0a: no answer\033[K\n"
                                   "work    message 3 of 12, 20 MB of 80 MB, 1.8 MB/s, 0:33 left\033[K\n\033[J");
    fetch_show_event(s.show, &work, &well, 13000);
    assert_string_equal(taken(&s), "\033[1A\rwork    12 new, 2 deleted, 338 left on the server\033[K\n\033[J");
    struct fetch_sum sum = {0};
    fetch_sum_add(&sum, &well);
    fetch_sum_add(&sum, &e);
    fetch_show_sum(s.show, &sum, fetch_sum_status(&sum, false));
    assert_string_equal(taken(&s), "\033[J2 accounts, 12 new messages; 1 failed for now\n");
    screen_fini(&s);
}

static void a_line_never_wraps(void **state)
{
    struct screen s;
    struct fetch_line l;
    char text[290];
    (void)state;
    screen_init(&s, &fetch_terminal, COLLECT_FETCH, 40, false);
    fetch_show_begin(s.show, &l, "a-name-that-is-long", 1);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct event e = step(text);
    fetch_show_event(s.show, &l, &e, 1);
    fetch_show_tick(s.show, 1);
    assert_string_equal(taken(&s), "a-nam…  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\033[K\n\033[J");
    screen_fini(&s);
}

static void more_lines_than_the_terminal_has(void **state)
{
    struct screen s;
    struct fetch_line l[6];
    (void)state;
    screen_init(&s, &fetch_terminal, COLLECT_FETCH, 80, false);
    for (unsigned i = 0; i < 6; i++)
        fetch_show_begin(s.show, &l[i], "name", 1);
    fetch_show_tick(s.show, 1);
    assert_string_equal(taken(&s), "name    starting\033[K\nname    starting\033[K\nand 4 more\033[K\n\033[J");
    fetch_show_tick(s.show, 1000);
    assert_true(strncmp(taken(&s), "\033[3A\r", 5) == 0);
    screen_fini(&s);
}

static void who_is_asked_is_not_disturbed(void **state)
{
    struct screen s;
    struct fetch_line work, home;
    struct event e = failed(ERR_TEMP, "down");
    (void)state;
    screen_init(&s, &fetch_terminal, COLLECT_FETCH, 80, false);
    fetch_show_hold(s.show, true);
    fetch_show_begin(s.show, &work, "work", 1);
    fetch_show_begin(s.show, &home, "home", 1);
    fetch_show_tick(s.show, 1);
    fetch_show_event(s.show, &home, &e, 500);
    fetch_show_tick(s.show, 1000);
    assert_string_equal(taken(&s), "");
    fetch_show_hold(s.show, false);
    fetch_show_tick(s.show, 2000);
    assert_string_equal(taken(&s), "home    down\033[K\nwork    starting\033[K\n\033[J");
    screen_fini(&s);
}

/* ---- plain lines */

static void a_file_has_plain_lines(void **state)
{
    struct screen s;
    struct fetch_line work, home;
    struct event e = {.kind = EVENT_PROGRESS, .at = 1, .todo = 12};
    (void)state;
    screen_init(&s, &fetch_plain, COLLECT_FETCH, 80, false);
    fetch_show_begin(s.show, &work, "work", 1000);
    fetch_show_begin(s.show, &home, "home", 1000);
    fetch_show_event(s.show, &work, &listed, 1000);
    fetch_show_event(s.show, &work, &e, 2000);
    fetch_show_event(s.show, &work, &(struct event){.kind = EVENT_DELIVERED, .text = "1.M2P3"}, 2000);
    assert_string_equal(taken(&s), "work: 340 messages on the server, 12 to fetch (80 MB)\n");
    e.at = 2;
    e.all_bytes = 40000000;
    fetch_show_event(s.show, &work, &e, 12000); /* one line in ten seconds */
    fetch_show_event(s.show, &work, &e, 13000);
    assert_string_equal(taken(&s), "work: message 2 of 12, 40 MB of 80 MB, 4.0 MB/s, 0:10 left\n");
    fetch_show_event(s.show, &work,
                     &(struct event){.kind = EVENT_SKIPPED, .text = "12 MB of at most 10 MB", .uid = "u7"}, 1);
    fetch_show_event(s.show, &work, &well, 14000);
    assert_string_equal(taken(&s), "work: left: 12 MB of at most 10 MB (message u7)\n"
                                   "work: 12 new, 2 deleted, 338 left on the server\n");
    fetch_show_event(s.show, &home, &(struct event){.kind = EVENT_FAILED, .text = "cut", .uid = "\033]0;u"}, 1);
    struct event down = failed(ERR_TEMP, "the connection was cut");
    down.fetched = 1;
    fetch_show_event(s.show, &home, &down, 14000);
    assert_string_equal(taken(&s), "");
    assert_string_equal(troubles(&s), "bustia: home: failed: cut (message \\x1b]0;u)\n"
                                      "bustia: home: 1 new; then: the connection was cut\n");
    screen_fini(&s);
}

static void what_was_not_checked_says_why(void **state)
{
    struct screen s;
    struct fetch_line l;
    struct event e = step("not before 12:05, after 3 failures");
    (void)state;
    screen_init(&s, &fetch_plain, COLLECT_FETCH, 80, false);
    fetch_show_begin(s.show, &l, "work", 1);
    fetch_show_event(s.show, &l, &e, 1);
    fetch_show_event(s.show, &l, &(struct event){.kind = EVENT_DONE}, 1);
    assert_string_equal(taken(&s), "work: not before 12:05, after 3 failures\n");
    screen_fini(&s);
}

static void quiet_tells_of_trouble_only(void **state)
{
    struct screen s;
    struct fetch_line l;
    struct event e = failed(ERR_AUTH, "refused");
    (void)state;
    screen_init(&s, &fetch_plain, COLLECT_FETCH, 80, true);
    fetch_show_begin(s.show, &l, "work", 1);
    fetch_show_event(s.show, &l, &listed, 1);
    fetch_show_event(s.show, &l, &well, 1);
    fetch_show_begin(s.show, &l, "work", 1);
    fetch_show_event(s.show, &l, &e, 1);
    struct fetch_sum sum = {.accounts = 2};
    fetch_show_sum(s.show, &sum, 77);
    assert_string_equal(taken(&s), "");
    assert_string_equal(troubles(&s), "bustia: work: refused\n");
    screen_fini(&s);
}

static void a_plan_and_a_test_are_told(void **state)
{
    struct screen s;
    struct fetch_line l;
    (void)state;
    screen_init(&s, &fetch_plain, COLLECT_PLAN, 80, false);
    fetch_show_begin(s.show, &l, "work", 1);
    fetch_show_event(s.show, &l, &listed, 1);
    fetch_show_event(s.show, &l, &(struct event){.kind = EVENT_PLAN, .text = "1  fetch: new"}, 1);
    fetch_show_event(s.show, &l, &(struct event){.kind = EVENT_DONE}, 1);
    assert_string_equal(taken(&s), "work: 340 messages on the server, 12 to fetch (80 MB)\nwork: 1  fetch: new\n"
                                   "work: nothing was changed\n");
    screen_fini(&s);
    screen_init(&s, &fetch_plain, COLLECT_TEST, 80, false);
    fetch_show_begin(s.show, &l, "work", 1);
    fetch_show_event(s.show, &l, &(struct event){.kind = EVENT_FOUND, .text = "logged in by PLAIN"}, 1);
    fetch_show_event(s.show, &l, &(struct event){.kind = EVENT_DONE}, 1);
    assert_string_equal(taken(&s), "work: logged in by PLAIN\nwork: all is well\n");
    screen_fini(&s);
}

/* ---- JSON */

static void json_is_a_line_each(void **state)
{
    struct screen s;
    struct fetch_line l;
    struct event e = step("a \"quoted\" \\x1b é \033 \xff");
    (void)state;
    screen_init(&s, &fetch_json, COLLECT_FETCH, 80, false);
    fetch_show_begin(s.show, &l, "work", 1);
    fetch_show_event(s.show, &l, &e, 1);
    fetch_show_event(s.show, &l, &listed, 1);
    fetch_show_event(s.show, &l, &(struct event){.kind = EVENT_DELIVERED, .text = "1.M2P3", .uid = "u1"}, 1);
    fetch_show_event(s.show, &l, &well, 1);
    assert_string_equal(
        taken(&s), "{\"account\":\"work\",\"event\":\"step\",\"text\":\"a \\\"quoted\\\" \\\\x1b é \\\\x1b \\\\xff\"}\n"
                   "{\"account\":\"work\",\"event\":\"listed\",\"messages\":340,\"to_fetch\":12,\"bytes\":80000000}\n"
                   "{\"account\":\"work\",\"event\":\"delivered\",\"uid\":\"u1\",\"text\":\"1.M2P3\"}\n"
                   "{\"account\":\"work\",\"event\":\"done\",\"result\":\"ok\",\"fetched\":12,\"deleted\":2,"
                   "\"failed\":0,\"left\":338}\n");
    struct fetch_sum sum = {0};
    fetch_sum_add(&sum, &well);
    fetch_show_sum(s.show, &sum, 0);
    assert_string_equal(taken(&s),
                        "{\"event\":\"summary\",\"accounts\":1,\"ok\":1,\"failed\":0,\"refused\":0,"
                        "\"configuration\":0,\"fetched\":12,\"deleted\":2,\"interrupted\":false,\"status\":0}\n");
    screen_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_and_times_are_short),
        cmocka_unit_test(a_status_says_what_must_be_mended),
        cmocka_unit_test(text_is_cut_in_columns),
        cmocka_unit_test(a_terminal_has_a_line_for_each_at_work),
        cmocka_unit_test(a_line_never_wraps),
        cmocka_unit_test(more_lines_than_the_terminal_has),
        cmocka_unit_test(who_is_asked_is_not_disturbed),
        cmocka_unit_test(a_file_has_plain_lines),
        cmocka_unit_test(what_was_not_checked_says_why),
        cmocka_unit_test(quiet_tells_of_trouble_only),
        cmocka_unit_test(a_plan_and_a_test_are_told),
        cmocka_unit_test(json_is_a_line_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
