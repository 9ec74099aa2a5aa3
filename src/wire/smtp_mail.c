/* smtp_mail: MAIL and RCPT (RFC 5321 §4.1.1.2, §4.1.1.3) with the parameters SIZE (RFC 1870), BODY (RFC 6152) and
 * SMTPUTF8 (RFC 6531). Runs in the door. */
#include "wire/smtp_parts.h"

#include <strings.h>

/* ---- parameters */

/* false: the value is not one. */
typedef bool parameter(struct smtp_mail *mail, struct span value);

static bool on_size(struct smtp_mail *mail, struct span value)
{
    return value.n <= 20 && span_number(value, &mail->size); /* RFC 1870 §5 */
}

static bool on_body(struct smtp_mail *mail, struct span value)
{
    mail->eight_bit = span_is_nocase(value, "8BITMIME");
    return mail->eight_bit || span_is_nocase(value, "7BIT");
}

static bool on_utf8(struct smtp_mail *mail, struct span value)
{
    mail->utf8 = true;
    return value.p == NULL; /* it takes none */
}

static const struct {
    const char *word;
    parameter *act;
} parameters[] = {{"SIZE", on_size}, {"BODY", on_body}, {"SMTPUTF8", on_utf8}};

/* true: all are understood. Else it has answered. Each may come once. */
static bool take_parameters(struct smtp_server *m, struct span rest, struct smtp_mail *mail, struct buf *out)
{
    unsigned seen = 0;
    for (struct span value = smtp_next_word(&rest); value.n; value = smtp_next_word(&rest)) {
        struct span word = span_cut(&value, '=');
        size_t i = 0, count = sizeof parameters / sizeof *parameters;
        while (i < count && !span_is_nocase(word, parameters[i].word))
            i++;
        if (i == count) {
            smtp_err(m, out, "555 5.5.4 A parameter is not known here");
            return false;
        }
        if (seen & 1u << i || !parameters[i].act(mail, value)) {
            smtp_err(m, out, "501 5.5.4 %s is not well formed", parameters[i].word);
            return false;
        }
        seen |= 1u << i;
    }
    return true;
}

/* ---- paths */

/* "FROM:<…>" or "TO:<…>", spaces behind the colon forgiven; *rest becomes the parameters. */
static bool take_path(struct span *rest, const char *head, struct smtp_address *a)
{
    size_t n = span_of(head).n;
    if (rest->n < n || strncasecmp(rest->p, head, n) != 0)
        return false;
    *rest = span_from(*rest, n);
    while (rest->n && *rest->p == ' ')
        *rest = span_from(*rest, 1);
    return smtp_address_take(rest, a) && (rest->n == 0 || *rest->p == ' ');
}

static void mistake(struct smtp_server *m, struct buf *out, enum smtp_at at, const char *reply)
{
    smtp_err(m, out, "%s", reply);
    smtp_tell(m, at, reply);
}

void smtp_do_mail(struct smtp_server *m, struct span rest, struct buf *out)
{
    struct smtp_mail mail = {0};
    if (smtp_server_guesses(m)) {
        smtp_end_guesses(m, out, SMTP_AT_MAIL);
        return;
    }
    if (!take_path(&rest, "FROM:", &mail.from)) {
        mistake(m, out, SMTP_AT_MAIL, "501 5.1.7 That is no sender: MAIL FROM:<address>");
        return;
    }
    if (!take_parameters(m, rest, &mail, out))
        return;
    m->mail = mail;
    if (mail.from.utf8 && !mail.utf8) { /* RFC 6531 §3.5 */
        mistake(m, out, SMTP_AT_MAIL, "550 5.6.7 This address needs SMTPUTF8");
    } else if (mail.size > m->offer.size_max) {
        smtp_refuse_at(m, out, SMTP_AT_MAIL, SMTP_TOO_LARGE);
    } else {
        m->step = STEP_MAIL;
        return;
    }
    m->mail = (struct smtp_mail){0};
}

void smtp_do_rcpt(struct smtp_server *m, struct span rest, struct buf *out)
{
    struct smtp_address to;
    bool taken = take_path(&rest, "TO:", &to) && (*to.local || *to.domain);
    m->rcpt = taken ? to : (struct smtp_address){0};
    if (!taken)
        mistake(m, out, SMTP_AT_RCPT, "501 5.1.3 That is no recipient: RCPT TO:<address>");
    else if (rest.n)
        mistake(m, out, SMTP_AT_RCPT, "555 5.5.4 RCPT takes no parameters here");
    else if (to.utf8 && !m->mail.utf8)
        mistake(m, out, SMTP_AT_RCPT, "553 5.6.7 This address needs SMTPUTF8");
    else if (m->mail.recipients + m->mail.refused >= m->offer.recipients_max || /* each costs as much to ask about */
             smtp_server_guesses(
                 m)) /* those that are here get the message now, and the sender brings the others again */
        smtp_refuse_at(m, out, SMTP_AT_RCPT, SMTP_TOO_MANY);
    else
        m->step = STEP_RCPT;
}
