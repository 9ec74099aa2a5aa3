/* The index beside a Maildir: an unchanged maildrop is not looked into, and whatever becomes of the index or of the
 * messages, what a client is told is what counting anew would tell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sum.h"
#include "fault.h"
#include "place.h"
#include "store/maildir.h"
#include "store/maildir_index.h"
#include "store/maildir_index_out.h"

enum { TICK_US = 12000, TEXT = 1 << 20 };

static const char *const first_names[] = {"new/1.a", "cur/2.b:2,S", "new/3.c,S=9", "cur/3.c,S=8:2,", "new/4 with blanks"};
static const char *const first_texts[] = {"Subject: a\n\ntext\n", "x\r\ny\r\n", ".\n", "Subject: \303\244\n\nb\n", ""};
enum { FIRST = sizeof first_names / sizeof *first_names };

static void settle(void)
{
    usleep(TICK_US); /* the kernel stamps by its tick: what came before it is older than what comes now */
}

static void fill(const struct place *p)
{
    for (unsigned i = 0; i < FIRST; i++)
        place_text(p, first_names[i], first_texts[i]);
    settle();
}

/* ---- another program, in the midst of a reading of a directory */

static void (*meanwhile)(const struct place *p); /* done once, after so many more calls */
static const struct place *meanwhile_in;
static unsigned meanwhile_after;

ssize_t getdents64(int fd, void *p, size_t n);
ssize_t getdents64(int fd, void *p, size_t n)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "getdents64");
    ssize_t got = next(fd, p, n);
    if (meanwhile && !meanwhile_after--) {
        void (*now)(const struct place *) = meanwhile;
        meanwhile = NULL;
        now(meanwhile_in);
    }
    return got;
}

/* ---- what a client is told */

struct told {
    char text[TEXT]; /* both listings, and each message */
    size_t n;
    bool loaded; /* list has filled it */
};

static void add(struct told *t, const char *p, size_t n)
{
    assert_true(t->n + n < sizeof t->text);
    memcpy(t->text + t->n, p, n);
    t->n += n;
    t->text[t->n] = '\0';
}

static void add_listing(struct told *t, struct store *s, struct drop *drop, enum store_text which)
{
    struct err err;
    char piece[4096];
    long n;
    uint64_t at = 0;
    while (!drop_loaded(drop) && (n = s->ops->text(s, which, at, piece, sizeof piece, &err)) > 0) {
        add(t, piece, (size_t)n);
        at += (uint64_t)n;
    }
    if (!drop_loaded(drop) && n == 0)
        return;
    assert_int_equal(at, 0);
    assert_int_equal(drop_loaded(drop) ? 0 : s->ops->load(s, drop, &err), 0);
    for (unsigned i = 0; i < drop->count; i++) {
        int wrote = which == STORE_LIST ? snprintf(piece, sizeof piece, "%u %llu\r\n", i + 1,
                                                   (unsigned long long)drop->messages[i].octets)
                                        : snprintf(piece, sizeof piece, "%u %s\r\n", i + 1, drop->messages[i].uid);
        add(t, piece, (size_t)wrote);
    }
}

static void add_bodies(struct told *t, struct store *s, struct drop *drop)
{
    struct err err;
    if (!drop_loaded(drop))
        assert_int_equal(s->ops->load(s, drop, &err), 0);
    for (unsigned i = 0; i < drop->count; i++) {
        struct store_body b;
        size_t n;
        char *body = place_body(s, i, &n, &b, &err);
        assert_non_null(body);
        char line[64];
        add(t, line, (size_t)snprintf(line, sizeof line, "%u %llu: ", i + 1, (unsigned long long)b.octets));
        add(t, body, n);
        mem_free(body);
    }
}

/* One session. What it has found out is kept. */
static void session(const struct place *p, struct told *t, bool bodies)
{
    struct drop drop;
    struct err err;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    t->n = 0;
    t->loaded = drop_loaded(&drop);
    uint64_t octets = drop.octets;
    unsigned count = drop.count;
    char totals[64];
    add(t, totals, (size_t)snprintf(totals, sizeof totals, "%u %llu\r\n", count, (unsigned long long)octets));
    add_listing(t, s, &drop, STORE_LIST);
    add_listing(t, s, &drop, STORE_UIDL);
    if (bodies)
        add_bodies(t, s, &drop);
    assert_int_equal(drop.count, count);
    assert_int_equal(drop.octets, octets);
    s->ops->keep(s, &drop, &err);
    drop_fini(&drop);
    s->ops->close(s);
}

