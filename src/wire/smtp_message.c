/* smtp_message: DATA (RFC 5321 §4.1.1.4), BDAT (RFC 3030), and the message that comes in. Runs in the door. */
#include "wire/smtp_parts.h"

#include <assert.h>

#include "base/mem.h"

void smtp_do_data(struct smtp_server *m, struct span rest, struct buf *out)
{
    if (m->mail.recipients == 0) { /* RFC 2033 §4.2; no message follows, whatever is in the pipeline */
        smtp_err(m, out, "503 5.5.1 No recipient was accepted");
        return;
    }
    m->chunked = false;
    m->step = STEP_MESSAGE;
}

/* Without a count nobody knows where the next command begins: what came with it would be run as commands. */
static void lose_step(struct smtp_server *m, struct buf *out)
{
    smtp_err(m, out, "501 5.5.4 BDAT takes a count of octets, and LAST");
    m->step = STEP_CLOSE;
}

void smtp_do_bdat(struct smtp_server *m, struct span rest, struct buf *out)
{
    struct span count = smtp_next_word(&rest), last = smtp_next_word(&rest);
    if (!span_number(count, &m->chunk_left) || (last.n && !span_is_nocase(last, "LAST")) || smtp_next_word(&rest).n) {
        lose_step(m, out);
        return;
    }
    m->chunked = true;
    m->chunk_last = last.n > 0;
    if (m->state == STATE_CHUNKS)
        m->step = STEP_CHUNK;
    else if (m->state == STATE_MAIL && m->mail.recipients)
        m->step = STEP_MESSAGE;
    else
        m->step = STEP_SKIP;
}

/* ---- octets */

void smtp_refuse_message(struct smtp_server *m, enum smtp_verdict v)
{
    m->refused = v;
    m->reset_due = true;
}

/* What is wrong with the message as far as it has come. Asked again when it has ended: so the answer depends on what it
 * holds, and not on the pieces it came in. */
static enum smtp_verdict judge(const struct smtp_server *m)
{
    if (m->body.octets > m->offer.size_max)
        return SMTP_TOO_LARGE;
    if (m->body.received > m->offer.received_max)
        return SMTP_LOOP;
    if (m->body.header_octets > m->offer.header_max)
        return SMTP_HEADERS;
    return m->body.bare_lf ? SMTP_BARE_LF : m->refused;
}

/* Octets of the message, made of `taken` at the head of `in`. */
static bool give(struct smtp_server *m, struct buf *in, struct span run, size_t taken, enum smtp_want *want)
{
    if (run.n && m->refused == SMTP_OK) {
        enum smtp_verdict v = judge(m);
        if (v == SMTP_OK) {
            m->mail.octets += run.n;
            m->piece = run;
            m->taken = taken;
            m->step = STEP_PIECE;
            *want = SMTP_WANT_PIECE;
            return false;
        }
        smtp_refuse_message(m, v);
    }
    buf_take(in, taken);
    return true;
}

static bool run_data(struct smtp_server *m, struct buf *in, enum smtp_want *want)
{
    struct span run, s = buf_span(in);
    if (s.n == 0) {
        *want = SMTP_WANT_INPUT;
        return false;
    }
    size_t taken = smtp_body_data(&m->body, s, &run);
    if (m->body.ended)
        m->step = STEP_WHOLE;
    return give(m, in, run, taken, want);
}

static bool run_chunk(struct smtp_server *m, struct buf *in, struct buf *out, enum smtp_want *want)
{
    struct span s = buf_span(in);
    if (m->chunk_left == 0 && m->chunk_last) {
        m->step = STEP_WHOLE;
        return true;
    }
    if (m->chunk_left == 0) {
        *want = SMTP_WANT_ROOM;
        if (!smtp_room(out))
            return false;
        m->step = STEP_COMMAND;
        if (m->refused == SMTP_OK)
            smtp_ok(m, out, "250 2.0.0 %llu octets so far", (unsigned long long)m->mail.octets);
        else
            smtp_refuse_at(m, out, SMTP_AT_MESSAGE, judge(m));
        return true;
    }
    if (s.n == 0) {
        *want = SMTP_WANT_INPUT;
        return false;
    }
    if (s.n > m->chunk_left)
        s.n = (size_t)m->chunk_left;
    m->chunk_left -= s.n;
    smtp_body_chunk(&m->body, s);
    return give(m, in, s, s.n, want);
}

