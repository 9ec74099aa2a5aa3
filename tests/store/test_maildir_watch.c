/* A large maildrop to which messages come between two sessions: what the kernel has told is taken in without a reading of the directories,
 * and whatever else happens, or is not told, what a client hears is what is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "fault.h"
#include "place.h"
#include "store/maildir.h"
#include "store/maildir_event.h"
#include "store/maildir_index.h"
#include "store/maildir_watch.h"
#include "store/open.h"

enum { MANY = MAILDIR_WATCH_LEAST, TICK_US = 12000, TEXT = 1 << 20, MAILDROPS = 8, QUEUE = 16384 };

static void settle(void)
{
    usleep(TICK_US); /* stamps older than what comes now: a session does not wait for the tick */
}

/* ---- the kernel, as it may be */

static unsigned readings; /* of names: one entry alone is read to pass a lock */
static int no_group;      /* errno */
static int no_mark[2];    /* that of FAN_MARK_ADD, of FAN_MARK_REMOVE */
static bool other_handles;
static unsigned marks;    /* that were added since the last flush */
static bool junk;         /* in the queue: once */
static void (*after_reading)(const struct place *p); /* the queue: once */
static void (*before_mark)(const struct place *p);   /* is set: once */
static const struct place *changes_in;

ssize_t getdents64(int fd, void *p, size_t n);
ssize_t getdents64(int fd, void *p, size_t n)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "getdents64");
    readings += n > sizeof(struct dirent64);
    return next(fd, p, n);
}

ssize_t read(int fd, void *p, size_t n)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "read");
    ssize_t got = next(fd, p, n);
    if (junk && got > 0 && n == 32 * 1024) {
        junk = false;
        return got - 1;
    }
    return got;
}

static void now(void (**what)(const struct place *p))
{
    void (*change)(const struct place *) = *what;
    *what = NULL;
    if (change)
        change(changes_in);
}

int fanotify_init(unsigned flags, unsigned file_flags)
{
    static int (*next)(unsigned, unsigned);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "fanotify_init");
    errno = no_group;
    return no_group ? -1 : next(flags, file_flags);
}

int fanotify_mark(int group, unsigned flags, uint64_t mask, int dir, const char *path)
{
    static int (*next)(int, unsigned, uint64_t, int, const char *);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "fanotify_mark");
    assert_null(path);
    errno = no_mark[flags == FAN_MARK_REMOVE];
    if (errno && flags != FAN_MARK_FLUSH)
        return -1;
    if (flags != FAN_MARK_FLUSH) /* by REMOVE it is asked whether it is there, when the queue has been read */
        now(flags == FAN_MARK_REMOVE ? &after_reading : &before_mark);
    marks = flags == FAN_MARK_FLUSH ? 0 : marks + (flags == FAN_MARK_ADD);
    return next(group, flags, mask, dir, path);
}

int name_to_handle_at(int dir, const char *name, struct file_handle *handle, int *mount, int flags)
{
    static int (*next)(int, const char *, struct file_handle *, int *, int);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "name_to_handle_at");
    int result = next(dir, name, handle, mount, flags);
    if (result == 0 && other_handles)
        handle->f_handle[0] ^= 1;
    return result;
}

static bool is_there(void)
{
    int group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    if (group >= 0)
        close(group);
    return group >= 0;
}

/* ---- what is there, by who has no store */

struct there {
    char name[256];
    enum maildir_dir dir;
};

static struct maildir_name parts_of_name(const struct there *one)
{
    struct maildir_name parts = {0};
    maildir_name_read(span_of(one->name), &parts);
    return parts;
}

static int compare(const void *left, const void *right)
{
    struct maildir_name a = parts_of_name(left), b = parts_of_name(right);
    return maildir_name_compare(&a, &b);
}

static unsigned look_into(const struct place *p, enum maildir_dir dir, struct there *all, unsigned n)
{
    char path[PLACE_PATH];
    place_path(p, dir == MAILDIR_NEW ? "new" : "cur", path);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && e->d_type == DT_REG) {
            snprintf(all[n].name, sizeof all[n].name, "%s", e->d_name);
            all[n++].dir = dir;
            assert_true(n < 2 * MANY);
        }
    closedir(d);
    return n;
}

