/* contract_delivery: what every mailbox that takes deliveries promises (store/store.h), whatever keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "wire/dot.h"

/* ---- helpers */

static struct store *open_to_deliver(const struct test *t)
{
    return place_open_to_deliver(&t->place, t->backend->ops);
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

static struct store_draft *draft(struct store *s, const struct store_about *about, struct span text)
{
    return place_draft(s, about, text);
}

static unsigned count(const struct test *t)
{
    struct drop drop;
    struct store *s = open_list(t, &drop);
    unsigned n = drop.count;
    shut(s, &drop);
    return n;
}

static void deliver(struct store *s, const struct store_about *about, struct span text)
{
    place_deliver(s, about, text);
}

static void deliver_text(struct store *s, const char *text)
{
    deliver(s, &(struct store_about){.wire = true}, span_of(text));
}

/* What RETR sends of the message without the doubled dots and the end. */
static char *retrieve(struct store *s, unsigned msg, size_t *n)
{
    struct store_body b;
    struct err err = {0};
    size_t size;
    char *stored = place_body(s, msg, &size, &b, &err);
    assert_non_null(stored);
    struct dot d;
    dot_init(&d, b.wire);
    size_t room = 2 * size + 2, wrote = 0;
    char *sent = mem_alloc(room + 5);
    assert_int_equal(dot_encode(&d, (struct span){stored, size}, sent, room, &wrote), size);
    mem_free(stored);
    wrote += dot_finish(&d, sent + wrote) - 3;
    size_t kept = 0;
    for (size_t i = 0; i < wrote; i++) {
        bool starts = kept == 0 || (kept >= 2 && sent[kept - 1] == '\n' && sent[kept - 2] == '\r');
        i += starts && sent[i] == '.'; /* the first of two */
        sent[kept++] = sent[i];
    }
    *n = kept;
    return sent;
}

/* ---- visible */

static void test_visible_only_after_commit(void **state)
{
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct err err = {0}, errs[1];
    struct store_draft *d = NULL;
    assert_int_equal(s->ops->begin(s, &(struct store_about){.wire = true}, &d, &err), 0);
    assert_int_equal(count(t), 0);
    assert_int_equal(s->ops->write(d, span_of("Subject: x\r\n\r\nbody\r\n"), &err), 0);
    assert_int_equal(count(t), 0);
    assert_int_equal(s->ops->ready(d, &err), 0);
    assert_int_equal(count(t), 0);
    assert_int_equal(s->ops->commit(&d, 1, errs), 1);
    assert_int_equal(errs[0].kind, ERR_NONE);
    assert_int_equal(count(t), 1);
    s->ops->close(s);
}

/* Started early, and written on: it is what was written, and not visible before its time. */
static void test_started_early(void **state)
{
    static const char *const pieces[] = {"Subject: x\r\n\r", "\nbody\r", "", "\nend\r"};
    static const char whole[] = "Subject: x\r\n\r\nbody\r\nend\r\r\n"; /* the line that was open is ended */
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct err err = {0}, errs[1];
    struct store_draft *d = NULL;
    assert_int_equal(s->ops->begin(s, &(struct store_about){.wire = true}, &d, &err), 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        assert_int_equal(s->ops->write(d, span_of(pieces[i]), &err), 0);
        if (s->ops->start)
            assert_int_equal(s->ops->start(d, &err), 0);
    }
    assert_int_equal(count(t), 0);
    assert_int_equal(s->ops->ready(d, &err), 0);
    assert_int_equal(s->ops->commit(&d, 1, errs), 1);
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    size_t n;
    char *sent = retrieve(s, 0, &n);
    assert_int_equal(n, strlen(whole));
    assert_memory_equal(sent, whole, n);
    mem_free(sent);
    shut(s, &drop);
}

static void test_abort_leaves_nothing(void **state)
{
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct err err = {0};
    for (int stage = 0; stage < 3; stage++) {
        struct store_draft *d = NULL;
        assert_int_equal(s->ops->begin(s, &(struct store_about){0}, &d, &err), 0);
        if (stage > 0)
            assert_int_equal(s->ops->write(d, span_of("text"), &err), 0);
        if (stage > 0 && s->ops->start)
            assert_int_equal(s->ops->start(d, &err), 0);
        if (stage > 1)
            assert_int_equal(s->ops->ready(d, &err), 0);
        s->ops->abort(d);
    }
    s->ops->close(s);
    assert_int_equal(count(t), 0);
}

static void test_beside_a_session(void **state)
{
    struct test *t = *state;
    struct drop drop;
    struct store *session = open_list(t, &drop);
    struct store *s = open_to_deliver(t), *other = open_to_deliver(t);
    deliver_text(s, "one\r\n");
    deliver_text(other, "two\r\n");
    assert_int_equal(drop.count, 0);
    struct store_body b;
    struct err err = {0};
    assert_int_equal(session->ops->body(session, 0, &b, &err), -1);
    s->ops->close(s);
    other->ops->close(other);
    shut(session, &drop);
    assert_int_equal(count(t), 2);
}

static void test_several_in_one_commit(void **state)
{
    enum { N = 20 };
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct store_draft *d[N];
    struct err errs[N];
    for (unsigned i = 0; i < N; i++) {
        char text[32];
        snprintf(text, sizeof text, "message %u\r\n", i);
        d[i] = draft(s, &(struct store_about){.wire = true}, span_of(text));
    }
    assert_int_equal(s->ops->commit(d, N, errs), N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(errs[i].kind, ERR_NONE);
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    assert_int_equal(drop.count, N);
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(drop.messages[i].uid, drop.messages[k].uid);
    shut(s, &drop);
}

/* By the time that was given; those of one second as they were begun. */
static void test_order_is_that_of_delivery(void **state)
{
    static const char *const texts[] = {"one\r\n", "two\r\n", "three\r\n", "four\r\n", "five\r\n"};
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %u", i);
        deliver(s, &(struct store_about){.wire = true, .time = 1700000000 + i / 3, .key = i == 2 ? NULL : key},
                span_of(texts[i]));
    }
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 5);
    for (unsigned i = 0; i < 5; i++) {
        size_t n;
        char *sent = retrieve(s, i, &n);
        assert_int_equal(n, strlen(texts[i]));
        assert_memory_equal(sent, texts[i], n);
        mem_free(sent);
        assert_in_range(strlen(drop.messages[i].uid), 1, 70);
        assert_int_not_equal(drop.messages[i].uid[0], ':');
    }
    shut(s, &drop);
}

