/* What a Maildir holds: names, order, unique ids, strange entries, and where it may lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "place.h"
#include "store/maildir.h"

static struct store *open_list(const struct place *p, struct drop *drop)
{
    return place_open_list(p, &store_maildir, drop);
}

static void shut(struct store *s, struct drop *drop)
{
    drop_fini(drop);
    s->ops->close(s);
}

/* The listing has exactly these messages, told by their texts, in this order. */
static void expect_order(const struct place *p, unsigned n, const char *const texts[])
{
    struct drop drop;
    struct store *s = open_list(p, &drop);
    assert_int_equal(drop.count, n);
    for (unsigned i = 0; i < n; i++)
        place_expect(s, i, texts[i]);
    shut(s, &drop);
}

static void expect_uids(const struct place *p, unsigned n, const char *const uids[])
{
    struct drop drop;
    struct store *s = open_list(p, &drop);
    assert_int_equal(drop.count, n);
    for (unsigned i = 0; i < n; i++)
        assert_string_equal(drop.messages[i].uid, uids[i]);
    shut(s, &drop);
}

/* ---- order */

static void test_order(void **state)
{
    struct place *p = *state;
    place_text(p, "cur/1000.b:2,S", "6");
    place_text(p, "new/999.z", "5");
    place_text(p, "new/1000.c", "7");
    place_text(p, "cur/20.x,S=1:2,", "3");
    place_text(p, "new/0020.w", "2");
    place_text(p, "new/nodigits", "1");
    place_text(p, "cur/20.x:2,RS", "4");
    place_text(p, "cur/65537.y:2,S", "8"); /* by all of its octets */
    place_text(p, "new/4294967297.y", "9");
    place_text(p, "new/99999999999999999999999999.x", "10");
    /* "20.x" sorts before "20.x,S=1", whatever the flags */
    const char *const texts[] = {"1", "2", "4", "3", "5", "6", "7", "8", "9", "10"};
    expect_order(p, 10, texts);
}

static void test_names_of_every_kind(void **state)
{
    struct place *p = *state;
    char name[4 + 255 + 1];
    memset(name, 'n', sizeof name);
    memcpy(name, "new/", 4);
    name[sizeof name - 1] = '\0';
    place_text(p, name, "255\n");
    memcpy(name, "cur/", 4);
    name[4 + 70] = ':';
    place_text(p, name, "70 and flags\n");
    place_text(p, "new/with space", "space\n");
    place_text(p, "new/with\nnewline\ttab\x7f", "control\n");
    place_text(p, "new/\xc3\xa9\xff\x80", "8 bit\n");
    place_text(p, "cur/:2,S", "no base\n");
    place_text(p, "cur/,x:2,S", "nothing before the comma\n");
    place_text(p, "new/.hidden", "hidden\n");
    place_text(p, "new/..hidden", "hidden\n");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    assert_int_equal(drop.count, 7);
    unsigned plain = 0;
    for (unsigned i = 0; i < drop.count; i++) {
        struct store_body b;
        struct err err;
        size_t n;
        char *text = place_body(s, i, &n, &b, &err);
        assert_non_null(text);
        mem_free(text);
        size_t length = strlen(drop.messages[i].uid);
        plain += drop.messages[i].uid[0] != ':';
        assert_true(drop.messages[i].uid[0] == ':' ? length == 65 : length == 70);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(drop.messages[i].uid, drop.messages[k].uid);
        drop_mark(&drop, i);
    }
    assert_int_equal(plain, 1);
    size_t left = 9;
    struct err err;
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(place_count(p, "new"), 2);
    assert_int_equal(place_count(p, "cur"), 0);
    shut(s, &drop);
}

/* Sizes in names are what other programs once believed. */
static void test_sizes_in_names_lie(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.a,S=5000,W=6000", "a\nb\n");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    assert_int_equal(drop.messages[0].octets, 6);
    assert_string_equal(drop.messages[0].uid, "1.a");
    shut(s, &drop);
}

/* ---- unique ids */