static uint64_t octets_of(const struct place *p, const struct there *one)
{
    char name[300], path[PLACE_PATH], text[4096];
    snprintf(name, sizeof name, "%s/%s", one->dir == MAILDIR_NEW ? "new" : "cur", one->name);
    place_path(p, name, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text);
    assert_true(fd >= 0 && n >= 0);
    close(fd);
    struct store_count count = {0};
    store_count_add(&count, (struct span){text, (size_t)n});
    return store_count_octets(&count);
}

static char *truth(const struct place *p)
{
    struct there *all = mem_alloc(2 * MANY * sizeof *all);
    unsigned n = look_into(p, MAILDIR_CUR, all, look_into(p, MAILDIR_NEW, all, 0));
    qsort(all, n, sizeof *all, compare);
    char *text = mem_alloc(TEXT), *at = text;
    for (unsigned i = 0; i < n; i++) {
        char uid[STORE_UID];
        store_uid(parts_of_name(&all[i]).base, uid);
        at += snprintf(at, (size_t)(text + TEXT - at), "%u %llu %s\n", i + 1, (unsigned long long)octets_of(p, &all[i]), uid);
    }
    mem_free(all);
    return text;
}

/* ---- what a client hears */

static size_t listing(struct store *s, enum store_text which, char *p)
{
    struct err err;
    size_t n = 0;
    for (long got; (got = s->ops->text(s, which, n, p + n, TEXT - 1 - n, &err)) > 0;)
        n += (size_t)got;
    p[n] = '\0';
    return n;
}

/* The two listings, which a drop that is not loaded has as text, as one. */
static void put_together(struct store *s, char *out)
{
    char *list = mem_alloc(TEXT), *uidl = mem_alloc(TEXT), *l = list, *u = uidl, *at = out;
    listing(s, STORE_LIST, list);
    listing(s, STORE_UIDL, uidl);
    *out = '\0';
    while (*l) {
        char *l_end = strstr(l, "\r\n"), *u_end = strstr(u, "\r\n");
        assert_true(l_end && u_end);
        *l_end = *u_end = '\0';
        at += sprintf(at, "%s%s\n", l, strchr(u, ' '));
        l = l_end + 2;
        u = u_end + 2;
    }
    assert_int_equal(*u, '\0');
    mem_free(list);
    mem_free(uidl);
}

static void put_loaded(const struct drop *drop, char *out)
{
    *out = '\0';
    for (unsigned i = 0; i < drop->count; i++)
        out += sprintf(out, "%u %llu %s\n", i + 1, (unsigned long long)drop->messages[i].octets, drop->messages[i].uid);
}

/* From where they differ. */
static void expect_same(const char *heard, const char *there)
{
    size_t at = 0;
    while (heard[at] && heard[at] == there[at])
        at++;
    if (heard[at] != there[at])
        fail_msg("heard \"%.60s\", there is \"%.60s\"", heard + at, there + at);
}

enum way { HEARD, READ, EITHER };

/* One session; with `bodies` it asks for the last three messages, too. */
static void session(const struct place *p, enum way way, bool bodies)
{
    struct drop drop;
    struct err err;
    char *heard = mem_alloc(TEXT), *again = mem_alloc(TEXT);
    readings = 0;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    unsigned read = readings, count = drop.count;
    uint64_t octets = drop.octets;
    if (drop_loaded(&drop))
        put_loaded(&drop, heard);
    else
        put_together(s, heard);
    char *there = truth(p);
    expect_same(heard, there);
    if (way != EITHER)
        assert_int_equal(read > 0, way == READ);
    if (bodies) {
        assert_int_equal(drop_loaded(&drop) ? 0 : s->ops->load(s, &drop, &err), 0);
        put_loaded(&drop, again);
        expect_same(again, there);
        for (unsigned i = drop.count < 3 ? 0 : drop.count - 3; i < drop.count; i++) {
            struct store_body b;
            size_t n;
            char *body = place_body(s, i, &n, &b, &err);
            assert_non_null(body);
            assert_int_equal(b.octets, drop.messages[i].octets);
            mem_free(body);
        }
    }
    assert_int_equal(drop.count, count);
    assert_int_equal(drop.octets, octets);
    s->ops->keep(s, &drop, &err);
    s->ops->close(s);
    drop_fini(&drop);
    mem_free(there);
    mem_free(heard);
    mem_free(again);
}

