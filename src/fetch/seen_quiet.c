/* seen: the note of a check that found nothing to do, STATE_FOLDER/ACCOUNT.quiet. A next check that finds the same goes
 * by it, and neither reads the database, which takes most of the time of a large maildrop, nor syncs a disk.
 *
 * It is worth something only as long as the database is what it was: whoever is about to change it removes the note
 * first, and the note names the file's inode, size and time, so that one that comes back after a power cut is none. It
 * is never synced: one that is lost or torn costs a check that reads all. Were it wrong all the same, what is listed
 * would be left until the listing is another. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "fetch/seen_impl.h"

struct note {
    char magic[8];
    int64_t inode, size, seconds, nanoseconds; /* of the database */
    struct seen_quiet quiet;
    unsigned char sum[DIGEST_SHA256]; /* of all before it */
};
static const char magic[8] = "bquiet1";

/* A log that holds something is not in the file yet. */
static bool database_is(const char *path, struct note *n)
{
    char wal[SEEN_PATH];
    struct stat st;
    if (snprintf(wal, sizeof wal, "%s-wal", path) >= (int)sizeof wal || (stat(wal, &st) == 0 && st.st_size) ||
        stat(path, &st))
        return false;
    n->inode = (int64_t)st.st_ino;
    n->size = st.st_size;
    n->seconds = st.st_mtim.tv_sec;
    n->nanoseconds = st.st_mtim.tv_nsec;
    return true;
}

/* "…/ACCOUNT.db" is "…/ACCOUNT.quiet"; false: too long. */
static bool name_of(const char *path, char name[SEEN_PATH])
{
    if (strlen(path) + sizeof ".quiet" > SEEN_PATH)
        return false;
    strcpy(stpcpy(name, path) - strlen(".db"), ".quiet");
    return true;
}

static void sum_of(const struct note *n, unsigned char sum[DIGEST_SHA256])
{
    digest_sha256((struct span){(const char *)n, offsetof(struct note, sum)}, sum);
}

static bool read_note(const char *name, struct note *n)
{
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, n, sizeof *n);
    if (fd >= 0)
        close(fd);
    unsigned char sum[DIGEST_SHA256];
    if (got != (ssize_t)sizeof *n)
        return false;
    sum_of(n, sum);
    return memcmp(n->magic, magic, sizeof magic) == 0 && memcmp(n->sum, sum, sizeof sum) == 0;
}

bool seen_quiet_read(const char *path, struct seen_quiet *q)
{
    char name[SEEN_PATH];
    struct note n, now = {.inode = 0};
    if (!name_of(path, name) || !read_note(name, &n) || !database_is(path, &now) || n.inode != now.inode ||
        n.size != now.size || n.seconds != now.seconds || n.nanoseconds != now.nanoseconds)
        return false;
    *q = n.quiet;
    return true;
}

/* Over what was there: who reads it meanwhile reads the whole of one of them, or none. */
void seen_quiet_write(const char *path, const struct seen_quiet *q)
{
    char name[SEEN_PATH];
    struct note n = {.quiet = *q};
    memcpy(n.magic, magic, sizeof magic);
    if (!name_of(path, name) || !database_is(path, &n))
        return;
    sum_of(&n, n.sum);
    int fd = open(name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, &n, sizeof n) != (ssize_t)sizeof n)
        (void)unlink(name);
    close(fd);
}

void seen_quiet_remove(const char *path)
{
    char name[SEEN_PATH];
    if (name_of(path, name))
        (void)unlink(name);
}
