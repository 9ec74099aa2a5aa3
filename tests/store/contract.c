/* contract: what every mailbox promises (store/store.h) to a session, whatever keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "wire/dot.h"

static void put(const struct test *t, unsigned n, const char *text)
{
    t->backend->put(&t->place, n, span_of(text));
}

static struct store *open_list(const struct test *t, struct drop *drop)
{
    return place_open_list(&t->place, t->backend->ops, drop);
}

static void shut(struct store *s, struct drop *drop)
{
    drop_fini(drop);
    s->ops->close(s);
}

/* ---- opening */

static void test_second_open_is_busy(void **state)
{
    struct test *t = *state;
    struct store *first = place_open(&t->place, t->backend->ops), *second = NULL;
    struct err err = {0};
    assert_int_equal(t->backend->ops->open(&second, &t->place.root, t->place.drop, STORE_EXCLUSIVE, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    first->ops->close(first);
    second = place_open(&t->place, t->backend->ops);
    second->ops->close(second);
}

static void test_empty(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct store *s = open_list(t, &drop);
    size_t left = 9;
    assert_int_equal(drop.count, 0);
    struct err err = {0};
    struct store_body b;
    assert_int_equal(s->ops->body(s, 0, &b, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    shut(s, &drop);
}

/* ---- octets */

/* What RETR sends of this text without what dots and the end add: by the encoder that sends it. */
static uint64_t encoded_octets(struct span text, bool wire)
{
    struct dot d;
    dot_init(&d, wire);
    size_t room = 2 * text.n + 2, wrote = 0;
    char *out = mem_alloc(room), end[5];
    assert_int_equal(dot_encode(&d, text, out, room, &wrote), text.n);
    uint64_t octets = wrote;
    for (size_t i = 0; i + 1 < wrote; i++)
        if (out[i] == '.' && out[i + 1] == '.' && (i == 0 || (i >= 2 && out[i - 1] == '\n' && out[i - 2] == '\r')))
            octets--;
    mem_free(out);
    return octets + dot_finish(&d, end) - 3;
}

static void check_message(struct store *s, const struct drop *drop, unsigned msg, struct span text)
{
    struct store_body b;
    struct err err = {0};
    size_t n;
    char *got = place_body(s, msg, &n, &b, &err);
    assert_non_null(got);
    assert_int_equal(n, text.n);
    assert_memory_equal(got, text.p, n);
    assert_int_equal(drop->messages[msg].octets, encoded_octets(text, false));
    assert_int_equal(b.octets, drop->messages[msg].octets);
    if (b.wire)
        assert_int_equal(encoded_octets(text, true), text.n);
    mem_free(got);
}

static void test_octets_are_what_is_sent(void **state)
{
    static const struct span texts[] = {
#define TEXT(s) {s, sizeof(s) - 1}
        TEXT(""),         TEXT("\n"),         TEXT("\r\n"),     TEXT("\r"),       TEXT("a"),
        TEXT("a\n"),      TEXT("a\r\n"),      TEXT("a\r"),      TEXT("a\nb"),     TEXT("a\r\nb"),
        TEXT("."),        TEXT(".\n"),        TEXT("..\r\n"),   TEXT("\n.\n"),    TEXT("\r\n.\r\n"),
        TEXT("a\n.b\n"),  TEXT("a\r.b\r\n"),  TEXT("\r\r\n\n"), TEXT("\n\r\n\r"), TEXT("a\0b\n\0"),
        TEXT("\xff\xfe"), TEXT("a\r\n\r\n."), TEXT("\n\n\n"),   TEXT("..."),      TEXT("Subject: x\n\nbody\n"),
#undef TEXT
    };
    enum { N = sizeof texts / sizeof *texts };
    struct test *t = *state;
    for (unsigned i = 0; i < N; i++)
        t->backend->put(&t->place, i, texts[i]);
    struct drop drop;
    struct store *s = open_list(t, &drop);
    assert_int_equal(drop.count, N);
    uint64_t all = 0;
    for (unsigned i = 0; i < N; i++) {
        check_message(s, &drop, i, texts[i]);
        all += drop.messages[i].octets;
    }
    assert_int_equal(drop.octets, all);
    shut(s, &drop);
}

/* CR and LF on either side of every seam at which a back-end may read in pieces. */
static void test_octets_across_pieces(void **state)
{
    enum { LARGE = 128 * 1024 + 40 };
    struct test *t = *state;
    char *text = mem_alloc(LARGE);
    for (unsigned i = 0; i < 6; i++) {
        memset(text, 'x', LARGE);
        for (size_t at = 4096; at < LARGE; at += 4096)
            memcpy(text + at - 3 + i, i % 2 ? "\n." : "\r\n.", i % 2 ? 2 : 3);
        t->backend->put(&t->place, i, (struct span){text, LARGE});
    }
    struct drop drop;
    struct store *s = open_list(t, &drop);
    assert_int_equal(drop.count, 6);
    for (unsigned i = 0; i < 6; i++) {
        memset(text, 'x', LARGE);
        for (size_t at = 4096; at < LARGE; at += 4096)
            memcpy(text + at - 3 + i, i % 2 ? "\n." : "\r\n.", i % 2 ? 2 : 3);
        check_message(s, &drop, i, (struct span){text, LARGE});
    }
    shut(s, &drop);
    mem_free(text);
}

/* ---- unique ids and order */

static void test_uids(void **state)
{
    enum { N = 50 };
    struct test *t = *state;
    char uids[N][71];
    for (unsigned i = 0; i < N; i++)
        put(t, i, "x\n");
    for (unsigned round = 0; round < 3; round++) {
        struct drop drop;
        struct store *s = open_list(t, &drop);
        assert_int_equal(drop.count, N);
        for (unsigned i = 0; i < N; i++) {
            const char *uid = drop.messages[i].uid;
            size_t n = strlen(uid);
            assert_in_range(n, 1, 70);
            for (size_t k = 0; k < n; k++)
                assert_in_range(uid[k], 0x21, 0x7e);
            for (unsigned k = 0; k < i; k++)
                assert_string_not_equal(uid, drop.messages[k].uid);
            if (round)
                assert_string_equal(uid, uids[i]);
            snprintf(uids[i], sizeof uids[i], "%s", uid);
        }
        shut(s, &drop);
    }
}

static void test_uids_outlive_their_neighbours(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err;
    size_t left;
    char uid[71];
    for (unsigned i = 0; i < 5; i++)
        put(t, i, "x\n");
    struct store *s = open_list(t, &drop);
    snprintf(uid, sizeof uid, "%s", drop.messages[3].uid);
    drop_mark(&drop, 0);
    drop_mark(&drop, 2);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    shut(s, &drop);
    put(t, 5, "new\n");
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 4);
    assert_string_equal(drop.messages[1].uid, uid);
    shut(s, &drop);
}

static void test_order_is_that_of_delivery(void **state)
{
    static const char *const texts[] = {"one\n", "two\n", "three\n", "four\n", "five\n"};
    struct test *t = *state;
    for (unsigned i = 0; i < 5; i++)
        put(t, i, texts[i]);
    struct drop drop;
    struct store *s = open_list(t, &drop);
    assert_int_equal(drop.count, 5);
    for (unsigned i = 0; i < 5; i++)
        place_expect(s, i, texts[i]);
    shut(s, &drop);
}

/* What comes after the listing has no number in this session, and is there in the next. */
static void test_session_is_a_snapshot(void **state)
{
    struct test *t = *state;
    put(t, 0, "one\n");
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    struct store *s = open_list(t, &drop);
    put(t, 1, "two\n");
    struct store_body b;
    assert_int_equal(s->ops->body(s, 1, &b, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    shut(s, &drop);
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 1);
    place_expect(s, 0, "two\n");
    shut(s, &drop);
}

/* ---- removing */

static void test_remove_only_what_is_marked(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    for (unsigned i = 0; i < 10; i++)
        put(t, i, i % 2 ? "odd\n" : "even\n");
    struct store *s = open_list(t, &drop);
    for (unsigned i = 0; i < 10; i += 2)
        drop_mark(&drop, i);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    for (unsigned i = 0; i < 10; i++) {
        struct store_body b;
        if (i % 2) {
            place_expect(s, i, "odd\n");
        } else {
            assert_int_equal(s->ops->body(s, i, &b, &err), -1);
            assert_int_equal(err.kind, ERR_GONE);
        }
    }
    shut(s, &drop);
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 5);
    for (unsigned i = 0; i < 5; i++)
        place_expect(s, i, "odd\n");
    shut(s, &drop);
}

static void test_remove_nothing(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    put(t, 0, "x\n");
    struct store *s = open_list(t, &drop);
    drop_mark(&drop, 0);
    drop_reset(&drop);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    place_expect(s, 0, "x\n");
    shut(s, &drop);
}

static void test_remove_twice(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    put(t, 0, "x\n");
    put(t, 1, "y\n");
    struct store *s = open_list(t, &drop);
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    drop_mark(&drop, 1);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    shut(s, &drop);
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 0);
    shut(s, &drop);
}

static void test_a_session_that_breaks_removes_nothing(void **state)
{
    struct test *t = *state;
    struct drop drop;
    put(t, 0, "x\n");
    struct store *s = open_list(t, &drop);
    drop_mark(&drop, 0);
    shut(s, &drop);
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 1);
    shut(s, &drop);
}

/* ---- trouble */

static void test_remove_fails(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    for (unsigned i = 0; i < 3; i++)
        put(t, i, "x\n");
    t->backend->trouble(&t->place, REMOVE_FAILS);
    struct store *s = open_list(t, &drop);
    drop_mark(&drop, 0);
    drop_mark(&drop, 2);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_int_equal(left, 2);
    place_expect(s, 1, "x\n");
    shut(s, &drop);
    t->backend->trouble(&t->place, NO_TROUBLE);
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 3);
    shut(s, &drop);
}

