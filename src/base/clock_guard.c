/* clock_guard: see the header. The tool and the check. */
#include "base/clock_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/span.h"

enum { STATE_MAX = 256 };

static const char head[] = "bustia-expire v1";

/* ---- the clocks */

static bool is_boot_id(struct span id)
{
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~')
            return false;
    return id.n > 0 && id.n < CLOCK_BOOT_ID;
}

int clock_mark_now(struct clock_mark *m, struct err *err)
{
    char text[CLOCK_BOOT_ID + 1];
    struct timespec up;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    struct span id = {text, n > 0 ? (size_t)n : 0};
    id = span_cut(&id, '\n');
    *m = (struct clock_mark){.wall = clock_wall().tv_sec};
    if (!is_boot_id(id) || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
        return err_set(err, ERR_TEMP, "which boot this is cannot be read from /proc/sys/kernel/random/boot_id");
    m->up = up.tv_sec;
    memcpy(m->boot, id.p, id.n);
    return 0;
}

int64_t clock_moved(const struct clock_mark *last, const struct clock_mark *now)
{
    bool same = strcmp(last->boot, now->boot) == 0;
    return now->wall - last->wall - (now->up - (same ? last->up : 0));
}

bool clock_jumped(int64_t moved)
{
    return moved > CLOCK_JUMP || moved < -CLOCK_JUMP;
}

/* ---- the file: head, wall, up, boot, ran; a blank between them and a line end */

static bool take_seconds(struct span *text, int64_t *value)
{
    uint64_t n;
    if (!span_number(span_cut(text, ' '), &n) || n > INT64_MAX / 4)
        return false;
    *value = (int64_t)n;
    return true;
}

static bool take_apart(struct span text, struct clock_state *s)
{
    struct span line = span_cut(&text, '\n'), boot;
    *s = (struct clock_state){0};
    if (!text.p || text.n || line.n < sizeof head || memcmp(line.p, head, sizeof head - 1) != 0)
        return false;
    line = span_from(line, sizeof head);
    if (!take_seconds(&line, &s->mark.wall) || !take_seconds(&line, &s->mark.up))
        return false;
    boot = span_cut(&line, ' ');
    if (!is_boot_id(boot) || !take_seconds(&line, &s->ran) || line.p)
        return false;
    memcpy(s->mark.boot, boot.p, boot.n);
    return true;
}

int clock_state_load(const char *path, struct clock_state *s, struct err *err)
{
    char text[STATE_MAX];
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(err, errno == ENOENT ? ERR_GONE : ERR_TEMP, "%s: %s", path, strerror(errno));
    bool ours = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
    ssize_t n = ours ? read(fd, text, sizeof text) : 0;
    close(fd);
    if (n <= 0 || !take_apart((struct span){text, (size_t)n}, s))
        return err_set(err, ERR_GONE, "%s is not what was written", path);
    return 0;
}

static int make_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    char *folder = mem_copy(path, (size_t)(slash - path));
    int made = mkdir(folder, 0755);
    int saved = errno;
    mem_free(folder);
    errno = saved;
    return made < 0 && errno != EEXIST ? -1 : 0;
}

static int write_new(const char *path, const char *text, size_t n)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    errno = 0;
    int failed = write(fd, text, n) != (ssize_t)n || fsync(fd) < 0 ? (errno ? errno : EIO) : 0;
    if (close(fd) < 0 && !failed)
        failed = errno;
    errno = failed;
    return failed ? -1 : 0;
}

int clock_state_save(const char *path, const struct clock_state *s, struct err *err)
{
    char text[STATE_MAX];
    int n = snprintf(text, sizeof text, "%s %" PRId64 " %" PRId64 " %s %" PRId64 "\n", head, s->mark.wall, s->mark.up,
                     s->mark.boot, s->ran);
    char *beside = mem_alloc(strlen(path) + sizeof ".new");
    stpcpy(stpcpy(beside, path), ".new");
    int failed = make_folder(path) < 0 || write_new(beside, text, (size_t)n) < 0 || rename(beside, path) < 0 ? errno : 0;
    mem_free(beside);
    return failed ? err_set(err, ERR_TEMP, "%s cannot be written: %s", path, strerror(failed)) : 0;
}
