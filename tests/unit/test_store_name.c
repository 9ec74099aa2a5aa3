/* maildir_name and maildir_table: names of messages, and the table of what was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "guard.h"
#include "store/maildir_table.h"
#include "store/store.h"

static enum maildir_name_kind read_name(const char *text, size_t n, uint64_t *time, size_t *base)
{
    struct maildir_name parts = {{NULL, 0}, 0};
    char *p = guard_copy(text, n);
    enum maildir_name_kind kind = maildir_name_read((struct span){p, n}, &parts);
    *time = parts.time;
    *base = parts.base.n;
    guard_free(p);
    return kind;
}

static void test_read(void **state)
{
    static const struct {
        const char *name;
        enum maildir_name_kind kind;
        size_t base;
        uint64_t time;
    } rows[] = {
        {"1700000000.M1P2.host", MAILDIR_NAME_MESSAGE, 20, 1700000000},
        {"1700000000.M1P2.host:2,FS", MAILDIR_NAME_MESSAGE, 20, 1700000000},
        {"12:2,S:3", MAILDIR_NAME_MESSAGE, 2, 12},
        {"007", MAILDIR_NAME_MESSAGE, 3, 7},
        {"x7", MAILDIR_NAME_MESSAGE, 2, 0},
        {"-7", MAILDIR_NAME_MESSAGE, 2, 0},
        {":2,S", MAILDIR_NAME_MESSAGE, 0, 0},
        {"", MAILDIR_NAME_MESSAGE, 0, 0},
        {"18446744073709551615", MAILDIR_NAME_MESSAGE, 20, UINT64_MAX},
        {"18446744073709551616", MAILDIR_NAME_MESSAGE, 20, UINT64_MAX},
        {".", MAILDIR_NAME_HIDDEN, 1, 0},
        {".5:x", MAILDIR_NAME_HIDDEN, 2, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t time;
        size_t base;
        assert_int_equal(read_name(rows[i].name, strlen(rows[i].name), &time, &base), rows[i].kind);
        assert_int_equal(base, rows[i].base);
        assert_true(time == rows[i].time);
    }
}

static void test_read_long(void **state)
{
    (void)state;
    char name[256];
    uint64_t time;
    size_t base;
    memset(name, '9', sizeof name);
    assert_int_equal(read_name(name, 255, &time, &base), MAILDIR_NAME_MESSAGE);
    assert_int_equal(base, 255);
    assert_true(time == UINT64_MAX);
    assert_int_equal(read_name(name, 256, &time, &base), MAILDIR_NAME_LONG);
}

static void test_compare(void **state)
{
    static const char *const order[] = {"", "a", "aa", "b", "1", "01", "2", "2a", "2b", "10", "\xff"};
    (void)state;
    struct maildir_name one, other;
    for (size_t i = 0; i + 1 < 4; i++) {
        maildir_name_read(span_of(order[i]), &one);
        maildir_name_read(span_of(order[i + 1]), &other);
        assert_true(maildir_name_compare(&one, &other) < 0);
        assert_true(maildir_name_compare(&other, &one) > 0);
        assert_int_equal(maildir_name_compare(&one, &one), 0);
    }
    maildir_name_read(span_of("10"), &one);
    maildir_name_read(span_of("9"), &other);
    assert_true(maildir_name_compare(&one, &other) > 0);
    maildir_name_read(span_of("010"), &other);
    assert_true(maildir_name_compare(&one, &other) > 0);
}

/* A key is found in a name that was made for one, whatever flags follow, and in no other. */
static void test_made_names(void **state)
{
    static const char key[] = "0123456789abcdef0123456789abcdef";
    (void)state;
    char name[MAILDIR_MADE], uid[71], flagged[MAILDIR_MADE + 16];
    size_t n;
    struct maildir_stamp t = {.seconds = 1700000000, .microseconds = 42, .pid = 7, .random = 0xabcdef};
    n = maildir_name_make(&t, name);
    assert_int_equal(n, strlen(name));
    assert_string_equal(name, "1700000000.M000042P7R0000000000abcdef.bustia");
    assert_int_equal(maildir_name_key(span_of(name)).n, 0);
    t.key = key;
    n = maildir_name_make(&t, name);
    assert_int_equal(n, strlen(name));
    assert_string_equal(name, "1700000000.M000042K0123456789abcdef0123456789abcdefR0000000000abcdef");
    store_uid(span_of(name), uid);
    assert_string_equal(uid, name);
    snprintf(flagged, sizeof flagged, "%s,S=1,W=2:2,S", name);
    assert_true(span_is(maildir_name_key(span_of(flagged)), key));
    for (n = 0; n <= strlen(name); n++) {
        char *p = guard_copy(name, n);
        assert_int_equal(maildir_name_key((struct span){p, n}).n, n > 51 ? MAILDIR_KEY : 0);
        guard_free(p);
    }
    t = (struct maildir_stamp){INT64_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX, key};
    assert_in_range(maildir_name_make(&t, name), 1, MAILDIR_MADE - 1);
    t.key = NULL;
    assert_in_range(maildir_name_make(&t, name), 1, MAILDIR_MADE - 1);
    t.seconds = -5;
    maildir_name_make(&t, name);
    assert_memory_equal(name, "0.M", 3);
}