static void test_remove_unknown(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    size_t left = 9;
    for (unsigned i = 0; i < 3; i++)
        put(t, i, "x\n");
    t->backend->trouble(&t->place, REMOVE_UNKNOWN);
    struct store *s = open_list(t, &drop);
    drop_mark(&drop, 0);
    drop_mark(&drop, 2);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), -1);
    assert_int_equal(err.kind, ERR_UNKNOWN);
    assert_int_equal(left, 2);
    shut(s, &drop);
}

static void test_list_fails(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    put(t, 0, "x\n");
    t->backend->trouble(&t->place, LIST_FAILS);
    struct store *s = place_open(&t->place, t->backend->ops);
    drop_init(&drop);
    assert_int_equal(s->ops->list(s, &drop, &err), -1);
    assert_int_equal(err.kind, ERR_TEMP);
    assert_true(strlen(err.text) > 0);
    shut(s, &drop);
}

static void test_body_fails(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct err err = {0};
    struct store_body b;
    size_t n;
    put(t, 0, "x\n");
    t->backend->trouble(&t->place, BODY_FAILS);
    struct store *s = open_list(t, &drop);
    assert_null(place_body(s, 0, &n, &b, &err));
    assert_int_equal(err.kind, ERR_TEMP);
    shut(s, &drop);
}

int main(void)
{
    const struct CMUnitTest promises[] = {
        PROMISE(second_open_is_busy),
        PROMISE(empty),
        PROMISE(octets_are_what_is_sent),
        PROMISE(octets_across_pieces),
        PROMISE(uids),
        PROMISE(uids_outlive_their_neighbours),
        PROMISE(order_is_that_of_delivery),
        PROMISE(session_is_a_snapshot),
        PROMISE(remove_only_what_is_marked),
        PROMISE(remove_nothing),
        PROMISE(remove_twice),
        PROMISE(a_session_that_breaks_removes_nothing),
        PROMISE(remove_fails),
        PROMISE(remove_unknown),
        PROMISE(list_fails),
        PROMISE(body_fails),
    };
    BACKEND_RUN_ALL(promises)
}