static struct told *told(const struct place *p, bool bodies)
{
    struct told *t = mem_alloc(sizeof *t);
    session(p, t, bodies);
    return t;
}

static void expect_told(const struct place *p, bool bodies, const struct told *truth)
{
    struct told *t = told(p, bodies);
    assert_string_equal(t->text, truth->text);
    mem_free(t);
}

/* The same as after a count of all; then with the index that this has written, too, which is believed. */
static void expect_truth(const struct place *p)
{
    struct told *now = told(p, true);
    if (place_has(p, MAILDIR_INDEX))
        place_remove(p, MAILDIR_INDEX);
    struct told *afresh = told(p, true), *again = told(p, true);
    assert_true(afresh->loaded);
    assert_string_equal(now->text, afresh->text);
    assert_string_equal(again->text, afresh->text);
    mem_free(now);
    mem_free(afresh);
    mem_free(again);
}

static char *read_index(const struct place *p, size_t *n)
{
    char path[PLACE_PATH];
    place_path(p, MAILDIR_INDEX, path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = mem_alloc(TEXT);
    *n = fread(text, 1, TEXT, f);
    fclose(f);
    return text;
}

/* ---- as long as nothing changes */

static void test_unchanged_is_not_scanned(void **state)
{
    struct place *p = *state;
    fill(p);
    struct told *counted = told(p, false);
    assert_true(counted->loaded);
    fault_rules("readdir:EIO:/anna/:1;openat:EIO:/anna/new:1;openat:EIO:/anna/cur:1");
    struct told *believed = told(p, false);
    assert_int_equal(fault_hits(), 0);
    fault_rules("");
    assert_false(believed->loaded);
    assert_string_equal(believed->text, counted->text);
    expect_truth(p);
    mem_free(counted);
    mem_free(believed);
}

static void test_empty_is_not_scanned(void **state)
{
    struct place *p = *state;
    settle();
    mem_free(told(p, false));
    fault_rules("readdir:EIO:/anna/:1");
    mem_free(told(p, true));
    assert_int_equal(fault_hits(), 0);
    fault_rules("");
}

/* What is known is not read again when something comes. */
static void test_one_more_is_one_count(void **state)
{
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    place_text(p, "new/9.z", "z\n");
    settle();
    fault_rules("openat:SLOW:/anna/new/:1;openat:SLOW:/anna/cur/:1");
    mem_free(told(p, false));
    assert_int_equal(fault_hits(), 1);
    fault_rules("");
    expect_truth(p);
}

static unsigned parts_of(const struct place *p)
{
    size_t n;
    char *index = read_index(p, &n);
    struct maildir_index_head head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    assert_true(maildir_index_head_read(index, &head, parts));
    mem_free(index);
    return head.parts;
}

/* What comes to the end is written behind the rest, until there are too many parts of it; what comes before, or would bear the
 * name of another, has all written anew. */
static void test_comes_to_the_end(void **state)
{
    static const char *const rules[] = {"write:ENOSPC:bustia-index:1", "openat:EROFS:bustia-index:2", "close:EIO:bustia-index:1"};
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    for (unsigned i = 0; i < 2 * MAILDIR_INDEX_PARTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%u.z", i % 3 ? "new" : "cur", 10 + i);
        place_text(p, name, i % 4 ? "z\n" : "Subject: \303\244\n\nz\n");
        settle();
        struct told *t = told(p, true), *again = told(p, true);
        assert_string_equal(t->text, again->text);
        assert_int_equal(t->loaded, i % MAILDIR_INDEX_PARTS == MAILDIR_INDEX_PARTS - 1);
        assert_int_equal(parts_of(p), (i + 1) % MAILDIR_INDEX_PARTS + 1);
        mem_free(t);
        mem_free(again);
    }
    place_text(p, "new/50.same,S=1", "one\n");
    settle();
    mem_free(told(p, false));
    assert_int_equal(parts_of(p), 2);
    place_text(p, "cur/50.same,S=2:2,", "two\n");
    settle();
    mem_free(told(p, false));
    assert_int_equal(parts_of(p), 1);
    for (unsigned i = 0; i < sizeof rules / sizeof *rules; i++) {
        char name[64];
        snprintf(name, sizeof name, "new/%u.z", 60 + i);
        place_text(p, name, "z\n");
        settle();
        fault_rules(rules[i]);
        struct told *t = told(p, true);
        assert_true(fault_hits() > 0);
        fault_rules("");
        struct told *again = told(p, true);
        assert_string_equal(t->text, again->text);
        mem_free(t);
        mem_free(again);
    }
    expect_truth(p);
}

/* ---- whatever becomes of the index */

static void test_each_octet_flipped(void **state)
{
    struct place *p = *state;
    fill(p);
    struct told *truth = told(p, true);
    size_t n, other;
    char *index = read_index(p, &n);
    for (size_t i = 0; i < n; i++) {
        index[i] ^= (char)(1 << i % 8);
        place_write(p, MAILDIR_INDEX, (struct span){index, n});
        expect_told(p, true, truth);
        index[i] ^= (char)(1 << i % 8);
    }
    char *last = read_index(p, &other); /* the last one was mended */
    assert_int_equal(other, n);
    mem_free(last);
    mem_free(index);
    mem_free(truth);
}

static void test_each_length(void **state)
{
    struct place *p = *state;
    fill(p);
    struct told *truth = told(p, true);
    size_t n;
    char *index = read_index(p, &n);
    for (size_t i = 0; i < n; i++) {
        place_write(p, MAILDIR_INDEX, (struct span){index, i});
        expect_told(p, true, truth);
    }
    mem_free(index);
    mem_free(truth);
}

/* By who computes the sums as well. */
static void forge_row(const struct place *p, unsigned way)
{
    size_t n;
    char *index = read_index(p, &n);
    struct maildir_index_head head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    struct maildir_index_row row;
    assert_true(maildir_index_head_read(index, &head, parts));
    char *rows = index + parts[0].section[MAILDIR_INDEX_ROWS].at;
    memcpy(&row, rows + sizeof row, sizeof row);
    row.name = way == 0 ? UINT32_MAX : row.name;
    row.name_n = (uint8_t)(way == 1 ? row.name_n - 1 : row.name_n);
    row.uid_n = way == 2 ? 0 : row.uid_n;
    row.octets += way == 3;
    row.flags ^= way == 4 ? MAILDIR_INDEX_EIGHT_BIT : 0;
    memcpy(rows + sizeof row, &row, sizeof row);
    parts[0].section[MAILDIR_INDEX_ROWS].sum = sum_of(rows, parts[0].section[MAILDIR_INDEX_ROWS].n);
    maildir_index_head_write(&head, parts, index);
    place_write(p, MAILDIR_INDEX, (struct span){index, n});
    mem_free(index);
}

/* Whoever computes the sums as well cannot have more room made for it than its file has octets. */
static void test_sections_that_take_room(void **state)
{
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    size_t n;
    char *index = read_index(p, &n), block[MAILDIR_INDEX_HEAD];
    struct maildir_index_head head, read;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS], read_parts[MAILDIR_INDEX_PARTS];
    for (unsigned way = 0; way < 6; way++) {
        assert_true(maildir_index_head_read(index, &head, parts));
        struct maildir_index_part *one = &parts[0], *two = &parts[1];
        uint64_t names = FIRST * (uint64_t)(MAILDIR_NAME_MAX + 1 + STORE_UID);
        if (way == 1) /* so much each may have */
            one->section[MAILDIR_INDEX_NAMES].n = names;
        if (way == 2)
            one->section[MAILDIR_INDEX_NAMES].n = names + 1;
        if (way == 3)
            one->section[MAILDIR_INDEX_UIDL].at--;
        if (way >= 4) { /* the same rows twice; and behind the first */
            *two = *one;
            head.parts = 2;
            head.messages = 2 * FIRST;
        }
        for (unsigned i = 0; way == 5 && i < MAILDIR_INDEX_SECTIONS; i++)
            two->section[i].at += n - MAILDIR_INDEX_HEAD;
        maildir_index_head_write(&head, parts, block);
        assert_int_equal(maildir_index_head_read(block, &read, read_parts), way <= 1 || way == 5);
    }
    mem_free(index);
}

