/* record: writes down what a program does to files, for powercut.py where strace is not at hand or not permitted; and
 * ends it at a chosen call.
 *
 *     LD_PRELOAD=…/librecord.so FAULT=FILE program       (FAULT: bustiad passes that one on to its children)
 *
 * FILE is a piece of memory shared by all processes that have it preloaded, made by preload.py, which also reads it: a
 * head, then entries one behind the other, each with two numbers from one counter: when the call began and when it had
 * ended. So the calls of all processes are in one order. The map is made before the program's main, and to write into
 * it takes no system call, so it works behind any seccomp filter, in any root directory and as any user.
 *
 * A path is put together from what was given to the calls that opened the directories; one that was inherited or
 * received is "?". Not seen: writes by a memory map, io_uring, and what libc writes by itself (stdio). */
#undef _FILE_OFFSET_BITS /* else each call and its variant with 64 bits would be one name */

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 4096, PATH = 256, SAID = 64 };

/* As preload.py has them. */
enum call { CREATE = 1, DATA, SYNC, RENAME, LINK, UNLINK, SAY, CLOSE };

struct head {
    uint64_t size;
    atomic_ulong used;  /* octets, this head among them */
    atomic_ulong clock; /* the one counter */
    /* The rule: end the process at the entry of the n-th call of this kind on a path with these octets in it. */
    atomic_long countdown; /* n; 0 or less: it has been, or there is none */
    uint32_t kind;
    uint32_t spared; /* a process that is not ended */
    char path[PATH];
};

struct entry {
    atomic_ulong ended; /* 0: not whole yet */
    uint64_t began;
    uint32_t pid, kind;
    uint32_t lengths[2]; /* of the texts behind it; an entry takes a multiple of 8 octets */
};

static struct head *head;
static char paths[FDS][PATH];

__attribute__((constructor)) static void open_record(void)
{
    const char *name = getenv("FAULT");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    struct stat st;
    if (fstat(fd, &st) == 0 && (size_t)st.st_size > sizeof *head) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        head = p == MAP_FAILED ? NULL : p;
    }
    close(fd);
}

/* ---- an entry */

static uint64_t tick(void)
{
    return head ? atomic_fetch_add(&head->clock, 1) + 1 : 0;
}

/* Where the process is to end, it ends. A trap takes no system call, so no filter stands before it. */
static void meet(enum call kind, const char *path)
{
    if (!head || head->kind != kind || atomic_load(&head->countdown) <= 0 || !strstr(path, head->path))
        return;
    if ((uint32_t)getpid() != head->spared && atomic_fetch_sub(&head->countdown, 1) == 1)
        __builtin_trap();
}

static uint64_t begin(enum call kind, const char *path)
{
    meet(kind, path);
    return tick();
}

static void put(enum call kind, uint64_t began, const char *a, size_t na, const char *b, size_t nb)
{
    if (!head)
        return;
    size_t size = (sizeof(struct entry) + na + nb + 7) & ~(size_t)7;
    size_t at = atomic_fetch_add(&head->used, size);
    if (at + size > head->size)
        return; /* preload.py sees from `used` that it was too small */
    struct entry *e = (struct entry *)((char *)head + at);
    e->began = began;
    e->pid = (uint32_t)getpid();
    e->kind = kind;
    e->lengths[0] = (uint32_t)na;
    e->lengths[1] = (uint32_t)nb;
    memcpy(e + 1, a, na);
    memcpy((char *)(e + 1) + na, b, nb);
    atomic_store(&e->ended, tick());
}

static void note(enum call kind, uint64_t began, const char *path)
{
    put(kind, began, path, strlen(path), "", 0);
}

/* ---- paths */

static const char *path_of(int fd)
{
    return fd < 0 || fd >= FDS ? "?" : paths[fd][0] ? paths[fd] : "?";
}

static bool is_file(int fd)
{
    return fd >= 0 && fd < FDS && paths[fd][0];
}

static void join(char out[PATH], int dir, const char *path)
{
    if (path[0] == '/' || dir == AT_FDCWD)
        snprintf(out, PATH, "%s", path);
    else if (strcmp(path, ".") == 0 || path[0] == '\0')
        snprintf(out, PATH, "%s", path_of(dir));
    else if (snprintf(out, PATH, "%s/%s", path_of(dir), path) >= PATH)
        snprintf(out, PATH, "?");
}