/* ---- */

static unsigned next_time;

static void put(const struct place *p, const char *dir, const char *text)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%u.x", dir, next_time++);
    place_text(p, name, text);
}

/* Large, and watched: its second session sets the marks. */
static void fill(const struct place *p)
{
    next_time = 1000000;
    for (unsigned i = 0; i < MANY; i++)
        put(p, i % 3 ? "new" : "cur", "x\n");
    settle();
    session(p, READ, false);
    session(p, HEARD, false);
}

static unsigned parts_of(const struct place *p, off_t *octets)
{
    char path[PLACE_PATH], block[MAILDIR_INDEX_HEAD];
    struct maildir_index_head head;
    struct maildir_index_part parts[MAILDIR_INDEX_PARTS];
    struct stat st;
    place_path(p, MAILDIR_INDEX, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, block, sizeof block) == sizeof block && maildir_index_head_read(block, &head, parts));
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    *octets = st.st_size;
    return head.parts;
}

static void test_what_comes_is_heard_of(void **state)
{
    struct place *p = *state;
    fill(p);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
    session(p, HEARD, false);
    put(p, "new", "two\n");
    put(p, "cur", "Subject: \303\244\n\nthree");
    place_text(p, "tmp/four", "four\r\n");
    place_rename(p, "tmp/four", "new/2000000.four,S=6:2,S");
    next_time = 2000001;
    place_text(p, "new/.hidden", "");
    settle();
    session(p, HEARD, true);
    place_remove(p, "new/.hidden"); /* it says what the stamp is of */
    settle();
    session(p, HEARD, true);
    put(p, "new", "at once\n"); /* within this tick: it is waited for */
    session(p, HEARD, true);
    settle();
    session(p, HEARD, true);
}

/* Parts of an index that are few beside its first become one, and the file does not grow for ever. */
static void test_parts_become_one(void **state)
{
    struct place *p = *state;
    off_t octets, most = 0;
    fill(p);
    parts_of(p, &octets);
    for (unsigned i = 0; i < 3 * MAILDIR_INDEX_PARTS; i++) {
        put(p, "new", i % 5 ? "one\n" : "Subject: \303\244\n\nb\n");
        settle();
        session(p, HEARD, i % 4 == 0);
        unsigned parts = parts_of(p, &most);
        assert_int_equal(parts, i < MAILDIR_INDEX_PARTS - 1 ? i + 2 : 2 + (i + 1 - MAILDIR_INDEX_PARTS) % (MAILDIR_INDEX_PARTS - 1));
    }
    assert_true(most < 2 * octets);
    session(p, HEARD, true);
}

static void test_all_else_is_read(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    fill(p);
    for (unsigned way = 0; way < 12; way++) {
        put(p, "new", "beside\n");
        switch (way) {
        case 0:
            place_remove(p, "new/1000001.x");
            break;
        case 1:
            place_rename(p, "new/1000002.x", "cur/1000002.x:2,S");
            break;
        case 2: /* another under the name of one that was there */
            place_text(p, "tmp/another", "another, longer\n");
            place_remove(p, "new/1000004.x");
            place_rename(p, "tmp/another", "new/1000004.x");
            break;
        case 3:
            place_text(p, "tmp/over", "over it\n");
            place_rename(p, "tmp/over", "new/1000005.x");
            break;
        case 4: /* before the last */
            place_text(p, "new/7.x", "early\n");
            break;
        case 5: /* one that has come and gone; and one that has come and was moved */
            put(p, "new", "gone\n");
            place_text(p, "new/3000000.x", "moved\n");
            place_rename(p, "new/3000000.x", "cur/3000000.x:2,S");
            next_time = 3000001;
            break;
        case 6:
            place_path(p, "new/3100000.dir", path);
            assert_int_equal(mkdir(path, 0700), 0);
            break;
        case 7:
            place_path(p, "new/3100000.dir", path);
            assert_int_equal(rmdir(path), 0);
            break;
        case 8: /* what is no file */
            place_path(p, "new/3200000.fifo", path);
            assert_int_equal(mkfifo(path, 0600), 0);
            break;
        case 9:
            place_remove(p, "new/3200000.fifo");
            break;
        case 10: /* rights: a stamp without a name */
            place_path(p, "cur", path);
            assert_int_equal(chmod(path, 0750), 0);
            break;
        case 11: /* more than is kept */
            for (unsigned i = 0; i < 400; i++)
                put(p, "new", "many\n");
            break;
        }
        settle();
        session(p, READ, true);
        if (way == 6 || way == 8) /* while it is there nothing speaks for the maildrop */
            continue;
        put(p, "new", "and then\n");
        settle();
        session(p, HEARD, true);
    }
}

