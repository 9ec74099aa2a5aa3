/* lines: the last errors and warnings of each process travel to the operator: control asks the master, the master all others, and
 * passes on what they say. It looks into none of it, and keeps nothing. */
#ifndef DAEMON_LINES_H
#define DAEMON_LINES_H

#include "daemon/talk.h"

struct lines_to {
    struct chan *chan;
    enum talk_type type; /* LINE, or LINE_OF with what stands behind in num */
    uint32_t token, role, pid, asked;
};

/* Says all lines of this process, and an empty one at the end. */
void lines_say(const struct lines_to *to);

#endif
