/* fault: makes chosen calls of a program fail, by standing between it and libc.
 *
 *     LD_PRELOAD=…/libfault.so FAULT='unlinkat:EIO:/cur/:2;fsync:EIO::1' program
 *
 * A rule is CALL:ERROR:PATH:FROM or CALL:ERROR:PATH:FROM-TO; rules are divided by semicolons, the first
 * that fits decides.
 *
 *   CALL   openat    open, openat, and openat2 through syscall(2)
 *          unlinkat  unlink, unlinkat
 *          fsync     fsync, fdatasync
 *          read      read, pread, sendfile (by the file it reads)
 *          write     write, pwrite
 *          fstatat   fstatat (also stat and lstat)
 *          fstat     fstat
 *          rename    rename, renameat, renameat2
 *          link      linkat
 *          symlink   symlinkat
 *          readlink  readlinkat
 *          readdir  readdir, getdents64 (each of the entries that it brings is a call)
 *          mkdirat, flock, close
 *          any       each of these
 *   ERROR  a name of errno.h from the table below; or END (read says that the file is at its end); or SHORT (read and
 *          write transfer one octet); or SKIP (fsync says that all is well and does nothing: for tests that only kill
 *          processes); or SLOW (the call goes on after 2 ms, where several such rules fit after as often); or KILL (the process is
 *          killed before the call)
 *   PATH   what must stand somewhere in the path (may have colons); empty: any. The path is put together from
 *          what was given to the calls that opened the directories: one that was inherited or received has
 *          none, so below it paths begin with "/". A directory itself ends without a slash.
 *   FROM   which fitting call is the first to fail, counted from 1; with TO, which is the last
 *
 * A file that close was made to fail for is closed all the same, as by the kernel.
 *
 * But for SLOW's sleep and KILL's signal it makes no system call that the program did not ask for, and it takes no lock, so it works
 * behind any seccomp filter. Descriptors above 4095 have no path. */
#undef _FILE_OFFSET_BITS /* else each call and its variant with 64 bits would be one name */

#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RULES = 16, FDS = 4096, PATH = 256, AT_END = -1, SLOW = -2, SHORT = -3, KILLED = -4, SKIP = -5 };

struct rule {
    char call[16];
    char path[PATH];
    int error;
    unsigned long from, to;
    atomic_ulong met;
};

static struct rule rules[RULES];
static unsigned n_rules;
static atomic_ulong hits;
static char paths[FDS][PATH];

static const struct {
    const char *name;
    int error;
} errors[] = {
    {"EIO", EIO},       {"EROFS", EROFS},   {"EACCES", EACCES}, {"EPERM", EPERM},
    {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE},
    {"ENOMEM", ENOMEM}, {"EINTR", EINTR},   {"ENOENT", ENOENT}, {"ESTALE", ESTALE},
    {"EAGAIN", EAGAIN}, {"ENOSYS", ENOSYS}, {"EINVAL", EINVAL}, {"END", AT_END},
    {"SLOW", SLOW},     {"SHORT", SHORT},   {"KILL", KILLED},   {"EEXIST", EEXIST},
    {"EXDEV", EXDEV},   {"SKIP", SKIP},
};

/* ---- rules */

static void wrong(const char *text)
{
    fprintf(stderr, "fault: cannot read this rule: %s\n", text);
    abort();
}

static int error_named(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strlen(errors[i].name) == n && memcmp(errors[i].name, name, n) == 0)
            return errors[i].error;
    return 0;
}

static void copy(char *to, size_t room, const char *from, size_t n, const char *rule)
{
    if (n >= room)
        wrong(rule);
    memcpy(to, from, n);
    to[n] = '\0';
}

static void read_rule(struct rule *r, const char *text)
{
    const char *error = strchr(text, ':');
    const char *path = error ? strchr(error + 1, ':') : NULL;
    const char *range = path ? strrchr(path + 1, ':') : NULL;
    if (!range)
        wrong(text);
    copy(r->call, sizeof r->call, text, (size_t)(error - text), text);
    copy(r->path, sizeof r->path, path + 1, (size_t)(range - path - 1), text);
    r->error = error_named(error + 1, (size_t)(path - error - 1));
    char *end;
    r->from = strtoul(range + 1, &end, 10);
    r->to = *end == '-' ? strtoul(end + 1, &end, 10) : (unsigned long)-1;
    if (!r->error || !r->from || *end)
        wrong(text);
    atomic_store(&r->met, 0);
}