static void one_more(const struct place *p)
{
    put(p, "new", "in the midst of it\n");
}

static void one_less(const struct place *p)
{
    place_remove(p, "cur/1000003.x");
}

/* Beside the reading of the queue. */
static void test_beside_us(void **state)
{
    static void (*const what[])(const struct place *) = {one_more, one_less};
    struct place *p = *state;
    fill(p);
    changes_in = p;
    for (unsigned i = 0; i < 2; i++) {
        put(p, "new", "one\n");
        settle();
        after_reading = what[i];
        session(p, EITHER, true);
        assert_null(after_reading);
        settle();
        session(p, EITHER, true);
        put(p, "new", "one\n");
        settle();
        session(p, EITHER, true);
        put(p, "new", "one\n");
        settle();
        session(p, HEARD, true);
    }
}

/* Between the log-in that believes the index and the mark: what comes then is not told of, and what comes later is. */
static void test_before_the_mark(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    next_time = 1000000;
    for (unsigned i = 0; i < MANY; i++)
        put(p, "new", "x\n");
    settle();
    session(p, READ, false);
    changes_in = p;
    before_mark = one_more;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_null(before_mark);
    assert_int_equal(drop.count, MANY);
    s->ops->keep(s, &drop, &err);
    s->ops->close(s);
    drop_fini(&drop);
    put(p, "new", "later\n");
    settle();
    session(p, READ, true);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

/* What a session finds out of a message is written down: the hints are of that index, too. */
static void test_what_is_found_out_later(void **state)
{
    struct place *p = *state;
    struct drop drop;
    struct err err;
    off_t octets;
    fill(p);
    put(p, "new", "Subject: \303\244\n\nx\n");
    settle();
    session(p, HEARD, true);
    struct store *s = place_open_list(p, &store_maildir, &drop);
    assert_int_equal(s->ops->load(s, &drop, &err), 0);
    drop.messages[drop.count - 1].downgraded = 30;
    assert_int_equal(s->ops->keep(s, &drop, &err), 0);
    s->ops->close(s);
    drop_fini(&drop);
    assert_int_equal(parts_of(p, &octets), 1);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

static void test_queue_of_other_octets(void **state)
{
    struct place *p = *state;
    fill(p);
    put(p, "new", "one\n");
    put(p, "new", "two\n");
    settle();
    junk = true;
    session(p, READ, true);
    assert_false(junk);
    put(p, "new", "three\n");
    settle();
    session(p, HEARD, true);
}

/* Two that bear one unique id, one base, or the time of the last. */
static void test_names_that_need_the_others(void **state)
{
    static const char *const names[][2] = {{"new/5000000.same,S=1", "new/5000000.same,S=2"},
                                           {"new/5000001.base", "cur/5000001.base:2,S"},
                                           {"new/5000001.later", NULL}};
    struct place *p = *state;
    fill(p);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct drop drop;
        struct err err;
        for (unsigned j = 0; j < 2 && names[i][j]; j++)
            place_text(p, names[i][j], "x\n");
        settle();
        readings = 0;
        struct store *s = place_open_list(p, &store_maildir, &drop);
        assert_true(readings > 0);
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
    }
}

/* Of an index that is not the one that was true then nothing is believed. */
static void test_index_of_another_time(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH], *old = mem_alloc(TEXT);
    fill(p);
    place_path(p, MAILDIR_INDEX, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, old, TEXT);
    assert_true(n > MAILDIR_INDEX_HEAD);
    close(fd);
    for (unsigned way = 0; way < 4; way++) {
        put(p, "new", "known\n");
        settle();
        session(p, EITHER, false);
        put(p, "new", "new\n");
        if (way == 0)
            place_write(p, MAILDIR_INDEX, (struct span){old, (size_t)n});
        else if (way == 1)
            place_remove(p, MAILDIR_INDEX);
        else if (way == 2)
            assert_int_equal(truncate(path, 5000), 0);
        else
            place_text(p, MAILDIR_INDEX, "not one\n");
        settle();
        session(p, READ, true);
        session(p, HEARD, true);
    }
    mem_free(old);
}

