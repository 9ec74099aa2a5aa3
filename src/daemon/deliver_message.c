/* deliver_message: takes a message in: a memory file that its door has filled and sealed, so that nobody can change or
 * shorten it while it is read. Mapped once, for reading only; the descriptor is closed at once. */
#include "daemon/deliver_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

/* A pipe, socket or file of a disk has no seals to ask for. */
static int check(int fd, uint64_t size, struct err *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0)
        return err_set(err, ERR_PERM, "no memory file: %s", strerror(errno));
    if ((seals & SEALS) != SEALS)
        return err_set(err, ERR_PERM, "not sealed: its seals are %#x, not %#x", (unsigned)seals, (unsigned)SEALS);
    if (fstat(fd, &st) < 0)
        return err_set(err, ERR_TEMP, "fstat: %s", strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size != size)
        return err_set(err, ERR_PERM, "it has %lld octets, not %llu", (long long)st.st_size, (unsigned long long)size);
    return 0;
}

static int take(struct deliver_letter *l, int fd, uint64_t size, struct err *err)
{
    if (fd < 0)
        return err_set(err, ERR_LIMIT, "no room for its descriptor");
    if (l->deliver->messages >= l->deliver->start.conf.connections)
        return err_set(err, ERR_LIMIT, "%u messages are here already", l->deliver->messages);
    if (check(fd, size, err) < 0)
        return -1;
    if (size == 0) {
        l->text = "";
        return 0;
    }
    void *p = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_set(err, ERR_TEMP, "mmap: %s", strerror(errno));
    l->text = p;
    l->size = (size_t)size;
    return 0;
}

void deliver_message(struct deliver *d, const struct talk *t)
{
    struct err err;
    struct deliver_letter *l = deliver_letter_of(d, t->id);
    if (l && l->arrived)
        log_error("message", "%llu.%llu has come already", (unsigned long long)t->id.door, (unsigned long long)t->id.n);
    else if (l) {
        l->arrived = true;
        if (take(l, t->fd, talk_wide(t->num), &err) == 0)
            d->messages++;
        else
            log_error("message", "%llu.%llu refused: %s", (unsigned long long)t->id.door, (unsigned long long)t->id.n,
                      err.text);
    }
    if (t->fd >= 0)
        close(t->fd);
}

void deliver_message_free(struct deliver_letter *l)
{
    if (!l->text)
        return;
    l->deliver->messages--;
    if (l->size)
        munmap((void *)(uintptr_t)l->text, l->size);
    l->text = NULL;
}
