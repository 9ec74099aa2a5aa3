/* collect: --plan and --test, which change nothing, and mark-seen, which fetches nothing. */
#include <stdio.h>

#include "base/log.h"
#include "fetch/collect_state.h"

static void plan_rows(struct collect *c)
{
    for (unsigned i = 0; i < c->listing.count; i++) {
        const struct plan_row *row = c->listing.rows[i];
        char text[PLAN_TEXT];
        plan_text(c->account, c->now, row, text);
        collect_say(c, EVENT_PLAN, row, "message %u (%s): %s", row->msg, *row->uid ? row->uid : "no uid", text);
    }
}

void collect_plan(struct collect *c)
{
    plan_rows(c);
    c->delete_count = c->delete_next = 0; /* nothing is asked */
}

/* ---- --test */

static const char *yes_no(bool yes)
{
    return yes ? "yes" : "no";
}

static void say_capa(struct collect *c, const struct pop3_capa *capa)
{
    if (!capa->known) {
        collect_say(c, EVENT_FOUND, NULL, "the server does not say what it can do (no CAPA)");
        return;
    }
    collect_say(c, EVENT_FOUND, NULL, "UIDL %s, TOP %s, pipelining %s; SASL %.100s", yes_no(!c->no_uids),
                yes_no(capa->top), yes_no(capa->pipelining), *capa->sasl ? capa->sasl : "none");
    if (*capa->implementation)
        collect_say(c, EVENT_FOUND, NULL, "it calls itself %s", log_quote_text(capa->implementation));
}

static void say_limits(struct collect *c, const struct pop3_capa *capa)
{
    if (capa->login_delay_known)
        collect_say(c, EVENT_FOUND, NULL, "it wants %llu s between log-ins (LOGIN-DELAY)",
                    (unsigned long long)capa->login_delay);
    if (capa->login_delay_known && capa->login_delay * 1000 > c->account->interval)
        collect_say(c, EVENT_FOUND, NULL, "the account's interval is shorter: checks wait for the server's");
    if (capa->expire_known && !capa->expire_never)
        collect_say(c, EVENT_FOUND, NULL,
                    "it deletes messages by itself after %llu days (EXPIRE), also those that are left there",
                    (unsigned long long)capa->expire_days);
}

void collect_test(struct collect *c)
{
    const struct pop3_capa *capa = &c->session->machine.capa;
    collect_say(c, EVENT_FOUND, NULL, "logged in as %s by %s", log_quote_text(c->account->user),
                c->session->how ? c->session->how : "?");
    say_capa(c, capa);
    say_limits(c, capa);
    collect_say(c, EVENT_FOUND, NULL, "%u message%s there, %u to fetch", c->listing.count,
                c->listing.count == 1 ? " is" : "s are", c->todo);
    if (c->no_uids)
        collect_say(c, EVENT_FOUND, NULL,
                    "it gives messages no uids: each check fetches all of them to see which are known");
    c->delete_count = c->delete_next = 0;
}

/* ---- mark-seen */

int collect_mark(struct collect *c, struct err *err)
{
    c->delete_count = c->delete_next = 0;
    if (c->no_uids)
        return err_set(err, ERR_CONFIG,
                       "the server gives messages no uids: without fetching them there is nothing to know them by");
    for (unsigned i = 0; i < c->listing.count; i++) {
        struct plan_row *row = c->listing.rows[i];
        if (!*row->uid || row->twice ||
            (row->state != SEEN_NEW && row->state != SEEN_SEEN && row->state != SEEN_FETCHED))
            continue;
        row->state = SEEN_MARKED;
        row->whole = false;
        c->marked++;
        if (collect_note(c, row, 0, NULL, NULL, NULL, err))
            return -1;
    }
    return collect_noted(c, err);
}
