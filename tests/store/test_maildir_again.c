/* A table that was filled from elsewhere is brought up to date: whatever it says of places, the listing is that of the
 * directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "fault.h"
#include "place.h"
#include "store/maildir_open.h"

enum { FILES = 300 };

static void name_of(unsigned i, char out[64])
{
    snprintf(out, 64, i % 3 ? "new/%u.a" : "cur/%u.a:2,S", 1000 + i * 7919 % FILES);
}

static int set_up(void **state)
{
    place_set_up(state);
    for (unsigned i = 0; i < FILES; i++) {
        char name[64];
        name_of(i, name);
        place_text(*state, name, "text\n");
    }
    return 0;
}

static void open_box(struct maildir_box *m, const struct place *p)
{
    struct err err = {0};
    if (maildir_box_open(m, &p->root, p->drop, STORE_EXCLUSIVE, &err) < 0)
        fail_msg("%s", err.text);
}

static void scan(struct maildir_box *m)
{
    struct err err = {0};
    if (maildir_scan(m, MAILDIR_BELIEVE, &err) < 0)
        fail_msg("%s", err.text);
}

/* What an index would keep of it. */
static void fill(struct maildir_box *m, const struct maildir_table *from, unsigned places)
{
    for (unsigned i = 0; i < from->count; i++) {
        const struct maildir_entry *e = &from->entries[i];
        struct maildir_name n;
        struct span name = span_of(maildir_table_name(from, e));
        maildir_name_read(name, &n);
        long added = maildir_table_add(&m->table, e->dir, name, &n, e->inode);
        struct maildir_entry *to = &m->table.entries[added];
        to->counted = true;
        to->place = places == 0 ? e->place : places == 1 ? 0 : places == 2 ? UINT32_MAX : e->place * 7 % FILES;
    }
    m->table.sorted = m->table.count;
}

static void expect_same(const struct maildir_table *a, const struct maildir_table *b)
{
    assert_int_equal(a->count, b->count);
    for (unsigned i = 0; i < a->count; i++) {
        assert_string_equal(maildir_table_name(a, &a->entries[i]), maildir_table_name(b, &b->entries[i]));
        assert_int_equal(a->entries[i].inode, b->entries[i].inode);
        assert_int_equal(a->entries[i].dir, b->entries[i].dir);
    }
}

/* Now and as a fresh listing has it. */
static struct maildir_news update(struct maildir_box *m)
{
    scan(m);
    struct maildir_news news = maildir_table_news(&m->table);
    maildir_table_sort(&m->table);
    maildir_table_sift(&m->table);
    struct maildir_box fresh = *m;
    maildir_table_init(&fresh.table);
    scan(&fresh);
    maildir_table_sort(&fresh.table);
    expect_same(&m->table, &fresh.table);
    maildir_table_fini(&fresh.table);
    return news;
}

static void test_changes_are_met(void **state)
{
    struct place *p = *state;
    for (unsigned places = 0; places < 4; places++) {
        struct maildir_box m;
        open_box(&m, p);
        scan(&m);
        maildir_table_sort(&m.table);
        struct maildir_table before = m.table;
        maildir_table_init(&m.table);
        fill(&m, &before, places);
        char gone[64], from[64], to[96], fresh[64];
        for (unsigned i = 0; i < 7; i++) { /* neighbours and others */
            name_of(40 * i + 1, gone);
            place_remove(p, gone);
        }
        name_of(5, from);
        snprintf(to, sizeof to, "cur/%s:2,FS", from + 4);
        place_rename(p, from, to);
        place_text(p, "new/1.first", "x\n");
        place_text(p, "new/1100.between", "x\n");
        snprintf(fresh, sizeof fresh, "cur/9999.last:2,");
        place_text(p, fresh, "x\n");
        struct maildir_news news = update(&m);
        assert_int_equal(news.fresh, 3);
        assert_int_equal(news.gone, 7);
        assert_int_equal(news.renamed, 1);
        news = update(&m);
        assert_int_equal(news.gone + news.renamed - 1, 0); /* it is still said to have been renamed */
        maildir_table_fini(&before);
        maildir_box_close(&m);
        place_rename(p, to, from);
        place_remove(p, fresh);
        place_remove(p, "new/1.first");
        place_remove(p, "new/1100.between");
        for (unsigned i = 0; i < 7; i++) {
            name_of(40 * i + 1, gone);
            place_text(p, gone, "text\n");
        }
    }
}

