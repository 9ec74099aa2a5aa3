/* quota_value: quotas as they are written on a command line. */
#ifndef TOOL_QUOTA_VALUE_H
#define TOOL_QUOTA_VALUE_H

#include <stdint.h>

#include "base/err.h"

/* "500k", "2G", "123456", "none" (0). ERR_USAGE. */
int quota_octets_read(const char *text, uint64_t *octets, struct err *err);
/* "1000", "none" (0). ERR_USAGE. */
int quota_messages_read(const char *text, uint64_t *messages, struct err *err);
/* "OCTETS" or "OCTETS:MESSAGES"; without the second *messages stays. ERR_USAGE. */
int quota_both_read(const char *text, uint64_t *octets, uint64_t *messages, struct err *err);

#endif
