/* import_folder: a Maildir (new/ and cur/), or a folder of .eml files. Other programs may deliver into it and rename in
 * it meanwhile: what has another name now is looked for by its base. */
#include "tool/import_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"

struct entry {
    char *path; /* "cur/NAME" or "NAME.eml" */
    int64_t time;
};

struct folder {
    struct import_source source;
    int dir;
    bool maildir;
    struct entry *entries;
    size_t count, room, at;
    unsigned trashed, odd;
};

/* ---- what there is */

/* The time in a Maildir's name, else the file's. */
static int64_t time_of(const struct folder *f, const char *name, const struct stat *st)
{
    uint64_t value = 0;
    size_t digits = strspn(name, "0123456789");
    if (f->maildir && digits && name[digits] == '.' && span_number((struct span){name, digits}, &value) &&
        value < INT64_MAX)
        return (int64_t)value;
    return st->st_mtim.tv_sec;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcmp(name + n - m, end) == 0;
}

static bool is_trashed(const char *name)
{
    const char *flags = strstr(name, ":2,");
    return flags && strchr(flags + 3, 'T');
}

static void keep(struct folder *f, const char *sub, const char *name, const struct stat *st)
{
    if (f->count == f->room) {
        f->room = 2 * f->room + 256;
        f->entries = mem_resize(f->entries, f->room * sizeof *f->entries);
    }
    struct buf b;
    buf_init(&b, 8192, NULL);
    buf_addf(&b, "%s%s%s", sub, *sub ? "/" : "", name);
    f->entries[f->count++] = (struct entry){mem_copy(buf_span(&b).p, buf_span(&b).n), time_of(f, name, st)};
    buf_fini(&b);
}

static void look_at(struct folder *f, const char *sub, int dir, const char *name)
{
    struct stat st;
    if (name[0] == '.' || (!f->maildir && !ends_with(name, ".eml")))
        return;
    if (f->maildir && is_trashed(name))
        f->trashed++;
    else if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        f->odd++;
    else
        keep(f, sub, name, &st);
}

static int list(struct folder *f, const char *sub, struct err *err)
{
    int fd = beneath_open(f->dir, *sub ? sub : ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return err_set(err, ERR_TEMP, "%s cannot be read: %s", *sub ? sub : "the folder", strerror(errno));
    }
    errno = 0;
    for (struct dirent *e; (e = readdir(stream)); errno = 0)
        look_at(f, sub, fd, e->d_name);
    int failed = errno;
    closedir(stream);
    return failed ? err_set(err, ERR_TEMP, "%s cannot be read: %s", *sub ? sub : "the folder", strerror(failed)) : 0;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return strcmp(x->path, y->path);
}

static bool has(int dir, const char *name)
{
    int fd = beneath_open(dir, name, O_PATH | O_DIRECTORY, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- one after another */

static size_t base_length(const char *name)
{
    return strcspn(name, ":");
}

static bool same_base(const char *a, const char *b)
{
    return base_length(a) == base_length(b) && memcmp(a, b, base_length(a)) == 0;
}

static int search_in(const struct folder *f, const char *sub, const char *name)
{
    int found = -1, fd = beneath_open(f->dir, sub, O_RDONLY | O_DIRECTORY, 0);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    for (struct dirent *e; found < 0 && (e = readdir(stream));)
        if (same_base(e->d_name, name))
            found = beneath_open(fd, e->d_name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    closedir(stream);
    return found;
}

/* Opens the file of this base under the name it has now. */
static int search(const struct folder *f, const char *name)
{
    int fd = search_in(f, "cur", name);
    return fd >= 0 ? fd : search_in(f, "new", name);
}

static int read_all(struct folder *f, int fd, const char *path, struct err *err)
{
    char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, ERR_TEMP, "%s cannot be read: %s", path, strerror(errno));
        if (n == 0)
            return 0;
        if (import_add(&f->source, piece, (size_t)n) < 0)
            return err_set(err, ERR_INPUT, "%s is larger than message_size", path);
    }
}

static int take(struct folder *f, const char *path, struct err *err)
{
    struct stat st;
    int fd = beneath_open(f->dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 && errno == ENOENT && f->maildir)
        fd = search(f, path + strcspn(path, "/") + 1);
    if (fd < 0 && errno == ENOENT)
        return 0; /* removed since */
    if (fd < 0)
        return err_set(err, ERR_TEMP, "%s cannot be opened: %s", path, strerror(errno));
    int result = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read_all(f, fd, path, err)
                                                            : err_set(err, ERR_INPUT, "%s is no regular file", path);
    close(fd);
    return result < 0 ? -1 : 1;
}

static int folder_next(struct import_source *s, struct import_message *m, struct err *err)
{
    struct folder *f = (struct folder *)s;
    while (f->at < f->count) {
        const struct entry *e = &f->entries[f->at++];
        s->done = f->at;
        s->n = 0;
        int got = take(f, e->path, err);
        if (got == 0)
            continue;
        *m = (struct import_message){{s->text, s->n}, e->time, e->path};
        return got;
    }
    return 0;
}

static void folder_close(struct import_source *s)
{
    struct folder *f = (struct folder *)s;
    for (size_t i = 0; i < f->count; i++)
        mem_free(f->entries[i].path);
    mem_free(f->entries);
    close(f->dir);
    mem_free(f);
}

static const struct import_ops ops = {folder_next, folder_close};

int import_folder_open(struct import_source **s, int dir, uint64_t most, struct err *err)
{
    struct folder *f = mem_alloc(sizeof *f);
    *f = (struct folder){.source = {.ops = &ops, .most = most}, .dir = dir};
    f->maildir = has(dir, "cur") && has(dir, "new");
    int result = f->maildir ? list(f, "new", err) || list(f, "cur", err) ? -1 : 0 : list(f, "", err);
    if (result == 0 && f->count == 0 && !f->maildir)
        result = err_set(err, ERR_INPUT, "the folder is neither a Maildir (with new and cur) nor has it .eml files");
    if (result < 0) {
        folder_close(&f->source);
        return -1;
    }
    if (f->count)
        qsort(f->entries, f->count, sizeof *f->entries, compare);
    f->source.whole = f->count;
    if (f->trashed || f->odd)
        snprintf(f->source.note, sizeof f->source.note, "passed over: %u marked as trash, %u that are no regular files",
                 f->trashed, f->odd);
    *s = &f->source;
    return 0;
}