/* What grows beyond what an index may be is not written to its end before that is said. */
static void test_too_much_is_not_written(void **state)
{
    static char piece[60000];
    char path[PLACE_PATH];
    struct stat st;
    struct maildir_index_out out;
    place_path(*state, "tmp/out", path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    maildir_index_out_init(&out, fd, MAILDIR_INDEX_MOST - 10 * sizeof piece);
    for (unsigned i = 0; i < 10; i++)
        maildir_index_put(&out, piece, sizeof piece);
    assert_int_equal(out.failed, 0);
    for (unsigned i = 0; i < 10; i++)
        maildir_index_put(&out, piece, sizeof piece);
    assert_int_equal(out.failed, EFBIG);
    assert_int_equal(maildir_index_out_end(&out, piece), -1);
    assert_int_equal(errno, EFBIG);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true((uint64_t)st.st_size <= MAILDIR_INDEX_MOST);
    close(fd);
}

/* How often this is said in sessions of which each finds a damaged index. */
static unsigned said(const struct place *p, const char *what, unsigned sessions)
{
    char path[PLACE_PATH], *text = mem_alloc(TEXT);
    place_path(p, "tmp/log", path);
    int log = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600), before = dup(2);
    assert_true(log >= 0 && before >= 0 && dup2(log, 2) == 2);
    for (unsigned i = 0; i < sessions; i++)
        mem_free(told(p, true));
    assert_true(dup2(before, 2) == 2 && pread(log, text, TEXT - 1, 0) >= 0);
    close(before);
    close(log);
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    mem_free(text);
    return n;
}