/* ---- octets */

static const struct span texts[] = {
#define TEXT(s)                                                                                                        \
    {                                                                                                                  \
        s, sizeof(s) - 1                                                                                               \
    }
    TEXT("Subject: x\r\n\r\nbody\r\n"),
    TEXT("\r\n"),
    TEXT("\r\n\r\n"),
    TEXT("a\r\r\nb\r\n"),
    TEXT("\r\r\n"),
    TEXT("\r\r\r\n\r\n"),
    TEXT("a\rb\r\n\rc\r\n"),
    TEXT(".\r\n"),
    TEXT("..\r\n.x\r\n...\r\n"),
    TEXT("nul \0 in it\0\r\n\0\r\n"),
    TEXT("\x80\xff\xfe 8 bit\r\n"),
    TEXT("\r.\r\n"),
#undef TEXT
};
enum { TEXTS = sizeof texts / sizeof *texts };

/* In pieces of n octets, so that CR and LF fall into different ones. What is delivered piece by piece is not known beforehand. */
static void deliver_pieces(struct store *s, struct span text, size_t n)
{
    struct err err = {0};
    struct store_about about = {.wire = true, .keep_crlf = n == text.n && store_keeps_crlf(text)};
    struct store_draft *d = NULL;
    assert_int_equal(s->ops->begin(s, &about, &d, &err), 0);
    for (struct span rest = text; rest.n; rest = span_from(rest, n))
        assert_int_equal(s->ops->write(d, (struct span){rest.p, rest.n < n ? rest.n : n}, &err), 0);
    assert_int_equal(s->ops->ready(d, &err), 0);
    assert_int_equal(s->ops->commit(&d, 1, &err), 1);
}

static void expect_all(const struct test *t, unsigned n, const struct span all[])
{
    struct drop drop;
    struct store *s = open_list(t, &drop);
    assert_int_equal(drop.count, n);
    for (unsigned i = 0; i < n; i++) {
        size_t size;
        char *sent = retrieve(s, i, &size);
        assert_int_equal(size, all[i].n);
        assert_memory_equal(sent, all[i].p, size);
        assert_int_equal(drop.messages[i].octets, size);
        mem_free(sent);
    }
    shut(s, &drop);
}

