/* memory: the words that make it fail, sleep and make up messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/memory.h"
#include "store/open.h"

static const struct store_root root = {.path = "/mail", .fd = -1, .memory = true};

static int forget(void **state)
{
    (void)state;
    store_memory_forget();
    return 0;
}

static int open_store(const char *where, struct store **s, struct err *err)
{
    *err = (struct err){0};
    return store_open(s, &root, 1, where, STORE_EXCLUSIVE, err);
}

/* Opens, lists, reads the last message, removes it; which of the calls failed, or NULL. */
static const char *session(const char *where, unsigned *count)
{
    struct store *s = NULL;
    struct err err;
    struct drop drop;
    struct store_body b;
    size_t left = 0;
    char piece[64];
    const char *failed = NULL;
    if (open_store(where, &s, &err) < 0)
        return "open";
    drop_init(&drop);
    if (s->ops->list(s, &drop, &err) < 0) {
        failed = "list";
    } else if (s->ops->body(s, drop.count - 1, &b, &err) < 0) {
        failed = "body";
    } else {
        if (b.fd < 0 && b.read(&b, 0, piece, sizeof piece, &err) < 0)
            failed = "read";
        b.close(&b);
        drop_mark(&drop, drop.count - 1);
        if (s->ops->remove(s, &drop, &left, &err) < 0 && !failed)
            failed = err.kind == ERR_UNKNOWN ? "unknown" : "remove";
    }
    *count = drop.count;
    drop_fini(&drop);
    s->ops->close(s);
    return failed;
}

static void test_fails_on_request(void **state)
{
    static const char *const calls[] = {"open", "list", "body", "read", "remove"};
    (void)state;
    unsigned count = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char where[64];
        snprintf(where, sizeof where, "memory:/mail/x?messages=3,fail=%s", calls[i]);
        assert_string_equal(session(where, &count), calls[i]);
        store_memory_forget();
    }
    assert_string_equal(session("memory:/mail/x?messages=3,unknown", &count), "unknown");
    assert_string_equal(session("memory:/mail/x?fail=remove,fail=body", &count), "body");
}

/* Which of the calls of a delivery failed, or NULL. */
static const char *delivery(const char *where)
{
    struct store *s = NULL;
    struct err err = {0};
    struct store_draft *d = NULL;
    struct store_used used;
    const char *failed = NULL;
    if (store_open(&s, &root, 1, where, STORE_DELIVER, &err) < 0)
        return "open";
    if (s->ops->used(s, false, &used, &err) < 0) {
        failed = "used";
    } else if (s->ops->sweep(s, &err) < 0) {
        failed = "sweep";
    } else if (s->ops->begin(s, &(struct store_about){0}, &d, &err) < 0) {
        failed = "begin";
    } else if (s->ops->write(d, span_of("x"), &err) < 0 || s->ops->ready(d, &err) < 0) {
        failed = span_is((struct span){err.text, sizeof "memory: write" - 1}, "memory: write") ? "write" : "ready";
        s->ops->abort(d);
    } else if (s->ops->commit(&d, 1, &err) != 1) {
        failed = err.kind == ERR_UNKNOWN ? "unknown" : "commit";
    }
    s->ops->close(s);
    return failed;
}

static void test_deliveries_fail_on_request(void **state)
{
    static const char *const calls[] = {"open", "begin", "write", "ready", "commit", "used", "sweep"};
    (void)state;
    unsigned count = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char where[64];
        snprintf(where, sizeof where, "memory:/mail/x?fail=%s", calls[i]);
        assert_string_equal(delivery(where), calls[i]);
    }
    assert_string_equal(delivery("memory:/mail/x?unknown"), "unknown");
    assert_null(delivery("memory:/mail/x?fail=list"));
    assert_null(session("memory:/mail/x", &count));
    assert_int_equal(count, 2);
}

static void test_made_up_messages(void **state)
{
    (void)state;
    unsigned count = 0;
    assert_null(session("memory:/mail/x?messages=200", &count));
    assert_int_equal(count, 200);
    assert_null(session("memory:/mail/x?messages=200,fd", &count)); /* it is there already, one message less */
    assert_int_equal(count, 199);
    assert_null(session("memory:/mail/y?wire,messages=97", &count));
    assert_int_equal(count, 97);
}

/* Each is what its size says, in wire form where that was asked for. */
static void test_wire(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct err err;
    struct drop drop;
    assert_int_equal(open_store("memory:/mail/x?wire,messages=120", &s, &err), 0);
    drop_init(&drop);
    assert_int_equal(s->ops->list(s, &drop, &err), 0);
    for (unsigned i = 0; i < drop.count; i++) {
        struct store_body b;
        assert_int_equal(s->ops->body(s, i, &b, &err), 0);
        assert_true(b.wire);
        assert_int_equal(b.size, b.octets);
        assert_int_equal(b.octets, drop.messages[i].octets);
        b.close(&b);
    }
    drop_fini(&drop);
    s->ops->close(s);
}