/* Where it cannot be removed, that is not said at each log-in. */
static void test_damaged_on_a_disk_that_is_read_only(void **state)
{
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    size_t n;
    char *index = read_index(p, &n);
    index[n - 2] ^= 1; /* a name */
    place_write(p, MAILDIR_INDEX, (struct span){index, n});
    fault_rules("unlinkat:EROFS:bustia-index:1-99;openat:EROFS:bustia-index.new:1-99");
    assert_true(said(p, MAILDIR_INDEX, 5) <= 1);
    assert_true(fault_hits() >= 5);
    fault_rules("");
    assert_int_equal(said(p, "is damaged, and made anew", 3), 1);
    mem_free(index);
    expect_truth(p);
}

/* What says that it has all in memory does not go to the disk: rows that are none are found by who is asked, not by who loads. */
static void test_rows_that_are_none_are_not_at_hand(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    fill(p);
    struct told *truth = told(p, true);
    for (unsigned way = 0; way <= 5; way++) {
        forge_row(p, way);
        struct store *s = place_open_list(p, &store_maildir, &drop);
        assert_false(drop_loaded(&drop));
        assert_int_equal(s->ops->at_hand(s), way == 5); /* a row that is as it was */
        assert_int_equal(s->ops->at_hand(s), way == 5);
        fault_rules("readdir:SLOW:/anna/:1");
        assert_int_equal(s->ops->load(s, &drop, &err), 0);
        assert_int_equal(fault_hits() > 0, way != 5);
        fault_rules("");
        assert_int_equal(drop.count, FIRST);
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
        expect_told(p, true, truth);
    }
    mem_free(truth);
}

/* Longer than a piece of it: what was sound when the listing began and is shorter now ends this session, and no other. */
static void test_cut_while_it_is_sent(void **state)
{
    struct place *p = *state;
    for (unsigned i = 0; i < 900; i++) {
        char name[64];
        snprintf(name, sizeof name, "new/%u.a", 1000 + i);
        place_text(p, name, "x\n");
    }
    settle();
    struct told *truth = told(p, false);
    struct drop drop;
    struct err err;
    char piece[1000], path[PLACE_PATH];
    for (unsigned way = 0; way < 2; way++) {
        struct store *s = place_open_list(p, &store_maildir, &drop);
        assert_false(drop_loaded(&drop));
        assert_int_equal(s->ops->text(s, STORE_UIDL, 0, piece, sizeof piece, &err), sizeof piece);
        place_path(p, MAILDIR_INDEX, path);
        if (way == 0)
            assert_int_equal(truncate(path, MAILDIR_INDEX_HEAD + 7000), 0);
        else {
            int fd = open(path, O_WRONLY | O_CLOEXEC); /* other octets, in the same place */
            assert_true(fd >= 0 && pwrite(fd, "1 x\r\n", 5, MAILDIR_INDEX_HEAD + 9000) == 5);
            close(fd);
        }
        long n = 0;
        uint64_t at = sizeof piece;
        while ((n = s->ops->text(s, STORE_UIDL, at, piece, sizeof piece, &err)) > 0)
            at += (uint64_t)n;
        assert_int_equal(n, -1);
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
        expect_told(p, false, truth);
    }
    mem_free(truth);
}

static void test_of_another_maildrop(void **state)
{
    struct place *p = *state;
    struct place other;
    fill(p);
    mem_free(told(p, true));
    size_t n;
    char *index = read_index(p, &n);
    place_maildir(&other);
    place_text(&other, "new/1.a", "of another\n");
    place_text(&other, "cur/7.b", "and more\n");
    settle();
    struct told *truth = told(&other, true);
    place_write(&other, MAILDIR_INDEX, (struct span){index, n});
    struct told *t = told(&other, true);
    assert_string_equal(t->text, truth->text);
    expect_truth(&other);
    mem_free(t);
    mem_free(truth);
    mem_free(index);
    place_free(&other);
}

