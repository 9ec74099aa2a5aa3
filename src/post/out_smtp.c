/* out_smtp: see the header. */
#include "post/out_smtp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "client/smtp.h"
#include "post/spool.h"

enum {
    TOGETHER = 64,
    LOST = 2, /* so many messages of a batch without an answer: the others are not tried */
    CONNECT_MS = 60000,
    SILENCE_MS = 600000, /* RFC 5321 §4.5.3.2.6: ten minutes for the answer to the final dot */
    IDLE_MS = 5000       /* a connection that nothing goes over is not kept longer */
};

struct smtp {
    struct out out;
    struct smtp_to where;
    struct smtp_session *session; /* NULL: not connected */
    char *host, *from, *to, *ca;
    uint64_t used; /* clock_ms when something last went over it */
    bool fresh;    /* nothing has gone over it yet */
};

struct out_draft {
    struct smtp *smtp;
    struct spool spool;
    uint64_t at; /* of the octets that were handed over */
    bool asked;  /* the server wanted them: it had nothing against the envelope */
    struct err trouble;
};

/* ---- the connection */

static void hang_up(struct smtp *m)
{
    smtp_close(m->session);
    m->session = NULL;
}

static int connect_to(struct smtp *m, struct err *err)
{
    if (smtp_open(&m->session, &m->where, err) < 0) {
        m->session = NULL;
        if (err->kind == ERR_AUTH)
            err->kind = ERR_PERM;
        if (err->kind == ERR_INPUT) /* the server is what is not well formed, none of the messages */
            err->kind = ERR_TEMP;
        return -1;
    }
    m->fresh = true;
    m->used = clock_ms();
    return 0;
}

static void rest(struct smtp *m)
{
    if (m->session && clock_ms() - m->used > IDLE_MS)
        hang_up(m);
}

/* ---- drafts */

static int begin(struct out *o, const struct out_about *about, struct out_draft **out, struct err *err)
{
    (void)about;
    struct out_draft *d = mem_alloc(sizeof *d);
    if (spool_open(&d->spool, false, err) < 0) {
        mem_free(d);
        return -1;
    }
    d->smtp = (struct smtp *)o;
    rest(d->smtp);
    *out = d;
    return 0;
}

static int write_piece(struct out_draft *d, struct span in, struct err *err)
{
    rest(d->smtp);
    return spool_write(&d->spool, in, err);
}

static void abort_draft(struct out_draft *d)
{
    spool_close(&d->spool);
    mem_free(d);
}

/* ---- a transaction */

/* What an enhanced status code says (RFC 3463) that the first digit does not. What is refused for ever before the
 * message was seen is the envelope, or us: no message is better, and a person must mend it. Its size is its own. */
static const struct {
    const char *code;
    enum err_kind kind;
} meanings[] = {
    {"5.1.1", ERR_GONE}, {"5.1.2", ERR_GONE},  {"5.1.3", ERR_GONE},  {"5.1.6", ERR_GONE},  {"5.1.10", ERR_GONE},
    {"5.2.1", ERR_PERM}, {"5.2.2", ERR_LIMIT}, {"5.2.3", ERR_INPUT}, {"5.3.4", ERR_INPUT},
};

static enum err_kind meaning(unsigned code, const char *text, bool asked)
{
    if (code < 500)
        return ERR_TEMP;
    size_t n = strspn(text, "0123456789.");
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (span_is((struct span){text, n}, meanings[i].code))
            return meanings[i].kind;
    if (code == 552 && n == 0)
        return ERR_LIMIT; /* RFC 5321 §4.2.2 */
    return asked ? ERR_INPUT : ERR_PERM;
}

static void judge(const struct out_draft *d, const struct smtp_client_rcpt *r, struct err *err, char *id)
{
    if (r->code >= 200 && r->code < 300) {
        *err = (struct err){.kind = ERR_NONE};
        if (id)
            snprintf(id, OUT_ID, "%u %s", r->code, log_escape(span_of(r->text)));
    } else {
        err_set(err, meaning(r->code, r->text, d->asked), "the server says %u %s", r->code,
                log_escape(span_of(r->text)));
    }
}

