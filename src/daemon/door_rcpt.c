/* door_rcpt: a recipient: auth says whose the address is, and the mailboxes' workers whether there is room. Door.
 *
 * ADMIT, which lets a worker take the message, TARGET, which names the worker, and ROOM take different roads, so that a
 * ROOM may be here before its TARGET. A recipient is accepted only if all its mailboxes are. Trouble is a passing one,
 * never a refusal. */
#include "daemon/door_reception.h"

#include "base/mem.h"

enum { PATIENCE_MS = 60000 }; /* with auth and the rooms: a sender waits five minutes (RFC 5321 §4.5.3.2.3) */

static void accept_rcpt(struct transaction *m, const struct smtp_address *a)
{
    char text[SMTP_ADDRESS_TEXT];
    smtp_address_text(a, text);
    if ((m->n_rcpts & (m->n_rcpts - 1)) == 0) /* the room is the power of two at or above the count */
        m->rcpts = mem_resize(m->rcpts, (m->n_rcpts ? 2 * m->n_rcpts : 1) * sizeof *m->rcpts);
    m->rcpts[m->n_rcpts++] = mem_copy_text(text);
}

static void drop_targets(struct transaction *m)
{
    for (unsigned i = 0; i < transaction_named(m); i++)
        if (m->targets[i].state == TARGET_NAMED && m->targets[i].rcpt == m->n_rcpts)
            m->targets[i].state = TARGET_DROPPED;
}

static void answer(struct reception *r, enum smtp_verdict v)
{
    struct transaction *m = &r->mail;
    if (v == SMTP_OK) {
        accept_rcpt(m, &r->smtp.rcpt);
        r->recipients++;
    } else {
        drop_targets(m);
        r->refused++;
    }
    m->asked++;
    smtp_server_rcpt(&r->smtp, v, conn_out(r->conn));
}

bool reception_ask(struct reception *r)
{
    struct door *d = r->door;
    struct transaction *m = &r->mail;
    if (!d->auth || m->named >= RECEPTION_TARGETS) {
        answer(r, d->auth ? SMTP_TOO_MANY : SMTP_TEMP);
        return true;
    }
    struct talk t = transaction_says(r, TALK_WHOSE);
    t.num[0] = m->asked;
    talk_set_wide(&t.num[1], r->smtp.mail.size);
    t.num[3] = m->named;
    t.text[0] = span_of(r->smtp.rcpt.local);
    t.text[1] = span_of(r->smtp.rcpt.domain);
    m->heard = false;
    r->step = RECEPTION_WHOSE;
    conn_pause(r->conn, false);
    reception_wait(r, PATIENCE_MS);
    talk_send(d->auth, &t);
    return false;
}

/* Auth's word, then each mailbox's. One that has trouble outweighs one that refuses: the sender comes again. */
static void decide(struct reception *r)
{
    struct transaction *m = &r->mail;
    enum smtp_verdict v = m->verdict;
    if (r->step != RECEPTION_WHOSE || !m->heard)
        return;
    for (unsigned i = 0; i < transaction_named(m) && m->verdict == SMTP_OK; i++) {
        const struct target *t = &m->targets[i];
        if (t->state != TARGET_NAMED || t->rcpt != m->n_rcpts || !t->waits)
            continue;
        if (!t->room_by)
            return;
        if (t->room != SMTP_OK && (v == SMTP_OK || !smtp_verdict_permanent(t->room)))
            v = t->room;
    }
    answer(r, v);
    reception_go_on(r);
}

/* What auth may have said to workers, and we have not heard, must not be taken for an answer about another recipient:
 * its numbers are not used again. */
void reception_rcpt_failed(struct reception *r)
{
    struct transaction *m = &r->mail;
    m->named += RECEPTION_FOR_ONE;
    answer(r, SMTP_TEMP);
    reception_go_on(r);
}

void door_smtp_target(struct reception *r, const struct talk *t)
{
    struct transaction *m = &r->mail;
    if (r->step != RECEPTION_WHOSE || t->num[0] != m->asked || t->num[1] != m->named || m->heard)
        return;
    struct target *target = transaction_target(m, m->named);
    if (!target)
        return;
    m->named++;
    target->state = TARGET_NAMED;
    target->rcpt = m->n_rcpts;
    target->worker = t->num[2];
    target->mark = talk_wide(&t->num[4]);
    target->waits = t->num[3] & TALK_WAIT_ROOM;
    if (target->room_by != target->worker) /* somebody else's word came first: it counts for nothing */
        target->room_by = 0;
}

void door_smtp_recipient(struct reception *r, const struct talk *t)
{
    struct transaction *m = &r->mail;
    unsigned own = 0;
    if (r->step != RECEPTION_WHOSE || t->num[0] != m->asked || m->heard)
        return;
    for (unsigned i = 0; i < transaction_named(m); i++)
        own += m->targets[i].state == TARGET_NAMED && m->targets[i].rcpt == m->n_rcpts;
    m->heard = true;
    m->verdict = t->num[1] < SMTP_VERDICTS ? (enum smtp_verdict)t->num[1] : SMTP_TEMP;
    if (m->verdict == SMTP_OK && (own == 0 || own != t->num[2]))
        m->verdict = SMTP_TEMP;
    decide(r);
}

void door_smtp_room(struct reception *r, uint32_t worker, const struct talk *t)
{
    struct target *target = transaction_target(&r->mail, t->num[0]);
    if (!target || target->room_by || (target->state != TARGET_NONE && target->worker != worker))
        return;
    target->room_by = worker;
    target->room = t->num[1] < SMTP_VERDICTS ? (enum smtp_verdict)t->num[1] : SMTP_TEMP;
    decide(r);
}
