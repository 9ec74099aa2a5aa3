/* mail_out_lmtp: who is not root hands messages to the server by LMTP, one transaction after another on one connection.
 */
#include "tool/mail_out.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"
#include "wire/smtp_client.h"

enum { PATIENCE_S = 600 /* RFC 5321 §4.5.3.2.6: ten minutes for the answer to the final dot */, PIECE = 64 * 1024 };

struct out {
    struct mail_out out;
    int fd;
    const char *user, *sender;
    struct smtp_client machine;
    struct buf in, send;
    struct err trouble; /* of the connection: nothing goes any more */
};

/* ---- the connection */

static const struct conf_listener *listener_of(const struct conf *c)
{
    const struct conf_listener *found = NULL;
    for (unsigned i = 0; i < c->listeners; i++)
        if (c->listen[i].service == CONF_LMTP && (!found || (*found->address != '/' && *c->listen[i].address == '/')))
            found = &c->listen[i];
    return found;
}

static int push(struct out *o)
{
    while (o->send.len) {
        struct span s = buf_span(&o->send);
        ssize_t n = send(o->fd, s.p, s.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(&o->trouble, ERR_TEMP, "the server has closed: %s", strerror(errno));
        buf_take(&o->send, (size_t)n);
    }
    return 0;
}

static int pull(struct out *o)
{
    size_t room;
    char *at = buf_reserve(&o->in, PIECE, &room);
    ssize_t n;
    do
        n = at ? recv(o->fd, at, room, 0) : 0;
    while (n < 0 && errno == EINTR);
    if (n > 0)
        buf_commit(&o->in, (size_t)n);
    if (n < 0)
        return err_set(&o->trouble, ERR_TEMP, "the server does not answer: %s", strerror(errno));
    return n > 0 ? 0 : err_set(&o->trouble, ERR_TEMP, "the server has closed the connection");
}

/* ---- a transaction */

struct sending {
    const struct mail_out_message *message;
    size_t done; /* of head and text together */
    bool ended;
};

static void more_body(struct out *o, struct sending *s)
{
    const struct mail_out_message *m = s->message;
    bool head = s->done < m->head.n;
    struct span rest = head ? span_from(m->head, s->done) : span_from(m->text, s->done - m->head.n);
    if (rest.n)
        s->done += smtp_client_body(&o->machine, rest, &o->send);
    else if (!s->ended) {
        s->ended = true;
        smtp_client_body_end(&o->machine);
    }
}

/* Until `goal` is wanted. -1: the connection is over, o->trouble says why. */
static int drive(struct out *o, enum smtp_client_want goal, struct sending *s)
{
    for (;;) {
        enum smtp_client_want want = smtp_client_feed(&o->machine, &o->in, &o->send);
        if (want == goal)
            return push(o);
        switch (want) {
        case SMTP_CLIENT_WANT_INPUT:
            if (push(o) < 0 || pull(o) < 0)
                return -1;
            break;
        case SMTP_CLIENT_WANT_ROOM:
            if (push(o) < 0)
                return -1;
            break;
        case SMTP_CLIENT_WANT_BODY:
            if (!s)
                return err_set(&o->trouble, ERR_TEMP, "the server answers out of turn");
            if (buf_room(&o->send) < PIECE && push(o) < 0)
                return -1;
            more_body(o, s);
            break;
        case SMTP_CLIENT_WANT_CLOSE:
            o->trouble = o->machine.err;
            return o->trouble.kind == ERR_NONE ? err_set(&o->trouble, ERR_TEMP, "the server has ended the session")
                                               : -1;
        case SMTP_CLIENT_WANT_MAIL:
        case SMTP_CLIENT_WANT_RESULT:
        case SMTP_CLIENT_WANT_TLS: /* these three are only wanted of who asked for it */
        case SMTP_CLIENT_WANT_RESPONSE:
        case SMTP_CLIENT_WANT_REFUSED:
            return err_set(&o->trouble, ERR_TEMP, "the server answers out of turn");
        }
    }
}

/* What the server's number says (RFC 5321 §4.2.1, 3463). */
static void judge(const struct smtp_client_rcpt *r, struct err *err)
{
    enum err_kind kind = r->code == 0               ? ERR_UNKNOWN
                         : r->code < 500            ? ERR_TEMP
                         : strstr(r->text, "5.1.1") ? ERR_GONE
                         : strstr(r->text, "5.2.2") ? ERR_LIMIT
                         : strstr(r->text, "5.2.1") ? ERR_PERM
                                                    : ERR_INPUT;
    if (r->code >= 200 && r->code < 300)
        *err = (struct err){.kind = ERR_NONE};
    else
        err_set(err, kind, "the server says %u %s", r->code, log_escape(span_of(r->text)));
}

static bool eight_bit(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] & 0x80)
            return true;
    return false;
}

static void put_one(struct out *o, const struct mail_out_message *m, struct err *err)
{
    struct smtp_client_rcpt rcpt = {.address = o->user};
    struct smtp_client_mail mail = {
        .from = o->sender, .rcpts = &rcpt, .count = 1, .size = m->head.n + m->text.n, .eight_bit = eight_bit(m->text)};
    struct sending s = {.message = m};
    if (o->trouble.kind == ERR_NONE) {
        smtp_client_begin(&o->machine, &mail);
        if (drive(o, SMTP_CLIENT_WANT_RESULT, &s) == 0) {
            judge(&rcpt, err);
            smtp_client_next(&o->machine);
            (void)drive(o, SMTP_CLIENT_WANT_MAIL, NULL);
            return;
        }
        if (rcpt.code) { /* it was answered, and then the connection broke */
            judge(&rcpt, err);
            return;
        }
        if (s.ended) { /* the final dot was sent, its answer never came */
            err_set(err, ERR_UNKNOWN, "%s", o->trouble.text);
            return;
        }
    }
    *err = o->trouble;
}

static void put(struct mail_out *out, const struct mail_out_message *m, unsigned n, struct err *errs)
{
    for (unsigned i = 0; i < n; i++)
        put_one((struct out *)out, &m[i], &errs[i]);
}

static void end(struct mail_out *out)
{
    struct out *o = (struct out *)out;
    if (o->trouble.kind == ERR_NONE) {
        smtp_client_quit(&o->machine);
        (void)drive(o, SMTP_CLIENT_WANT_CLOSE, NULL);
    }
    close(o->fd);
    buf_fini(&o->in);
    buf_fini(&o->send);
    mem_free(o);
}

static const struct mail_out_ops ops = {put, end};

int mail_out_lmtp(struct mail_out **out, const struct conf *c, const char *user, const char *sender, struct err *err)
{
    const struct conf_listener *l = listener_of(c);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    if (!l)
        return err_set(err, ERR_CONFIG,
                       "only root opens mailboxes, and the server has no lmtp listener to ask; add \"listen = "
                       "/run/bustia/lmtp lmtp\" to its configuration");
    int fd = *l->address == '/' ? sock_connect_unix(l->address, err) : sock_connect(l->address, err);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    struct out *o = mem_alloc(sizeof *o);
    *o = (struct out){.out = {&ops}, .fd = fd, .user = user, .sender = sender};
    buf_init(&o->in, 2 * PIECE, NULL);
    buf_init(&o->send, 4 * PIECE, NULL);
    smtp_client_init(&o->machine, true, c->hostname);
    if (drive(o, SMTP_CLIENT_WANT_MAIL, NULL) < 0) {
        *err = o->trouble;
        end(&o->out);
        return -1;
    }
    *out = &o->out;
    return 0;
}
