/* collect: what is asked, and whose answer it is. Messages are asked for as far ahead as the server allows; between
 * them DELE for those that are noted. */
#include "base/log.h"
#include "base/mem.h"
#include "fetch/collect_state.h"

enum { WORDS = 120 /* octets of the server's that are told */ };

int collect_talk(struct collect *c, bool (*ask)(struct collect *c),
                 int (*take)(struct collect *c, enum pop3_client_want want, struct err *err), struct err *err)
{
    struct pop3_client *m = &c->session->machine;
    for (;;) {
        enum pop3_client_want want;
        if (pop3_next(c->session, &want, err) < 0 || want == POP3_CLIENT_WANT_CLOSE) {
            if (want == POP3_CLIENT_WANT_CLOSE && m->err.kind == ERR_NONE)
                err_set(err, ERR_TEMP, "the server closed the connection");
            c->broken = true;
            return -1;
        }
        if (want == POP3_CLIENT_WANT_GOT || want == POP3_CLIENT_WANT_BODY) {
            if (take(c, want, err))
                return -1;
        } else if (ask(c)) {
            continue;
        } else if (pop3_client_waiting(m)) {
            pop3_client_wait(m);
        } else {
            return 0;
        }
    }
}

/* ---- what is asked */

static void asked(struct collect *c, enum pop3_ask what, unsigned at)
{
    c->asked[(c->first + c->awaited++) % POP3_CLIENT_WINDOW] =
        (struct collect_asked){.at = at, .what = (unsigned char)what};
}

void collect_delete(struct collect *c, unsigned at)
{
    if (c->listing.rows[at]->asked)
        return;
    if (c->delete_count == c->delete_room) {
        c->delete_room = c->delete_room ? c->delete_room * 2 : 64;
        c->deletes = mem_resize(c->deletes, c->delete_room * sizeof *c->deletes);
    }
    c->listing.rows[at]->asked = true;
    c->deletes[c->delete_count++] = at;
}

static bool ask_dele(struct collect *c)
{
    if (c->delete_next == c->delete_count)
        return false;
    unsigned at = c->deletes[c->delete_next++];
    pop3_client_dele(&c->session->machine, c->listing.rows[at]->msg);
    asked(c, POP3_ASK_DELE, at);
    return true;
}

/* It may be what breaks each session; then what is marked in this one would never be deleted. After a check that came
 * to its end it is none. */
static bool is_a_risk(const struct collect *c, const struct plan_row *row)
{
    return row->failures > 1 && !row->whole && c->delete_count && c->board.failures;
}

static bool ask_message(struct collect *c, unsigned at)
{
    struct plan_row *row = c->listing.rows[at];
    if (row->take == PLAN_LEAVE || row->take == PLAN_DISCARD || row->tried || (c->round == 0 && row->failures))
        return false;
    row->tried = true;
    if (is_a_risk(c, row)) {
        collect_say(c, EVENT_SKIPPED, row, "failed %u times; tried again next time", row->failures);
        return false;
    }
    if (row->take == PLAN_HEADERS)
        pop3_client_top(&c->session->machine, row->msg, 0);
    else
        pop3_client_retr(&c->session->machine, row->msg);
    asked(c, row->take == PLAN_HEADERS ? POP3_ASK_TOP : POP3_ASK_RETR, at);
    return true;
}

/* What failed before is asked for when all else has been: it holds nothing up. */
static bool ask_any(struct collect *c)
{
    if (ask_dele(c))
        return true;
    for (; c->round < 2 && !c->stopping; c->round++, c->next = 0)
        while (c->next < c->listing.count)
            if (ask_message(c, (c->start + c->next++) % c->listing.count))
                return true;
    return false;
}

/* ---- what is answered */

static int take_answer(struct collect *c, const struct collect_asked *a, struct err *err)
{
    const struct pop3_got *got = &c->session->machine.got;
    if (a->what == POP3_ASK_DELE) {
        c->listing.rows[a->at]->deleted = got->ok;
        if (!got->ok)
            collect_say(c, EVENT_SKIPPED, c->listing.rows[a->at], "the server does not delete it: %s",
                        log_quote((struct span){got->text.p, got->text.n < WORDS ? got->text.n : WORDS}));
        return 0;
    }
    return got->ok ? collect_whole(c, a->at, err) : collect_refused(c, a->at, got, err);
}

static int take_any(struct collect *c, enum pop3_client_want want, struct err *err)
{
    struct collect_asked a = c->asked[c->first];
    if (want == POP3_CLIENT_WANT_BODY)
        return collect_piece(c, a.at, c->session->machine.piece, err);
    c->first = (c->first + 1) % POP3_CLIENT_WINDOW;
    c->awaited--;
    return take_answer(c, &a, err);
}

/* ---- the whole */

void collect_stop(struct collect *c, const struct err *why)
{
    if (!c->stopping)
        c->trouble = *why;
    c->stopping = true;
}

/* The connection is over. What came whole is delivered all the same, and what was marked on it is not gone. */
static int after_break(struct collect *c, const struct err *why, struct err *err)
{
    if (collect_interrupted(c, why, err) || collect_commit(c, err))
        return -1;
    collect_doubts_end(c);
    if (collect_noted(c, err))
        return -1;
    *err = c->stopping ? c->trouble : *why;
    return -1;
}

/* What was compared, and is known, may go now, too. */
static void delete_the_rest(struct collect *c)
{
    plan_make(c->account, c->now, c->listing.rows, c->listing.count);
    for (unsigned i = 0; i < c->listing.count; i++)
        if (c->listing.rows[i]->remove && c->listing.rows[i]->take == PLAN_LEAVE)
            collect_delete(c, i);
}

int collect_fetch(struct collect *c, struct err *err)
{
    struct err why = {.kind = ERR_NONE};
    bool rest = false;
    for (;;) {
        if (collect_talk(c, ask_any, take_any, &why)) {
            if (c->broken)
                return after_break(c, &why, err);
            *err = why;
            return -1;
        }
        if (collect_commit(c, err))
            return -1;
        if (!rest && c->delete_next == c->delete_count) {
            rest = true;
            delete_the_rest(c);
        }
        if (c->delete_next == c->delete_count)
            break;
    }
    collect_doubts_end(c);
    return collect_noted(c, err);
}