void fault_rules(const char *text)
{
    n_rules = 0;
    atomic_store(&hits, 0);
    char *all = strdup(text ? text : ""), *rest = all;
    for (char *one; (one = strsep(&rest, ";"));) {
        if (!*one)
            continue;
        if (n_rules == RULES)
            wrong(one);
        read_rule(&rules[n_rules++], one);
    }
    free(all);
}

unsigned long fault_hits(void)
{
    return atomic_load(&hits);
}

__attribute__((constructor)) static void read_environment(void)
{
    fault_rules(getenv("FAULT"));
}

/* ---- paths */

/* Keeps the end, which says more than the beginning. */
static void join(char out[PATH], int dir, const char *path)
{
    const char *head = path[0] == '/' || dir < 0 || dir >= FDS ? "" : paths[dir];
    if (strcmp(path, ".") == 0 || path[0] == '\0') {
        snprintf(out, PATH, "%s", head);
        return;
    }
    const char *slash = path[0] == '/' || dir == AT_FDCWD ? "" : "/";
    size_t n = strlen(head) + strlen(slash) + strlen(path);
    size_t skip = n < PATH ? 0 : n - (PATH - 1);
    size_t cut = skip < strlen(head) ? skip : strlen(head);
    snprintf(out, PATH, "%s%s%s", head + cut, slash, skip > cut ? path + (skip - cut) : path);
}

static const char *path_of(int fd)
{
    return fd >= 0 && fd < FDS ? paths[fd] : "";
}

static int opened(int fd, const char *path)
{
    if (fd >= 0 && fd < FDS)
        memcpy(paths[fd], path, PATH);
    return fd;
}

/* 0: the call is to go on; else what it fails with. */
static int fate(const char *call, const char *path)
{
    for (unsigned i = 0; i < n_rules; i++) {
        struct rule *r = &rules[i];
        if ((strcmp(r->call, call) != 0 && strcmp(r->call, "any") != 0) || !strstr(path, r->path))
            continue;
        unsigned long n = atomic_fetch_add(&r->met, 1) + 1;
        if (n < r->from || n > r->to)
            continue;
        atomic_fetch_add(&hits, 1);
        if (r->error == KILLED)
            kill(getpid(), SIGKILL);
        if (r->error != SLOW)
            return r->error;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return 0;
}

static bool fails(const char *call, const char *path)
{
    int error = fate(call, path);
    if (!error)
        return false;
    errno = error < 0 ? EIO : error;
    return true;
}

static bool fails_at(const char *call, int dir, const char *path)
{
    char full[PATH];
    join(full, dir, path);
    return fails(call, full);
}

/* ---- the calls. The real ones are found before main; or at the first use, if that is earlier still. */

#define WRAP(type, name, parameters)                                                                                   \
    typedef type name##_fn parameters;                                                                                 \
    static name##_fn *real_##name;                                                                                     \
    __attribute__((constructor)) static void find_##name(void)                                                         \
    {                                                                                                                  \
        if (!real_##name)                                                                                              \
            *(void **)&real_##name = dlsym(RTLD_NEXT, #name);                                                          \
    }                                                                                                                  \
    type name parameters

#define REAL(name) (find_##name(), real_##name)

/* open and its kin take a mode only when they create. */
static mode_t mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

#define WRAP_OPENAT(name)                                                                                              \
    WRAP(int, name, (int dir, const char *path, int flags, ...))                                                       \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = mode_of(flags, args);                                                                            \
        va_end(args);                                                                                                  \
        char full[PATH];                                                                                               \
        join(full, dir, path);                                                                                         \
        return fails("openat", full) ? -1 : opened(REAL(name)(dir, path, flags, mode), full);                          \
    }

#define WRAP_OPEN(name)                                                                                                \
    WRAP(int, name, (const char *path, int flags, ...))                                                                \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode_t mode = mode_of(flags, args);                                                                            \
        va_end(args);                                                                                                  \
        char full[PATH];                                                                                               \
        join(full, AT_FDCWD, path);                                                                                    \
        return fails("openat", full) ? -1 : opened(REAL(name)(path, flags, mode), full);                               \
    }

WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP_OPEN(open)
WRAP_OPEN(open64)

/* Only openat2 has no function of its own; every other call passes through. */
WRAP(long, syscall, (long number, ...))
{
    long a[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_openat2)
        return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    char full[PATH];
    join(full, (int)a[0], (const char *)a[1]);
    if (fails("openat", full))
        return -1;
    return opened((int)REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]), full);
}

WRAP(int, close, (int fd))
{
    bool failing = fails("close", path_of(fd));
    int error = errno;
    if (fd >= 0 && fd < FDS)
        paths[fd][0] = '\0';
    int result = REAL(close)(fd);
    if (!failing)
        return result;
    errno = error;
    return -1;
}

/* Of several none is made to fail. */
WRAP(int, close_range, (unsigned first, unsigned last, int flags))
{
    for (unsigned fd = first; fd <= last && fd < FDS; fd++)
        paths[fd][0] = '\0';
    return REAL(close_range)(first, last, flags);
}

WRAP(int, unlinkat, (int dir, const char *path, int flags))
{
    return fails_at("unlinkat", dir, path) ? -1 : REAL(unlinkat)(dir, path, flags);
}

WRAP(int, unlink, (const char *path))
{
    return fails_at("unlinkat", AT_FDCWD, path) ? -1 : REAL(unlink)(path);
}

WRAP(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags))
{
    return fails_at("link", to_dir, to) ? -1 : REAL(linkat)(from_dir, from, to_dir, to, flags);
}

WRAP(int, symlinkat, (const char *text, int dir, const char *path))
{
    return fails_at("symlink", dir, path) ? -1 : REAL(symlinkat)(text, dir, path);
}

WRAP(ssize_t, readlinkat, (int dir, const char *path, char *p, size_t n))
{
    return fails_at("readlink", dir, path) ? -1 : REAL(readlinkat)(dir, path, p, n);
}

WRAP(int, mkdirat, (int dir, const char *path, mode_t mode))
{
    return fails_at("mkdirat", dir, path) ? -1 : REAL(mkdirat)(dir, path, mode);
}

#define WRAP_FSYNC(name)                                                                                               \
    WRAP(int, name, (int fd))                                                                                          \
    {                                                                                                                  \
        int error = fate("fsync", path_of(fd));                                                                        \
        if (!error)                                                                                                    \
            return REAL(name)(fd);                                                                                     \
        errno = error < 0 ? EIO : error;                                                                               \
        return error == SKIP ? 0 : -1;                                                                                 \
    }

WRAP_FSYNC(fsync)
WRAP_FSYNC(fdatasync)

WRAP(int, flock, (int fd, int operation))
{
    return fails("flock", path_of(fd)) ? -1 : REAL(flock)(fd, operation);
}

WRAP(struct dirent *, readdir, (DIR * stream))
{
    return fails("readdir", path_of(dirfd(stream))) ? NULL : REAL(readdir)(stream);
}

WRAP(struct dirent64 *, readdir64, (DIR * stream))
{
    return fails("readdir", path_of(dirfd(stream))) ? NULL : REAL(readdir64)(stream);
}

/* One that would be brought with others fails with them. */
WRAP(ssize_t, getdents64, (int fd, void *p, size_t n))
{
    ssize_t got = REAL(getdents64)(fd, p, n);
    int error = errno;
    bool failing = got <= 0 && fails("readdir", path_of(fd));
    for (ssize_t at = 0; at < got && !failing; at += ((struct dirent64 *)(void *)((char *)p + at))->d_reclen)
        failing = fails("readdir", path_of(fd));
    if (failing)
        return -1;
    errno = error;
    return got;
}

