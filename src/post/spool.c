/* spool: see the header. */
#include "post/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

enum { PIECE = 64 * 1024, ONLY_US = 0600 };

/* Where a file system knows no files without names, one is made and its name taken away. */
static int named_file(const char *folder)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/bustia-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static int open_in(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, ONLY_US);
    return fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR) ? named_file(folder) : fd;
}

int spool_open(struct spool *s, bool strip, struct err *err)
{
    const char *own = getenv("TMPDIR");
    const char *const folders[] = {own && *own == '/' ? own : "/var/tmp", "/var/tmp", "/tmp"};
    int first = 0;
    *s = (struct spool){.fd = -1, .strip = strip};
    for (size_t i = 0; s->fd < 0 && i < sizeof folders / sizeof *folders; i++) {
        s->fd = open_in(folders[i]);
        first = first ? first : errno;
    }
    if (s->fd < 0)
        return err_set(err, ERR_TEMP, "no temporary file can be made in %s: %s", folders[0], strerror(first));
    s->wait = mem_resize(NULL, PIECE);
    return 0;
}

static int flush(struct spool *s, struct err *err)
{
    for (size_t done = 0; done < s->n && !s->failed;) {
        ssize_t wrote = write(s->fd, s->wait + done, s->n - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            s->failed = true;
            return err_set(err, ERR_TEMP, "a temporary file cannot be written: %s",
                           strerror(wrote < 0 ? errno : ENOSPC));
        }
        done += (size_t)wrote;
    }
    s->n = 0;
    return s->failed ? err_set(err, ERR_TEMP, "a temporary file could not be written") : 0;
}

/* Looks at what was put behind the n octets that wait, and counts them in. */
static void add(struct spool *s, size_t n)
{
    const char *p = s->wait + s->n, *end = p + n;
    for (; p < end; p++) {
        if ((unsigned char)*p & 0x80)
            s->eight_bit = true;
        if (*p == '\n' && s->last != '\r')
            s->lone++;
        s->last = *p;
    }
    s->n += n;
    s->size += n;
}

int spool_write(struct spool *s, struct span in, struct err *err)
{
    if (s->failed)
        return flush(s, err);
    while (in.n) {
        size_t room = PIECE - s->n, n = in.n < room ? in.n : room;
        if (s->strip) {
            n = ends_strip(&s->ends, &in, s->wait + s->n, room);
        } else {
            memcpy(s->wait + s->n, in.p, n);
            in = span_from(in, n);
        }
        add(s, n);
        if (s->n == PIECE && flush(s, err) < 0)
            return -1;
    }
    return 0;
}

int spool_ready(struct spool *s, struct err *err)
{
    if (s->strip && s->n < PIECE)
        add(s, ends_finish(&s->ends, s->wait + s->n));
    if (flush(s, err) < 0)
        return -1;
    return lseek(s->fd, 0, SEEK_SET) == 0
               ? 0
               : err_set(err, ERR_TEMP, "a temporary file cannot be read: %s", strerror(errno));
}

void spool_close(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    mem_free(s->wait);
    s->wait = NULL;
}