/* ---- the calls */

#define WRAP(type, name, parameters)                                                                                   \
    typedef type name##_fn parameters;                                                                                 \
    static name##_fn *real_##name(void)                                                                                \
    {                                                                                                                  \
        static name##_fn *found;                                                                                       \
        if (!found)                                                                                                    \
            *(void **)&found = dlsym(RTLD_NEXT, #name);                                                                \
        return found;                                                                                                  \
    }                                                                                                                  \
    __attribute__((constructor)) static void find_##name(void)                                                         \
    {                                                                                                                  \
        real_##name();                                                                                                 \
    }                                                                                                                  \
    type name parameters

/* O_DIRECTORY is a part of __O_TMPFILE. */
static bool creates(int flags)
{
    return flags & O_CREAT || (flags & __O_TMPFILE) == __O_TMPFILE;
}

static int opened(int fd, int flags, uint64_t began, const char *path)
{
    if (fd >= 0 && fd < FDS)
        memcpy(paths[fd], path, PATH);
    if (fd >= 0 && creates(flags))
        note(CREATE, began, path);
    return fd;
}

static uint64_t begin_open(char full[PATH], int dir, const char *path, int flags)
{
    join(full, dir, path);
    return creates(flags) ? begin(CREATE, full) : 0;
}

#define MODE(mode, flags)                                                                                              \
    va_list args;                                                                                                      \
    va_start(args, flags);                                                                                             \
    mode_t mode = creates(flags) ? va_arg(args, mode_t) : 0;                                                           \
    va_end(args)

#define WRAP_OPENAT(name)                                                                                              \
    WRAP(int, name, (int dir, const char *path, int flags, ...))                                                       \
    {                                                                                                                  \
        MODE(mode, flags);                                                                                             \
        char full[PATH];                                                                                               \
        uint64_t began = begin_open(full, dir, path, flags);                                                           \
        return opened(real_##name()(dir, path, flags, mode), flags, began, full);                                      \
    }

#define WRAP_OPEN(name)                                                                                                \
    WRAP(int, name, (const char *path, int flags, ...))                                                                \
    {                                                                                                                  \
        MODE(mode, flags);                                                                                             \
        char full[PATH];                                                                                               \
        uint64_t began = begin_open(full, AT_FDCWD, path, flags);                                                      \
        return opened(real_##name()(path, flags, mode), flags, began, full);                                           \
    }

WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP_OPEN(open)
WRAP_OPEN(open64)

/* Calls that libc has no function for. */
WRAP(long, syscall, (long number, ...))
{
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_openat2)
        return real_syscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    const struct open_how *how = (const void *)a[2];
    char full[PATH];
    uint64_t began = begin_open(full, (int)a[0], (const char *)a[1], (int)how->flags);
    return opened((int)real_syscall()(number, a[0], a[1], a[2], a[3], a[4], a[5]), (int)how->flags, began, full);
}

WRAP(int, close, (int fd))
{
    if (is_file(fd)) {
        meet(CLOSE, paths[fd]);
        paths[fd][0] = '\0';
    }
    return real_close()(fd);
}

WRAP(int, close_range, (unsigned first, unsigned last, int flags))
{
    for (unsigned fd = first; fd <= last && fd < FDS; fd++)
        if (is_file((int)fd)) {
            meet(CLOSE, paths[fd]);
            paths[fd][0] = '\0';
        }
    return real_close_range()(first, last, flags);
}

/* libc closes these itself, and the number is soon another's. */
WRAP(int, closedir, (DIR * stream))
{
    int fd = dirfd(stream);
    if (is_file(fd))
        paths[fd][0] = '\0';
    return real_closedir()(stream);
}

static int synced(int result, uint64_t began, const char *path)
{
    if (result == 0)
        note(SYNC, began, path);
    return result;
}

WRAP(int, fsync, (int fd))
{
    uint64_t began = begin(SYNC, path_of(fd));
    return synced(real_fsync()(fd), began, path_of(fd));
}

WRAP(int, fdatasync, (int fd))
{
    uint64_t began = begin(SYNC, path_of(fd));
    return synced(real_fdatasync()(fd), began, path_of(fd));
}

#define WRAP_UNLINK(name, parameters, dir, arguments)                                                                  \
    WRAP(int, name, parameters)                                                                                        \
    {                                                                                                                  \
        char full[PATH];                                                                                               \
        join(full, dir, path);                                                                                         \
        uint64_t began = begin(UNLINK, full);                                                                          \
        int result = real_##name() arguments;                                                                          \
        if (result == 0)                                                                                               \
            note(UNLINK, began, full);                                                                                 \
        return result;                                                                                                 \
    }

WRAP_UNLINK(unlink, (const char *path), AT_FDCWD, (path))
WRAP_UNLINK(unlinkat, (int dir, const char *path, int flags), dir, (dir, path, flags))

#define WRAP_TWO(kind, name, parameters, from_dir, to_dir, arguments)                                                  \
    WRAP(int, name, parameters)                                                                                        \
    {                                                                                                                  \
        char a[PATH], b[PATH];                                                                                         \
        join(a, from_dir, from);                                                                                       \
        join(b, to_dir, to);                                                                                           \
        uint64_t began = begin(kind, b);                                                                               \
        int result = real_##name() arguments;                                                                          \
        if (result == 0)                                                                                               \
            put(kind, began, a, strlen(a), b, strlen(b));                                                              \
        return result;                                                                                                 \
    }

WRAP_TWO(RENAME, rename, (const char *from, const char *to), AT_FDCWD, AT_FDCWD, (from, to))
WRAP_TWO(RENAME, renameat, (int fd, const char *from, int gd, const char *to), fd, gd, (fd, from, gd, to))
WRAP_TWO(RENAME, renameat2, (int fd, const char *from, int gd, const char *to, unsigned f), fd, gd,
         (fd, from, gd, to, f))
WRAP_TWO(LINK, link, (const char *from, const char *to), AT_FDCWD, AT_FDCWD, (from, to))
WRAP_TWO(LINK, linkat, (int fd, const char *from, int gd, const char *to, int f), fd, gd, (fd, from, gd, to, f))

/* ---- octets: into a file, or said to somebody */

static ssize_t gone(ssize_t n, int fd, uint64_t began, const void *p, size_t size)
{
    if (n <= 0)
        return n;
    if (is_file(fd))
        note(DATA, began, path_of(fd));
    else if (p)
        put(SAY, began, p, size < SAID ? size : SAID, "", 0);
    return n;
}

static uint64_t begin_out(int fd)
{
    return begin(is_file(fd) ? DATA : SAY, path_of(fd));
}

#define WRAP_OUT(name, parameters, arguments, p, size)                                                                 \
    WRAP(ssize_t, name, parameters)                                                                                    \
    {                                                                                                                  \
        uint64_t began = begin_out(fd);                                                                                \
        return gone(real_##name() arguments, fd, began, p, size);                                                      \
    }

WRAP_OUT(write, (int fd, const void *p, size_t n), (fd, p, n), p, n)
WRAP_OUT(pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at), p, n)
WRAP_OUT(pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at), p, n)
WRAP_OUT(writev, (int fd, const struct iovec *v, int n), (fd, v, n), v[0].iov_base, v[0].iov_len)
WRAP_OUT(send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), p, n)
WRAP_OUT(sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags),
         m->msg_iovlen ? m->msg_iov[0].iov_base : NULL, m->msg_iovlen ? m->msg_iov[0].iov_len : 0)
WRAP_OUT(sendfile, (int fd, int in, off_t *at, size_t n), (fd, in, at, n), NULL, 0)
WRAP_OUT(sendfile64, (int fd, int in, off64_t *at, size_t n), (fd, in, at, n), NULL, 0)
WRAP_OUT(copy_file_range, (int in, off64_t *a, int fd, off64_t *b, size_t n, unsigned f), (in, a, fd, b, n, f), NULL, 0)
WRAP_OUT(splice, (int in, off64_t *a, int fd, off64_t *b, size_t n, unsigned f), (in, a, fd, b, n, f), NULL, 0)

/* ---- what the compiler makes of some calls in programs built with _FORTIFY_SOURCE; libc's headers do not declare them
 */

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
    return open64(path, flags);
}

int __openat_2(int dir, const char *path, int flags)
{
    return openat(dir, path, flags);
}

int __openat64_2(int dir, const char *path, int flags)
{
    return openat64(dir, path, flags);
}
