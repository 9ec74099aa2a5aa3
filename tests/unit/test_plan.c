/* fetch/plan: what is taken and what may go, for every state, rule and limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "fetch/plan.h"

enum {
    NOW = 1800000000,
    DAYS = 86400,
    KEEP = -1 /* of remove_why: it stays */,
    UNKNOWN = 1,
    SMALL = 10,
    LARGE = 1000,
    LIMIT = 100
};

static const struct account leave = {0};
static const struct account now_all = {.remove = true};
static const struct account after_14 = {.remove = true, .remove_after = 14ULL * DAYS * 1000};
static const struct account keep_1 = {.keep_newest = 1};
static const struct account skip_large = {.remove = true, .size_limit = LIMIT, .oversize = ACCOUNT_SKIP};
static const struct account headers_large = {.remove = true, .size_limit = LIMIT, .oversize = ACCOUNT_HEADERS};
static const struct account delete_large = {.size_limit = LIMIT, .oversize = ACCOUNT_DELETE};

struct one {
    const char *name;
    const struct account *account;
    struct plan_row row;
    enum plan_take take;
    enum plan_why why;
    int remove_why;
};

#define ROW(s, ...)                                                                                                    \
    {                                                                                                                  \
        .msg = 1, .state = (s), __VA_ARGS__                                                                            \
    }

/* What a row above does not say. */
static struct plan_row filled(struct plan_row row)
{
    row.uid = row.uid ? row.uid : "u";
    row.first = row.first || row.state == SEEN_NEW ? row.first : NOW - 3 * DAYS;
    row.size = row.size == UNKNOWN ? 0 : row.size ? row.size : SMALL;
    return row;
}