static void come_back(struct test *t, bool wire_ends)
{
    t->place.root.wire_ends = wire_ends;
    struct store *s = open_to_deliver(t);
    struct span all[3 * TEXTS];
    for (unsigned i = 0; i < TEXTS; i++)
        for (unsigned k = 0; k < 3; k++) {
            all[3 * i + k] = texts[i];
            deliver_pieces(s, texts[i], k == 0 ? 1 : k == 1 ? 3 : texts[i].n);
        }
    s->ops->close(s);
    expect_all(t, 3 * TEXTS, all);
}

static void test_octets_come_back(void **state)
{
    come_back(*state, false);
}

static void test_octets_come_back_from_wire_ends(void **state)
{
    come_back(*state, true);
}

/* A line of 1 MB, and CRLF at every distance from the seams at which a back-end may write. */
static void test_long_messages_come_back(void **state)
{
    enum { LARGE = 1024 * 1024 };
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct span all[4];
    for (unsigned i = 0; i < 4; i++) {
        char *text = mem_alloc(LARGE);
        memset(text, 'x', LARGE);
        for (size_t at = 4096; i && at < LARGE; at += 4096)
            memcpy(text + at - 3 + i, "\r\n.", 3);
        memcpy(text + LARGE - 2, "\r\n", 2);
        all[i] = (struct span){text, LARGE};
        deliver_pieces(s, all[i], i == 2 ? 10007 : LARGE);
    }
    s->ops->close(s);
    expect_all(t, 4, all);
    for (unsigned i = 0; i < 4; i++)
        mem_free((char *)all[i].p);
}

/* BDAT can end anywhere: RETR ends the line (RFC 1939 §3), and changes nothing before it. */
static void test_no_line_end_at_the_end(void **state)
{
    static const char *const rows[][2] = {{"a", "a\r\n"}, {"a\r\nb", "a\r\nb\r\n"}, {"a\r", "a\r\r\n"}};
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct span all[3];
    for (unsigned i = 0; i < 3; i++) {
        deliver_pieces(s, span_of(rows[i][0]), 1);
        all[i] = span_of(rows[i][1]);
    }
    s->ops->close(s);
    expect_all(t, 3, all);
}

/* As stored, to the octet, where it is no message from the wire. */
static void test_as_it_is(void **state)
{
    static const struct span rows[] = {{"a\nb\r\nc\r", 7}, {"\r\n.\n", 4}, {"", 0}};
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    for (unsigned i = 0; i < 3; i++)
        deliver(s, &(struct store_about){0}, rows[i]);
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 3);
    for (unsigned i = 0; i < 3; i++)
        place_expect(s, i, (const char *[]){"a\nb\r\nc\r", "\r\n.\n", ""}[i]);
    shut(s, &drop);
}

/* In wire form unless a line begins with a dot: can be sent without looking. */
static void test_wire_ends(void **state)
{
    struct test *t = *state;
    t->place.root.wire_ends = true;
    struct store *s = open_to_deliver(t);
    deliver_text(s, "Subject: x\r\n\r\nbody\r\n");
    deliver_text(s, "Subject: x\r\n\r\n.body\r\n");
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    for (unsigned i = 0; i < 2; i++) {
        struct store_body b;
        struct err err = {0};
        assert_int_equal(s->ops->body(s, i, &b, &err), 0);
        assert_int_equal(b.wire, i == 0);
        assert_int_equal(b.size, b.octets);
        b.close(&b);
    }
    shut(s, &drop);
}

/* ---- keys */

static unsigned deliver_key(struct store *s, const char *key, const char *text)
{
    struct err err = {0};
    struct store_draft *d = draft(s, &(struct store_about){.key = key}, span_of(text));
    unsigned durable = s->ops->commit(&d, 1, &err);
    assert_int_equal(err.kind, ERR_NONE);
    return durable;
}