static void test_sleeps(void **state)
{
    (void)state;
    unsigned count;
    uint64_t began = clock_ms();
    assert_null(session("memory:/mail/x?messages=1,sleep=20", &count));
    assert_true(clock_ms() - began >= 100); /* open, list, body, read, remove */
}

static void test_wrong_words(void **state)
{
    static const char *const rows[] = {"memory:/mail/x?nonsense", "memory:/mail/x?fail=close",
                                       "memory:/mail/x?sleep=", "memory:/mail/x?sleep=999999999",
                                       "memory:/mail/x?messages=x"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct store *s = NULL;
        struct err err;
        assert_int_equal(open_store(rows[i], &s, &err), -1);
        assert_int_equal(err.kind, ERR_PERM);
    }
}

static void test_one_mailbox_one_session(void **state)
{
    (void)state;
    struct store *a = NULL, *b = NULL, *c = NULL;
    struct err err;
    assert_int_equal(open_store("memory:/mail/a", &a, &err), 0);
    assert_int_equal(open_store("memory:/mail/a?sleep=1", &c, &err), -1);
    assert_int_equal(err.kind, ERR_BUSY);
    assert_int_equal(open_store("memory:/mail/b", &b, &err), 0);
    a->ops->close(a);
    b->ops->close(b);
    assert_int_equal(open_store("memory:/mail/a", &a, &err), 0);
    a->ops->close(a);
}

/* list tells the totals, load the rest; what keep was told of is known to the next session. */
static void test_lazy(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct err err;
    struct drop drop, all;
    char text[200];
    assert_int_equal(open_store("memory:/mail/x?messages=2,lazy,text", &s, &err), 0);
    drop_init(&drop);
    assert_int_equal(s->ops->list(s, &drop, &err), 0);
    assert_false(drop_loaded(&drop));
    drop_init(&all);
    drop_tell(&all, drop.count, drop.octets, drop.eight_bit);
    assert_int_equal(s->ops->load(s, &all, &err), 0);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.octets, drop.octets);
    long n = s->ops->text(s, STORE_UIDL, 0, text, sizeof text, &err);
    assert_int_equal(n, strlen("1 memory.0\r\n2 memory.1\r\n"));
    assert_memory_equal(text, "1 memory.0\r\n2 memory.1\r\n", (size_t)n);
    assert_int_equal(s->ops->text(s, STORE_UIDL, (uint64_t)n, text, sizeof text, &err), 0);
    all.messages[1].downgraded = 77;
    assert_int_equal(s->ops->keep(s, &all, &err), 0);
    assert_int_equal(s->ops->keep(s, &drop, &err), 0); /* says nothing of messages, and so changes nothing */
    drop_fini(&drop);
    drop_fini(&all);
    s->ops->close(s);

    assert_int_equal(open_store("memory:/mail/x?fail=load,fail=text,fail=keep", &s, &err), 0);
    assert_int_equal(s->ops->list(s, &drop, &err), 0);
    assert_int_equal(drop.messages[1].downgraded, 77);
    assert_int_equal(s->ops->load(s, &all, &err), -1);
    assert_int_equal(s->ops->text(s, STORE_LIST, 0, text, sizeof text, &err), -1);
    assert_int_equal(s->ops->keep(s, &drop, &err), -1);
    drop_fini(&drop);
    s->ops->close(s);

    assert_int_equal(open_store("memory:/mail/x?text,text-ends=3", &s, &err), 0);
    assert_int_equal(s->ops->list(s, &drop, &err), 0);
    assert_int_equal(s->ops->text(s, STORE_LIST, 0, text, sizeof text, &err), 3);
    assert_int_equal(s->ops->text(s, STORE_LIST, 3, text, sizeof text, &err), -1);
    drop_fini(&drop);
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_fails_on_request, forget),
        cmocka_unit_test_teardown(test_deliveries_fail_on_request, forget),
        cmocka_unit_test_teardown(test_made_up_messages, forget),
        cmocka_unit_test_teardown(test_wire, forget),
        cmocka_unit_test_teardown(test_sleeps, forget),
        cmocka_unit_test_teardown(test_wrong_words, forget),
        cmocka_unit_test_teardown(test_one_mailbox_one_session, forget),
        cmocka_unit_test_teardown(test_lazy, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