/* Places that were told at one time and another, each before what came later: next to nobody needs to be looked for. */
static void test_places_of_several_times(void **state)
{
    enum { TIMES = 8 };
    struct place *p = *state;
    struct maildir_box m;
    open_box(&m, p);
    scan(&m);
    maildir_table_sort(&m.table);
    struct maildir_table kept = m.table;
    for (unsigned i = 0; i < TIMES; i++) {
        char name[64];
        snprintf(name, sizeof name, "new/%u.came", 5000 + i);
        place_text(p, name, "x\n");
        maildir_table_init(&m.table);
        fill(&m, &kept, 0);
        scan(&m);
        assert_null(m.table.slots);
        assert_true(m.table.looked <= 8);
        assert_int_equal(maildir_table_news(&m.table).fresh, 1);
        for (unsigned k = 0; k < kept.count; k++)
            m.table.entries[k].place = kept.entries[k].place;
        maildir_table_sort(&m.table);
        maildir_table_fini(&kept);
        kept = m.table;
    }
    maildir_box_close(&m);
}

/* Of a directory that is as it was nothing is read. */
static void test_what_stands_still_is_not_read(void **state)
{
    static const char *const unread[] = {"readdir:EIO:/anna/new:1", "readdir:EIO:/anna/cur:1"};
    struct place *p = *state;
    usleep(12000); /* until a change would show */
    for (int dir = 0; dir < MAILDIR_DIRS; dir++) {
        struct maildir_box m;
        open_box(&m, p);
        scan(&m);
        assert_true(m.still);
        maildir_table_sort(&m.table);
        struct maildir_table before = m.table;
        maildir_table_init(&m.table);
        fill(&m, &before, 0);
        memcpy(m.known, m.state, sizeof m.known);
        place_text(p, dir == MAILDIR_NEW ? "cur/9999.x" : "new/9999.x", "x\n");
        fault_rules(unread[dir]);
        scan(&m);
        assert_int_equal(fault_hits(), 0);
        fault_rules("");
        struct maildir_news news = maildir_table_news(&m.table);
        assert_int_equal(news.fresh, 1);
        assert_int_equal(news.gone, 0);
        update(&m); /* by now it looks everywhere */
        place_remove(p, dir == MAILDIR_NEW ? "cur/9999.x" : "new/9999.x");
        maildir_table_fini(&before);
        maildir_box_close(&m);
    }
}

/* Of what has been removed no room is held. */
static void test_room_goes_with_the_messages(void **state)
{
    struct maildir_box m;
    open_box(&m, *state);
    scan(&m);
    maildir_table_sort(&m.table);
    size_t all = m.table.names_n;
    for (unsigned i = 0; i < FILES; i++)
        m.table.entries[i].gone = i % 5;
    char first[64], last[64];
    snprintf(first, sizeof first, "%s", maildir_table_name(&m.table, &m.table.entries[0]));
    snprintf(last, sizeof last, "%s", maildir_table_name(&m.table, &m.table.entries[FILES - 5]));
    maildir_table_sift(&m.table);
    maildir_table_trim(&m.table);
    assert_int_equal(m.table.count, FILES / 5);
    assert_int_equal(m.table.room, FILES / 5);
    assert_true(m.table.names_room <= all / 4);
    assert_string_equal(maildir_table_name(&m.table, &m.table.entries[0]), first);
    assert_string_equal(maildir_table_name(&m.table, &m.table.entries[FILES / 5 - 1]), last);
    for (unsigned i = 0; i < m.table.count; i++)
        m.table.entries[i].gone = true;
    maildir_table_sift(&m.table);
    maildir_table_trim(&m.table);
    assert_null(m.table.entries);
    assert_null(m.table.names);
    update(&m); /* all are there, and new to it */
    assert_int_equal(m.table.count, FILES);
    maildir_box_close(&m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, place_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(changes_are_met), TEST(places_of_several_times), TEST(what_stands_still_is_not_read),
                                       TEST(room_goes_with_the_messages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