/* Something else stands in its place, or it may not be read or written. */
static void test_in_its_place(void **state)
{
    static const char *const rules[] = {"openat:EACCES:bustia-index:1",       "openat:EROFS:bustia-index.new:1",
                                        "write:ENOSPC:bustia-index.new:1",    "write:SHORT:bustia-index.new:1-2000",
                                        "rename:EIO:bustia-index:1",          "close:EIO:bustia-index.new:1",
                                        "read:EIO:bustia-index:1",            "read:EIO:bustia-index:2"};
    struct place *p = *state;
    char path[PLACE_PATH];
    place_path(p, MAILDIR_INDEX, path);
    fill(p);
    struct told *truth = told(p, true), *t;
    for (unsigned i = 0; i < 3 + sizeof rules / sizeof *rules; i++) {
        if (place_has(p, MAILDIR_INDEX) && (i < 3 || i % 2))
            place_remove(p, MAILDIR_INDEX);
        if (i == 0)
            assert_int_equal(mkfifo(path, 0600), 0);
        else if (i == 1)
            assert_int_equal(symlink("new/1.a", path), 0);
        else if (i == 2)
            assert_int_equal(mkdir(path, 0700), 0);
        else
            fault_rules(rules[i - 3]);
        for (unsigned times = 0; times < 2; times++) {
            t = told(p, true);
            assert_string_equal(t->text, truth->text);
            mem_free(t);
        }
        fault_rules("");
        assert_false(place_has(p, MAILDIR_INDEX_FRESH));
        if (i == 2)
            assert_int_equal(rmdir(path), 0);
    }
    place_text(p, MAILDIR_INDEX_FRESH, "left by a crash"); /* is in nobody's way */
    expect_truth(p);
    assert_false(place_has(p, MAILDIR_INDEX_FRESH));
    mem_free(truth);
}

/* What the index says is not believed: the directories are read, and the truth is told. */
static void expect_read_anew(struct place *p, const struct told *truth)
{
    fault_rules("readdir:SLOW:/anna/:1");
    struct told *t = told(p, false);
    assert_true(fault_hits() > 0);
    fault_rules("");
    assert_string_equal(t->text, truth->text);
    mem_free(t);
}

/* Its own head says that it was written in the future, or that new/ was. */
static void test_clock_set_back(void **state)
{
    struct place *p = *state;
    fill(p);
    struct told *truth = told(p, false);
    for (unsigned way = 0; way < 2; way++) {
        size_t n;
        char *index = read_index(p, &n), block[MAILDIR_INDEX_HEAD];
        struct maildir_index_head head;
        struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
        assert_true(maildir_index_head_read(index, &head, parts));
        if (way == 0)
            head.looked += INT64_C(3600000000000);
        else
            head.state[MAILDIR_NEW].changed = 0;
        maildir_index_head_write(&head, parts, block);
        memcpy(index, block, sizeof block);
        place_write(p, MAILDIR_INDEX, (struct span){index, n});
        expect_read_anew(p, truth);
        mem_free(index);
    }
    mem_free(truth);
}

/* As btrfs leaves a directory after a power cut: one name more, and the ctime of before. Told by its size. */
static void test_another_size_under_the_same_ctime(void **state)
{
    struct place *p = *state;
    fill(p);
    struct told *truth = told(p, false);
    for (int i = 0; i < MAILDIR_DIRS; i++) {
        size_t n;
        char *index = read_index(p, &n);
        struct maildir_index_head head;
        struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
        assert_true(maildir_index_head_read(index, &head, parts));
        head.state[i].size--;
        maildir_index_head_write(&head, parts, index);
        place_write(p, MAILDIR_INDEX, (struct span){index, n});
        mem_free(index);
        expect_read_anew(p, truth);
    }
    mem_free(truth);
}

/* ---- whatever becomes of the messages */

static void test_changes_are_seen(void **state)
{
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    place_text(p, "new/0.first", "first\n");
    expect_truth(p);
    place_text(p, "new/5.last", "last\n");
    expect_truth(p);
    place_rename(p, "new/1.a", "cur/1.a:2,S");
    expect_truth(p);
    place_rename(p, "cur/1.a:2,S", "cur/1.a:2,FRSabcdefghijklmnopqrstuvwxyz");
    expect_truth(p);
    place_remove(p, "new/3.c,S=9");
    expect_truth(p);
    place_remove(p, "new/0.first");
    place_rename(p, "new/5.last", "new/6.last"); /* another message, for a client */
    expect_truth(p);
}