/* new/ is another directory, and comes back. */
static void test_another_directory(void **state)
{
    struct place *p = *state;
    char path[PLACE_PATH];
    fill(p);
    place_path(p, "new", path);
    for (unsigned way = 0; way < 2; way++) {
        if (way == 0) {
            place_rename(p, "new", "away");
            assert_int_equal(mkdir(path, 0700), 0);
        } else {
            place_rename(p, "new", "other");
            place_rename(p, "away", "new");
        }
        put(p, "new", "in another\n");
        settle();
        session(p, READ, true);
        settle();
        session(p, EITHER, true);
        put(p, "new", "and one more\n");
        settle();
        session(p, EITHER, true);
    }
    put(p, "new", "and one more\n");
    settle();
    session(p, HEARD, true);
}

/* More than the queue has places for: what is told after that is not all. */
static void test_queue_that_is_full(void **state)
{
    struct place *p = *state;
    char from[PLACE_PATH], to[PLACE_PATH], name[64];
    fill(p);
    place_text(p, "tmp/one", "");
    place_path(p, "tmp/one", from);
    for (unsigned i = 0; i < QUEUE + 10; i++) {
        snprintf(name, sizeof name, "new/.%u", i % (QUEUE / 4) + (i / (QUEUE / 4)) * 100000);
        place_path(p, name, to);
        if (link(from, to) < 0) {
            assert_int_equal(errno, EMLINK);
            place_remove(p, "tmp/one");
            place_text(p, "tmp/one", "");
            assert_int_equal(link(from, to), 0);
        }
    }
    put(p, "new", "not told of\n");
    settle();
    session(p, READ, true);
    put(p, "new", "told of\n");
    settle();
    session(p, HEARD, true);
}

/* Where the kernel does not, or not any more, or says what cannot be understood, all is as without. */
static void test_without(void **state)
{
    struct place *p = *state;
    for (unsigned way = 0; way < 6; way++) {
        store_watch(way == 0 ? 0 : 4);
        no_group = way == 1 ? ENOSYS : way == 2 ? EMFILE : 0;
        no_mark[0] = way == 3 ? EXDEV : way == 4 ? ENOSPC : 0;
        other_handles = way == 5;
        if (way == 0)
            fill(p);
        settle();
        session(p, EITHER, false);
        for (unsigned i = 0; i < 3; i++) {
            put(p, "new", "one\n");
            settle();
            session(p, READ, i == 1);
        }
    }
}

/* As when its file system was unmounted between two sessions. */
static void test_mark_that_is_gone(void **state)
{
    struct place *p = *state;
    fill(p);
    put(p, "new", "one\n");
    settle();
    no_mark[1] = ENOENT;
    session(p, READ, true);
    no_mark[1] = 0;
    settle();
    session(p, HEARD, true);
    put(p, "new", "one\n");
    settle();
    session(p, HEARD, true);
}

