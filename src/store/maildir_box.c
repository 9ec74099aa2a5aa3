/* maildir_box: see the header. */
#include "store/maildir_box.h"

#include <errno.h>
#include <fcntl.h>

#include "base/beneath.h"

const char *maildir_dir_name(enum maildir_dir dir)
{
    return dir == MAILDIR_NEW ? "new" : "cur";
}

struct maildir_state maildir_state_of(const struct stat *st)
{
    return (struct maildir_state){st->st_dev, st->st_ino, maildir_ns(st->st_ctim), (uint64_t)st->st_size};
}

bool maildir_state_same(const struct maildir_state *then, const struct maildir_state *now)
{
    return then->changed && then->device == now->device && then->inode == now->inode && then->changed == now->changed &&
           then->size == now->size;
}

int maildir_beneath(int dir, const char *path, int flags)
{
    return beneath_open(dir, path, flags | O_NOFOLLOW, 0);
}

int maildir_create(int dir, const char *name)
{
    return beneath_open(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR);
}

bool maildir_moved(int error)
{
    return error == ENOENT || error == ESTALE || error == ELOOP || error == ENOTDIR || error == ENXIO || error == EXDEV;
}