static void expunge(const struct place *p)
{
    place_remove(p, "cur/2.b:2,S");
    place_text(p, "new/6.more", "more\n"); /* so that this reading is no view of one moment */
}

/* It is met in a reading that does not count, and is not there in the one that does: known before, nobody opens it. */
static void test_expunged_during_the_scan(void **state)
{
    struct place *p = *state;
    for (unsigned way = 0; way < 4; way++) {
        char name[64];
        if (way == 0)
            fill(p);
        else
            place_text(p, "cur/2.b:2,S", "x\r\ny\r\n");
        settle();
        mem_free(told(p, false)); /* an index that knows it */
        struct told *before = told(p, false);
        assert_non_null(strstr(before->text, "2.b"));
        mem_free(before);
        snprintf(name, sizeof name, "new/5.%u", way);
        place_text(p, name, "x\n");
        snprintf(name, sizeof name, "cur/5.cur%u", way);
        if (way >= 2) /* both are read */
            place_text(p, name, "x\n");
        settle();
        meanwhile_in = p;
        meanwhile_after = way;
        meanwhile = expunge;
        mem_free(told(p, false));
        assert_null(meanwhile);
        settle();
        struct told *after = told(p, false);
        assert_null(strstr(after->text, "2.b"));
        mem_free(after);
        expect_truth(p);
        place_remove(p, "new/6.more");
    }
}

/* An index that tells of a message that is not there, and of directories as they are. */
static void forge_ghost(const struct place *p)
{
    size_t n, n_now;
    struct maildir_index_head head, now;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS], parts_now[MAILDIR_INDEX_PARTS];
    place_text(p, "cur/3.ghost:2,S", "not there\n");
    settle();
    mem_free(told(p, false));
    char *with = read_index(p, &n);
    place_remove(p, "cur/3.ghost:2,S");
    settle();
    mem_free(told(p, false));
    char *without = read_index(p, &n_now);
    assert_true(maildir_index_head_read(with, &head, parts) && maildir_index_head_read(without, &now, parts_now));
    memcpy(head.state, now.state, sizeof head.state);
    head.looked = now.looked;
    maildir_index_head_write(&head, parts, with);
    place_write(p, MAILDIR_INDEX, (struct span){with, n});
    mem_free(with);
    mem_free(without);
}

static unsigned number_of(const struct drop *drop, const char *uid)
{
    unsigned i = 0;
    while (i < drop->count && strcmp(drop->messages[i].uid, uid) != 0)
        i++;
    assert_true(i < drop->count);
    return i;
}

/* Whoever finds out that the index is wrong about that sees to it that the next session is not told the same. */
static void test_ghost_is_driven_out(void **state)
{
    struct place *p = *state;
    fill(p);
    for (unsigned way = 0; way < 4; way++) {
        struct drop drop;
        struct err err = {0};
        struct store_body b;
        size_t left = 9;
        forge_ghost(p);
        struct store *s = place_open_list(p, &store_maildir, &drop);
        assert_false(drop_loaded(&drop));
        assert_int_equal(s->ops->load(s, &drop, &err), 0);
        unsigned ghost = number_of(&drop, "3.ghost");
        if (way == 0 || way == 2) {
            assert_int_equal(s->ops->body(s, ghost, &b, &err), -1);
            assert_int_equal(err.kind, ERR_GONE);
        }
        if (way == 2)
            drop.messages[number_of(&drop, "3.c")].downgraded = 99; /* something to keep */
        if (way == 1 || way == 3) {
            drop_mark(&drop, ghost);
            if (way == 3) /* of the other directory, which changes by that */
                drop_mark(&drop, number_of(&drop, "1.a"));
            assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
        }
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
        struct told *after = told(p, false);
        assert_null(strstr(after->text, "ghost"));
        mem_free(after);
        expect_truth(p);
    }
}

