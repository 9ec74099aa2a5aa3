/* door_refused: what is refused to a sender has a line in the log: an administrator is asked why mail did not arrive.
 * Who is refused much has no more than the first few lines, and a count in his last one. Door. */
#include "daemon/door_reception.h"

#include "base/log.h"

static void show(struct reception *r, const char *at, const char *to, const char *reply)
{
    const struct smtp_peer *peer = &r->smtp.peer;
    char from[SMTP_ADDRESS_TEXT];
    if (++r->refusals > REFUSALS_SHOWN)
        return;
    smtp_address_text(&r->smtp.mail.from, from);
    log_info("rejected", "at=%s service=%s addr=%s%s%s%s%s from=%s%s%s reply=%s", at, conf_service_name(r->service),
             r->address, *peer->address ? " for=" : "", *peer->address ? log_quote_text(peer->address) : "",
             r->mail.n ? " id=" : "", r->mail.n ? r->mail.id : "", log_quote_text(from), to ? " to=" : "",
             to ? log_quote_text(to) : "", log_quote_text(reply));
}

void reception_refused(void *owner, enum smtp_at at, const char *reply)
{
    static const char *const words[] = {
        [SMTP_AT_MAIL] = "mail", [SMTP_AT_RCPT] = "rcpt", [SMTP_AT_MESSAGE] = "message"};
    struct reception *r = owner;
    char to[SMTP_ADDRESS_TEXT];
    smtp_address_text(&r->smtp.rcpt, to);
    show(r, words[at], at == SMTP_AT_RCPT ? to : NULL, reply);
}

/* SMTP has one answer for all recipients: it is about one of them only where there is but one. */
void reception_not_delivered(struct reception *r, unsigned rcpt, enum smtp_verdict v)
{
    const struct transaction *m = &r->mail;
    bool told = r->service == CONF_LMTP || m->n_rcpts == 1;
    show(r, "delivery", told ? m->rcpts[rcpt] : NULL, smtp_verdict_reply(v));
}