static const struct one ones[] = {
    /* left on the server: nothing ever goes */
    {"leave new", &leave, ROW(SEEN_NEW), PLAN_FETCH, PLAN_NEW, KEEP},
    {"leave seen", &leave, ROW(SEEN_SEEN), PLAN_FETCH, PLAN_NEW, KEEP},
    {"leave failed", &leave, ROW(SEEN_SEEN, .failures = 2), PLAN_FETCH, PLAN_AGAIN, KEEP},
    {"leave fetched", &leave, ROW(SEEN_FETCHED), PLAN_FETCH, PLAN_AGAIN, KEEP},
    {"leave delivered", &leave, ROW(SEEN_DELIVERED), PLAN_LEAVE, PLAN_KNOWN, KEEP},
    {"leave headers", &leave, ROW(SEEN_HEADERS), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"leave marked", &leave, ROW(SEEN_MARKED), PLAN_LEAVE, PLAN_MARKED, KEEP},
    {"leave quarantined", &leave, ROW(SEEN_QUARANTINED), PLAN_LEAVE, PLAN_QUARANTINED, KEEP},
    {"leave deleted: the account was changed", &leave, ROW(SEEN_DELETED), PLAN_COMPARE, PLAN_UNSETTLED, KEEP},
    {"leave no uid", &leave, ROW(SEEN_NEW, .uid = ""), PLAN_COMPARE, PLAN_NO_UID, KEEP},
    {"leave a uid of two", &leave, ROW(SEEN_NEW, .twice = true), PLAN_COMPARE, PLAN_NO_UID, KEEP},
    /* at once: what is delivered, or will be */
    {"now new", &now_all, ROW(SEEN_NEW), PLAN_FETCH, PLAN_NEW, PLAN_NOW},
    {"now seen", &now_all, ROW(SEEN_SEEN), PLAN_FETCH, PLAN_NEW, PLAN_NOW},
    {"now failed", &now_all, ROW(SEEN_SEEN, .failures = 1), PLAN_FETCH, PLAN_AGAIN, PLAN_NOW},
    {"now fetched", &now_all, ROW(SEEN_FETCHED), PLAN_FETCH, PLAN_AGAIN, PLAN_NOW},
    {"now delivered", &now_all, ROW(SEEN_DELIVERED), PLAN_LEAVE, PLAN_KNOWN, PLAN_NOW},
    {"now headers", &now_all, ROW(SEEN_HEADERS), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"now marked", &now_all, ROW(SEEN_MARKED), PLAN_LEAVE, PLAN_MARKED, KEEP},
    {"now quarantined", &now_all, ROW(SEEN_QUARANTINED), PLAN_LEAVE, PLAN_QUARANTINED, KEEP},
    {"now deleted: not unseen", &now_all, ROW(SEEN_DELETED), PLAN_COMPARE, PLAN_UNSETTLED, KEEP},
    {"now no uid: once it is known", &now_all, ROW(SEEN_NEW, .uid = ""), PLAN_COMPARE, PLAN_NO_UID, KEEP},
    /* a uid that came back: only its content tells, until then it stays */
    {"back delivered", &now_all, ROW(SEEN_DELIVERED, .was_gone = true), PLAN_COMPARE, PLAN_BACK, KEEP},
    {"back deleted", &now_all, ROW(SEEN_DELETED, .was_gone = true), PLAN_COMPARE, PLAN_BACK, KEEP},
    {"back seen", &now_all, ROW(SEEN_SEEN, .was_gone = true), PLAN_FETCH, PLAN_NEW, PLAN_NOW},
    {"back marked", &now_all, ROW(SEEN_MARKED, .was_gone = true), PLAN_LEAVE, PLAN_MARKED, KEEP},
    {"back large", &skip_large, ROW(SEEN_DELETED, .was_gone = true, .size = LARGE), PLAN_COMPARE, PLAN_BACK, KEEP},
    /* after some days since it was first listed */
    {"14 days new", &after_14, ROW(SEEN_NEW), PLAN_FETCH, PLAN_NEW, KEEP},
    {"14 days delivered 3 days ago", &after_14, ROW(SEEN_DELIVERED), PLAN_LEAVE, PLAN_KNOWN, KEEP},
    {"14 days but a second", &after_14, ROW(SEEN_DELIVERED, .first = NOW - 14 * DAYS + 1), PLAN_LEAVE, PLAN_KNOWN,
     KEEP},
    {"14 days to the second", &after_14, ROW(SEEN_DELIVERED, .first = NOW - 14 * DAYS), PLAN_LEAVE, PLAN_KNOWN,
     PLAN_OLD},
    {"14 days deleted", &after_14, ROW(SEEN_DELETED, .first = NOW - 20 * DAYS), PLAN_COMPARE, PLAN_UNSETTLED, KEEP},
    {"14 days failed long", &after_14, ROW(SEEN_SEEN, .first = NOW - 20 * DAYS), PLAN_FETCH, PLAN_NEW, PLAN_OLD},
    {"14 days marked", &after_14, ROW(SEEN_MARKED, .first = NOW - 20 * DAYS), PLAN_LEAVE, PLAN_MARKED, KEEP},
    {"14 days, a clock that was wrong", &after_14, ROW(SEEN_DELIVERED, .first = NOW + DAYS), PLAN_LEAVE, PLAN_KNOWN,
     KEEP},
    /* too large */
    {"skip small", &skip_large, ROW(SEEN_NEW), PLAN_FETCH, PLAN_NEW, PLAN_NOW},
    {"skip just so", &skip_large, ROW(SEEN_NEW, .size = LIMIT), PLAN_FETCH, PLAN_NEW, PLAN_NOW},
    {"skip large", &skip_large, ROW(SEEN_NEW, .size = LIMIT + 1), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"skip large seen", &skip_large, ROW(SEEN_SEEN, .size = LARGE), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"skip large failed", &skip_large, ROW(SEEN_SEEN, .size = LARGE, .failures = 1), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"skip large fetched: it was", &skip_large, ROW(SEEN_FETCHED, .size = LARGE), PLAN_FETCH, PLAN_AGAIN, PLAN_NOW},
    {"skip large delivered: it was", &skip_large, ROW(SEEN_DELIVERED, .size = LARGE), PLAN_LEAVE, PLAN_KNOWN, PLAN_NOW},
    {"skip large no uid", &skip_large, ROW(SEEN_NEW, .size = LARGE, .uid = ""), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"skip no size known", &skip_large, ROW(SEEN_NEW, .size = UNKNOWN), PLAN_FETCH, PLAN_NEW, PLAN_NOW},
    {"headers large", &headers_large, ROW(SEEN_NEW, .size = LARGE), PLAN_HEADERS, PLAN_TOO_LARGE, KEEP},
    {"headers large seen", &headers_large, ROW(SEEN_SEEN, .size = LARGE), PLAN_HEADERS, PLAN_TOO_LARGE, KEEP},
    {"headers large, once", &headers_large, ROW(SEEN_HEADERS, .size = LARGE), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"headers large no uid", &headers_large, ROW(SEEN_NEW, .size = LARGE, .uid = ""), PLAN_LEAVE, PLAN_TOO_LARGE, KEEP},
    {"headers large, a uid of two", &headers_large, ROW(SEEN_NEW, .size = LARGE, .twice = true), PLAN_LEAVE,
     PLAN_TOO_LARGE, KEEP},
    {"discard small", &delete_large, ROW(SEEN_NEW), PLAN_FETCH, PLAN_NEW, KEEP},
    {"discard large", &delete_large, ROW(SEEN_NEW, .size = LARGE), PLAN_DISCARD, PLAN_TOO_LARGE, PLAN_TOO_LARGE},
    {"discard large seen", &delete_large, ROW(SEEN_SEEN, .size = LARGE), PLAN_DISCARD, PLAN_TOO_LARGE, PLAN_TOO_LARGE},
    {"discard large delivered: left", &delete_large, ROW(SEEN_DELIVERED, .size = LARGE), PLAN_LEAVE, PLAN_KNOWN, KEEP},
    {"discard large marked: left", &delete_large, ROW(SEEN_MARKED, .size = LARGE), PLAN_LEAVE, PLAN_MARKED, KEEP},
    {"discard large quarantined: left", &delete_large, ROW(SEEN_QUARANTINED, .size = LARGE), PLAN_LEAVE,
     PLAN_QUARANTINED, KEEP},
    /* all of it */
    {"whole new", &skip_large, ROW(SEEN_NEW, .size = LARGE, .whole = true), PLAN_FETCH, PLAN_WHOLE, PLAN_NOW},
    {"whole seen", &delete_large, ROW(SEEN_SEEN, .size = LARGE, .whole = true), PLAN_FETCH, PLAN_WHOLE, KEEP},
    {"whole headers", &headers_large, ROW(SEEN_HEADERS, .size = LARGE, .whole = true), PLAN_FETCH, PLAN_WHOLE,
     PLAN_NOW},
    {"whole marked", &leave, ROW(SEEN_MARKED, .whole = true), PLAN_FETCH, PLAN_WHOLE, KEEP},
    {"whole quarantined", &now_all, ROW(SEEN_QUARANTINED, .whole = true), PLAN_FETCH, PLAN_WHOLE, PLAN_NOW},
    {"whole delivered: never twice", &leave, ROW(SEEN_DELIVERED, .whole = true), PLAN_LEAVE, PLAN_KNOWN, KEEP},
    {"whole deleted: never twice", &now_all, ROW(SEEN_DELETED, .whole = true), PLAN_COMPARE, PLAN_UNSETTLED, KEEP},
};

