/* import_journal: which messages an import by LMTP has handed over already: a file of keys, one a line, in
 * $XDG_STATE_HOME/bustia (or ~/.local/state/bustia), named after source and user. A key is written when the server has
 * accepted the message; a crash between the two can bring that one message twice. */
#ifndef TOOL_IMPORT_JOURNAL_H
#define TOOL_IMPORT_JOURNAL_H

#include <stdbool.h>

#include "base/err.h"

struct import_journal;

/* ERR_BUSY: the same import runs already; ERR_TEMP: it cannot be kept. */
int import_journal_open(struct import_journal **j, const char *source, const char *user, struct err *err);
bool import_journal_has(const struct import_journal *j, const char *key);
void import_journal_add(struct import_journal *j, const char *key);
int import_journal_sync(struct import_journal *j, struct err *err); /* what was added is durable */
void import_journal_close(struct import_journal *j);                /* NULL is allowed */

#endif