#define WRAP_TRANSFER(call, name, parameters, arguments)                                                               \
    WRAP(ssize_t, name, parameters)                                                                                    \
    {                                                                                                                  \
        int error = fate(call, path_of(fd));                                                                           \
        if (!error)                                                                                                    \
            return REAL(name) arguments;                                                                               \
        if (error == AT_END)                                                                                           \
            return 0;                                                                                                  \
        if (error == SHORT) {                                                                                          \
            n = n > 1 ? 1 : n;                                                                                         \
            return REAL(name) arguments;                                                                               \
        }                                                                                                              \
        errno = error;                                                                                                 \
        return -1;                                                                                                     \
    }

WRAP_TRANSFER("read", read, (int fd, void *p, size_t n), (fd, p, n))
WRAP_TRANSFER("read", pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
WRAP_TRANSFER("read", pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
WRAP_TRANSFER("read", sendfile, (int out, int fd, off_t *at, size_t n), (out, fd, at, n))
WRAP_TRANSFER("read", sendfile64, (int out, int fd, off64_t *at, size_t n), (out, fd, at, n))
WRAP_TRANSFER("write", write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP_TRANSFER("write", pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
WRAP_TRANSFER("write", pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))

#define WRAP_STAT(type, name)                                                                                          \
    WRAP(int, name, (int fd, type *st))                                                                                \
    {                                                                                                                  \
        return fails("fstat", path_of(fd)) ? -1 : REAL(name)(fd, st);                                                  \
    }

#define WRAP_STATAT(type, name)                                                                                        \
    WRAP(int, name, (int dir, const char *path, type *st, int flags))                                                  \
    {                                                                                                                  \
        return fails_at("fstatat", dir, path) ? -1 : REAL(name)(dir, path, st, flags);                                 \
    }

#define WRAP_STAT_PATH(type, name)                                                                                     \
    WRAP(int, name, (const char *path, type *st))                                                                      \
    {                                                                                                                  \
        return fails_at("fstatat", AT_FDCWD, path) ? -1 : REAL(name)(path, st);                                        \
    }

WRAP_STAT(struct stat, fstat)
WRAP_STAT(struct stat64, fstat64)
WRAP_STATAT(struct stat, fstatat)
WRAP_STATAT(struct stat64, fstatat64)
WRAP_STAT_PATH(struct stat, stat)
WRAP_STAT_PATH(struct stat64, stat64)
WRAP_STAT_PATH(struct stat, lstat)
WRAP_STAT_PATH(struct stat64, lstat64)

/* A rename fails when either of its names fits. */
static bool rename_fails(int from_dir, const char *from, int to_dir, const char *to)
{
    return fails_at("rename", from_dir, from) || fails_at("rename", to_dir, to);
}

WRAP(int, rename, (const char *from, const char *to))
{
    return rename_fails(AT_FDCWD, from, AT_FDCWD, to) ? -1 : REAL(rename)(from, to);
}

WRAP(int, renameat, (int from_dir, const char *from, int to_dir, const char *to))
{
    return rename_fails(from_dir, from, to_dir, to) ? -1 : REAL(renameat)(from_dir, from, to_dir, to);
}

WRAP(int, renameat2, (int from_dir, const char *from, int to_dir, const char *to, unsigned flags))
{
    return rename_fails(from_dir, from, to_dir, to) ? -1 : REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

/* ---- what the compiler makes of some calls in programs built with _FORTIFY_SOURCE; libc's headers do not declare them
 */

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __read_chk(int fd, void *p, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room);
ssize_t __readlinkat_chk(int dir, const char *path, char *p, size_t n, size_t room);

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

static size_t checked(size_t n, size_t room)
{
    if (n > room)
        abort();
    return n;
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t room)
{
    return read(fd, p, checked(n, room));
}

ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
    return pread(fd, p, checked(n, room), at);
}

ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t room)
{
    return pread64(fd, p, checked(n, room), at);
}

ssize_t __readlinkat_chk(int dir, const char *path, char *p, size_t n, size_t room)
{
    return readlinkat(dir, path, p, checked(n, room));
}