static void one_by_one(void **state)
{
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) {
        struct plan_row row = filled(ones[i].row), *rows[] = {&row};
        char text[PLAN_TEXT];
        plan_make(ones[i].account, NOW, rows, 1);
        plan_text(ones[i].account, NOW, &row, text);
        if (row.take != ones[i].take || row.why != ones[i].why || row.remove != (ones[i].remove_why != KEEP) ||
            (row.remove && row.remove_why != ones[i].remove_why))
            fail_msg("%s: take %d, why %d, remove %d, remove_why %d: %s", ones[i].name, row.take, row.why, row.remove,
                     row.remove_why, text);
    }
}

/* Nothing goes that is not delivered, or fetched whole first, whatever the account says; but what it says is to be
 * discarded. */
static void nothing_goes_that_is_not_here(void **state)
{
    unsigned went = 0;
    for (unsigned n = 0; n < SEEN_STATES * 2 * 2 * 2 * 2 * 3 * 2 * 3; n++) {
        unsigned k = n;
#define PICK(of)                                                                                                       \
    (k % (of));                                                                                                        \
    k /= (of)
        struct plan_row row = {.uid = "u", .msg = 1, .first = NOW - 20 * DAYS};
        row.state = (uint8_t)PICK(SEEN_STATES);
        row.whole = PICK(2);
        row.was_gone = PICK(2);
        bool uid = PICK(2);
        bool large = PICK(2);
        unsigned removal = PICK(3);
        bool newest = PICK(2);
        enum account_oversize oversize = PICK(3);
        row.uid = uid ? "u" : "";
        row.size = large ? LARGE : SMALL;
        struct account a = {.size_limit = LIMIT, .oversize = oversize, .remove = removal > 0, .keep_newest = newest};
        a.remove_after = removal > 1 ? 14ULL * DAYS * 1000 : 0;
        struct plan_row *rows[] = {&row};
        plan_make(&a, NOW, rows, 1);
        bool delivered = row.state == SEEN_DELIVERED && row.take == PLAN_LEAVE;
        bool discarded = row.take == PLAN_DISCARD && large && oversize == ACCOUNT_DELETE && row.state <= SEEN_SEEN;
        if (row.remove)
            assert_true(delivered || discarded || row.take == PLAN_FETCH);
        if (row.take == PLAN_FETCH || row.take == PLAN_HEADERS)
            assert_false(row.state == SEEN_DELIVERED || row.state == SEEN_DELETED);
        if (row.state == SEEN_QUARANTINED && !row.whole)
            assert_true(row.take == (row.was_gone ? PLAN_COMPARE : PLAN_LEAVE) && !row.remove);
        went += row.remove;
    }
    assert_true(went > 100);
}

