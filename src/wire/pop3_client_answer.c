/* pop3_client_answer: what TRANSACTION answers: one line, the rows of a listing (RFC 1939 §5, §7), the octets of a
 * message (§3). A server may be hostile: numbers have limits, rows and octets ceilings. Runs in the collector and in
 * the reader. */
#include "wire/pop3_client_parts.h"

#include <assert.h>

enum { NUMBER_MAX = 0x80000000u /* of a message */ };

static struct pop3_asked *asked(struct pop3_client *m)
{
    return &m->asked[m->first];
}

/* The answer to what was asked first is complete. */
static enum pop3_client_want finish(struct pop3_client *m)
{
    m->step = asked(m)->what == POP3_ASK_QUIT ? STEP_CLOSE : STEP_OPEN;
    m->first = (m->first + 1) % POP3_CLIENT_WINDOW;
    m->count--;
    m->waiting = false;
    return POP3_CLIENT_WANT_GOT;
}

/* ---- rows */

static bool take_msg(struct span *rest, unsigned *msg)
{
    uint64_t n;
    bool good = span_number(pop3_client_word(rest), &n) && n >= 1 && n <= NUMBER_MAX;
    *msg = good ? (unsigned)n : 0;
    return good;
}

/* "n octets", and whatever a server says behind it (RFC 1939 §5, LIST) */
static bool take_size(struct span *rest, uint64_t *octets)
{
    bool good = span_number(pop3_client_word(rest), octets);
    if (!good)
        *octets = 0;
    return good;
}

/* 1 to 70 octets of 0x21-0x7E (RFC 1939 §7). Nothing else is a uid, and nothing is made into one. */
static bool take_uid(struct span rest, struct span *uid)
{
    while (rest.n && rest.p[0] == ' ')
        rest = span_from(rest, 1);
    while (rest.n && rest.p[rest.n - 1] == ' ')
        rest.n--;
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i] < 0x21 || rest.p[i] > 0x7E)
            return false;
    if (rest.n < 1 || rest.n > POP3_CLIENT_UID_MAX)
        return false;
    *uid = rest;
    return true;
}

static bool rows(struct pop3_client *m, struct buf *in, enum pop3_client_want *want)
{
    struct span line = {"", 0};
    if (!pop3_client_line(m, in, POP3_CLIENT_LINE_MAX, &line))
        return false;
    m->got = (struct pop3_got){.what = (enum pop3_ask)asked(m)->what, .ok = true, .uid = {"", 0}, .text = {"", 0}};
    if (span_is(line, ".")) {
        *want = finish(m);
        return true;
    }
    if (m->rows == m->limits.rows) {
        pop3_client_fail(m, ERR_LIMIT, "the server lists more than %u messages", m->limits.rows);
        return false;
    }
    m->rows++;
    m->got.row = true;
    bool known = take_msg(&line, &m->got.msg);
    bool good = m->got.what == POP3_ASK_LIST ? take_size(&line, &m->got.number) : take_uid(line, &m->got.uid);
    m->got.ok = known && good;
    *want = POP3_CLIENT_WANT_GOT;
    return true;
}

/* ---- messages */

static bool body(struct pop3_client *m, struct buf *in, enum pop3_client_want *want)
{
    while (in->len && !m->body.ended) {
        buf_take(in, smtp_body_data(&m->body, buf_span(in), &m->piece));
        if (m->limits.message && m->body.octets > m->limits.message) {
            pop3_client_fail(m, ERR_LIMIT, "message %u has more than %llu octets", m->got.msg,
                             (unsigned long long)m->limits.message);
            return false;
        }
        if (m->piece.n) {
            *want = POP3_CLIENT_WANT_BODY;
            return true;
        }
    }
    if (!m->body.ended)
        return false;
    m->got.number = m->body.octets;
    *want = finish(m);
    return true;
}

/* ---- one line */

/* "+OK 2 320" and "+OK 2 120": both numbers. */
static bool take_numbers(struct pop3_client *m, struct span text)
{
    unsigned msg;
    if (m->got.what == POP3_ASK_STAT)
        return span_number(pop3_client_word(&text), &m->got.number) && take_size(&text, &m->got.octets);
    return take_msg(&text, &msg) && msg == m->got.msg && take_size(&text, &m->got.number);
}

static const enum pop3_client_step follows[] = {
    [POP3_ASK_STAT] = STEP_OPEN, [POP3_ASK_LIST] = STEP_ROWS, [POP3_ASK_LIST_ONE] = STEP_OPEN,
    [POP3_ASK_UIDL] = STEP_ROWS, [POP3_ASK_RETR] = STEP_BODY, [POP3_ASK_TOP] = STEP_BODY,
    [POP3_ASK_DELE] = STEP_OPEN, [POP3_ASK_RSET] = STEP_OPEN, [POP3_ASK_NOOP] = STEP_OPEN,
    [POP3_ASK_QUIT] = STEP_OPEN,
};

/* true: the answer is complete, and *want says so. false: more of it follows, or it is none. */
static bool status(struct pop3_client *m, struct buf *in, enum pop3_client_want *want)
{
    struct span line = {"", 0};
    struct pop3_client_said said;
    enum pop3_ask what = (enum pop3_ask)asked(m)->what;
    if (!pop3_client_line(m, in, POP3_CLIENT_LINE_MAX, &line) || !pop3_client_status(m, line, &said))
        return false;
    m->got = (struct pop3_got){
        .what = what, .msg = asked(m)->msg, .ok = said.ok, .uid = {"", 0}, .text = said.text, .code = said.code};
    if (said.ok && (what == POP3_ASK_STAT || what == POP3_ASK_LIST_ONE) && !take_numbers(m, said.text)) {
        pop3_client_fail(m, ERR_INPUT, "the server's answer has not the numbers it should have: %s",
                         pop3_client_words(line));
        return false;
    }
    if (!said.ok || follows[what] == STEP_OPEN) {
        *want = finish(m);
        return true;
    }
    m->got.text = (struct span){"", 0}; /* it is gone when what follows has been read */
    m->rows = 0;
    smtp_body_init(&m->body);
    m->step = follows[what];
    return false;
}

bool pop3_client_answer(struct pop3_client *m, struct buf *in, enum pop3_client_want *want)
{
    if (m->step == STEP_OPEN && status(m, in, want))
        return true;
    if (m->step == STEP_ROWS)
        return rows(m, in, want);
    return m->step == STEP_BODY && body(m, in, want);
}