static long more(void *arg, char *p, size_t n)
{
    struct out_draft *d = arg;
    ssize_t got;
    d->asked = true;
    do
        got = pread(d->spool.fd, p, n, (off_t)d->at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_set(&d->trouble, ERR_TEMP, "a temporary file cannot be read: %s", strerror(errno));
    if (got == 0 && d->at != d->spool.size)
        return err_set(&d->trouble, ERR_TEMP, "a temporary file has lost octets");
    d->at += (uint64_t)got;
    return got;
}

/* As it goes over the wire, but for the dots that are put before dots: lines end with CRLF, the last one too. */
static uint64_t size_of(const struct spool *s)
{
    return s->size + s->lone + (s->size && s->last != '\n' ? 2 : 0);
}

static bool beyond_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text & 0x80)
            return true;
    return false;
}

/* Over the connection as it is. -1: it is over; *rcpt says whether there was an answer before. */
static int transact(struct out_draft *d, struct smtp_client_rcpt *rcpt, struct err *err)
{
    struct smtp *m = d->smtp;
    *rcpt = (struct smtp_client_rcpt){.address = m->to};
    struct smtp_client_mail mail = {.from = m->from,
                                    .rcpts = rcpt,
                                    .count = 1,
                                    .size = size_of(&d->spool),
                                    .eight_bit = d->spool.eight_bit,
                                    .utf8 = beyond_ascii(m->from) || beyond_ascii(m->to)};
    d->at = 0;
    d->asked = false;
    d->trouble.kind = ERR_NONE;
    int result = smtp_send(m->session, &mail, more, d, err);
    if (d->trouble.kind != ERR_NONE)
        *err = d->trouble;
    m->fresh = false;
    m->used = clock_ms();
    if (result < 0)
        hang_up(m);
    return result;
}

/* A server may have closed a connection that rested: then there is another one. *broken: no connection can be had. */
static void send_one(struct out_draft *d, struct err *err, char *id, bool *broken)
{
    struct smtp *m = d->smtp;
    struct smtp_client_rcpt rcpt;
    if (spool_ready(&d->spool, err) < 0)
        return;
    for (bool again = true;; again = false) {
        if (!m->session && connect_to(m, err) < 0) {
            *broken = true;
            return;
        }
        again = again && !m->fresh;
        int result = transact(d, &rcpt, err);
        bool closing = result < 0 && rcpt.code == 421; /* before the final dot */
        if (result == 0 || (rcpt.code && !(closing && again))) {
            judge(d, &rcpt, err, id);
            return;
        }
        if (!again || err->kind != ERR_TEMP || d->trouble.kind != ERR_NONE)
            return;
    }
}

static void commit(struct out_draft **d, unsigned n, struct err *errs, char (*ids)[OUT_ID])
{
    struct err why = {.kind = ERR_NONE};
    bool broken = false;
    unsigned lost = 0; /* in a row, without an answer to all of it */
    for (unsigned i = 0; i < n; i++) {
        if (ids)
            ids[i][0] = '\0';
        errs[i] = why;
        if (!broken)
            send_one(d[i], &errs[i], ids ? ids[i] : NULL, &broken);
        if (broken)
            why = errs[i];
        lost = errs[i].kind == ERR_UNKNOWN ? lost + 1 : 0;
        if (lost == LOST) { /* each may be there, and comes once more */
            broken = true;
            why = errs[i];
            why.kind = ERR_TEMP;
        }
        abort_draft(d[i]);
    }
}

static void close_smtp(struct out *o)
{
    struct smtp *m = (struct smtp *)o;
    hang_up(m);
    mem_free(m->host);
    mem_free(m->from);
    mem_free(m->to);
    mem_free(m->ca);
    mem_free(m);
}

static const struct out_ops ops = {begin, write_piece, commit, abort_draft, close_smtp};

int out_smtp(struct out **o, const struct out_smtp_to *to, struct err *err)
{
    struct smtp *m = mem_alloc(sizeof *m);
    *m = (struct smtp){.out = {.ops = &ops, .together = TOGETHER},
                       .host = mem_copy_text(to->host),
                       .from = mem_copy_text(to->from),
                       .to = mem_copy_text(to->to),
                       .ca = to->ca ? mem_copy_text(to->ca) : NULL};
    m->where = (struct smtp_to){
        .link = {.host = m->host, .port = to->port, .connect_ms = CONNECT_MS, .silence_ms = SILENCE_MS},
        .lmtp = to->lmtp,
        .tls = to->tls,
        .rules = {.ca = m->ca},
        .allowed = ""};
    if (connect_to(m, err) < 0) {
        close_smtp(&m->out);
        return -1;
    }
    *o = &m->out;
    return 0;
}