/* Another program removes a message while a session looks at it: that is no reason to count all others anew. */
static void test_removed_beside_costs_no_count(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    struct store_body b;
    fill(p);
    mem_free(told(p, false));
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(s->ops->load(s, &drop, &err), 0);
    place_remove(p, "new/1.a");
    assert_int_equal(s->ops->body(s, 0, &b, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    s->ops->close(s);
    drop_fini(&drop);
    settle();
    fault_rules("openat:SLOW:/anna/new/:1;openat:SLOW:/anna/cur/:1");
    mem_free(told(p, false));
    assert_int_equal(fault_hits(), 0);
    fault_rules("");
    expect_truth(p);
}

/* What a session has found gone is left out of what it keeps: that does not speak for the maildrop. */
static void test_gone_leaves_it_incomplete(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    struct store_body b;
    struct maildir_index_head head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    size_t n;
    fill(p);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_true(drop_loaded(&drop));
    place_rename(p, "new/1.a", "1.aside");
    assert_int_equal(s->ops->body(s, 0, &b, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    place_rename(p, "1.aside", "new/1.a");
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    char *index = read_index(p, &n);
    assert_true(maildir_index_head_read(index, &head, parts));
    assert_int_equal(head.messages, FIRST - 1);
    assert_int_equal(head.state[MAILDIR_NEW].changed, 0);
    mem_free(index);
    expect_truth(p);
}

/* What RETR has missed is tried once more when it is to be removed. */
static void test_comes_back_and_is_removed(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err = {0};
    struct store_body b;
    size_t left = 9;
    fill(p);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    place_rename(p, "new/1.a", "1.aside");
    assert_int_equal(s->ops->body(s, 0, &b, &err), -1);
    assert_int_equal(err.kind, ERR_GONE);
    place_rename(p, "1.aside", "cur/1.a:2,S");
    drop_mark(&drop, 0);
    assert_int_equal(s->ops->remove(s, &drop, &left, &err), 0);
    assert_int_equal(left, 0);
    assert_false(place_has(p, "cur/1.a:2,S"));
    s->ops->close(s);
    drop_fini(&drop);
    expect_truth(p);
}

/* Who restores a backup sets times back; ctime is nobody's to set. */
static void test_times_set_back(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    struct stat before;
    fill(p);
    mem_free(told(p, false));
    place_path(p, "new", path);
    assert_int_equal(stat(path, &before), 0);
    place_text(p, "new/7.restored", "restored\n");
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){before.st_atim, before.st_mtim}, 0), 0);
    struct told *t = told(p, false);
    assert_non_null(strstr(t->text, "7.restored"));
    mem_free(t);
    expect_truth(p);
}

/* In its place, so that no directory tells. What was told by LIST is what it was; what is sent is what it is. */
static void test_edited_between_sessions(void **state)
{
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    place_text(p, "new/1.a", "Subject: another\n\nand longer text\n");
    settle();
    struct drop drop;
    struct err err;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_false(drop_loaded(&drop));
    assert_int_equal(s->ops->load(s, &drop, &err), 0);
    for (unsigned times = 0; times < 2; times++) {
        struct store_body b;
        size_t n;
        char *body = place_body(s, 0, &n, &b, &err);
        assert_non_null(body);
        assert_string_equal(body, "Subject: another\n\nand longer text\n");
        assert_int_equal(b.octets, n + 3);
        mem_free(body);
    }
    s->ops->keep(s, &drop, &err);
    s->ops->close(s);
    drop_fini(&drop);
    struct told *t = told(p, false);
    assert_false(t->loaded);
    assert_non_null(strstr(t->text, "1 37\r\n"));
    mem_free(t);
    expect_truth(p);
}

static void test_edited_in_the_session(void **state)
{
    struct place *p = *state;
    fill(p);
    mem_free(told(p, false));
    settle();
    struct drop drop;
    struct err err = {0};
    struct store_body b;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(s->ops->load(s, &drop, &err), 0);
    place_text(p, "new/1.a", "Subject: another\n\nand longer text\n");
    for (unsigned times = 0; times < 2; times++) {
        assert_int_equal(s->ops->body(s, 0, &b, &err), -1);
        assert_int_equal(err.kind, ERR_TEMP);
    }
    char path[PLACE_PATH];
    place_path(p, "cur/2.b:2,S", path);
    assert_int_equal(chmod(path, 0400), 0); /* which changes its ctime */
    place_expect(s, 1, "x\r\ny\r\n");
    place_rename(p, "cur/2.b:2,S", "cur/2.b:2,RS");
    place_expect(s, 1, "x\r\ny\r\n");
    place_text(p, "cur/3.c,S=8:2,", "Subject: \303\244\n\nc\n"); /* as long as it was, after it was sent */
    s->ops->keep(s, &drop, &err);
    s->ops->close(s);
    drop_fini(&drop);
    expect_truth(p);
}

/* Where a message cannot be served now it may be later, and no directory tells. */
static void test_strange_is_looked_at_again(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    fill(p);
    place_path(p, "new/1.a", path);
    fault_rules("openat:EACCES:/anna/new/1.a:1");
    struct told *t = told(p, false);
    assert_null(strstr(t->text, "1.a"));
    fault_rules("");
    mem_free(t);
    t = told(p, false);
    assert_non_null(strstr(t->text, "1.a"));
    mem_free(t);
}

static void test_downgraded_is_kept(void **state)
{
    struct place *p = *state;
    fill(p);
    struct drop drop;
    struct err err;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_true(drop.eight_bit && drop.messages[2].eight_bit);
    drop.messages[2].downgraded = 4711;
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    for (unsigned times = 0; times < 2; times++) {
        s = place_open_list(p, &store_maildir, &drop);
        assert_int_equal(drop_loaded(&drop) ? 0 : s->ops->load(s, &drop, &err), 0);
        assert_int_equal(drop.messages[2].downgraded, 4711);
        assert_true(drop.eight_bit);
        drop_fini(&drop);
        s->ops->close(s);
        place_text(p, "new/8.more", "x\n");
        settle();
    }
}

/* What is measured is measured of one content. */
static void test_downgraded_is_of_the_content(void **state)
{
    struct place *p = *state;
    fill(p);
    struct drop drop;
    struct err err;
    struct store_body b;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_true(drop.messages[2].eight_bit);
    drop.messages[2].downgraded = 4711;
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    place_text(p, "cur/3.c,S=8:2,", "Subject: \303\244\303\244\303\244\n\nlonger\n"); /* in its place */
    place_text(p, "new/1.a", "Subject: \303\244\n\ntext\n");
    settle();
    s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(s->ops->load(s, &drop, &err), 0);
    for (unsigned msg = 0; msg < FIRST; msg++) {
        assert_int_equal(s->ops->body(s, msg, &b, &err), 0);
        assert_int_equal(b.eight_bit, msg == 0 || msg == 2);
        b.close(&b);
    }
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(drop.downgraded, 0);
    assert_int_equal(drop_loaded(&drop) ? 0 : s->ops->load(s, &drop, &err), 0);
    assert_int_equal(drop.messages[2].downgraded, 0);
    assert_true(drop.messages[0].eight_bit);
    s->ops->close(s);
    drop_fini(&drop);
}

/* The total with surrogates, as long as each of them was measured. */
static void test_total_of_surrogates(void **state)
{
    const struct place *p = *state;
    struct drop drop;
    struct err err;
    fill(p);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    drop.messages[2].downgraded = drop.messages[2].octets + 100;
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    for (unsigned more = 0; more < 2; more++) {
        s = place_open_list(p, &store_maildir, &drop);
        assert_false(drop_loaded(&drop));
        assert_int_equal(drop.downgraded, drop.octets + 100);
        s->ops->close(s);
        drop_fini(&drop);
        place_text(p, more ? "new/9.eight" : "new/8.more", more ? "Subject: \303\244\n\n" : "x\n");
        settle();
    }
    for (unsigned times = 0; times < 2; times++) {
        s = place_open_list(p, &store_maildir, &drop);
        assert_true(drop.eight_bit);
        assert_int_equal(drop.downgraded, 0);
        s->ops->close(s);
        drop_fini(&drop);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, place_set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unchanged_is_not_scanned), TEST(empty_is_not_scanned),  TEST(one_more_is_one_count), TEST(comes_to_the_end),
        TEST(each_octet_flipped),       TEST(each_length),           TEST(cut_while_it_is_sent),
        TEST(rows_that_are_none_are_not_at_hand), TEST(sections_that_take_room), TEST(too_much_is_not_written),
        TEST(damaged_on_a_disk_that_is_read_only),
        TEST(of_another_maildrop),      TEST(in_its_place),          TEST(clock_set_back),
        TEST(another_size_under_the_same_ctime),
        TEST(changes_are_seen),         TEST(times_set_back),        TEST(edited_between_sessions),
        TEST(expunged_during_the_scan), TEST(ghost_is_driven_out), TEST(removed_beside_costs_no_count),
        TEST(gone_leaves_it_incomplete), TEST(comes_back_and_is_removed), TEST(edited_in_the_session),    TEST(strange_is_looked_at_again), TEST(downgraded_is_kept),
        TEST(downgraded_is_of_the_content), TEST(total_of_surrogates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
