/* place: see the header. */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "fault.h"

void place_make(struct place *p)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(p->top, sizeof p->top, "%s/store.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->top));
    p->root = (struct store_root){.path = p->top, .fd = open(p->top, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    assert_true(p->root.fd >= 0);
    p->drop = "anna";
}

void place_maildir(struct place *p)
{
    static const char *const parts[] = {"", "new", "cur", "tmp"};
    place_make(p);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char path[PLACE_PATH];
        place_path(p, parts[i], path);
        assert_int_equal(mkdir(path, 0700), 0);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

void place_free(struct place *p)
{
    close(p->root.fd);
    assert_int_equal(nftw(p->top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int place_set_up(void **state)
{
    struct place *p = mem_alloc(sizeof *p);
    place_maildir(p);
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    fault_rules("");
    place_free(*state);
    mem_free(*state);
    return 0;
}

void place_path(const struct place *p, const char *name, char out[PLACE_PATH])
{
    assert_true(snprintf(out, PLACE_PATH, "%s/%s/%s", p->top, p->drop, name) < PLACE_PATH);
}

void place_write(const struct place *p, const char *name, struct span text)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t done = 0; done < text.n;) {
        ssize_t n = write(fd, text.p + done, text.n - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_int_equal(close(fd), 0);
}

void place_text(const struct place *p, const char *name, const char *text)
{
    place_write(p, name, span_of(text));
}

void place_rename(const struct place *p, const char *from, const char *to)
{
    char a[PLACE_PATH], b[PLACE_PATH];
    place_path(p, from, a);
    place_path(p, to, b);
    assert_int_equal(rename(a, b), 0);
}

void place_remove(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    assert_int_equal(unlink(path), 0);
}

bool place_has(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    struct stat st;
    return lstat(path, &st) == 0;
}

uint64_t place_inode(const struct place *p, const char *name)
{
    char path[PLACE_PATH];
    place_path(p, name, path);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_ino;
}

unsigned place_count(const struct place *p, const char *directory)
{
    char path[PLACE_PATH];
    place_path(p, directory, path);
    DIR *stream = opendir(path);
    assert_non_null(stream);
    unsigned n = 0;
    while (readdir(stream))
        n++;
    closedir(stream);
    return n - 2;
}

struct store *place_open(const struct place *p, const struct store_ops *ops)
{
    struct store *s = NULL;
    struct err err = {0};
    if (ops->open(&s, &p->root, p->drop, STORE_EXCLUSIVE, &err) < 0)
        fail_msg("open: %s", err.text);
    return s;
}

void place_list(struct store *s, struct drop *drop)
{
    struct err err = {0};
    drop_init(drop);
    if (s->ops->list(s, drop, &err) < 0)
        fail_msg("list: %s", err.text);
}

struct store *place_open_list(const struct place *p, const struct store_ops *ops, struct drop *drop)
{
    struct store *s = place_open(p, ops);
    place_list(s, drop);
    return s;
}

struct store *place_open_to_deliver(const struct place *p, const struct store_ops *ops)
{
    struct store *s = NULL;
    struct err err = {0};
    if (ops->open(&s, &p->root, p->drop, STORE_DELIVER, &err) < 0)
        fail_msg("open: %s", err.text);
    return s;
}

struct store_draft *place_draft(struct store *s, const struct store_about *about, struct span text)
{
    struct store_draft *d = NULL;
    struct err err = {0};
    if (s->ops->begin(s, about, &d, &err) < 0 || s->ops->write(d, text, &err) < 0 || s->ops->ready(d, &err) < 0)
        fail_msg("draft: %s", err.text);
    return d;
}

void place_deliver(struct store *s, const struct store_about *about, struct span text)
{
    struct store_draft *d = place_draft(s, about, text);
    struct err err = {0};
    if (s->ops->commit(&d, 1, &err) != 1)
        fail_msg("commit: %s", err.text);
}

pid_t place_beside(const struct place *p, void (*fn)(const struct place *p))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        fn(p);
        _exit(0);
    }
    return pid;
}

void place_wait(unsigned n, const pid_t pids[])
{
    for (unsigned i = 0; i < n; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

/* In pieces of an odd size, so that seams fall everywhere. */
char *place_body(struct store *s, unsigned msg, size_t *n, struct store_body *b, struct err *err)
{
    if (s->ops->body(s, msg, b, err) < 0)
        return NULL;
    char *text = mem_alloc(b->size + 1);
    size_t done = 0;
    for (;;) {
        size_t want = b->size + 1 - done < 4099 ? b->size + 1 - done : 4099;
        long got = b->fd >= 0 ? pread(b->fd, text + done, want, (off_t)(b->offset + done))
                              : b->read(b, done, text + done, want, err);
        if (got < 0) {
            mem_free(text);
            b->close(b);
            return NULL;
        }
        done += (size_t)got;
        if (got == 0 || done > b->size)
            break;
    }
    assert_int_equal(done, b->size);
    b->close(b);
    *n = done;
    return text;
}

void place_expect(struct store *s, unsigned msg, const char *text)
{
    struct store_body b;
    struct err err = {0};
    size_t n = 0;
    char *got = place_body(s, msg, &n, &b, &err);
    if (!got)
        fail_msg("body: %s", err.text);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
    mem_free(got);
}
