/* mail_surrogate: messages whose header has octets above 0x7F, for a client that has not said UTF8 (RFC 6856 §4): their sizes are those
 * of what will be sent, and their header leaves as that of the surrogate (RFC 6858). Mail process.
 *
 * Only these messages are looked at again, and only their headers. Between two pieces nothing is held of a header but where it is. */
#include "daemon/mail_session.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "daemon/mail_scratch.h"

enum { PIECE = 65536 }; /* more than SURROGATE_PIECE */
_Static_assert((int)PIECE >= (int)SURROGATE_PIECE, "a piece shows where a field ends");
_Static_assert((int)PIECE <= (int)MAIL_SCRATCH && (int)MAIL_OUT_MAX / 2 <= (int)MAIL_SCRATCH, "a block holds it");

bool mail_surrogate_stands(const struct mail_session *s, unsigned msg)
{
    return s->downgrade && s->drop.messages[msg].eight_bit;
}

long mail_body_read(struct store_body *b, uint64_t at, char *p, size_t n, struct err *err)
{
    if (b->fd < 0)
        return b->read(b, at, p, n, err);
    ssize_t got;
    do
        got = pread(b->fd, p, n, (off_t)(b->offset + at));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        err_set(err, ERR_TEMP, "read: %s", strerror(errno));
    return got;
}

/* Fills p with what there is from `at` on, at most a piece. Returns how much; -1 also where the message has shrunk. */
static long read_piece(struct store_body *b, uint64_t at, char p[PIECE], struct err *err)
{
    uint64_t left = b->size - at;
    size_t wanted = left < PIECE ? (size_t)left : PIECE, have = 0;
    while (have < wanted) {
        long got = mail_body_read(b, at + have, p + have, wanted - have, err);
        if (got < 0)
            return -1;
        if (got == 0) {
            err_set(err, ERR_TEMP, "it has shrunk");
            return -1;
        }
        have += (size_t)got;
    }
    return (long)have;
}

/* ---- sizes */

/* Both headers in wire form: what is stored, and what stands for it. */
struct measure {
    struct surrogate machine;
    uint64_t counted; /* of the stored header */
    struct store_count stored, made;
};

static int measure_piece(struct measure *m, struct store_body *b, char *text, char *made, struct err *err)
{
    uint64_t at = m->machine.at;
    long n = read_piece(b, at, text, err);
    if (n < 0)
        return -1;
    size_t wrote;
    surrogate_feed(&m->machine, (struct span){text, (size_t)n}, at + (uint64_t)n == b->size, made, PIECE, &wrote);
    store_count_add(&m->made, (struct span){made, wrote});
    if (m->machine.at > m->counted) { /* it goes back within a field that is longer than a piece */
        store_count_add(&m->stored, (struct span){text + (m->counted - at), (size_t)(m->machine.at - m->counted)});
        m->counted = m->machine.at;
    }
    return 0;
}

int mail_surrogate_measure(struct store_body *b, uint64_t *octets, struct err *err)
{
    struct measure m = {0};
    surrogate_init(&m.machine);
    char *text = mem_resize(NULL, 2 * (size_t)PIECE);
    int result = 0;
    while (result == 0 && !m.machine.done)
        result = measure_piece(&m, b, text, text + PIECE, err);
    mem_free(text);
    *octets = b->octets - store_count_octets(&m.stored) + store_count_octets(&m.made);
    return result;
}

void mail_surrogate_sizes(struct mail_session *s)
{
    for (unsigned i = 0; i < s->drop.count; i++) {
        struct store_body b;
        uint64_t octets;
        struct err err;
        struct drop_message *m = &s->drop.messages[i];
        if (!mail_surrogate_stands(s, i))
            continue;
        if (!m->downgraded && s->store->ops->body(s->store, i, &b, &err) == 0) { /* else RETR says what is wrong with it */
            if (mail_surrogate_measure(&b, &octets, &err) == 0)
                m->downgraded = octets;
            b.close(&b);
        }
        if (m->downgraded)
            drop_resize(&s->drop, i, m->downgraded);
    }
}

/* ---- the header on its way */

static void piece_work(struct loop_call *call)
{
    struct mail_session *s = call->arg;
    s->chunk = mail_scratch_take();
    s->chunk_got = read_piece(&s->body, s->surrogate.at, s->chunk, mail_err(s));
}

/* As much of what stands for it as there is room for, whatever becomes of its dots. */
static void encode(struct mail_session *s)
{
    struct buf *out = conn_out(s->conn);
    size_t room, wrote, made_n, before = out->len;
    char *to = buf_reserve(out, MAIL_OUT_MAX, &room);
    size_t made_room = to ? room / 2 - 1 : 0;
    if (room < 4 || !made_room)
        return;
    char *made = mail_scratch_take();
    bool last = s->surrogate.at + (uint64_t)s->chunk_got == s->body.size;
    surrogate_feed(&s->surrogate, (struct span){s->chunk, (size_t)s->chunk_got}, last, made, made_room, &made_n);
    dot_encode(&s->dot, (struct span){made, made_n}, to, room, &wrote);
    buf_commit(out, wrote);
    mail_scratch_give(made);
    s->octets += out->len - before;
    metric_add(METRIC_SENT, out->len - before);
    if (s->surrogate.done) {
        s->heading = false;
        s->at = s->surrogate.at;
    }
}

static void piece_there(struct mail_session *s)
{
    bool failed = s->chunk_got < 0;
    if (!failed && s->wanted)
        metric_took(METRIC_RETRIEVE_TIME, clock_us() - s->wanted);
    s->wanted = 0; /* only the first piece has been waited for */
    if (!failed)
        encode(s);
    mail_scratch_give(s->chunk);
    s->chunk = NULL;
    if (failed)
        mail_body_broken(s, s->surrogate.at, mail_err(s)->text);
    else
        mail_body_more(s);
}

static void piece_done(struct loop_call *call)
{
    mail_then(call, piece_there);
}

void mail_surrogate_more(struct mail_session *s)
{
    mail_call(s, piece_work, piece_done);
}
