/* log: one line per fact, key=value. No byte of a peer reaches it unescaped.
 *
 *     log_info("session", "user=%s read=%u", log_quote(user), n);
 *     → 2026-11-24T15:00:00.123Z bustiad[12] door info session: user="a" read=3
 *
 * Goes to the descriptor that the master opened (stderr, a file, or syslog's socket). Safe from several
 * threads: a line is one write. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

#include "base/span.h"

enum log_kind { LOG_TO_STREAM, LOG_TO_SYSLOG }; /* syslog: "<pri>tag[pid]: text" datagrams */
enum log_level { LOG_L_ERROR, LOG_L_WARNING, LOG_L_INFO, LOG_L_DEBUG };

/* `fd` stays the caller's; `role` is the word after the pid and must live on. Until then: stderr. Ignores SIGPIPE from now on.
 * A line that its reader has no room for is lost, never waited for; the next that gets out is followed by how many were. */
void log_open(int fd, enum log_kind kind, const char *role);
void log_program(const char *name); /* the word before the pid, if it is not "bustiad"; must live on */
void log_level_set(enum log_level level);
/* How a line is written: as above, or as an object of JSON with the same facts (log_json.h). */
enum log_format { LOG_TEXT, LOG_JSON };
void log_format_set(enum log_format f);
/* Called when writing fails (the syslog daemon was restarted): the owner may ask for a new descriptor. In
 * the thread that logged, which may be inside a call: set a mark, do the rest in the loop. */
void log_on_failure(void (*fn)(void));

/* printf's formats (the arguments are checked); text that a peer may have chosen goes through log_quote. */
void log_error(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_info(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_debug(const char *event, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "text" with quotes; control bytes, 8-bit bytes that are no valid UTF-8, quotes and backslashes as \xNN.
 * At most LOG_QUOTED bytes, cut with "…" beyond. Returns one of eight buffers of this thread in turn. */
enum { LOG_QUOTED = 400 };
const char *log_quote(struct span text);
const char *log_quote_text(const char *text);

/* The same escaping without quotes, for a terminal. */
const char *log_escape(struct span text);

/* For text that should be escaped already: quotes and backslashes stay, all else is escaped if it is not. Whole characters, at most
 * room - 1 bytes and a NUL. */
void log_shown(const char *text, char *out, size_t room);

#endif