static void test_one_key_one_message(void **state)
{
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    assert_int_equal(deliver_key(s, "a", "first\n"), 1);
    assert_int_equal(deliver_key(s, "a", "second\n"), 1);
    assert_int_equal(deliver_key(s, "b", "other\n"), 1);
    s->ops->close(s);
    s = open_to_deliver(t);
    assert_int_equal(deliver_key(s, "a", "third\n"), 1);
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 2);
    place_expect(s, 0, "first\n");
    place_expect(s, 1, "other\n");
    size_t left;
    struct err err;
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    shut(s, &drop);
    s = open_to_deliver(t); /* as long as the first is there */
    assert_int_equal(deliver_key(s, "a", "fourth\n"), 1);
    s->ops->close(s);
    assert_int_equal(count(t), 2);
}

static void test_one_key_in_one_commit(void **state)
{
    static const char *const keys[] = {"a", "b", "a", NULL, "a", NULL, "c", "b"};
    enum { N = sizeof keys / sizeof *keys };
    struct test *t = *state;
    struct store *s = open_to_deliver(t);
    struct store_draft *d[N];
    struct err errs[N];
    assert_int_equal(deliver_key(s, "c", "c\n"), 1);
    for (unsigned i = 0; i < N; i++)
        d[i] = draft(s, &(struct store_about){.key = keys[i]}, span_of("text\n"));
    assert_int_equal(s->ops->commit(d, N, errs), N);
    s->ops->close(s);
    assert_int_equal(count(t), 5);
}

/* What commit says that a message is called is what a session calls it, also when its key was there. */
static void test_commit_tells_the_uid(void **state)
{
    static const char *const keys[] = {"a", NULL, "b", "a"};
    struct test *t = *state;
    char uids[5][STORE_UID];
    bool had[5] = {false};
    struct store *s = open_to_deliver(t);
    struct store_draft *d[4];
    struct err errs[4];
    deliver(s, &(struct store_about){.key = "b", .time = 1700000000}, span_of("first\n"));
    for (unsigned i = 0; i < 4; i++)
        d[i] = draft(s, &(struct store_about){.key = keys[i], .uid = uids[i], .had = &had[i]}, span_of("text\n"));
    assert_int_equal(s->ops->commit(d, 4, errs), 4);
    deliver(s, &(struct store_about){.key = "b", .uid = uids[4], .had = &had[4]}, span_of("again\n"));
    s->ops->close(s);
    struct drop drop;
    s = open_list(t, &drop);
    assert_int_equal(drop.count, 3);
    assert_string_equal(uids[0], uids[3]);
    assert_string_equal(uids[2], uids[4]);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(had[i], i >= 2);
    for (unsigned i = 0; i < 3; i++) {
        unsigned met = 0;
        for (unsigned k = 0; k < 3; k++)
            met += strcmp(drop.messages[k].uid, uids[i]) == 0;
        assert_int_equal(met, 1);
    }
    shut(s, &drop);
}

/* A question alone: nothing is stored, whatever the answer. */
static void test_only_what_is_known(void **state)
{
    static const char *const keys[] = {"a", "b", "c"};
    struct test *t = *state;
    bool had[3] = {false};
    struct store *s = open_to_deliver(t);
    struct store_draft *d[3];
    struct err errs[3];
    assert_int_equal(deliver_key(s, "a", "a\n"), 1);
    for (unsigned i = 0; i < 3; i++)
        d[i] = draft(s, &(struct store_about){.key = keys[i], .only_known = i < 2, .had = &had[i]}, span_of(""));
    assert_int_equal(s->ops->commit(d, 3, errs), 2);
    assert_int_equal(errs[0].kind, ERR_NONE);
    assert_int_equal(errs[1].kind, ERR_GONE);
    assert_int_equal(errs[2].kind, ERR_NONE);
    assert_true(had[0] && !had[1] && !had[2]);
    s->ops->close(s);
    assert_int_equal(count(t), 2);
}

/* ---- used */

static void expect_used(struct store *s, bool afresh, uint64_t octets, uint64_t messages)
{
    struct store_used used;
    struct err err = {0};
    if (s->ops->used(s, afresh, &used, &err) < 0)
        fail_msg("used: %s", err.text);
    assert_int_equal(used.octets, octets);
    assert_int_equal(used.messages, messages);
    assert_true(used.counted > 0);
}

