/* mail_file: a message that is stored in wire form, to a client in the clear: its octets go from the file to the socket and are never
 * in this process. Mail process. */
#include "daemon/mail_session.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"

enum { LEAST = 16384 }; /* one read and one send cost less for what is shorter */

bool mail_file_suits(const struct mail_session *s)
{
    const struct store_body *b = &s->body;
    return b->wire && b->fd >= 0 && b->size >= LEAST && !s->heading && !s->pop3.top && !(s->flags & TALK_TLS);
}

void mail_file_begin(struct mail_session *s)
{
    s->file = mem_alloc(sizeof *s->file);
    *s->file = (struct conn_file){.file = s->body.fd, .at = s->body.offset, .left = s->body.size};
    s->file->n_tail = dot_finish(&s->dot, s->file->tail);
    mail_body_more(s);
}

void mail_file_end(struct mail_session *s)
{
    mem_free(s->file);
    s->file = NULL;
}

static void send_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    conn_file_work(s->file);
}

static void sent(struct mail_session *s)
{
    struct conn_file *f = s->file;
    conn_file_done(s->conn, f);
    uint64_t n = s->body.size - f->left - s->at;
    if (n && !s->at)
        metric_took(METRIC_RETRIEVE_TIME, clock_us() - s->wanted);
    s->at += n;
    s->octets += n;
    metric_add(METRIC_SENT, n);
    switch (f->how) {
    case CONN_FILE_RESET:
        return; /* on_ended */
    case CONN_FILE_SHORT:
        mail_body_broken(s, s->at, "it has shrunk");
        return;
    case CONN_FILE_UNREADABLE:
        mail_body_broken(s, s->at, strerror(f->error));
        return;
    case CONN_FILE_CANNOT:
        mail_body_read_on(s);
        break;
    case CONN_FILE_ALL:
    case CONN_FILE_MORE:
    case CONN_FILE_BLOCKED:
        s->finished = !f->left;
        break;
    }
    mail_body_more(s);
}

static void send_done(struct loop_call *call)
{
    mail_then(call, sent);
}

void mail_file_more(struct mail_session *s)
{
    if (conn_out(s->conn)->len > CONN_FILE_HEAD)
        conn_flush(s->conn);
    if (conn_is_blocked(s->conn))
        return; /* on_drained */
    if (conn_file_start(s->conn, s->file)) {
        mail_call(s, send_work, send_done);
        return;
    }
    mail_body_read_on(s);
    mail_body_more(s);
}