static void test_uid_collisions_do_not_depend_on_creation(void **state)
{
    static const char *const names[] = {"new/10.a,S=2", "cur/10.a,S=1:2,S", "new/10.a+", "cur/10.a:2,"};
    static const char *const orders[] = {"0123", "3210", "1302", "2031"};
    struct place *p = *state;
    char uids[4][71] = {{0}};
    for (size_t round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++)
            place_text(p, names[orders[round][i] - '0'], names[orders[round][i] - '0']);
        struct drop drop;
        struct store *s = open_list(p, &drop);
        assert_int_equal(drop.count, 4);
        const char *const texts[] = {names[3], names[2], names[1], names[0]};
        for (unsigned i = 0; i < 4; i++)
            place_expect(s, i, texts[i]);
        assert_string_equal(drop.messages[0].uid, "10.a");
        assert_string_equal(drop.messages[1].uid, "10.a+");
        for (unsigned i = 2; i < 4; i++) {
            char uid[71], base[16];
            snprintf(base, sizeof base, "10.a,S=%u", i - 1);
            store_uid_second(span_of(base), place_inode(p, texts[i]), uid);
            assert_string_equal(drop.messages[i].uid, uid);
            assert_string_not_equal(drop.messages[i].uid, uids[3]);
        }
        shut(s, &drop);
        for (int i = 0; i < 4; i++)
            place_remove(p, names[i]);
    }
}

/* Of two files with the same base the lower inode keeps the plain uid, wherever it lies. */
static void test_same_base_other_inode(void **state)
{
    struct place *p = *state;
    for (int round = 0; round < 2; round++) {
        place_text(p, "tmp/first", "first");
        place_text(p, "tmp/second", "second");
        place_rename(p, "tmp/first", round ? "cur/5.x:2,S" : "new/5.x");
        place_rename(p, "tmp/second", round ? "new/5.x" : "cur/5.x:2,S");
        uint64_t in_new = place_inode(p, "new/5.x"), in_cur = place_inode(p, "cur/5.x:2,S");
        uint64_t higher = in_new > in_cur ? in_new : in_cur;
        char second[71];
        store_uid_second(span_of("5.x"), higher, second);
        expect_uids(p, 2, (const char *[]){"5.x", second});
        bool first_is_lower = (in_new < in_cur) == (round == 0);
        expect_order(p, 2, first_is_lower ? (const char *[]){"first", "second"} : (const char *[]){"second", "first"});
        struct drop drop;
        struct err err;
        size_t left;
        struct store *s = open_list(p, &drop);
        drop_mark(&drop, 0);
        assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
        shut(s, &drop);
        expect_order(p, 1, first_is_lower ? (const char *[]){"second"} : (const char *[]){"first"});
        s = open_list(p, &drop);
        drop_mark(&drop, 0);
        assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
        shut(s, &drop);
    }
}

/* One file under two names of one base is one message, and removed under both. */
static void test_same_base_same_inode(void **state)
{
    struct place *p = *state;
    char a[PLACE_PATH], b[PLACE_PATH];
    place_text(p, "new/7.x", "linked");
    place_path(p, "new/7.x", a);
    place_path(p, "cur/7.x:2,S", b);
    assert_int_equal(link(a, b), 0);
    place_path(p, "cur/7.x:2,FS", b);
    assert_int_equal(link(a, b), 0);
    place_path(p, "cur/8.y:2,S", b); /* another base: another message, of the same octets */
    assert_int_equal(link(a, b), 0);
    struct drop drop;
    struct err err;
    size_t left = 9;
    struct store *s = open_list(p, &drop);
    assert_int_equal(drop.count, 2);
    assert_string_equal(drop.messages[0].uid, "7.x");
    assert_string_equal(drop.messages[1].uid, "8.y");
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    assert_int_equal(place_count(p, "new"), 0);
    assert_int_equal(place_count(p, "cur"), 1);
    place_expect(s, 1, "linked");
    shut(s, &drop);
}

/* ---- strange entries */

static void make_socket(const struct place *p, const char *name)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_true(strlen(path) < sizeof a.sun_path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
}

static void make_link(const struct place *p, const char *name, const char *to)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(symlink(to, path), 0);
}

static void make_strange(const struct place *p)
{
    char path[PLACE_PATH];
    make_link(p, "new/2.absolute", "/etc/passwd");
    make_link(p, "cur/2.relative:2,S", "../../../../etc/passwd");
    make_link(p, "cur/2.inside:2,S", "../new/1.good");
    make_link(p, "cur/2.dangling", "nowhere");
    make_link(p, "new/2.loop", "2.loop");
    place_path(p, "new/2.fifo", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    place_path(p, "cur/2.directory:2,S", path);
    assert_int_equal(mkdir(path, 0700), 0);
    make_socket(p, "cur/2.s");
    place_path(p, "new/2.device", path);
    if (geteuid() == 0)
        assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(1, 5)), 0); /* /dev/zero: has no end */
    place_text(p, "new/2.holes", "");
    place_path(p, "new/2.holes", path);
    if (truncate(path, (off_t)1 << 40) < 0) /* hours to read */
        assert_int_equal(errno, EFBIG);
}

