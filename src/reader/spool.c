/* spool: see the header. */
#include "reader/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

static int open_in(const char *folder)
{
    return folder && *folder ? open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR) : -1;
}

int spool_open(struct spool *s, uint64_t most, struct err *err)
{
    *s = (struct spool){.most = most, .fd = open_in(getenv("TMPDIR"))};
    if (s->fd < 0)
        s->fd = open_in("/var/tmp");
    if (s->fd < 0)
        s->fd = memfd_create("bustia-reader", MFD_CLOEXEC);
    return s->fd < 0 ? err_set(err, ERR_TEMP, "no temporary file can be made: %s", strerror(errno)) : 0;
}

int spool_add(struct spool *s, struct span in, struct err *err)
{
    if (in.n > s->most - s->size)
        return err_set(err, ERR_LIMIT, "there is more than the %" PRIu64 " MB that are read here", s->most >> 20);
    while (in.n) {
        ssize_t put = pwrite(s->fd, in.p, in.n, (off_t)s->size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set(err, ERR_TEMP, "the temporary file cannot be written: %s", strerror(errno));
        s->size += (uint64_t)put;
        in = span_from(in, (size_t)put);
    }
    return 0;
}

int spool_copy(struct spool *s, int fd, struct err *err)
{
    char piece[PIECE];
    for (;;) {
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_TEMP, "the message cannot be read: %s", strerror(errno));
        if (got == 0)
            return 0;
        if (spool_add(s, (struct span){piece, (size_t)got}, err) < 0)
            return -1;
    }
}

long spool_read(const struct spool *s, uint64_t at, char *p, size_t n, struct err *err)
{
    ssize_t got;
    do
        got = pread(s->fd, p, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got < 0 ? err_set(err, ERR_TEMP, "the temporary file cannot be read: %s", strerror(errno)) : got;
}

void spool_close(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct spool){.fd = -1};
}
