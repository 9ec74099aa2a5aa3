/* pop3_text: all that the POP3 server says to a person, in every language that LANG knows (RFC 6856 §3). One table, a row for each
 * text, a column for each language; tests/unit/test_pop3_text.c fails where one is missing or has other places to fill.
 *
 * In a text %1 and %2 stand for numbers, %s for a word. Until a client asks for a language it hears English, which is ASCII alone
 * (RFC 1939 §3, RFC 2277's i-default). Other columns are UTF-8. Response codes are no texts. */
#ifndef WIRE_POP3_TEXT_H
#define WIRE_POP3_TEXT_H

#include "base/buf.h"

enum pop3_language { POP3_ENGLISH, POP3_CATALAN, POP3_SPANISH, POP3_GERMAN, POP3_FRENCH, POP3_LANGUAGES };

enum pop3_text {
    /* greetings and ends */
    SAY_READY,
    SAY_HAS,         /* who, messages, octets */
    SAY_HAS_UNNAMED, /* where the name may not stand in a reply */
    SAY_BYE,
    SAY_REMOVED,
    SAY_LEFT,
    SAY_PERHAPS_LEFT,
    SAY_UNCERTAIN,
    SAY_STOPPING,
    SAY_KICKED,
    SAY_TAKEN_OVER,
    SAY_TOO_MANY,
    /* commands as such */
    SAY_LINE_LONG,
    SAY_NUL,
    SAY_UNKNOWN,
    SAY_LOG_IN_FIRST,
    SAY_LOGGED_IN,
    SAY_ARGUMENTS,
    /* log-in */
    SAY_NEEDS_TLS,
    SAY_SEND_PASSWORD,
    SAY_USER_FIRST,
    SAY_NO_APOP,
    SAY_DIGEST,
    SAY_MECHANISMS,
    SAY_SHOWS,
    SAY_NO_MECHANISM,
    SAY_INITIAL,
    SAY_CANCELLED,
    SAY_RESPONSE,
    SAY_RESPONSE_LONG,
    SAY_EXCHANGE_LONG,
    SAY_TLS_ACTIVE,
    SAY_NO_TLS,
    SAY_BEGIN_TLS,
    /* a refused log-in */
    SAY_REFUSED,
    SAY_REFUSED_NOW,
    SAY_REFUSED_ASK,
    SAY_IN_USE,
    SAY_WRONG,
    SAY_MALFORMED,
    SAY_TOO_MUCH,
    SAY_TOO_SOON,
    /* the maildrop */
    SAY_CAPABILITIES,
    SAY_COUNT, /* messages, octets */
    SAY_UIDS,
    SAY_OCTETS,
    SAY_TOP,
    SAY_DELETED, /* number */
    SAY_STILL_HERE,
    SAY_NO_NUMBER,
    SAY_NO_MESSAGE,
    SAY_IS_DELETED,
    SAY_NO_LINES,
    SAY_GONE,
    SAY_UNREADABLE,
    SAY_NO_MAILDROP,
    /* languages */
    SAY_LANGUAGE_SET, /* its tag */
    SAY_NO_LANGUAGE,
    SAY_LANGUAGES,
    SAY_UTF8,
    SAY_NO_UTF8,
    SAY_STLS_FIRST,
    POP3_TEXTS /* how many */
};

/* What a text is filled with. */
struct pop3_fill {
    uint64_t n1, n2;
    const char *s;
};

const char *pop3_text(enum pop3_language language, enum pop3_text text);
/* Writes the text, filled, into out[0..room), cut off if it must be, without a NUL. Returns how many octets. */
size_t pop3_text_write(enum pop3_language language, enum pop3_text text, const struct pop3_fill *fill, char *out, size_t room);

/* The languages LANG lists: tags (RFC 5646) and what they are called in themselves. i-default and en are the same texts. */
struct pop3_tag {
    const char *tag, *name;
    enum pop3_language language;
};
const struct pop3_tag *pop3_tag(unsigned n); /* NULL: there are no more */
/* The one that fits a basic language range best by RFC 4647's lookup (§3.4): "de-CH" finds "de". NULL: none. */
const struct pop3_tag *pop3_tag_find(struct span range);
/* The row of a language's own tag; out of range (from another process): English's. */
const struct pop3_tag *pop3_tag_of(unsigned language);

#endif