static void test_strange_entries_are_passed_over(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.good", "good\n");
    place_text(p, "cur/3.good:2,S", "too\n");
    make_strange(p);
    expect_order(p, 2, (const char *[]){"good\n", "too\n"});
}

/* Each is told, up to a bound: a peer that fills the maildrop must not fill the log. */
static void test_strange_entries_are_told(void **state)
{
    struct place *p = *state;
    char text[16384] = "";
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "new/%d.link", i);
        make_link(p, name, "/etc/passwd");
    }
    place_text(p, "tmp/log", "");
    char path[PLACE_PATH];
    place_path(p, "tmp/log", path);
    int log = open(path, O_RDWR | O_APPEND | O_CLOEXEC), before = dup(2);
    assert_true(log >= 0 && before >= 0 && dup2(log, 2) == 2);
    expect_order(p, 0, NULL);
    assert_true(dup2(before, 2) == 2);
    close(before);
    ssize_t n = pread(log, text, sizeof text - 1, 0);
    close(log);
    unsigned lines = 0;
    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    assert_int_equal(lines, 11);
    assert_non_null(strstr(text, "3.link"));
    assert_non_null(strstr(text, "symbolic link"));
    assert_non_null(strstr(text, "30 more"));
}

/* ---- what happens to a message during the session */

static void expect_body_fails(struct store *s, unsigned msg, enum err_kind kind)
{
    struct store_body b;
    struct err err = {0};
    assert_int_equal(s->ops->body(s, msg, &b, &err), -1);
    assert_int_equal(err.kind, kind);
    assert_true(strlen(err.text) > 0);
}

static void test_renamed_messages_are_found(void **state)
{
    static const char *const names[] = {
        "new/1.a", "cur/1.a:2,", "cur/1.a:2,S", "cur/1.a:2,FRSabcdefghijklmnopqrstuvwxyz", "new/1.a:2,S", "cur/1.a"};
    enum { NAMES = sizeof names / sizeof *names };
    struct place *p = *state;
    place_text(p, names[0], "wanted\n");
    place_text(p, "new/2.b", "other\n");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    for (unsigned i = 0; i < NAMES; i++) {
        if (i)
            place_rename(p, names[i - 1], names[i]);
        place_expect(s, 0, "wanted\n");
        place_expect(s, 1, "other\n");
    }
    place_rename(p, names[NAMES - 1], "cur/1.a:2,ST");
    drop_mark(&drop, 0);
    struct err err;
    size_t left = 9;
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(place_count(p, "cur"), 0);
    assert_int_equal(place_count(p, "new"), 1);
    shut(s, &drop);
}

static void test_vanished(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.a", "a\n");
    place_text(p, "new/2.b", "b\n");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    place_remove(p, "new/1.a");
    expect_body_fails(s, 0, ERR_GONE);
    place_expect(s, 1, "b\n");
    drop_mark(&drop, 0);
    struct err err;
    size_t left = 9;
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    shut(s, &drop);
}

/* Another file under the listed name is not the message: neither served nor removed. */
static void test_replaced(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.a", "mine\n");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    place_text(p, "tmp/other", "other\n");
    place_rename(p, "tmp/other", "new/1.a");
    expect_body_fails(s, 0, ERR_GONE);
    shut(s, &drop);
    expect_order(p, 1, (const char *[]){"other\n"});
    s = open_list(p, &drop);
    place_text(p, "tmp/third", "third\n");
    place_rename(p, "tmp/third", "new/1.a");
    drop_mark(&drop, 0);
    struct err err;
    size_t left = 9;
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    shut(s, &drop);
    expect_order(p, 1, (const char *[]){"third\n"});
}

static void test_changed(void **state)
{
    struct place *p = *state;
    static const char *const names[] = {"new/1.longer", "new/2.shorter", "new/3.empty", "new/4.same"};
    static const char *const now[] = {"text and more\n", "te\n", "", "TEXT\n"};
    for (unsigned i = 0; i < 4; i++)
        place_text(p, names[i], "text\n");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    for (unsigned i = 0; i < 4; i++) {
        place_expect(s, i, "text\n");
        char path[PLACE_PATH];
        place_path(p, names[i], path);
        usleep(12000); /* a time stamp of the kernel's clock tick later */
        place_text(p, names[i], now[i]);
        expect_body_fails(s, i, ERR_TEMP);
    }
    shut(s, &drop);
}