/* ---- the table */

static long add(struct maildir_table *t, const char *name, uint64_t inode)
{
    struct maildir_name parts;
    maildir_name_read(span_of(name), &parts);
    return maildir_table_add(t, MAILDIR_CUR, span_of(name), &parts, inode);
}

static void test_table(void **state)
{
    enum { N = 3000 };
    (void)state;
    struct maildir_table t;
    maildir_table_init(&t);
    assert_int_equal(maildir_table_find(&t, span_of("1.a"), 1), MAILDIR_NONE);
    for (unsigned i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.a:2,S", i * 7919 % N);
        assert_int_equal(add(&t, name, i % 3), i);
        snprintf(name, sizeof name, "%u.a", i * 7919 % N);
        assert_int_equal(maildir_table_find(&t, span_of(name), i % 3), i);
        assert_int_equal(maildir_table_find(&t, span_of(name), 4), MAILDIR_NONE);
    }
    maildir_table_sort(&t);
    for (unsigned i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "%u.a:2,S", i);
        assert_string_equal(maildir_table_name(&t, &t.entries[i]), name);
        assert_true(span_equal(maildir_table_base(&t, &t.entries[i]), (struct span){name, strlen(name) - 4}));
        assert_int_equal(maildir_table_find(&t, (struct span){name, strlen(name) - 4}, t.entries[i].inode), i);
        t.entries[i].odd = i % 2 ? "odd" : NULL;
        t.entries[i].gone = i % 5 == 0;
    }
    maildir_table_sift(&t);
    assert_int_equal(t.count, N / 2 - N / 10);
    for (unsigned i = 0; i < t.count; i++)
        assert_true(t.entries[i].time % 2 == 0 && t.entries[i].time % 5 != 0);
    assert_int_equal(maildir_table_find(&t, span_of("2.a"), t.entries[0].inode), 0);
    maildir_table_fini(&t);
}

/* Names grow and shrink as flags come and go; the memory for them does not grow without end. */
static void test_table_rename(void **state)
{
    (void)state;
    struct maildir_table t;
    maildir_table_init(&t);
    char name[256];
    memset(name, 'F', sizeof name);
    memcpy(name, "1.a:", 4);
    long a = add(&t, "1.a", 1), b = add(&t, "2.b", 2);
    for (unsigned round = 0; round < 3; round++)
        for (size_t n = 4; n <= 255; n++) {
            maildir_table_rename(&t, a, n % 2 ? MAILDIR_NEW : MAILDIR_CUR, (struct span){name, n});
            assert_memory_equal(maildir_table_name(&t, &t.entries[a]), name, n);
            assert_int_equal(strlen(maildir_table_name(&t, &t.entries[a])), n);
            assert_int_equal(t.entries[a].dir, n % 2 ? MAILDIR_NEW : MAILDIR_CUR);
            assert_int_equal(maildir_table_find(&t, span_of("1.a"), 1), a);
            assert_string_equal(maildir_table_name(&t, &t.entries[b]), "2.b");
        }
    assert_in_range(t.names_n, 1, 32 * 256);
    maildir_table_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),       cmocka_unit_test(test_read_long), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_made_names), cmocka_unit_test(test_table),     cmocka_unit_test(test_table_rename),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
