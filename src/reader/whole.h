/* whole: a message that somebody else has put together, on its way out: as it is but for Bcc, and for what must be
 * there. */
#ifndef READER_WHOLE_H
#define READER_WHOLE_H

#include "base/err.h"
#include "base/span.h"
#include "reader/spool.h"

/* It begins with a head: fields up to an empty line or the end, one of them of those that messages have. */
bool whole_is(struct span text);
struct whole_facts {
    bool from, date, id, mime; /* it says so itself */
    bool utf8, eight_bit;      /* more than ASCII in its head; and in what follows */
};
/* ERR_INPUT: there is a NUL or a lone CR in it, which no message has (RFC 5321 §2.3.8): a server might see a line end
 * there. */
int whole_look(struct span text, struct whole_facts *f, struct err *err);
/* The values of all fields of that name, unfolded and joined by ", "; NULL: there is none. Freed by mem_free. */
char *whole_field(struct span text, const char *name);
/* The message without Bcc; `more` (whole lines) is put before it. */
int whole_put(struct span text, struct span more, struct spool *to, struct err *err);

#endif