/* ---- the newest */

/* A letter a message, the oldest first: n new, d delivered, m marked, q quarantined, h headers, L too large, u without
 * uid. What stays is in lower case, what goes is "-". */
static const struct {
    unsigned keep;
    const char *listing, *left;
} newest[] = {
    {1, "d", "d"},         {1, "dd", "-d"},       {2, "ddd", "-dd"}, {3, "ddd", "ddd"},
    {2, "nnn", "-nn"},                                               /* fetched, and gone at once */
    {2, "dnn", "-nn"},     {1, "dmdqd", "-m-qd"},                    /* what is not here neither counts nor goes */
    {1, "ddmmm", "-dmmm"}, {1, "dhdLd", "-h-ld"}, {1, "ddu", "-du"}, /* it may be one that is known: counted when that
                                                                        is known */
    {100, "", ""},
};

static void only_the_newest_stay(void **state)
{
    for (size_t i = 0; i < sizeof newest / sizeof *newest; i++) {
        struct plan_row all[10] = {{0}}, *rows[10] = {NULL};
        const struct account a = {.keep_newest = newest[i].keep, .size_limit = LIMIT};
        unsigned n = (unsigned)strlen(newest[i].listing);
        char left[11] = "";
        for (unsigned k = 0; k < n; k++) {
            char c = newest[i].listing[k];
            enum seen_state s = c == 'd'   ? SEEN_DELIVERED
                                : c == 'm' ? SEEN_MARKED
                                : c == 'q' ? SEEN_QUARANTINED
                                : c == 'h' ? SEEN_HEADERS
                                           : SEEN_NEW;
            all[k] = (struct plan_row){
                .uid = c == 'u' ? "" : "x", .msg = k + 1, .size = c == 'L' ? LARGE : SMALL, .state = s};
            rows[k] = &all[k];
        }
        plan_make(&a, NOW, rows, n);
        for (unsigned k = 0; k < n; k++)
            left[k] = (char)(all[k].remove ? '-' : newest[i].listing[k] == 'L' ? 'l' : newest[i].listing[k]);
        assert_string_equal(left, newest[i].left);
    }
}

