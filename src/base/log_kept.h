/* log_kept: the last errors and warnings of this process, from memory: for `bustia log errors`. They end with the process. */
#ifndef BASE_LOG_KEPT_H
#define BASE_LOG_KEPT_H

#include <stdbool.h>
#include <stdint.h>

enum { LOG_KEPT = 32, LOG_KEPT_TEXT = 400 }; /* lines; octets of one, cut beyond */

struct log_kept {
    int64_t seconds; /* since 1970 */
    unsigned level;  /* enum log_level */
    char text[LOG_KEPT_TEXT]; /* "event: text", escaped */
};

void log_keep(unsigned level, const char *event, const char *text); /* text: escaped already */
/* The i-th, the oldest first. false: there is none. */
bool log_kept(unsigned i, struct log_kept *line);

#endif
