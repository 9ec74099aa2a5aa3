/* import_mbox: an mbox file (RFC 4155): messages begin with a "From " line, before which stands a blank one. A line
 * that was quoted with
 * '>' because it looks like one gets a '>' less. */
#include "tool/import_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

struct mbox {
    struct import_source source;
    FILE *file;
    char line[PIECE + 1]; /* a line, or a piece of one that is longer: nobody's line takes all memory */
    ssize_t n;            /* of what is at hand: the "From " line of the next message; 0: the file's end */
    bool begins;          /* it is the beginning of a line */
    unsigned number;
    char name[40];
    int64_t mtime;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Somewhere in it "18:00" and a year. */
static bool has_date(const char *p, size_t n)
{
    bool time = false, year = false;
    for (size_t i = 1; i + 2 < n; i++) {
        time = time || (p[i] == ':' && is_digit(p[i - 1]) && is_digit(p[i + 1]) && is_digit(p[i + 2]));
        year = year || ((memcmp(p + i, "19", 2) == 0 || memcmp(p + i, "20", 2) == 0) && !is_digit(p[i - 1]) &&
                        is_digit(p[i + 2]) && i + 3 < n && is_digit(p[i + 3]));
    }
    return time && year;
}

/* "From ann@example.org Tue Nov 24 18:00:00 2026": what has no date is no separator but a sentence. *when is set if the
 * date is written as it should be. */
static bool separates(const char *line, ssize_t n, int64_t *when)
{
    struct tm tm = {0};
    if (n < 6 || memcmp(line, "From ", 5) != 0 || !has_date(line + 5, (size_t)n - 5))
        return false;
    const char *at = memchr(line + 5, ' ', (size_t)n - 5);
    const char *end = at ? strptime(at + 1 + strspn(at + 1, " "), "%a %b %e %H:%M:%S", &tm) : NULL;
    /* Between the time and the year some programs write a zone. */
    const char *year = end ? strptime(end, " %Y", &tm) : NULL;
    if (end && !year && (end = strchr(end + strspn(end, " "), ' ')))
        year = strptime(end, " %Y", &tm);
    if (year)
        *when = timegm(&tm);
    return true;
}

static bool quoted(const char *line, ssize_t n)
{
    size_t marks = 0;
    while ((ssize_t)marks < n && line[marks] == '>')
        marks++;
    return marks > 0 && n - (ssize_t)marks >= 5 && memcmp(line + marks, "From ", 5) == 0;
}

static bool blank(const char *line, ssize_t n)
{
    return (n == 1 && line[0] == '\n') || (n == 2 && line[0] == '\r' && line[1] == '\n');
}

static ssize_t read_line(struct mbox *b)
{
    int c;
    b->begins = b->n == 0 || b->line[b->n - 1] == '\n';
    b->n = 0;
    while (b->n < PIECE && (c = getc_unlocked(b->file)) != EOF) {
        b->line[b->n++] = (char)c;
        if (c == '\n')
            break;
    }
    b->line[b->n] = '\0';
    b->source.done += (uint64_t)b->n;
    return b->n;
}

/* The lines up to the next separator. -1: too long. */
static int take_text(struct mbox *b)
{
    struct import_source *s = &b->source;
    size_t before_blank = 0;
    bool was_blank = false, separator = true; /* the "From " line may be longer than a piece */
    int result = 0;
    int64_t when;
    while (read_line(b) > 0) {
        separator = separator && !b->begins;
        if (separator)
            continue;
        if (was_blank && separates(b->line, b->n, &when))
            break;
        was_blank = b->begins && blank(b->line, b->n);
        if (was_blank)
            before_blank = s->n;
        bool less = b->begins && quoted(b->line, b->n);
        if (result == 0 && import_add(s, b->line + less, (size_t)b->n - less) < 0)
            result = -1;
    }
    if (was_blank && result == 0)
        s->n = before_blank; /* it belongs to the separator */
    return result;
}

static int mbox_next(struct import_source *s, struct import_message *m, struct err *err)
{
    struct mbox *b = (struct mbox *)s;
    int64_t when = b->mtime;
    if (b->n == 0)
        return 0;
    separates(b->line, b->n, &when);
    snprintf(b->name, sizeof b->name, "message %u", ++b->number);
    if (take_text(b) < 0)
        return err_set(err, ERR_INPUT, "%s is larger than message_size", b->name);
    if (ferror(b->file))
        return err_set(err, ERR_TEMP, "%s cannot be read: %s", b->name, strerror(errno));
    *m = (struct import_message){{s->text, s->n}, when, b->name};
    return 1;
}

static void mbox_close(struct import_source *s)
{
    struct mbox *b = (struct mbox *)s;
    fclose(b->file);
    mem_free(b);
}

static const struct import_ops ops = {mbox_next, mbox_close};

/* Held for reading, in both ways that are in use: nobody rewrites the file meanwhile. */
static int lock(int fd, struct err *err)
{
    struct flock whole = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &whole) < 0 && (errno == EACCES || errno == EAGAIN))
        return err_set(err, ERR_BUSY, "another program holds the mbox; try again later");
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return err_set(err, ERR_BUSY, "another program holds the mbox; try again later");
    return 0;
}

int import_mbox_open(struct import_source **s, int fd, const struct stat *st, uint64_t most, struct err *err)
{
    struct mbox *b = mem_alloc(sizeof *b);
    *b = (struct mbox){.source = {.ops = &ops, .most = most, .whole = (uint64_t)st->st_size},
                       .mtime = st->st_mtim.tv_sec};
    int64_t when;
    (void)fcntl(fd, F_SETFL, 0);
    b->file = fdopen(fd, "r");
    if (!b->file) {
        close(fd);
        mem_free(b);
        return err_set(err, ERR_TEMP, "fdopen: %s", strerror(errno));
    }
    int result = lock(fd, err);
    if (result == 0 && read_line(b) > 0 && !separates(b->line, b->n, &when))
        result = err_set(err, ERR_INPUT, "it is no mbox file: its first line is no \"From ADDRESS DATE\"");
    if (result < 0)
        mbox_close(&b->source);
    else
        *s = &b->source;
    return result;
}
