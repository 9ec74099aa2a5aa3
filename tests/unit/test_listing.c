/* fetch/listing and fetch/backoff: what a server lists, compared with what is known; when is next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "fetch/backoff.h"
#include "fetch/listing.h"

static void know(struct listing *l, const char *uid, enum seen_state state, uint64_t size, int64_t gone)
{
    const struct seen_row row = {.uid = uid, .state = state, .first = 1000, .size = size, .gone = gone};
    listing_known(l, &row);
}

static struct plan_row *row_of(const struct listing *l, unsigned msg)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->rows[i]->msg == msg)
            return l->rows[i];
    return NULL;
}

static void compared(void **state)
{
    struct listing l;
    struct err err;
    (void)state;
    listing_init(&l);
    know(&l, "a", SEEN_DELIVERED, 10, 0);
    know(&l, "gone", SEEN_DELIVERED, 10, 0);
    listing_uid(&l, 2, span_of("b"));
    listing_uid(&l, 1, span_of("a"));
    assert_int_equal(listing_ready(&l, &err), 0);
    assert_int_equal(l.count, 2);
    assert_string_equal(l.rows[0]->uid, "a"); /* in the order of their numbers */
    assert_int_equal(l.rows[0]->state, SEEN_DELIVERED);
    assert_int_equal(l.rows[1]->state, SEEN_NEW);
    assert_int_equal(listing_find(&l, span_of("gone"))->msg, 0);
    assert_null(listing_find(&l, span_of("never")));
    listing_fini(&l);
}

