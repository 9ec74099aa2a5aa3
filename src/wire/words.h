/* words: writes the words of a header field on lines of at most 76 octets, and what is no ASCII as encoded-words (RFC 2047). No I/O;
 * what it writes goes into a queue with a ceiling, and `full` says that it has been met. */
#ifndef WIRE_WORDS_H
#define WIRE_WORDS_H

#include "base/buf.h"

enum { WORDS_LINE = 76 }; /* RFC 2047 §2: of a line that has an encoded-word */

struct words {
    struct buf *out;
    size_t column;
    bool encoded; /* the last word is an encoded-word: a blank between it and another is not shown (RFC 2047 §6.2) */
    bool full;
};

/* Octets that join the line as they are, with no blank before them: a name, a comma. */
void words_join(struct words *w, struct span text);
/* A word of ASCII, with `blank` before it, or on a new line. */
void words_add(struct words *w, struct span blank, struct span word);
/* Words of ASCII and the blanks between them. The first gets one before it. */
void words_add_all(struct words *w, struct span text);
/* The text in encoded-words, each whole for itself (RFC 2047 §5): in UTF-8 or, where it is none, as unknown-8bit (RFC 1428). `open`
 * and `close` stand around it with nothing between. */
void words_encode(struct words *w, const char *open, struct span text, const char *close);

bool words_ascii(struct span text);        /* no octet above 0x7F */
bool words_is_encoded(struct span word);   /* looks like an encoded-word */
bool words_blank(char c);                  /* a blank or a tab */

#endif