/* RFC 3030 §2: the octets of a chunk that is not wanted are thrown away, and then it is refused. */
static bool run_skip(struct smtp_server *m, struct buf *in, struct buf *out, enum smtp_want *want)
{
    struct span s = buf_span(in);
    if (s.n > m->chunk_left)
        s.n = (size_t)m->chunk_left;
    buf_take(in, s.n);
    m->chunk_left -= s.n;
    *want = m->chunk_left ? SMTP_WANT_INPUT : SMTP_WANT_ROOM;
    if (m->chunk_left || !smtp_room(out))
        return false;
    m->step = STEP_COMMAND;
    if (m->state == STATE_MAIL)
        smtp_err(m, out, "503 5.5.1 No recipient was accepted");
    else
        smtp_err_order(m, out);
    if (m->chunk_last)
        smtp_end_transaction(m, false);
    return true;
}

/* ---- answers */

static unsigned answers_due(const struct smtp_server *m)
{
    return m->offer.dialect == SMTP_IS_LMTP ? m->mail.recipients : 1;
}

/* Writes what is decided and has room. true: all is answered. */
static bool answer(struct smtp_server *m, struct buf *out)
{
    if (m->step == STEP_REFUSED && m->answered == 0 && smtp_room(out))
        smtp_tell(m, SMTP_AT_MESSAGE, smtp_verdict_reply(judge(m))); /* once, however many are answered */
    while (m->answered < m->decided && smtp_room(out)) {
        enum smtp_verdict v = m->step == STEP_REFUSED ? judge(m) : (enum smtp_verdict)m->verdicts[m->answered];
        m->answered++;
        if (v == SMTP_OK)
            smtp_ok(m, out, "250 2.0.0 Delivered as %s", m->id);
        else
            smtp_refuse(m, out, v);
    }
    if (m->answered < answers_due(m))
        return false;
    smtp_end_transaction(m, true);
    m->step = STEP_COMMAND;
    return true;
}

void smtp_server_delivered(struct smtp_server *m, enum smtp_verdict v, const char *id, struct buf *out)
{
    assert(m->step == STEP_DELIVER && m->decided < answers_due(m));
    size_t n = span_of(id).n;
    assert(n <= SMTP_ID_MAX);
    for (size_t i = 0; i <= n; i++)
        m->id[i] = id[i];
    m->verdicts[m->decided++] = (unsigned char)v;
    if (v == SMTP_OK)
        m->reached += m->mail.recipients / answers_due(m);
    answer(m, out);
}

static bool run_whole(struct smtp_server *m, struct buf *out, enum smtp_want *want)
{
    *want = SMTP_WANT_ROOM;
    if (!smtp_room(out))
        return false;
    if (m->refused != SMTP_OK) {
        m->step = STEP_REFUSED;
        m->decided = answers_due(m);
        return true;
    }
    m->verdicts = mem_resize(m->verdicts, answers_due(m));
    m->count.messages++;
    m->step = STEP_DELIVER;
    return true;
}

bool smtp_run_message(struct smtp_server *m, struct buf *in, struct buf *out, enum smtp_want *want)
{
    switch ((enum smtp_step)m->step) {
    case STEP_DATA:
        return run_data(m, in, want);
    case STEP_CHUNK:
        return run_chunk(m, in, out, want);
    case STEP_SKIP:
        return run_skip(m, in, out, want);
    case STEP_WHOLE:
        return run_whole(m, out, want);
    case STEP_DELIVER:
    case STEP_REFUSED:
        if (answer(m, out))
            return true;
        *want = m->answered < m->decided ? SMTP_WANT_ROOM : SMTP_WANT_DELIVER;
        return false;
    case STEP_COMMAND:
    case STEP_MAIL:
    case STEP_RCPT:
    case STEP_MESSAGE:
    case STEP_PIECE:
    case STEP_TLS:
    case STEP_CLOSE:
        break;
    }
    assert(!"a step of no message");
    return true;
}