/* The number of the inode may well pass to what takes the message's place. */
static void test_changed_in_kind(void **state)
{
    struct place *p = *state;
    for (int kind = 0; kind < 4; kind++) {
        char path[PLACE_PATH];
        place_text(p, "new/1.a", "a\n");
        place_path(p, "new/1.a", path);
        struct drop drop;
        struct store *s = open_list(p, &drop);
        assert_int_equal(drop.count, 1);
        place_remove(p, "new/1.a");
        if (kind == 0)
            assert_int_equal(mkfifo(path, 0600), 0);
        else if (kind == 1)
            assert_int_equal(symlink("/etc/passwd", path), 0);
        else if (kind == 2)
            make_socket(p, "new/1.a");
        else
            assert_int_equal(mkdir(path, 0700), 0);
        expect_body_fails(s, 0, ERR_GONE);
        drop_mark(&drop, 0);
        struct err err;
        size_t left = 9;
        assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
        assert_true(place_has(p, "new/1.a"));
        shut(s, &drop);
        assert_int_equal(kind == 3 ? rmdir(path) : unlink(path), 0);
    }
}

/* The daemon notices a file that shrinks under its descriptor by a read that ends too early. */
static void test_shrinks_while_it_is_sent(void **state)
{
    struct place *p = *state;
    place_text(p, "new/1.a", "0123456789");
    struct drop drop;
    struct store *s = open_list(p, &drop);
    struct store_body b;
    struct err err;
    char piece[16], path[PLACE_PATH];
    assert_int_equal(s->ops->body(s, 0, &b, &err), 0);
    assert_int_equal(b.size, 10);
    place_path(p, "new/1.a", path);
    assert_int_equal(truncate(path, 4), 0);
    assert_int_equal(pread(b.fd, piece, sizeof piece, (off_t)b.offset), 4);
    b.close(&b);
    shut(s, &drop);
}

/* Another who reads it leaves a time of access: this is no file system that keeps none. */
static bool reading_is_seen(const char *path)
{
    char text[8];
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text) > 0);
    close(fd);
    assert_int_equal(stat(path, &st), 0);
    return st.st_atim.tv_sec > 1;
}

/* Who reads a message writes nothing: its time of access stays, where the kernel would set it at the first reading. */
static void test_reading_leaves_no_trace(void **state)
{
    static const struct timespec old[] = {{1, 0}, {2, 0}};
    struct place *p = *state;
    char path[PLACE_PATH];
    place_path(p, "new/1.a", path);
    place_text(p, "new/1.a", "Subject: x\n\nbody\n");
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    if (!reading_is_seen(path))
        skip();
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    struct drop drop;
    struct store *s = open_list(p, &drop);
    place_expect(s, 0, "Subject: x\n\nbody\n");
    shut(s, &drop);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_atim.tv_sec, 1);
}

/* ---- many */

static void test_many_messages(void **state)
{
    enum { N = 20000 };
    struct place *p = *state;
    for (unsigned i = 0; i < N; i++) {
        char name[64];
        unsigned k = (i * 7919) % N;
        snprintf(name, sizeof name, "%s/%u.M%uP1.host,S=%u%s", k % 2 ? "new" : "cur", 1600000000 + k / 3, k, k,
                 k % 2 ? "" : ":2,S");
        place_text(p, name, "Subject: x\n\nbody\n");
    }
    struct drop drop;
    struct store *s = open_list(p, &drop);
    assert_int_equal(drop.count, N);
    assert_int_equal(drop.octets, (uint64_t)N * 20);
    for (unsigned i = 1; i < N; i++) /* times of as many digits, three messages each */
        assert_true(strcmp(drop.messages[i - 1].uid, drop.messages[i].uid) < 0);
    for (unsigned i = 0; i < N; i += 2)
        drop_mark(&drop, i);
    struct err err;
    size_t left = 9;
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(place_count(p, "new") + place_count(p, "cur"), N / 2);
    shut(s, &drop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(order),
        TEST(names_of_every_kind),
        TEST(sizes_in_names_lie),
        TEST(uid_collisions_do_not_depend_on_creation),
        TEST(same_base_other_inode),
        TEST(same_base_same_inode),
        TEST(strange_entries_are_passed_over),
        TEST(strange_entries_are_told),
        TEST(renamed_messages_are_found),
        TEST(vanished),
        TEST(replaced),
        TEST(changed),
        TEST(changed_in_kind),
        TEST(shrinks_while_it_is_sent),
        TEST(reading_leaves_no_trace),
        TEST(many_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