/* Three that take turns where there is room for two. */
static void test_more_than_there_is_room_for(void **state)
{
    static const char *const names[] = {"anna", "bea", "carl"};
    struct place *p = *state;
    struct place each[3] = {*p, *p, *p};
    char path[PLACE_PATH];
    store_watch(2);
    for (unsigned i = 0; i < 3; i++) {
        each[i].drop = names[i];
        for (unsigned j = 0; i && j < 4; j++) {
            place_path(&each[i], (const char *const[]){"", "new", "cur", "tmp"}[j], path);
            assert_int_equal(mkdir(path, 0700), 0);
        }
        fill(&each[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        next_time = 2000000 + i;
        put(&each[i % 3], "new", "one\n");
        settle();
        session(&each[i % 3], EITHER, true);
        assert_true(marks <= 4);
    }
    for (unsigned i = 0; i < 2; i++) { /* two of them are both told of */
        next_time = 3000000 + i;
        put(&each[1 + i], "new", "one\n");
        settle();
        session(&each[1 + i], EITHER, true);
        put(&each[1 + i], "new", "one\n");
        settle();
        session(&each[1 + i], HEARD, true);
    }
}

/* A small one costs nothing of this. */
static void test_small_is_not_watched(void **state)
{
    struct place *p = *state;
    next_time = 1;
    for (unsigned i = 0; i < MANY - 2; i++)
        put(p, "new", "x\n");
    no_group = ENOSYS; /* were it asked for, it would be given up */
    settle();
    for (unsigned i = 0; i < 2; i++) {
        session(p, EITHER, false);
        put(p, "new", "x\n");
        settle();
    }
    no_group = 0;
    session(p, READ, false); /* there are enough now */
    session(p, HEARD, false);
    put(p, "new", "x\n");
    settle();
    session(p, HEARD, true);
}

/* ---- another program, all the time */

static unsigned random_of(unsigned n)
{
    static unsigned state = 20260101;
    state = state * 1103515245 + 12345;
    return (state >> 16) % n;
}

/* Some changes, each the whole of what a program does: mostly deliveries. */
static void change(const struct place *p, unsigned round)
{
    static unsigned time = 4000000;
    char from[PLACE_PATH], to[PLACE_PATH], name[64];
    for (unsigned n = 1 + random_of(4); n; n--) {
        unsigned what = random_of(round % 3 ? 8 : 14);
        place_text(p, "tmp/it", what % 2 ? "x\n" : "a longer one\n");
        place_path(p, "tmp/it", from);
        snprintf(name, sizeof name, "%s/%u.x", what % 3 ? "new" : "cur", ++time);
        place_path(p, name, to);
        if (what == 9) { /* an earlier one comes, is moved, goes */
            snprintf(name, sizeof name, "new/%u.y", 1000000 + random_of(50));
            place_path(p, name, to);
        } else if (what == 10 || what == 11) {
            unsigned which = what == 10 ? 1000000 + random_of(100) : time - 1;
            snprintf(name, sizeof name, "new/%u.x", which);
            place_path(p, name, from);
            snprintf(name, sizeof name, "cur/%u.x:2,S", which);
            place_path(p, name, to);
        } else if (what == 12) {
            snprintf(name, sizeof name, "new/%u.x", time - random_of(4));
            place_path(p, name, to);
            unlink(to);
            continue;
        }
        if (what % 2 || what == 10)
            rename(from, to);
        else if (link(from, to) == 0)
            unlink(from);
        if (random_of(3) == 0)
            usleep(random_of(3000));
    }
}

/* Whatever happens beside a session, the next one, when all is still, hears the truth. */
static void test_beside_another_program(void **state)
{
    enum { ROUNDS = 60 };
    struct place *p = *state;
    int go[2], done[2];
    char octet = 0;
    unsigned heard = 0;
    fill(p);
    assert_true(pipe2(go, O_CLOEXEC) == 0 && pipe2(done, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        for (unsigned round = 0; read(go[0], &octet, 1) == 1; round++) {
            change(p, round);
            if (write(done[1], &octet, 1) != 1)
                break;
        }
        _exit(0);
    }
    close(go[0]);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct drop drop;
        struct err err;
        assert_int_equal(write(go[1], &octet, 1), 1);
        if (round % 2)
            usleep(round * 17 % 1000);
        struct store *s = place_open_list(p, &store_maildir, &drop); /* of a maildrop that is being changed */
        s->ops->keep(s, &drop, &err);
        s->ops->close(s);
        drop_fini(&drop);
        assert_int_equal(read(done[0], &octet, 1), 1);
        session(p, EITHER, round % 16 == 0);
        heard += !readings;
    }
    assert_true(heard > ROUNDS / 4);
    close(go[1]);
    place_wait(1, &pid);
    close(done[0]);
    close(done[1]);
}

/* ---- octets of the kernel */

static size_t make_event(char *p, size_t handle, const char *name, unsigned type)
{
    struct fanotify_event_metadata head = {.vers = FANOTIFY_METADATA_VERSION, .metadata_len = sizeof head, .mask = FAN_CREATE, .fd = FAN_NOFD};
    struct fanotify_event_info_header record = {.info_type = (uint8_t)type, .len = (uint16_t)(20 + handle + strlen(name) + 1)};
    uint32_t length = (uint32_t)handle;
    head.event_len = (uint32_t)(sizeof head + record.len);
    memset(p, 'h', head.event_len);
    memcpy(p, &head, sizeof head);
    memcpy(p + sizeof head, &record, sizeof record);
    memcpy(p + sizeof head + 12, &length, sizeof length);
    strcpy(p + sizeof head + 20 + handle, name);
    return head.event_len;
}

static void test_events(void **state)
{
    (void)state;
    char text[512];
    struct maildir_event e;
    size_t one = make_event(text, 8, "1.a", FAN_EVENT_INFO_TYPE_DFID_NAME), n = one + make_event(text + one, 8, "x", FAN_EVENT_INFO_TYPE_FID);
    struct span events = {text, n};
    assert_true(maildir_event_take(&events, &e));
    assert_int_equal(e.mask, FAN_CREATE);
    assert_int_equal(e.where.n, 24);
    assert_true(e.where.p == text + 28 && span_is(e.name, "1.a"));
    assert_true(maildir_event_take(&events, &e)); /* of which no directory is known */
    assert_int_equal(e.where.n, 0);
    assert_int_equal(events.n, 0);
    assert_false(maildir_event_take(&events, &e));
    for (size_t cut = 0; cut < one; cut++) { /* memory of that size alone: a reader beyond it is found by its sanitizer */
        char *part = mem_alloc(cut + 1);
        memcpy(part, text, cut);
        events = (struct span){part, cut};
        assert_false(maildir_event_take(&events, &e));
        if (cut >= sizeof(struct fanotify_event_metadata)) { /* it says that it is so long */
            uint32_t length = (uint32_t)cut;
            memcpy(part, &length, sizeof length);
            events = (struct span){part, cut};
            assert_int_equal(maildir_event_take(&events, &e), cut == sizeof(struct fanotify_event_metadata));
        }
        mem_free(part);
    }
    for (size_t at = 0; at < one; at++) { /* any octet another one */
        char *part = mem_alloc(one);
        for (unsigned value = 0; value < 256; value += 5) {
            memcpy(part, text, one);
            part[at] = (char)value;
            events = (struct span){part, one};
            if (maildir_event_take(&events, &e) && e.where.n)
                assert_true(e.where.p + e.where.n <= part + one && e.name.p + e.name.n < part + one && e.name.n);
        }
        mem_free(part);
    }
}

static int set_up(void **state)
{
    next_time = 0;
    store_watch(4);
    return place_set_up(state);
}

static int tear_down(void **state)
{
    no_group = no_mark[0] = no_mark[1] = 0;
    other_handles = false;
    store_watch(0);
    return place_tear_down(state);
}

#define WATCHED(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

static const struct CMUnitTest watched[] = {
    WATCHED(what_comes_is_heard_of), WATCHED(parts_become_one),     WATCHED(all_else_is_read),
    WATCHED(beside_us),              WATCHED(names_that_need_the_others), WATCHED(index_of_another_time),
    WATCHED(before_the_mark),        WATCHED(what_is_found_out_later), WATCHED(queue_of_other_octets),
    WATCHED(another_directory),      WATCHED(queue_that_is_full),   WATCHED(without),
    WATCHED(mark_that_is_gone),      WATCHED(more_than_there_is_room_for), WATCHED(small_is_not_watched),
    WATCHED(beside_another_program),
};

/* Of these, where another file system stamps and names its directories. */
static const struct CMUnitTest elsewhere[] = {
    WATCHED(what_comes_is_heard_of), WATCHED(all_else_is_read), WATCHED(beside_us), WATCHED(beside_another_program),
};

/* On what TMPDIR is on, and in memory. */
int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!is_there()) {
        puts("no fanotify of this kind here: skipped");
        return failed;
    }
    failed += cmocka_run_group_tests_name("watched", watched, NULL, NULL);
    if (access("/dev/shm", W_OK) == 0 && setenv("TMPDIR", "/dev/shm", 1) == 0)
        failed += cmocka_run_group_tests_name("in memory", elsewhere, NULL, NULL);
    return failed;
}
