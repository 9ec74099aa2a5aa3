/* watching: see the header. */
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
#include <linux/magic.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "store/maildir.h"
#include "store/maildir_name.h"
#include "store/open.h"
#include "watching.h"

enum { TICK_US = 12000 };

#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif

struct kernel kernel;
unsigned next_time;

void settle(void)
{
    usleep(TICK_US);
}

/* ---- the kernel, as it may be */

ssize_t getdents64(int fd, void *p, size_t n);
ssize_t getdents64(int fd, void *p, size_t n)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "getdents64");
    kernel.readings += n > sizeof(struct dirent64);
    return next(fd, p, n);
}

ssize_t read(int fd, void *p, size_t n)
{
    static ssize_t (*next)(int, void *, size_t);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "read");
    ssize_t got = next(fd, p, n);
    if (kernel.junk && got > 0 && n == 32 * 1024) {
        kernel.junk = false;
        return got - 1;
    }
    return got;
}

static void now(void (**what)(const struct place *p))
{
    void (*change)(const struct place *) = *what;
    *what = NULL;
    if (change)
        change(kernel.changes_in);
}

int fanotify_init(unsigned flags, unsigned file_flags)
{
    static int (*next)(unsigned, unsigned);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "fanotify_init");
    errno = kernel.no_group;
    return kernel.no_group ? -1 : next(flags, file_flags);
}

int fanotify_mark(int group, unsigned flags, uint64_t mask, int dir, const char *path)
{
    static int (*next)(int, unsigned, uint64_t, int, const char *);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "fanotify_mark");
    assert_null(path);
    errno = kernel.no_mark[flags == FAN_MARK_REMOVE];
    if (errno && flags != FAN_MARK_FLUSH)
        return -1;
    if (flags != FAN_MARK_FLUSH) /* by REMOVE it is asked whether it is there, when the queue has been read */
        now(flags == FAN_MARK_REMOVE ? &kernel.after_reading : &kernel.before_mark);
    kernel.marks = flags == FAN_MARK_FLUSH ? 0 : kernel.marks + (flags == FAN_MARK_ADD);
    return next(group, flags, mask, dir, path);
}

int name_to_handle_at(int dir, const char *name, struct file_handle *handle, int *mount, int flags)
{
    static int (*next)(int, const char *, struct file_handle *, int *, int);
    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "name_to_handle_at");
    struct maildir_state any[MAILDIR_DIRS] = {{0}};
    (void)maildir_watch_may(
        any); /* whoever waits for a file system does not hold up the others: this would wait for ever */
    int result = next(dir, name, handle, mount, flags);
    if (result == 0 && kernel.other_handles)
        handle->f_handle[0] ^= 1;
    return result;
}

static bool is_local(int dir)
{
    static const uint32_t known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, F2FS_SUPER_MAGIC};
    struct statfs fs;
    bool local = false;
    for (size_t i = 0; fstatfs(dir, &fs) == 0 && i < sizeof known / sizeof *known; i++)
        local = local || (uint32_t)fs.f_type == known[i];
    return local;
}

/* NULL: it does. */
static const char *why_not(int group, int dir)
{
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
    int mount;
    if (group < 0)
        return "fanotify_init";
    if (dir < 0 || !is_local(dir)) {
        errno = EOPNOTSUPP;
        return "file system";
    }
    if (fanotify_mark(group, FAN_MARK_ADD, FAN_CREATE | FAN_MOVED_TO | FAN_DELETE | FAN_MOVED_FROM | FAN_ONDIR, dir, NULL) < 0)
        return "fanotify_mark";
    return name_to_handle_at(dir, "", &handle.head, &mount, AT_EMPTY_PATH) < 0 ? "name_to_handle_at" : NULL;
}

bool kernel_tells(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[PLACE_PATH];
    snprintf(path, sizeof path, "%s/told.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(path))
        abort();
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int group = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_CLOEXEC);
    const char *what = why_not(group, dir);
    if (what)
        printf("skipped: the kernel does not tell of what comes to %s: %s: %s\n", path, what, strerror(errno));
    if (group >= 0)
        close(group);
    if (dir >= 0)
        close(dir);
    rmdir(path);
    kernel = (struct kernel){0};
    return !what;
}

int in_memory(const struct CMUnitTest *tests, size_t n)
{
    if (access("/dev/shm", W_OK) < 0 || setenv("TMPDIR", "/dev/shm", 1) < 0 || !kernel_tells())
        return 0;
    return _cmocka_run_group_tests("in memory", tests, n, NULL, NULL);
}

int verdict(int failed, bool told)
{
    return failed ? failed : told ? 0 : SKIPPED;
}

static unsigned marks_of(const char *info)
{
    FILE *f = fopen(info, "re");
    char line[512];
    unsigned n = 0;
    while (f && fgets(line, sizeof line, f))
        n += strncmp(line, "fanotify ino:", 13) == 0;
    if (f)
        fclose(f);
    return n;
}

unsigned kernel_marks(void)
{
    unsigned n = 0;
    char info[64];
    for (int fd = 0; fd < 256; fd++) {
        snprintf(info, sizeof info, "/proc/self/fdinfo/%d", fd);
        n += marks_of(info);
    }
    return n;
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
        at += snprintf(at, (size_t)(text + TEXT - at), "%u %llu %s\n", i + 1, (unsigned long long)octets_of(p, &all[i]),
                       uid);
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

void session(const struct place *p, enum way way, bool bodies)
{
    struct drop drop;
    struct err err;
    char *heard = mem_alloc(TEXT), *again = mem_alloc(TEXT);
    kernel.readings = 0;
    struct store *s = place_open_list(p, &store_maildir, &drop);
    unsigned read = kernel.readings, count = drop.count;
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

/* ---- a maildrop */

void put(const struct place *p, const char *dir, const char *text)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%u.x", dir, next_time++);
    place_text(p, name, text);
}

void fill(const struct place *p)
{
    next_time = 1000000;
    for (unsigned i = 0; i < MANY; i++)
        put(p, i % 3 ? "new" : "cur", "x\n");
    settle();
    session(p, READ, false);
    session(p, HEARD, false);
}

void make_three(const struct place *p, struct place each[3])
{
    static const char *const names[] = {"anna", "bea", "carl"};
    char path[PLACE_PATH];
    for (unsigned i = 0; i < 3; i++) {
        each[i] = *p;
        each[i].drop = names[i];
        for (unsigned j = 0; i && j < 4; j++) {
            place_path(&each[i], (const char *const[]){"", "new", "cur", "tmp"}[j], path);
            assert_int_equal(mkdir(path, 0700), 0);
        }
    }
}

int watching_set_up(void **state)
{
    next_time = 0;
    store_watch(4);
    return place_set_up(state);
}

int watching_tear_down(void **state)
{
    kernel = (struct kernel){0};
    store_watch(0);
    return place_tear_down(state);
}
