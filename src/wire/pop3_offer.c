/* pop3_offer: what the owner offers, for those who announce it and those who grant it. */
#include "wire/pop3_parts.h"

bool pop3_password_allowed(const struct pop3_server *m)
{
    return m->offer.tls_active || m->offer.clear_allowed;
}

const char *pop3_offer_words(const struct pop3_server *m, unsigned list)
{
    const struct pop3_offer *o = &m->offer;
    const char *const words[POP3_OFFER_LISTS] = {
        o->tls_active ? o->sasl_external : NULL,
        o->tls_active ? o->sasl_tls : NULL,
        o->sasl,
        pop3_password_allowed(m) ? o->sasl_clear : NULL,
    };
    return words[list] ? words[list] : "";
}

struct span pop3_next_word(struct span *words)
{
    struct span word;
    do
        word = span_cut(words, ' ');
    while (word.n == 0 && words->n);
    return word;
}
