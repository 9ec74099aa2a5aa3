/* conn_file: octets of a file to a plain socket, without a way through this process. Mail process.
 *
 * The file may be on a disk that is slow: so the sending is a call of the loop (loop_call), in whose course only the socket's descriptor
 * is touched, and the rest of the conn lies still, as nothing waits in conn_out. TCP_CORK makes one piece of what stands before it, its octets and
 * what follows: each small segment of its own would wake the peer once more. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/conn_impl.h"

enum { MOST = 1 << 20 }; /* octets in one call: others want their turn */

static void cork(int fd, int on)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

bool conn_file_start(struct conn *c, struct conn_file *f)
{
    if (c->stage != &conn_stage_open || c->stream != &conn_plain || c->end_due != CONN_NO_END || c->out.len > CONN_FILE_HEAD)
        return false;
    if (!c->never_waits && fcntl(c->fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        return false;
    c->never_waits = true;
    f->socket = c->fd;
    f->n_head = c->out.len;
    memcpy(f->head, buf_span(&c->out).p, f->n_head);
    buf_take(&c->out, f->n_head);
    c->flush_at = 0;
    f->sent = 0;
    f->how = CONN_FILE_ALL;
    return true;
}

/* Of a short text before or behind the file: what is left of it moves to its beginning. */
static void send_text(struct conn_file *f, char *p, size_t *n)
{
    ssize_t r = 0;
    while (*n && (r = send(f->socket, p, *n, MSG_DONTWAIT | MSG_NOSIGNAL)) < 0 && errno == EINTR) {
    }
    if (r < 0) {
        f->how = errno == EAGAIN ? CONN_FILE_BLOCKED : CONN_FILE_RESET;
        return;
    }
    f->sent += (uint64_t)r;
    *n -= (size_t)r;
    memmove(p, p + r, *n);
    if (*n)
        f->how = CONN_FILE_BLOCKED;
}

static enum conn_file_how how_it_failed(int error)
{
    switch (error) {
    case EAGAIN:
        return CONN_FILE_BLOCKED;
    case EPIPE:
    case ECONNRESET:
    case ETIMEDOUT:
    case ENOTCONN:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return CONN_FILE_RESET;
    case EINVAL:
    case ENOSYS:
    case EOPNOTSUPP:
        return CONN_FILE_CANNOT;
    default:
        return CONN_FILE_UNREADABLE;
    }
}

static void send_octets(struct conn_file *f)
{
    uint64_t most = MOST;
    while (f->left && most) {
        off_t at = (off_t)f->at;
        ssize_t r = sendfile(f->socket, f->file, &at, (size_t)(f->left < most ? f->left : most));
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            f->error = r < 0 ? errno : 0;
            f->how = r < 0 ? how_it_failed(errno) : CONN_FILE_SHORT;
            return;
        }
        f->at += (uint64_t)r;
        f->left -= (uint64_t)r;
        f->sent += (uint64_t)r;
        most -= (uint64_t)r;
    }
    if (f->left)
        f->how = CONN_FILE_MORE;
}

void conn_file_work(struct conn_file *f)
{
    cork(f->socket, 1);
    send_text(f, f->head, &f->n_head);
    if (f->how == CONN_FILE_ALL)
        send_octets(f);
    if (f->how == CONN_FILE_ALL)
        send_text(f, f->tail, &f->n_tail);
    cork(f->socket, 0);
}

void conn_file_done(struct conn *c, struct conn_file *f)
{
    c->bytes_out += f->sent;
    if (f->how == CONN_FILE_RESET)
        conn_set_io_end(c, CONN_IO_RESET);
    c->blocked = c->awaited = f->how == CONN_FILE_BLOCKED;
    conn_note_progress(c, f->sent > 0);
    /* Only short texts are on this side of the file: there is room for them. */
    buf_add(&c->out, f->head, f->n_head);
    f->n_head = 0;
    if (!f->left) {
        buf_add(&c->out, f->tail, f->n_tail);
        f->n_tail = 0;
    }
    conn_changed(c, c->end_due != CONN_NO_END);
}
