/* maildir_sweep: what deliveries left in tmp/ when they were killed. Deliver processes and the tool; never a session,
 * whose client waits. A file that is being written is touched all the time; nothing else there is ours to judge. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/maildir_draft.h"
#include "store/maildir_open.h"

enum { LEFT_S = 36 * 3600 };

/* Both times: one can be set at will, the other tells of renames and links. */
static bool is_left(const struct stat *st, int64_t now)
{
    return S_ISREG(st->st_mode) && now - st->st_mtim.tv_sec > LEFT_S && now - st->st_ctim.tv_sec > LEFT_S;
}

int maildir_sweep(struct maildir_box *m, int64_t now, struct err *err)
{
    if (maildir_box_tmp(m, err) < 0)
        return -1;
    int fd = maildir_beneath(m->tmp, ".", O_RDONLY | O_DIRECTORY);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream) {
        err_set(err, ERR_TEMP, "%s/tmp: cannot be opened: %s", m->where, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int failed = 0;
    const struct dirent *d;
    while (errno = 0, (d = readdir(stream))) {
        struct stat st;
        if (fstatat(m->tmp, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_left(&st, now) &&
            unlinkat(m->tmp, d->d_name, 0) < 0 && errno != ENOENT)
            failed = errno;
    }
    failed = errno ? errno : failed;
    closedir(stream);
    return failed ? err_set(err, ERR_TEMP, "%s/tmp: cannot be swept: %s", m->where, strerror(failed)) : 0;
}
