/* save: see the header. A file that was not written to its end does not stay. */
#include "reader/save.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "reader/names.h"
#include "reader/one.h"
#include "reader/size.h"
#include "reader/terminal.h"

enum { FILES_MAX = 1000 };

struct saving {
    uint64_t size;
    int folder, fd; /* fd: the file that is being written, or -1 */
    unsigned files;
    char name[NAME_ROOM];
};

static int end_file(struct saving *s, struct err *err)
{
    char size[SIZE_TEXT];
    if (s->fd < 0)
        return 0;
    int failed = fsync(s->fd) < 0 ? errno : 0;
    failed = close(s->fd) < 0 ? errno : failed;
    s->fd = -1;
    if (failed) {
        unlinkat(s->folder, s->name, 0);
        return err_set(err, ERR_TEMP, "%s cannot be written: %s", s->name, strerror(failed));
    }
    size_text(s->size, size);
    char *clean = terminal_line(span_of(s->name), terminal_ascii(STDOUT_FILENO));
    printf("%s  %s\n", size, clean);
    mem_free(clean);
    return 0;
}

static int begin_file(struct saving *s, struct span wanted, struct err *err)
{
    char safe[NAME_ROOM], otherwise[32];
    if (end_file(s, err) < 0)
        return -1;
    if (s->files == FILES_MAX)
        return err_set(err, ERR_LIMIT, "it has more parts than the %d that are saved at a time", FILES_MAX);
    snprintf(otherwise, sizeof otherwise, "part-%u.bin", ++s->files);
    name_safe(wanted, otherwise, safe);
    s->size = 0;
    s->fd = name_create(s->folder, safe, s->name, err);
    return s->fd < 0 ? -1 : 0;
}

static int write_file(struct saving *s, struct span what, struct err *err)
{
    while (what.n) {
        ssize_t put = write(s->fd, what.p, what.n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set(err, ERR_TEMP, "%s cannot be written: %s", s->name, strerror(errno));
        s->size += (uint64_t)put;
        what = span_from(what, (size_t)put);
    }
    return s->size > (uint64_t)ONE_SAVED_MB << 20 ? err_set(err, ERR_LIMIT, "%s grows without end", s->name) : 0;
}

static int take(void *arg, enum apart_kind kind, struct span what, struct err *err)
{
    struct saving *s = arg;
    if (kind == APART_PART)
        return begin_file(s, what, err);
    return kind == APART_DATA && s->fd >= 0 ? write_file(s, what, err) : 0;
}

/* The message itself, as it came. */
static int save_whole(struct one *o, struct saving *s, struct err *err)
{
    char piece[64 * 1024];
    uint64_t at = 0;
    long n = 0;
    if (begin_file(s, span_of("message.eml"), err) < 0)
        return -1;
    while ((n = spool_read(&o->spool, at, piece, sizeof piece, err)) > 0) {
        if (write_file(s, (struct span){piece, (size_t)n}, err) < 0)
            return -1;
        at += (uint64_t)n;
    }
    return (int)n;
}

static int save(struct one *o, const char *folder, struct err *err)
{
    struct saving s = {.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), .fd = -1};
    if (s.folder < 0)
        return err_set(err, errno == ENOENT ? ERR_GONE : ERR_PERM, "%.200s cannot be opened: %s", folder,
                       strerror(errno));
    int result = o->apart ? apart_run(o->apart, take, &s, err) : save_whole(o, &s, err);
    if (result == 0) {
        result = end_file(&s, err);
    } else if (s.fd >= 0) {
        close(s.fd);
        unlinkat(s.folder, s.name, 0);
    }
    if (fsync(s.folder) < 0 && errno != EINVAL && result == 0)
        result = err_set(err, ERR_TEMP, "%.200s cannot be made durable: %s", folder, strerror(errno));
    close(s.folder);
    return result;
}

int reader_save(struct reader *r, int argc, char **argv, struct err *err)
{
    uint64_t part = 0;
    struct one o;
    if (argc == 3 && (!span_number(span_of(argv[2]), &part) || part == 0 || part > UINT32_MAX))
        return err_set(err, ERR_USAGE, "a part is a number, as `bustia show` tells it");
    if ((argc == 3) + r->all + r->raw > 1)
        return err_set(err, ERR_USAGE,
                       "one part, --all parts, or the message as it is (--raw): not more than one of them");
    struct mime_how how = {.all = r->all, .part = (unsigned)part};
    int result = one_begin(&o, ONE_SAVED_MB, r->raw ? NULL : mime_save, &how, err);
    if (result == 0)
        result = one_fetch(&o, r, argv, err);
    if (result == 0)
        result = save(&o, r->folder ? r->folder : ".", err);
    one_end(&o);
    return result;
}
