/* door_message: see the header. */
#include "daemon/door_message.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3: nobody can make a program of it */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

enum { PAGE = 4096, GATHER_FIRST = 4096, GATHER_MOST = 65536 };

void message_init(struct message *m, struct message_room *room)
{
    *m = (struct message){.room = room, .fd = -1};
}

bool message_fits(const struct message_room *room, uint64_t size)
{
    return room->used <= room->ceiling && size <= room->ceiling - room->used;
}

void message_end(struct message *m)
{
    if (m->fd >= 0)
        close(m->fd);
    mem_free(m->gather);
    m->room->used -= m->claimed;
    m->room->hollow -= m->claimed - m->held;
    message_init(m, m->room);
}

uint64_t message_leave(struct message *m)
{
    uint64_t octets = m->held;
    m->room->used += octets;
    message_end(m);
    return octets;
}

void message_left(struct message_room *room, uint64_t octets)
{
    room->used -= octets;
}

static int fail(struct message *m, struct err *err, enum err_kind kind, const char *what)
{
    int error = errno;
    message_end(m);
    return err_set(err, kind, "memory file: %s%s%s", what, kind == ERR_TEMP ? ": " : "",
                   kind == ERR_TEMP ? strerror(error) : "");
}

/* The file in whole pages, and the buffer; or what is reserved, if that is more. */
static bool claim(struct message *m, uint64_t file, size_t gather)
{
    uint64_t held = (file + PAGE - 1) / PAGE * PAGE + gather;
    uint64_t want = held > m->reserved ? held : m->reserved;
    if (want > m->claimed && !message_fits(m->room, want - m->claimed))
        return false;
    m->room->used += want - m->claimed;
    m->room->hollow += (want - held) - (m->claimed - m->held);
    m->claimed = want;
    m->held = held;
    return true;
}

static bool reserve(struct message *m, uint64_t size, bool trusted)
{
    const struct message_room *room = m->room;
    if (!message_fits(room, size))
        return false;
    uint64_t want = size + (size < GATHER_MOST / 2 ? 2 * size : GATHER_MOST) + PAGE; /* with its buffer */
    if (want > room->ceiling - room->used)
        want = room->ceiling - room->used;
    if (size && (trusted || room->hollow + want <= room->ceiling / 2))
        m->reserved = want;
    return claim(m, 0, 0);
}

int message_begin(struct message *m, uint64_t size, bool trusted, struct err *err)
{
    struct message_room *room = m->room;
    message_end(m);
    if (!reserve(m, size, trusted))
        return fail(m, err, ERR_LIMIT, "messages_memory is used up");
    if (!room->no_exec_seal) {
        m->fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        room->no_exec_seal = m->fd < 0 && errno == EINVAL;
    }
    if (m->fd < 0 && room->no_exec_seal)
        m->fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return m->fd < 0 ? fail(m, err, ERR_TEMP, "create") : 0;
}

static int put(struct message *m, const char *p, size_t n)
{
    while (n) {
        ssize_t took = write(m->fd, p, n);
        if (took < 0 && errno == EINTR)
            continue;
        if (took <= 0)
            return -1;
        p += took;
        n -= (size_t)took;
        m->written += (uint64_t)took;
    }
    return 0;
}

static int put_gathered(struct message *m)
{
    size_t n = m->gathered;
    m->gathered = 0;
    return put(m, m->gather, n);
}

/* Gathers what there is room for, and returns how much that was; 0: the ceiling. */
static size_t gather(struct message *m, struct span piece)
{
    size_t n = GATHER_MOST - m->gathered, room = m->gather_room ? m->gather_room : GATHER_FIRST;
    if (n > piece.n)
        n = piece.n;
    while (room < m->gathered + n)
        room *= 2;
    if (!claim(m, m->written, room))
        return 0;
    if (room > m->gather_room)
        m->gather = mem_resize(m->gather, room);
    m->gather_room = room;
    memcpy(m->gather + m->gathered, piece.p, n);
    m->gathered += n;
    return n;
}

int message_add(struct message *m, struct span piece, struct err *err)
{
    m->size += piece.n;
    while (piece.n) {
        size_t n = piece.n;
        bool direct = m->gathered == 0 && n >= GATHER_MOST;
        if (!direct && (n = gather(m, piece)) == 0)
            return fail(m, err, ERR_LIMIT, "messages_memory is used up");
        if ((direct || m->gathered == GATHER_MOST) &&
            !claim(m, m->written + (direct ? n : m->gathered), m->gather_room))
            return fail(m, err, ERR_LIMIT, "messages_memory is used up");
        if ((direct && put(m, piece.p, n) < 0) || (m->gathered == GATHER_MOST && put_gathered(m) < 0))
            return fail(m, err, ERR_TEMP, "write");
        piece = span_from(piece, n);
    }
    return 0;
}

int message_seal(struct message *m, struct err *err)
{
    if (!claim(m, m->size, m->gather_room))
        return fail(m, err, ERR_LIMIT, "messages_memory is used up");
    if (put_gathered(m) < 0)
        return fail(m, err, ERR_TEMP, "write");
    mem_free(m->gather);
    m->gather = NULL;
    m->gather_room = 0;
    m->reserved = 0;
    claim(m, m->size, 0);
    if (fcntl(m->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return fail(m, err, ERR_TEMP, "seal");
    return 0;
}
