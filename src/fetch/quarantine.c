/* quarantine: see the header. The reason comes first, so that no message is there without one. */
#include "fetch/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/whole.h"

static int trouble(const char *path, struct err *err)
{
    return err_set(err, ERR_TEMP, "quarantine %.150s: %s", path, strerror(errno));
}

static bool copy_all(int from, int to)
{
    char piece[16384];
    off_t at = 0;
    for (ssize_t n; (n = pread(from, piece, sizeof piece, at)) != 0; at += n) {
        if (n < 0 && errno == EINTR)
            n = 0;
        else if (n < 0 || whole_write(to, piece, (size_t)n) < 0)
            return false;
    }
    return true;
}

/* A file in `dir` that is whole or not there: of `text`, or from `fd`. */
static int put_file(int dir, const char *name, int fd, const char *text)
{
    char fresh[NAME_MAX];
    snprintf(fresh, sizeof fresh, ".%.200s.new", name);
    int to = beneath_open(dir, fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0)
        return -1;
    bool well = (text ? whole_write(to, text, strlen(text)) == 0 : copy_all(fd, to)) && fsync(to) == 0;
    int why = errno;
    close(to);
    if (well && renameat(dir, fresh, dir, name) == 0)
        return 0;
    why = well ? errno : why;
    unlinkat(dir, fresh, 0);
    errno = why;
    return -1;
}

/* A folder of its owner's, made if need be, and durably there. */
static int open_folder(const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && fsync(fd) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int make_folders(const char *state_folder, const char *account, char *path)
{
    int above = open(state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(path, PATH_MAX, "%s/quarantine", state_folder);
    int all = open_folder(path);
    snprintf(path, PATH_MAX, "%s/quarantine/%s", state_folder, account);
    int fd = all < 0 || above < 0 ? -1 : open_folder(path);
    bool well = fd >= 0 && fsync(all) == 0 && fsync(above) == 0;
    if (above >= 0)
        close(above);
    if (all >= 0)
        close(all);
    if (well)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int quarantine_keep(const char *state_folder, const char *account, const char *name, int fd, const char *reason,
                    char *path, struct err *err)
{
    char eml[NAME_MAX], why[NAME_MAX], text[1000];
    int dir = make_folders(state_folder, account, path);
    if (dir < 0)
        return trouble(path, err);
    snprintf(eml, sizeof eml, "%.200s.eml", name);
    snprintf(why, sizeof why, "%.200s.reason", name);
    snprintf(text, sizeof text, "%s\n", reason);
    int ret = put_file(dir, why, -1, text) || put_file(dir, eml, fd, NULL) || fsync(dir) ? trouble(path, err) : 0;
    close(dir);
    size_t n = strlen(path);
    snprintf(path + n, PATH_MAX - n, "/%s", eml);
    return ret;
}
