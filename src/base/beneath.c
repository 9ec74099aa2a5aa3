/* beneath: see the header. Every process that touches mail, and the tool. */
#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 100 /* while somebody renames beside it; with ".." alone that is ever seen */ };

int beneath_open(int dir, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    unsigned tries = 0;
    do
        fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < TRIES)));
    return (int)fd;
}

static bool is_one_step(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && !strchr(name, '/');
}

/* EAGAIN is of a lease here, which its holder may keep for as long as a minute: nobody tries until then. */
int beneath_open_name(int dir, const char *name, int flags)
{
    if (!is_one_step(name))
        return beneath_open(dir, name, flags | O_NOFOLLOW, 0);
    int fd;
    do
        fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int beneath_sync(int dir, const char *made)
{
    int fd = beneath_open(dir, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        fd = beneath_open(dir, made, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int result = fd < 0 ? -1 : fsync(fd);
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return result;
}