static void test_used(void **state)
{
    struct test *t = *state;
    t->backend->put(&t->place, 0, span_of("12345\n"));
    struct store *s = open_to_deliver(t);
    expect_used(s, false, 6, 1);
    deliver(s, &(struct store_about){0}, span_of("123\n"));
    expect_used(s, false, 10, 2);
    struct store_draft *d[3];
    struct err errs[3];
    for (unsigned i = 0; i < 3; i++)
        d[i] = draft(s, &(struct store_about){.key = i ? "key" : NULL}, span_of("1\n"));
    assert_int_equal(s->ops->commit(d, 3, errs), 3);
    expect_used(s, false, 14, 4); /* two had one key */
    assert_int_equal(deliver_key(s, "key", "1234567\n"), 1);
    expect_used(s, false, 14, 4);
    expect_used(s, true, 14, 4);
    s->ops->close(s);
}

static void test_used_after_removing(void **state)
{
    struct test *t = *state;
    for (unsigned i = 0; i < 5; i++)
        t->backend->put(&t->place, i, span_of("12345\n"));
    struct drop drop;
    struct err err;
    size_t left;
    struct store *s = open_list(t, &drop);
    expect_used(s, false, 30, 5);
    drop_mark(&drop, 1);
    drop_mark(&drop, 2);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    expect_used(s, false, 18, 3);
    drop_mark(&drop, 4); /* and the two that are gone are counted once */
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    expect_used(s, false, 12, 2);
    expect_used(s, true, 12, 2);
    shut(s, &drop);
    s = open_to_deliver(t);
    expect_used(s, false, 12, 2);
    s->ops->close(s);
}

/* ---- trouble */

static void expect_nothing(struct test *t)
{
    t->backend->trouble(&t->place, NO_TROUBLE);
    assert_int_equal(count(t), 0);
}

static void test_trouble_leaves_nothing(void **state)
{
    static const enum trouble troubles[] = {BEGIN_FAILS, WRITE_FAILS, READY_FAILS, COMMIT_FAILS};
    struct test *t = *state;
    for (unsigned i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        struct store_draft *d = NULL;
        struct err err = {0};
        t->backend->trouble(&t->place, troubles[i]);
        struct store *s = open_to_deliver(t);
        if (s->ops->begin(s, &(struct store_about){0}, &d, &err) < 0) {
            assert_int_equal(troubles[i], BEGIN_FAILS);
        } else if (s->ops->write(d, span_of("text\n"), &err) < 0 || s->ops->ready(d, &err) < 0) {
            assert_true(troubles[i] == WRITE_FAILS || troubles[i] == READY_FAILS);
            s->ops->abort(d);
        } else {
            assert_int_equal(troubles[i], COMMIT_FAILS);
            assert_int_equal(s->ops->commit(&d, 1, &err), 0);
        }
        assert_int_equal(err.kind, ERR_TEMP);
        assert_true(strlen(err.text) > 0);
        s->ops->close(s);
        expect_nothing(t);
    }
}

static void test_commit_unknown(void **state)
{
    struct test *t = *state;
    t->backend->trouble(&t->place, COMMIT_UNKNOWN);
    struct store *s = open_to_deliver(t);
    struct store_draft *d[2];
    struct err errs[2];
    for (unsigned i = 0; i < 2; i++)
        d[i] = draft(s, &(struct store_about){0}, span_of("text\n"));
    assert_int_equal(s->ops->commit(d, 2, errs), 0);
    assert_int_equal(errs[0].kind, ERR_UNKNOWN);
    assert_int_equal(errs[1].kind, ERR_UNKNOWN);
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest promises[] = {
        PROMISE(visible_only_after_commit),
        PROMISE(started_early),
        PROMISE(abort_leaves_nothing),
        PROMISE(beside_a_session),
        PROMISE(several_in_one_commit),
        PROMISE(order_is_that_of_delivery),
        PROMISE(octets_come_back),
        PROMISE(octets_come_back_from_wire_ends),
        PROMISE(long_messages_come_back),
        PROMISE(no_line_end_at_the_end),
        PROMISE(as_it_is),
        PROMISE(wire_ends),
        PROMISE(one_key_one_message),
        PROMISE(one_key_in_one_commit),
        PROMISE(commit_tells_the_uid),
        PROMISE(only_what_is_known),
        PROMISE(used),
        PROMISE(used_after_removing),
        PROMISE(trouble_leaves_nothing),
        PROMISE(commit_unknown),
    };
    BACKEND_RUN_ALL(promises)
}