static void numbers_that_come_twice(void **state)
{
    struct listing l;
    struct err err;
    (void)state;
    listing_init(&l);
    listing_uid(&l, 3, span_of("a"));
    listing_uid(&l, 3, span_of("b"));
    assert_int_equal(listing_ready(&l, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    listing_fini(&l);
}

/* None of them is known by it, and what was known by it stays as it was, without a message. */
static void uids_that_come_twice(void **state)
{
    struct listing l;
    struct err err;
    (void)state;
    listing_init(&l);
    know(&l, "same", SEEN_DELIVERED, 10, 0);
    for (unsigned msg = 1; msg <= 3; msg++)
        listing_uid(&l, msg, span_of("same"));
    assert_int_equal(listing_ready(&l, &err), 0);
    assert_int_equal(l.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(l.rows[i]->twice);
        assert_int_equal(l.rows[i]->msg, i + 1);
        assert_int_equal(l.rows[i]->state, SEEN_NEW);
    }
    assert_int_equal(listing_find(&l, span_of("same"))->msg, 0);
    assert_int_equal(listing_find(&l, span_of("same"))->state, SEEN_DELIVERED);
    listing_fini(&l);
}

/* "=" begins the uids that are made of content: a server's own would be taken for one. */
static void a_uid_like_ours(void **state)
{
    struct listing l;
    struct err err;
    (void)state;
    listing_init(&l);
    listing_uid(&l, 1, span_of("=0123"));
    assert_int_equal(listing_ready(&l, &err), 0);
    assert_string_equal(l.rows[0]->uid, "");
    listing_fini(&l);
}

static void sizes(void **state)
{
    struct listing l;
    struct err err;
    (void)state;
    listing_init(&l);
    know(&l, "settled", SEEN_DELIVERED, 10, 0);
    know(&l, "unsettled", SEEN_DELETED, 10, 0);
    know(&l, "another", SEEN_MARKED, 10, 900);
    listing_uid(&l, 2, span_of("settled"));
    listing_uid(&l, 5, span_of("unsettled"));
    listing_uid(&l, 7, span_of("another"));
    assert_int_equal(listing_ready(&l, &err), 0);
    listing_size(&l, 7, 11);
    listing_size(&l, 2, 12);
    listing_size(&l, 5, 10);
    listing_size(&l, 6, 13); /* which UIDL did not list */
    assert_int_equal(listing_ready(&l, &err), 0);
    assert_int_equal(l.count, 4);
    assert_int_equal(row_of(&l, 2)->size, 12);
    assert_false(row_of(&l, 2)->was_gone);
    assert_false(row_of(&l, 5)->was_gone);
    assert_int_equal(row_of(&l, 7)->state, SEEN_NEW); /* its uid was gone, and this is not what it was */
    assert_int_equal(l.rows[2]->msg, 6);
    assert_string_equal(l.rows[2]->uid, "");
    listing_fini(&l);
}

static void names_of_content(void **state)
{
    struct listing l;
    struct err err;
    unsigned char digest[32] = {1}, other[32] = {2};
    char known[SEEN_UID] = "=02";
    (void)state;
    memset(known + 3, '0', 62);
    known[65] = '\0';
    listing_init(&l);
    know(&l, known, SEEN_DELIVERED, 5, 0);
    for (unsigned msg = 1; msg <= LISTING_COPIES + 3; msg++)
        listing_uid(&l, msg, span_of(""));
    assert_int_equal(listing_ready(&l, &err), 0);
    assert_int_equal(listing_name(&l, 0, other)->state, SEEN_DELIVERED);
    assert_int_equal(listing_name(&l, 1, digest)->uid[0], '=');
    struct plan_row *second = listing_name(&l, 2, digest);
    assert_string_equal(second->uid + 65, ".2");
    assert_int_equal(second->msg, 3);
    assert_ptr_equal(l.rows[2], second);
    for (unsigned i = 3; i < LISTING_COPIES + 1; i++)
        assert_non_null(listing_name(&l, i, digest));
    assert_null(listing_name(&l, LISTING_COPIES + 1, digest));
    listing_fini(&l);
}

static void many(void **state)
{
    struct listing l;
    struct err err;
    char uid[SEEN_UID];
    size_t at = 0, n = 0;
    (void)state;
    listing_init(&l);
    for (unsigned i = 1; i <= 20000; i++) {
        snprintf(uid, sizeof uid, "uid-%u", i);
        if (i % 2)
            know(&l, uid, SEEN_DELIVERED, i, 0);
        listing_uid(&l, 20001 - i, span_of(uid));
    }
    assert_int_equal(listing_ready(&l, &err), 0);
    for (unsigned i = 0; i < l.count; i++)
        assert_int_equal(l.rows[i]->msg, i + 1);
    while (listing_next(&l, &at))
        n++;
    assert_int_equal(n, 20000);
    listing_fini(&l);
}

/* ---- backoff */

enum { NOW = 1800000000, MINUTE = 60, HOUR = 3600 };

static void pauses(void **state)
{
    (void)state;
    for (uint32_t random = 0; random < 5000; random += 7) {
        assert_in_range(backoff_next(NOW, 600000, 0, ERR_NONE, random) - NOW, 570, 630);
        assert_in_range(backoff_next(NOW, 600000, 1, ERR_TEMP, random) - NOW, 450, 750);
        assert_in_range(backoff_next(NOW, 600000, 2, ERR_TEMP, random) - NOW, 900, 1500);
        assert_in_range(backoff_next(NOW, 1000, 1, ERR_TEMP, random) - NOW, 45, 75);
        assert_in_range(backoff_next(NOW, 600000, 1000000, ERR_TEMP, random) - NOW, 3 * HOUR, 5 * HOUR);
        assert_in_range(backoff_next(NOW, 600000, 1, ERR_AUTH, random) - NOW, 22 * MINUTE, 38 * MINUTE);
        assert_in_range(backoff_next(NOW, 600000, UINT64_MAX, ERR_AUTH, random) - NOW, 18 * HOUR, 30 * HOUR);
        assert_in_range(backoff_next(NOW, 86400000ULL * 7, 9, ERR_TEMP, random) - NOW, 126 * HOUR, 210 * HOUR);
    }
}

/* Accounts that failed together do not come back together. */
static void they_differ(void **state)
{
    (void)state;
    assert_true(backoff_next(NOW, 600000, 3, ERR_TEMP, 1) != backoff_next(NOW, 600000, 3, ERR_TEMP, 600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compared),
        cmocka_unit_test(numbers_that_come_twice),
        cmocka_unit_test(a_uid_like_ours),
        cmocka_unit_test(uids_that_come_twice),
        cmocka_unit_test(sizes),
        cmocka_unit_test(names_of_content),
        cmocka_unit_test(many),
        cmocka_unit_test(pauses),
        cmocka_unit_test(they_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
