/* pop3_lang: LANG and UTF8 (RFC 6856).
 *
 * LANG (§3), in both states: the answer is in the new language already, and so is all that follows, past STLS and
 * the log-in: "all subsequent" responses are meant. A refused one changes nothing. */
#include "wire/pop3_parts.h"

void pop3_do_lang(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (a->count == 0) {
        pop3_ok(m, out, SAY_LANGUAGES);
        pop3_list_begin(m, STEP_LANGUAGES);
        return;
    }
    const struct pop3_tag *tag = span_is(a->arg[0], "*") ? pop3_tag_of(m->offer.preferred) : pop3_tag_find(a->arg[0]);
    if (!tag) {
        pop3_err(m, out, "", SAY_NO_LANGUAGE);
        return;
    }
    m->language = tag->language;
    pop3_ok(m, out, SAY_LANGUAGE_SET, .s = tag->tag);
}

/* §2.1. The mail process counts and sends messages as they are from the log-in on. */
void pop3_do_utf8(struct pop3_server *m, const struct pop3_args *a, struct buf *out)
{
    if (!m->offer.utf8_offered) {
        pop3_err(m, out, "", SAY_NO_UTF8);
        return;
    }
    m->utf8 = true;
    pop3_ok(m, out, SAY_UTF8);
}
