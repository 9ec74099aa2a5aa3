/* terminal: the one way for foreign text to a person: whatever mail, a server or a file's name says goes through here,
 * and nothing that comes out can command a terminal.
 *
 * What comes out is valid UTF-8 (or ASCII) with LF and TAB as the only control characters. CRLF becomes LF. Any other
 * of U+0000-U+001F and DEL is shown as "^X"; U+0080-U+009F, what turns the direction of text (U+202A-U+202E,
 * U+2066-U+2069) and what ends lines unseen (U+2028, U+2029) as "<U+202E>"; octets that are no UTF-8 as U+FFFD. */
#ifndef READER_TERMINAL_H
#define READER_TERMINAL_H

#include <stdio.h>

#include "base/span.h"

struct terminal {
    bool ascii; /* the terminal knows no UTF-8, where octets beyond ASCII could be commands: "?" instead */
    bool line;  /* LF and TAB become blanks: for one line of a list */
    /* private */
    bool cr;
    unsigned char need, low, high; /* octets that are still to come of a sequence, and the range of the next */
    uint32_t point;
};

/* Begins with a zeroed struct, but for `ascii` and `line`. Pieces may be cut anywhere. */
void terminal_put(struct terminal *t, struct span in, FILE *to);
void terminal_end(struct terminal *t, FILE *to); /* the text is over: what waits for its rest is shown */

/* Is what is written there seen on a terminal that knows no UTF-8? By the locale. */
bool terminal_ascii(int fd);

/* All of `text` as one line, for a cell or an error. Free with mem_free. */
char *terminal_line(struct span text, bool ascii);

/* Writes as much of a clean line as has room in so many columns, its end cut with "…" ("~" if it is ASCII); `pad`:
 * filled up with blanks. */
void terminal_cell(const char *clean, int columns, bool pad, bool ascii, FILE *to);

#endif
