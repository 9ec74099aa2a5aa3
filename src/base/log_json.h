/* log_json: a line of the log as an object of JSON (RFC 8259), on one line:
 *
 *     {"time":"2026-11-24T15:00:00.123Z","program":"bustiad","pid":12,"role":"door","level":"info","event":"session",
 *      "fields":{"user":"a","read":3},"message":""}
 *
 * What the text begins with in pairs of key=value are its fields; what follows them is the message. A value in quotes is a string,
 * with \\xNN undone; an octet that is no UTF-8 becomes U+FFFD, and what could deceive who reads the line is written \\uNNNN.
 * Digits alone are a number, unless they are an id's. For base/log. */
#ifndef BASE_LOG_JSON_H
#define BASE_LOG_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

struct log_line {
    const char *when, *program, *role, *level, *event, *text;
    int pid;
};

enum { LOG_JSON_LEAST = 512 }; /* room that suffices for all but the text */

/* At most `room` octets, no NUL behind them. What has no room is left out, and the object has "cut":true. Returns how many. */
size_t log_json(const struct log_line *l, char *out, size_t room);

/* Length of the UTF-8 character at s and its number; 0: none begins here (RFC 3629 §4). */
size_t log_utf8(struct span s, uint32_t *number);
/* Controls of both kinds, line ends and changes of direction: what could make a line look like another. */
bool log_deceives(uint32_t number);

#endif
