/* line: bytes to lines (RFC 1939 §3, RFC 2449 §4), strict about length.
 *
 * A line ends with LF; a CR before it belongs to the end (a bare LF is taken as an end, a bare CR never
 * is). After line_init_crlf only CRLF is an end (RFC 5321 §2.3.8): a bare LF stays in the text. A line longer than `max` octets, its CRLF included, is thrown away up to its end and reported
 * once, so that the tail of an over-long command is never run as a command. A queue that is full without
 * holding an end counts as an over-long line too: waiting for more would be waiting for ever. */
#ifndef WIRE_LINE_H
#define WIRE_LINE_H

#include "base/buf.h"

enum { LINE_HEAD = 4 };
enum line_result { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG };

struct line {
    bool discarding; /* inside an over-long line, already reported */
    bool crlf;       /* only CRLF is an end */
    bool cr;         /* the last octet that was thrown away is a CR */
    char head[LINE_HEAD]; /* of the over-long line: its command; what follows may be a password */
    size_t scanned;  /* bytes at the head of the queue known to hold no end */
};

void line_init(struct line *l);
void line_init_crlf(struct line *l);

/* Looks for a line at the head of `in`. LINE_WHOLE: *line is its text without the end (borrowed from
 * `in`), and the caller takes *used bytes from `in` when he is done with it. LINE_TOO_LONG: said once per
 * line; the bytes are already taken, *line is its first LINE_HEAD octets (borrowed from `l`). LINE_NONE: more input is needed (what is discarded is taken). */
enum line_result line_next(struct line *l, struct buf *in, size_t max, struct span *line, size_t *used);

#endif
