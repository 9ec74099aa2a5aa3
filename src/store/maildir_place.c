/* maildir_place: see the header. Mail processes; blocking. Calls: fstatfs, name_to_handle_at of a descriptor. */
#include "store/maildir_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/sum.h"

#ifndef F2FS_SUPER_MAGIC
#define F2FS_SUPER_MAGIC 0xF2F52010
#endif

/* Every change of them goes through this kernel. */
static bool is_local(const struct statfs *fs)
{
    static const uint32_t known[] = {EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
                                     F2FS_SUPER_MAGIC};
    bool local = false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        local = local || (uint32_t)fs->f_type == known[i];
    return local;
}

bool maildir_place_learn(int dir, struct maildir_place *p)
{
    struct statfs fs;
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + MAILDIR_HANDLE_MOST];
    } handle = {.head = {.handle_bytes = MAILDIR_HANDLE_MOST}};
    int mount;
    _Static_assert(sizeof fs.f_fsid == 8 && sizeof(struct file_handle) == 8, "as events have them");
    if (fstatfs(dir, &fs) < 0 || !is_local(&fs)) { /* a local one answers; another's errno may be anything */
        errno = EXDEV;
        return false;
    }
    if (name_to_handle_at(dir, "", &handle.head, &mount, AT_EMPTY_PATH) < 0)
        return false;
    p->n = sizeof fs.f_fsid + sizeof handle.head + handle.head.handle_bytes;
    memcpy(p->octets, &fs.f_fsid, sizeof fs.f_fsid);
    memcpy(p->octets + sizeof fs.f_fsid, &handle, p->n - sizeof fs.f_fsid);
    return true;
}

uint64_t maildir_place_key(const struct maildir_place *p)
{
    return sum_of(p->octets, p->n);
}

bool maildir_place_is(const struct maildir_place *p, struct span octets)
{
    return octets.n == p->n && memcmp(octets.p, p->octets, p->n) == 0;
}