static void rules_go_together(void **state)
{
    struct plan_row all[3] = {ROW(SEEN_DELIVERED, .first = NOW - 20 * DAYS), ROW(SEEN_DELIVERED), ROW(SEEN_DELIVERED)};
    struct plan_row *rows[] = {&all[0], &all[1], &all[2]};
    struct account a = after_14;
    a.keep_newest = 1;
    for (unsigned i = 0; i < 3; i++)
        all[i] = filled(all[i]);
    plan_make(&a, NOW, rows, 3);
    assert_int_equal(all[0].remove_why, PLAN_OLD);
    assert_true(all[1].remove);
    assert_int_equal(all[1].remove_why, PLAN_NOT_NEWEST);
    assert_false(all[2].remove);
}

/* ---- words */

static void words(void **state)
{
    static const struct {
        const struct account *account;
        struct plan_row row;
        const char *text;
    } texts[] = {
        {&leave, ROW(SEEN_NEW), "fetch: new"},
        {&now_all, ROW(SEEN_NEW), "fetch: new; then delete: the account leaves nothing on the server"},
        {&leave, ROW(SEEN_SEEN, .failures = 1), "fetch: failed 1 time before"},
        {&leave, ROW(SEEN_SEEN, .failures = 2), "fetch: failed 2 times before"},
        {&leave, ROW(SEEN_FETCHED), "fetch: whether it arrived is not known"},
        {&leave, ROW(SEEN_DELIVERED), "leave: delivered"},
        {&after_14, ROW(SEEN_DELIVERED, .first = NOW - 15 * DAYS), "delete: first seen 15 days ago"},
        {&skip_large, ROW(SEEN_NEW, .size = 12900000), "leave: too large, 12.3 MB of at most 100 octets"},
        {&headers_large, ROW(SEEN_NEW, .size = 2048), "headers: too large, 2.0 kB of at most 100 octets"},
        {&headers_large, ROW(SEEN_HEADERS, .size = 2048), "leave: too large, its headers are delivered"},
        {&delete_large, ROW(SEEN_NEW, .size = UINT64_MAX), "delete: too large, 16777216 TB of at most 100 octets"},
        {&leave, ROW(SEEN_MARKED), "leave: marked as seen"},
        {&leave, ROW(SEEN_QUARANTINED), "leave: in quarantine"},
        {&leave, ROW(SEEN_NEW, .uid = ""), "fetch: the server gives it no uid: its content tells whether it is known"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct plan_row row = filled(texts[i].row), *rows[] = {&row};
        char text[PLAN_TEXT];
        plan_make(texts[i].account, NOW, rows, 1);
        plan_text(texts[i].account, NOW, &row, text);
        assert_string_equal(text, texts[i].text);
    }
    struct plan_row old = ROW(SEEN_DELIVERED), young = ROW(SEEN_DELIVERED), *rows[] = {&old, &young};
    char text[PLAN_TEXT];
    plan_make(&keep_1, NOW, rows, 2);
    plan_text(&keep_1, NOW, &old, text);
    assert_string_equal(text, "delete: not one of the newest 1");
    assert_string_equal(seen_state_text(SEEN_QUARANTINED), "quarantine");
}

/* A listing may have a million rows. */
static void a_row_is_small(void **state)
{
    assert_true(sizeof(struct plan_row) <= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_by_one),
                                       cmocka_unit_test(nothing_goes_that_is_not_here),
                                       cmocka_unit_test(only_the_newest_stay),
                                       cmocka_unit_test(rules_go_together),
                                       cmocka_unit_test(words),
                                       cmocka_unit_test(a_row_is_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
