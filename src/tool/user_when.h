/* user_when: when something was, for people. */
#ifndef TOOL_USER_WHEN_H
#define TOOL_USER_WHEN_H

#include <stdint.h>

enum { USER_WHEN = 32 };

/* "2026-11-29 17:04" (UTC); "never" for 0. Returns out. */
const char *user_when(int64_t seconds, char out[USER_WHEN]);

#endif
